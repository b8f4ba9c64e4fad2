"""How good synthetic rows are: utility for a model, fidelity, and privacy.

``utility``, ``fidelity`` and ``privacy`` have the metrics, each with its name, direction and
bounds; ``report`` puts every value beside a reference. Knows no language model: the rows may come
from anywhere. ``t2local.evaluate`` is this package and, called, the function of
`t2local.evaluate.report`: ``t2local.evaluate(real, synthetic, target="y")``.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from t2local.evaluate.report import Evaluation


class _Callable(ModuleType):
    """A module that is a function too: `t2local.evaluate` has to name both."""

    def __call__(
        self, real: "pd.DataFrame", synthetic: "pd.DataFrame", **options: Any
    ) -> "Evaluation":
        # Imported here because a bare ``import t2local`` has to stay fast.
        from t2local.evaluate.report import evaluate

        return evaluate(real, synthetic, **options)


sys.modules[__name__].__class__ = _Callable

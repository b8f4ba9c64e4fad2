"""How good synthetic rows are: what models learn from them, how like the real ones they are, and what they give away.

``utility``, ``fidelity`` and ``privacy`` measure; ``report`` puts figure, range, direction and reference together. Knows no model
of language: the rows may come from anywhere. ``t2local.evaluate`` is this package and, called, the function of
`t2local.evaluate.report`: ``t2local.evaluate(real, synthetic, target="y")``.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from t2local.evaluate.report import Evaluation


class _Callable(ModuleType):
    def __call__(
        self, real: "pd.DataFrame", synthetic: "pd.DataFrame", **options: Any
    ) -> "Evaluation":
        from t2local.evaluate.report import evaluate

        return evaluate(real, synthetic, **options)


sys.modules[__name__].__class__ = _Callable

"""What is kept: quality stages over batches of rows, on the CPU, for the rows of any generator.

Knows no language model. ``t2local.trim`` is this package and, called, the function of
`t2local.trim.plugin`: ``t2local.trim(real, synthetic, target="y")``.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from t2local.trim.plugin import Trimmed


class _Callable(ModuleType):
    def __call__(
        self, real: "pd.DataFrame", synthetic: "pd.DataFrame", **options: Any
    ) -> "Trimmed":
        from t2local.trim.plugin import trim

        return trim(real, synthetic, **options)


sys.modules[__name__].__class__ = _Callable

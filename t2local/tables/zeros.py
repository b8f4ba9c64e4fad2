"""Zeros that may mean "missing": a blood pressure of 0 is no blood pressure."""

import numpy as np
import pandas as pd

from t2local.tables.feature import Feature

#: With fewer different values above 0 nobody can say how near to 0 they come.
_MIN_VALUES = 8
#: The step from 0 to the least other value is this many times the usual step between small values,
#: and that value is at least this share of the mean. Of 200 columns of 30 exponential numbers whose
#: zeros are as good as any, 3 % or fewer are suspect with these bounds, of 100 or 300 none.
_STEPS = 5.0
_SHARE_OF_MEAN = 0.1


def suspect_zeros(feature: Feature, cells: pd.Series) -> bool:
    """Whether 0 lies far below all other values of a column of numbers, none of them negative.

    **Parameters:**

    * **cells**: the column as text, None for missing.
    """
    if not feature.numeric or feature.written_as_text or feature.bounds[0] != 0:
        return False
    values = np.unique(feature.values(cells).dropna().to_numpy(dtype=np.float64))
    if len(values) <= _MIN_VALUES or values[0] != 0:
        return False
    others = values[1:]
    small = others[: max(2, len(others) // 2) + 1]
    usual_step = float(np.median(np.diff(small)))
    return bool(others[0] > _STEPS * usual_step and others[0] >= _SHARE_OF_MEAN * others.mean())


def with_doubt(feature: Feature, cells: pd.Series) -> Feature:
    """The feature whose reason says that its zeros may mean "missing", where they may."""
    if not suspect_zeros(feature, cells):
        return feature
    reason = f"{feature.reason}; 0 lies far below all other values: does it mean missing?"
    return feature.model_copy(update={"reason": reason})

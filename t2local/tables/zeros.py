"""Zeros that may mean "missing": a blood pressure of 0 is no blood pressure."""

import numpy as np

from t2local.stats.arrays import FloatArray
from t2local.tables.feature import Feature

#: With fewer different values above 0 nobody can say how near to 0 they come.
_MIN_VALUES = 8
#: The step from 0 to the least other value is this many times the usual step between small values,
#: and that value is at least this share of the median. Of 200 columns of 30 exponential numbers,
#: whose zeros are as good as any, 3 % or fewer are suspect with these bounds; of 100 or 300 none.
_STEPS = 5.0
_SHARE_OF_MEDIAN = 0.1


def suspect_zeros(feature: Feature, numbers: FloatArray) -> bool:
    """Whether 0 lies far below all other values of a column of numbers, none of them negative.

    **Parameters:**

    * **numbers**: of the column, shape (n,), without NaN.
    """
    if not feature.numeric or feature.written_as_text or feature.bounds[0] != 0:
        return False
    others = numbers[numbers > 0]
    values = np.unique(others)
    if len(values) < _MIN_VALUES or len(others) == len(numbers):
        return False
    usual_step = float(np.median(np.diff(values[: len(values) // 2 + 1])))
    least = float(values[0])
    return least > _STEPS * usual_step and least >= _SHARE_OF_MEDIAN * float(np.median(others))


def with_doubt(feature: Feature, numbers: FloatArray) -> Feature:
    """The feature whose reason says that its zeros may mean "missing", where they may."""
    if not suspect_zeros(feature, numbers):
        return feature
    reason = f"{feature.reason}; 0 lies far below all other values: does it mean missing?"
    return feature.model_copy(update={"reason": reason})

"""The interval of what models predict of held-out rows, and what it says of a change."""

from dataclasses import dataclass
from typing import Literal

from t2local.stats.arrays import FloatArray

#: The parts of the rows, each held out once, that these intervals are made for.
FOLDS = 5
#: Share of the intervals that have the true figure in them.
_CONFIDENCE = 0.95
#: Held-out rows are judged by models whose training rows overlap, so the variance of their mean is
#: larger than that of as many independent rows: 1 + J n_test / n_train times, with J folds (Nadeau
#: and Bengio 2003, doi 10.1023/A:1024068626366). Without it, 95 % intervals had the true change of
#: the loss in them in 80 to 87 % of simulated tables, with it in 94 to 98 % (docs/method.md,
#: Benefit).
_VARIANCE_RATIO = 1 + FOLDS / (FOLDS - 1)
#: The same for an AUC, which differences between models move less: as measured, 93 to 97 % of the
#: intervals then have the truth in them, without it 86 to 90 %.
_AUC_VARIANCE_RATIO = 1.5

Change = Literal["helps", "harms", "unclear"]


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    @classmethod
    def of_losses(cls, values: FloatArray) -> "Interval":
        """Of the mean of losses, or of their differences, one of each row; shape (n,)."""
        return cls._of(values, _VARIANCE_RATIO, len(values))

    @classmethod
    def of_auc(cls, values: FloatArray, n_smallest: int) -> "Interval":
        """Of an AUC by its values (`auc_values`), or of a difference of two; shape (n,).

        **Parameters:**

        * **n_smallest**: rows of the smallest class, which hold most of its variance.
        """
        return cls._of(values, _AUC_VARIANCE_RATIO, n_smallest)

    @classmethod
    def _of(cls, values: FloatArray, variance_ratio: float, n: int) -> "Interval":
        """By Student's t, with n - 1 degrees of freedom."""
        from scipy.stats import t

        mean = float(values.mean())
        variance = variance_ratio * float(values.var(ddof=1)) / len(values)
        half = float(t.ppf((1 + _CONFIDENCE) / 2, n - 1)) * variance**0.5
        return cls(mean, mean - half, mean + half)

    @property
    def change(self) -> Change:
        """Of a difference of losses: below zero helps."""
        if self.high < 0:
            return "helps"
        if self.low > 0:
            return "harms"
        return "unclear"

    def negative(self) -> "Interval":
        """That of the difference the other way round."""
        return Interval(-self.mean, -self.high, -self.low)

"""Classes and outer ranges of the real rows that no kept row has, where chance does not explain it.

The chance is exact: if real and kept rows come from one population, which of them have the class or
lie in the range is a draw without replacement (docs/method.md, Shifts).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.ensemble import encode_labels
from t2local.tables.dictionary import Feature
from t2local.tables.disclosure import MIN_ROWS, hidden_shares, is_small
from t2local.trim import shift_sentences as sentences

#: How often chance may make something seem lost, over all classes, and over all ranges.
_ERROR = 0.01
#: A class of fewer real rows may be an accident of the sample, unless it was asked for.
_MIN_ROWS_OF_A_CLASS = 3
#: A range is lost when this share of the real rows, at one end of a number, lies beyond all kept
#: rows. Where kept rows are cut at a fifth of the population, the real rows beyond the cut are a
#: fifth give or take what chance does to so few, and one kept row may lie among them: a tenth finds
#: nearly all such cuts.
_LEAST_SHARE = 0.1


@dataclass(frozen=True)
class ClassShare:
    """One class: its share of the kept rows, and the one to be expected.

    * ``expected``: the share that was asked for, or that of the real rows.
    * ``standard_error``: of the difference, by chance; ``z``: the difference in units of it. These
      three are none where the share of few real rows would follow from them.
    * ``lost``: no kept row has the class, and chance does not explain it.
    """

    label: str
    expected: float | None
    kept: float
    standard_error: float | None
    z: float | None
    lost: bool


@dataclass(frozen=True)
class LostRange:
    """The lowest or the highest numbers of a column, where real rows lie and no kept one does.

    * ``real_share``: of the real rows; a tenth or more, and none where these are fewer than 11.
    * ``p_value``: how often chance leaves the outer tenth empty.
    """

    column: str
    end: Literal["lowest", "highest"]
    real_share: float | None
    p_value: float
    sentence: str


def class_shares(
    real: pd.Series,
    kept: pd.Series,
    target: Feature,
    wanted_shares: Mapping[str, float] | None = None,
) -> tuple[ClassShare, ...]:
    """Every class that is expected or kept, in the order of the dictionary; of a number none.

    **Parameters:**

    * **real**, **kept**: the labels, at least one of each.
    * **wanted_shares**: those that were asked for; by default those of the real rows are expected.
    """
    if not target.levels:
        return ()
    n_real = _counts(real, target)
    n_kept = _counts(kept, target)
    if wanted_shares:
        expected = np.array([wanted_shares.get(level, 0.0) for level in target.levels])
        variances = expected * (1 - expected) / len(kept)
        p_values = (1 - expected) ** len(kept)
        is_class = expected > 0
    else:
        expected = n_real / len(real)
        pooled = (n_real + n_kept) / (len(real) + len(kept))
        variances = pooled * (1 - pooled) * (1 / len(real) + 1 / len(kept))
        p_values = np.exp(_log_p_of_none(n_real, len(real), len(kept)))
        is_class = n_real >= _MIN_ROWS_OF_A_CLASS
    is_lost = (n_kept == 0) & is_class & (p_values < _ERROR / max(1, is_class.sum()))
    shares = n_kept / len(kept)
    errors = np.sqrt(variances)
    z = np.divide(shares - expected, errors, out=np.zeros(len(errors)), where=errors > 0)
    rows = zip(target.levels, expected, shares, errors, z, is_lost, strict=True)
    classes = tuple(
        ClassShare(label, float(share), float(kept_share), float(error), float(z), bool(lost))
        for label, share, kept_share, error, z, lost in rows
        if share or kept_share
    )
    return classes if wanted_shares else _shown(classes, real)


def _shown(classes: tuple[ClassShare, ...], real: pd.Series) -> tuple[ClassShare, ...]:
    """The classes without figures from which the share of few real rows (n,) would follow."""
    hidden = set(hidden_shares(real))
    if len(real) < MIN_ROWS:
        hidden = {one.label for one in classes}
    return tuple(
        replace(one, expected=None, standard_error=None, z=None) if one.label in hidden else one
        for one in classes
    )


def lost_ranges(
    real: pd.DataFrame,
    kept: pd.DataFrame,
    features: Sequence[Feature],
    real_groups: IntArray,
    kept_groups: IntArray,
) -> tuple[LostRange, ...]:
    """The ends of numbers where real rows lie and no kept one does, the least likely first.

    **Parameters:**

    * **real**, **kept**: frames of values (n, d) and (m, d).
    * **real_groups**, **kept_groups**: what chance parts the rows within, shapes (n,) and (m,): the
      class, where shares of the classes were asked for.
    """
    numeric = [feature for feature in features if feature.numeric]
    empty = [
        lost
        for feature in numeric
        for lost in _empty_ends(feature, real, kept, real_groups, kept_groups)
        if lost.p_value < _ERROR / (2 * len(numeric))
    ]
    return tuple(sorted(empty, key=lambda lost: lost.p_value))


def _empty_ends(
    feature: Feature,
    real: pd.DataFrame,
    kept: pd.DataFrame,
    real_groups: IntArray,
    kept_groups: IntArray,
) -> Iterator[LostRange]:
    """Both ends of a number, where no kept row lies, with the probability of that."""
    has_real, has_kept = (frame[feature.name].notna().to_numpy() for frame in (real, kept))
    numbers = real[feature.name].to_numpy(dtype=np.float64)[has_real]  # (n,)
    others = kept[feature.name].to_numpy(dtype=np.float64)[has_kept]  # (m,)
    n_least = math.ceil(_LEAST_SHARE * len(numbers))
    if not len(numbers) or not len(others):
        return
    ends: tuple[tuple[Literal["lowest", "highest"], int], ...] = (("lowest", -1), ("highest", 1))
    for end, sign in ends:
        beyond = sign * numbers > (sign * others).max()  # (n,)
        if beyond.sum() < n_least:
            continue
        # The share was chosen before, so the probability is that of the outermost rows alone.
        outermost = np.argsort(-sign * numbers, kind="stable")[:n_least]
        p_value = math.exp(_log_p_of_empty(real_groups[has_real], kept_groups[has_kept], outermost))
        yield LostRange(
            feature.name,
            end,
            None if is_small(int(beyond.sum()), len(beyond)) else float(beyond.mean()),
            p_value,
            sentences.of_lost_range(feature, end, numbers, beyond),
        )


def _log_p_of_empty(real_groups: IntArray, kept_groups: IntArray, outermost: IntArray) -> float:
    """The log-probability that the outermost rows are all real, all groups together.

    **Parameters:**

    * **real_groups**, **kept_groups**: shapes (n,) and (m,); **outermost**: places of real rows.
    """
    n_groups = 1 + max(real_groups.max(initial=0), kept_groups.max(initial=0))
    n_outermost, n_real, n_kept = (
        np.bincount(groups, minlength=n_groups)
        for groups in (real_groups[outermost], real_groups, kept_groups)
    )
    return float(_log_p_of_none(n_outermost, n_real, n_kept).sum())


def _counts(labels: pd.Series, target: Feature) -> IntArray:
    """How many labels are each level, shape (levels,)."""
    codes = encode_labels(labels, target).astype(np.intp)
    return np.bincount(codes, minlength=len(target.levels))


def _log_p_of_none(n_with: IntArray, n_real: IntArray | int, n_kept: IntArray | int) -> FloatArray:
    """The log-probability that no kept row is among those that have something."""
    from scipy.special import gammaln

    # A hypergeometric probability of 0; scipy.stats has none of no rows at all.
    n = n_real + n_kept
    logs = gammaln(n_real + 1) - gammaln(n_real - n_with + 1)
    return logs + gammaln(n - n_with + 1) - gammaln(n + 1)

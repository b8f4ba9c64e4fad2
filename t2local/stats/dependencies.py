"""What holds between columns in every row, and how unlikely chance is to make it so.

Each search looks at all pairs (or triples) of columns at once, and gives those that hold without an
exception, with the number of rows that could be one (``support``). It keeps what passes an exact
test: the chance that it holds where the cells of one column are dealt out anew (a permutation test,
Fisher 1935) is at most `SIGNIFICANCE`, divided by how many pairs were looked at (Bonferroni). With
no exception in ``support`` rows, at most 3 / support of all rows can be one (95 %), so little
support is refused however unlikely chance is (`LEAST_SUPPORT`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, permutations
from math import comb, log
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from t2local.stats.arrays import FloatArray, IntArray, Mask

#: Of all tables without any dependence, the share in which a search may find one.
SIGNIFICANCE = 0.01
#: Rows that could be an exception, at least. An order found in 30 rows of one of 58 real tables was
#: broken by 0.5 % of its other rows on average; all rules of 100 rows together by 0.7 %.
LEAST_SUPPORT = 30
#: The same of an equation, and of the order of dates: rows that add up by chance are much rarer.
LEAST_SUPPORT_OF_EQUATIONS = 10
#: The same of a cut: in 30 rows a good predictor parts the classes, and 2.4 % of others break it.
LEAST_SUPPORT_OF_CUTS = 100
#: Rows of each class that a rule names, at least: a rule of fewer says what single patients have.
LEAST_ROWS_OF_A_CLASS = 5
#: Numbers of another scale do not compare: the larger standard deviation over the smaller one.
_MOST_SCALES_APART = 10.0
#: A cut between two values is certain up to this share of the range of the number.
_WIDEST_GAP = 0.02
#: Numbers that differ by rounding are equal, as in rules.
_ROUNDING = 1e-9
#: Rows that are tried before all others for a sum: a pair that adds up in these is looked at.
_TRIAL_ROWS = 16


class Order(NamedTuple):
    """Column ``lower`` is never above column ``upper``, both by their places."""

    lower: int
    upper: int
    support: int


class Equation(NamedTuple):
    """Column ``total`` = the sum of ``parts``, or ``factor`` times one part plus ``offset``."""

    total: int
    parts: tuple[int, ...]
    support: int
    factor: float = 1.0
    offset: float = 0.0


class Cut(NamedTuple):
    """The ranges of a number in the classes of a partition do not overlap.

    ``classes``: in the order of their ranges; ``bounds``: between them, halfway.
    """

    number: int
    partition: int
    classes: tuple[int, ...]
    bounds: tuple[float, ...]
    support: int


class Exclusion(NamedTuple):
    """Classes of two partitions that never meet: by class of the first, those of the second.

    ``function``: every class of the first meets one class of the second, and this one alone.
    """

    first: int
    second: int
    never: dict[int, frozenset[int]]
    function: bool
    support: int


def log_chance_of_order(lower: FloatArray, upper: FloatArray) -> float:
    """The log-probability that no lower number is above its upper one, if these are dealt out anew.

    The largest lower number has as many places as there are upper ones not below it, the next as
    many less one, and so on. Both of shape (n,), without NaN.
    """
    n = len(lower)
    places = n - np.searchsorted(np.sort(upper), -np.sort(-lower), side="left") - np.arange(n)
    if places.min() < 1:
        return -np.inf
    return float(np.log(places).sum() - gammaln(n + 1))


def log_chance_of_same_cells(cells: FloatArray | Mask) -> float:
    """The log-probability that cells (n,) that are dealt out anew come back as they are."""
    counts = np.unique(cells, return_counts=True)[1]
    return float(gammaln(counts + 1).sum() - gammaln(len(cells) + 1))


def log_chance_of_exclusion(n: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """The log-probability that no row of n is in both of two sets of rows, by their sizes."""
    apart = n - first - second
    with np.errstate(invalid="ignore"):
        chance = gammaln(n - first + 1) + gammaln(n - second + 1) - gammaln(n + 1)
        chance = chance - gammaln(np.maximum(apart, 0) + 1)
    return np.where(apart < 0, -np.inf, chance)


def orders(numbers: FloatArray, least_support: int = LEAST_SUPPORT) -> Iterator[Order]:
    """The orders of columns (n, d), NaN for missing, that no row breaks.

    Columns whose ranges do not overlap have none: their ranges say it already.
    """
    d = numbers.shape[1]
    limit = chance_limit(d * (d - 1))
    sizes = np.maximum(1, (~np.isnan(numbers)).sum(axis=0))
    centred = numbers - np.nansum(numbers, axis=0) / sizes
    scales = np.sqrt(np.nansum(centred**2, axis=0) / sizes)  # (d,)
    for upper in range(d):
        differences = numbers - numbers[:, [upper]]  # (n, d)
        support = (~np.isnan(differences)).sum(axis=0)  # (d,)
        holds = ~(differences > 0).any(axis=0) & (differences < 0).any(axis=0)
        nearest = _MOST_SCALES_APART * np.minimum(scales, scales[upper])
        holds &= (support >= least_support) & (np.maximum(scales, scales[upper]) <= nearest)
        for lower in np.flatnonzero(holds).tolist():
            both = ~np.isnan(differences[:, lower])
            chance = log_chance_of_order(numbers[both, lower], numbers[both, upper])
            if chance < limit:
                yield Order(lower, upper, int(support[lower]))


def equations(numbers: FloatArray) -> Iterator[Equation]:
    """Columns (n, d) that are another one times a factor or plus an offset, or the sum of two.

    A column that another one gives is in no other equation.
    """
    d = numbers.shape[1]
    free = list(range(d))
    for part, total in _linear_in_trial_rows(numbers):
        if part in free and total in free and (equation := _linear(numbers, part, total)):
            free.remove(total)
            yield equation
    for places, total in _sums_of_trial_rows(numbers[:, free]):
        columns = [free[place] for place in (*places, total)]
        first, second, whole = numbers[:, columns].T
        error = np.abs(first + second - whole)  # (n,), NaN where one is missing
        present = ~np.isnan(error)
        adds_up = error[present] <= _ROUNDING * np.maximum(1.0, np.abs(whole[present]))
        if adds_up.all() and _certain(numbers[np.ix_(present, columns)], d**3):
            yield Equation(columns[2], (columns[0], columns[1]), int(present.sum()))


def _linear_in_trial_rows(numbers: FloatArray) -> Iterator[tuple[int, int]]:
    """Pairs of columns, the first one first, that may be linear in each other: few are."""
    if len(numbers) < LEAST_SUPPORT_OF_EQUATIONS:
        return
    trial = _trial_rows(numbers)
    sizes = np.abs(trial)
    for part, far in enumerate(np.nan_to_num(sizes).argmax(axis=0)):
        x = trial[:, [part]]
        # What rounding allows in each of the two rows that are compared, and in the arithmetic.
        largest = np.maximum(np.maximum(sizes, sizes[far]), sizes[far, part])
        most = 4 * _ROUNDING * np.maximum(1.0, largest)
        has_offset = ~(np.abs(trial - x - (trial[far] - x[far])) > most).any(axis=0)
        has_factor = ~(np.abs(trial * x[far] - x * trial[far]) > most * sizes[far, part]).any(
            axis=0
        )
        for total in np.flatnonzero(has_offset | has_factor).tolist():
            if total > part:
                yield part, total


def _linear(numbers: FloatArray, part: int, total: int) -> Equation | None:
    """The total as the part with an offset, or times a factor; none where it is neither."""
    pair = numbers[:, [part, total]]
    pair = pair[~np.isnan(pair).any(axis=1)]
    if len(pair) < LEAST_SUPPORT_OF_EQUATIONS:
        return None
    x, y = pair.T
    far = int(np.abs(x).argmax())
    offset = float(np.round(y[far] - x[far], 10))
    factor = float(f"{y[far] / x[far]:.12g}") if x[far] else 0.0
    for form in ({"offset": offset}, {"factor": factor}):
        equation = Equation(total, (part,), len(pair), **form)
        fitted = equation.factor * x + equation.offset
        if (np.abs(fitted - y) <= _ROUNDING * np.maximum(1.0, np.abs(y))).all():
            return equation if _certain(pair, numbers.shape[1] ** 2) else None
    return None


def _certain(cells: FloatArray, n_looked_at: int) -> bool:
    """Whether each column of an equation (n, columns) varies so much that chance is ruled out."""
    if len(cells) < LEAST_SUPPORT_OF_EQUATIONS:
        return False
    return max(map(log_chance_of_same_cells, cells.T)) < chance_limit(n_looked_at)


def _sums_of_trial_rows(numbers: FloatArray) -> Iterator[tuple[tuple[int, int], int]]:
    """Two columns and a third that is their sum in some rows, spread over the table."""
    d = numbers.shape[1]
    pairs = np.array(list(combinations(range(d), 2)), dtype=np.intp).reshape(-1, 2)
    trial = _trial_rows(numbers)
    sums = trial[:, pairs[:, 0]] + trial[:, pairs[:, 1]]  # (rows, pairs)
    for total in range(d):
        error = np.abs(sums - trial[:, [total]])
        adds_up = ~(error > _ROUNDING * np.maximum(1.0, np.abs(sums))).any(axis=0)
        for place in np.flatnonzero(adds_up & ~(pairs == total).any(axis=1)).tolist():
            yield (int(pairs[place, 0]), int(pairs[place, 1])), total


def _trial_rows(numbers: FloatArray) -> FloatArray:
    """`_TRIAL_ROWS` rows, spread over those that have the most cells."""
    n = len(numbers)
    complete = np.argsort(np.isnan(numbers).sum(axis=1), kind="stable")
    most = complete[: max(_TRIAL_ROWS, n // 2)]
    return numbers[most[np.linspace(0, len(most) - 1, min(n, _TRIAL_ROWS)).astype(np.intp)]]


@dataclass(frozen=True)
class Partition:
    """Rows in classes 0, 1, ..., or in none (-1); shape (n,).

    ``owner``: whose cells decide; partitions of one owner are not compared.
    """

    owner: int
    classes: IntArray

    @property
    def n_classes(self) -> int:
        """One more than the highest class."""
        return int(self.classes.max(initial=-1)) + 1


def cuts(numbers: FloatArray, steps: FloatArray, partitions: Sequence[Partition]) -> Iterator[Cut]:
    """The partitions that follow from a number: its ranges in their classes do not overlap.

    **Parameters:**

    * **numbers**: shape (n, d); the owner of a partition is one of these columns; **steps**: the
      smallest difference of two numbers of a column, shape (d,).
    """
    limit = chance_limit(numbers.shape[1] * max(1, len(partitions)))
    for column, unsorted in enumerate(numbers.T):
        order = np.argsort(unsorted, kind="stable")[: (~np.isnan(unsorted)).sum()]
        if len(order) < LEAST_SUPPORT_OF_CUTS:
            continue
        cells = unsorted[order]
        widest = max(1.5 * steps[column], _WIDEST_GAP * float(cells[-1] - cells[0]))
        for place, partition in enumerate(partitions):
            groups = _apart(cells, partition.classes[order], widest)
            sizes = np.array([len(group) for group in groups.values()])
            if column == partition.owner or sizes.sum() < LEAST_SUPPORT_OF_CUTS:
                continue
            chance = gammaln(len(sizes) + 1) + gammaln(sizes + 1).sum() - gammaln(sizes.sum() + 1)
            if chance < limit and sizes.min() >= LEAST_ROWS_OF_A_CLASS:
                pairs = pairwise(groups.values())
                bounds = tuple(float(low[-1] + high[0]) / 2 for low, high in pairs)
                yield Cut(column, place, tuple(groups), bounds, int(sizes.sum()))


def _apart(cells: FloatArray, classes: IntArray, widest: float) -> dict[int, FloatArray]:
    """The cells of each class, in the order of their ranges.

    It is empty where these overlap or lie further apart than ``widest``, or where there is one.

    **Parameters:**

    * **cells**: in order, and **classes**: theirs, -1 for none; both of shape (n,).
    """
    cells, classes = cells[classes >= 0], classes[classes >= 0]
    changes = np.flatnonzero(np.diff(classes)) + 1
    if len(changes) > classes.max(initial=0):  # a class comes twice
        return {}
    gaps = cells[changes] - cells[changes - 1]
    # A class that comes twice makes as many changes as there are classes, or more.
    overlap = len(changes) != len(np.unique(classes)) - 1
    if overlap or not len(changes) or gaps.min() <= 0 or gaps.max() > widest:
        return {}
    starts, parts = (0, *changes), np.split(cells, changes)
    return {int(classes[i]): part for i, part in zip(starts, parts, strict=True)}


def exclusions(partitions: Sequence[Partition]) -> Iterator[Exclusion]:
    """The classes of two partitions that never meet, and partitions that are functions of others.

    For a function the chance is that all rows of each class of the first have one class of the
    second; else that of each pair of classes by itself.
    """
    sizes = [partition.n_classes for partition in partitions]
    starts = np.cumsum([0, *sizes])
    member = np.hstack(
        [p.classes[:, None] == np.arange(k) for p, k in zip(partitions, sizes, strict=True)]
    ).astype(np.float32)  # (n, all classes)
    meetings = np.rint(member.T @ member).astype(np.int64)  # float32 counts up to 2^24 exactly
    limit = chance_limit(comb(int(starts[-1]), 2))
    functions: set[tuple[int, int]] = set()
    for first, second in permutations(range(len(partitions)), 2):
        if partitions[first].owner == partitions[second].owner:
            continue
        counts = meetings[starts[first] : starts[first + 1], starts[second] : starts[second + 1]]
        if counts.all():  # every class meets every other
            continue
        if min((counts.sum(axis=0) > 0).sum(), (counts.sum(axis=1) > 0).sum()) < 2:
            continue
        if _is_function(counts, limit):
            functions.add((first, second))
            yield _exclusion(first, second, counts, counts == 0, function=True)
        elif first < second and (never := _never(counts, limit)).any():
            yield _exclusion(first, second, counts, never, function=False)


def _is_function(counts: IntArray, limit: float) -> bool:
    """Whether each class of the rows of the counts meets one class alone, and not by chance."""
    if ((counts > 0).sum(axis=1) > 1).any():
        return False
    sizes = counts.sum(axis=1)
    if counts[counts > 0].min() < LEAST_ROWS_OF_A_CLASS:
        return False
    repeats = int(sizes.sum() - (sizes > 0).sum())
    shares = counts.sum(axis=0) / counts.sum()  # (second,)
    # By the largest share, as the powers of all of them may be below the smallest double.
    largest = shares.max()
    chance = sum(
        int(size) * log(largest) + log(((shares / largest) ** int(size)).sum())
        for size in sizes
        if size > 1
    )
    return repeats >= LEAST_SUPPORT and chance < limit


def _never(counts: IntArray, limit: float) -> Mask:
    """The pairs of classes that never meet, and not by chance; shape of the counts."""
    first = np.broadcast_to(counts.sum(axis=1)[:, None], counts.shape).astype(np.float64)
    second = np.broadcast_to(counts.sum(axis=0), counts.shape).astype(np.float64)
    chance = log_chance_of_exclusion(np.full(counts.shape, float(counts.sum())), first, second)
    enough = np.minimum(first, second) >= LEAST_SUPPORT
    return (counts == 0) & enough & (chance < limit)


def _exclusion(
    first: int, second: int, counts: IntArray, never: Mask, *, function: bool
) -> Exclusion:
    sizes = counts.sum(axis=1)
    by_class = {
        k: frozenset(np.flatnonzero(row).tolist())
        for k, row in enumerate(never)
        if row.any() and sizes[k]
    }
    return Exclusion(first, second, by_class, function, int(sizes[list(by_class)].sum()))


def chance_limit(n_looked_at: int) -> float:
    """The log of the largest chance that is small enough after so many looks."""
    return log(SIGNIFICANCE / max(1, n_looked_at))

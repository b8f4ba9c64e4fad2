"""Do two samples come from one population? Distances, and what chance explains of them.

Rows of an ideal generator are a second sample of the population of the real rows, so both samples
vary, not only the second. The null is therefore that of a permutation test: the pooled rows are
split anew, at random, into samples of the same sizes (Good 2005, doi 10.1007/b138696), and all that
is measured of the observed split is measured of these. What holds for all columns at once is the
largest of their standardised distances (Westfall and Young 1993, ISBN 978-0-471-55761-6).

The first split of every array here is the observed one, the R others are random.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from t2local.stats.arrays import FloatArray, IntArray, Mask

#: Numbers with more different values than this are cut at as many quantiles of the pooled rows: a
#: bin then has 2 % of them, far less than what chance moves.
_MAX_BINS = 50
#: How often all distances of splits of the same population are within their bands.
_CONFIDENCE = 0.95
#: Distances are equal when so many decimals are: the same counts in another order of adding.
_DECIMALS = 9
#: Columns of the matrix of correlations, where a table has fewer columns; 7,000 pairs.
_MAX_WIDTH = 120
#: A level has this many rows of the smaller sample on average, or no correlation is computed.
_MIN_ROWS_OF_A_LEVEL = 5
#: Of one row's share: added to every standard deviation.
_GRAIN = 0.25
#: Of differences of correlations: what float32 makes of columns that are constant in a sample.
_LEAST_DEVIATION = 1e-4
#: Variance, of 1 among the pooled rows, below which a column counts as constant in a sample.
_LEAST_VARIANCE = 1e-4


@dataclass(frozen=True)
class Splits:
    """Ways to part the pooled rows into two samples.

    * ``masks``: the rows of the first sample, shape (N, R + 1).
    * ``first``, ``second``: what each row counts for in the first and in the second sample, 0 in
      the other one; shapes (N, R + 1). The weights of a sample have the sum 1.
    """

    masks: Mask
    first: FloatArray
    second: FloatArray

    @classmethod
    def of(
        cls, n_first: int, groups: IntArray, n_splits: int, rng: np.random.Generator
    ) -> "Splits":
        """The observed split, where the first sample stands in front, and random ones.

        **Parameters:**

        * **groups**: shape (N,). Rows change places within their group alone, and each group of the
          first sample is weighted to its share in the second one. So where shares of the groups
          were chosen, what is compared is the rows within them. With one group all rows count
          alike.
        """
        masks = np.tile(np.arange(len(groups)) < n_first, (n_splits + 1, 1))  # (R + 1, N)
        first, second = np.zeros(len(groups)), np.zeros(len(groups))  # (N,) each
        for group in np.unique(groups):
            places = np.flatnonzero(groups == group)
            n_of_first = int(masks[0, places].sum())
            n_of_second = len(places) - n_of_first
            # What only one sample has cannot be compared.
            if n_of_first and n_of_second:
                first[places] = n_of_second / n_of_first
                second[places] = 1.0
                masks[1:, places] = rng.permuted(masks[1:, places], axis=1)
        rows = np.ascontiguousarray(masks.T)
        total = max(1.0, second[n_first:].sum())
        return cls(rows, rows * first[:, None] / total, ~rows * second[:, None] / total)


@dataclass(frozen=True)
class BinShares:
    """The shares of the bins of a column in both samples, among the cells that are there.

    * ``first``, ``second``: shapes (bins, R + 1); ``pooled``: of all rows together, shape (bins,).
    """

    first: FloatArray
    second: FloatArray
    pooled: FloatArray

    @classmethod
    def of(cls, codes: IntArray, splits: Splits) -> "BinShares":
        """By the bin of each pooled row, -1 for a missing cell; shape (N,)."""
        from scipy import sparse

        places = np.flatnonzero(codes >= 0)
        shape = (int(codes.max(initial=0)) + 1, len(codes))
        # Shares of all bins in all splits are one product of matrices.
        rows = sparse.csr_array((np.ones(len(places)), (codes[places], places)), shape)
        first, second = rows @ splits.first, rows @ splits.second
        pooled = np.bincount(codes[places], minlength=shape[0]) / max(1, len(places))
        # Where a sample has no cell that is there, nothing can be compared.
        comparable = (first.sum(axis=0) > 0) & (second.sum(axis=0) > 0)  # (R + 1,)
        totals = [np.where(comparable, shares.sum(axis=0), np.inf) for shares in (first, second)]
        return cls(first / totals[0], second / totals[1], pooled)

    def total_variation(self) -> FloatArray:
        """The share of rows that would have to change their level, 0 to 1; shape (R + 1,)."""
        return np.abs(self.second - self.first).sum(axis=0) / 2

    def rank_distance(self) -> FloatArray:
        """How far apart numbers lie, 0 to 1; shape (R + 1,).

        Twice the area between both cumulative curves over the ranks of the pooled rows: the
        Wasserstein distance of the ranks. It is the size of `dominance` where one sample lies
        higher throughout, and sees a change of spread too. Outliers do not move it.
        """
        difference = self.second - self.first
        curves = difference.cumsum(axis=0) - difference / 2  # at the middle of each bin
        return 2 * np.abs(curves).T @ self.pooled

    def dominance(self) -> float:
        """Cliff's delta of the observed split, -1 to 1: the second sample lies higher above 0.

        It is how much oftener a row of the second sample is above one of the first than below it
        (Cliff 1993, doi 10.1037/0033-2909.114.3.494).
        """
        first, second = self.first[:, 0], self.second[:, 0]  # (bins,)
        lower = first.cumsum() - first / 2  # of equal ones the half
        return float(2 * lower @ second - first.sum() * second.sum())

    def between_quartiles(self) -> tuple[float, float]:
        """Of both samples the share between the quartiles of the first, in the observed split."""
        # Of each bin its middle: it counts as inside or outside as a whole.
        ranks = self.first[:, 0].cumsum() - self.first[:, 0] / 2  # (bins,)
        inside = (ranks > 0.25) & (ranks < 0.75)
        return float(self.first[inside, 0].sum()), float(self.second[inside, 0].sum())


def number_codes(numbers: FloatArray) -> IntArray:
    """The bin of each number, in their order, -1 for a missing one; shape (N,)."""
    missing = np.isnan(numbers)
    if missing.all():
        return np.full(len(numbers), -1)
    edges = np.unique(numbers[~missing])
    if len(edges) > _MAX_BINS:
        levels = np.linspace(0, 1, _MAX_BINS + 1)[1:]
        edges = np.unique(np.quantile(numbers[~missing], levels, method="inverted_cdf"))
    return np.where(missing, -1, np.searchsorted(edges, numbers))


@dataclass(frozen=True)
class Correlations:
    """Correlations of pairs of columns in both samples of the observed split.

    * ``pairs``: the numbers of both columns, shape (P, 2); ``first``, ``second``: shapes (P,).
    * ``deviations``: of their difference, in standard deviations of chance; shape (P, R + 1).
    """

    pairs: IntArray
    first: FloatArray
    second: FloatArray
    deviations: FloatArray

    @classmethod
    def of(cls, blocks: Sequence[FloatArray], masks: Mask) -> "Correlations | None":
        """Of all pairs of columns of different blocks; none where there is no pair.

        **Parameters:**

        * **blocks**: one for each column of the table, shapes (N, any width).
        * **masks**: the rows of the first sample in each split, shape (N, R + 1).
        """
        owners = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
        upper = np.triu(owners[:, None] != owners, 1)
        if not upper.any():
            return None
        matrix = np.hstack(blocks)  # (N, width)
        standardised = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
        first, second = _correlations(standardised, masks, upper)  # (P, R + 1) each
        difference = second - first
        # Shares of groups that were chosen move a correlation too: in every split alike.
        means, scales = _moments_by_chance(difference)
        scales = np.maximum(scales, _LEAST_DEVIATION)
        deviations = np.abs(difference - means) / scales
        pairs = owners[np.argwhere(upper)]
        return cls(pairs, first[:, 0], second[:, 0], deviations)


def _correlations(matrix: FloatArray, masks: Mask, upper: Mask) -> tuple[FloatArray, FloatArray]:
    """The correlations of both samples in the places ``upper``, shapes (P, R + 1).

    **Parameters:**

    * **matrix**: standardised over all rows, shape (N, width).
    """
    # Single precision: these are sums of a few thousand numbers of size 1.
    rows = np.hstack([np.ones((len(matrix), 1)), matrix]).astype(np.float32)
    total = rows.T @ rows
    # The products of one sample give those of the other; the smaller sample is the less work.
    first_is_smaller = 2 * masks[:, 0].sum() <= len(rows)
    smaller, larger = [], []
    for mask in masks.T:
        own = rows[mask if first_is_smaller else ~mask]
        products = own.T @ own
        smaller.append(_correlation(products)[upper])
        larger.append(_correlation(total - products)[upper])
    samples = np.array([smaller, larger]).transpose(0, 2, 1)  # (2, P, R + 1)
    if not first_is_smaller:
        samples = samples[::-1]
    return samples[0], samples[1]


def _correlation(products: FloatArray) -> FloatArray:
    """The correlations of columns, 0 for constant ones; shape (width, width).

    **Parameters:**

    * **products**: sums of the products of columns, after one of ones; (width + 1, width + 1).
    """
    means = products[0, 1:] / products[0, 0]  # (width,)
    covariances = products[1:, 1:] / products[0, 0] - np.outer(means, means)
    deviations = np.sqrt(np.maximum(np.diag(covariances), _LEAST_VARIANCE))  # (width,)
    return covariances / np.outer(deviations, deviations)


@dataclass(frozen=True)
class Standardised:
    """Distances in standard deviations above their mean by chance.

    * ``values``: shape (K, R + 1).
    * ``observed``: distances of the observed split; ``means``, ``scales``: the mean and standard
      deviation of those by chance; shapes (K,).
    """

    values: FloatArray
    observed: FloatArray
    means: FloatArray
    scales: FloatArray

    @classmethod
    def of(cls, distances: Sequence[FloatArray], n_smaller: int) -> "Standardised":
        """Of K distances, at least one, each of shape (R + 1,).

        **Parameters:**

        * **n_smaller**: rows of the smaller sample.
        """
        rounded = np.array(distances, dtype=np.float64).round(_DECIMALS)  # (K, R + 1)
        means, scales = _moments_by_chance(rounded)
        # A part of a row more: a level that one row in a thousand has, and of which few splits see
        # anything, would else be many deviations from its mean by chance, and set the limit of all.
        scales += _GRAIN / n_smaller
        return cls((rounded - means) / scales, rounded[:, 0], means[:, 0], scales[:, 0])

    @property
    def maxima(self) -> FloatArray:
        """The largest value of each split, shape (R + 1,)."""
        return self.values.max(axis=0)

    def bands(self, limit: float) -> FloatArray:
        """The distances at a number of standard deviations, shape (K,)."""
        return np.round(self.means + limit * self.scales, _DECIMALS)


def _moments_by_chance(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation over the random splits other than the one itself, (K, R + 1).

    So a random split is held against the others just as the observed one is. Against all of them,
    itself included, those that are far out would seem less far than an observed one that is not.
    """
    n = values.shape[1] - 1
    centred = values - values[:, 1:].mean(axis=1, keepdims=True)  # (K, R + 1)
    own = np.hstack([np.zeros((len(values), 1)), centred[:, 1:]])  # what is left out of each sum
    n_others = np.full(n + 1, n - 1)
    n_others[0] = n
    means = -own / n_others
    squares = ((centred[:, 1:] ** 2).sum(axis=1, keepdims=True) - own**2) / n_others
    deviations = np.sqrt(np.maximum(squares - means**2, 0.0))
    return values - centred + means, deviations


def limits(maxima: Sequence[FloatArray]) -> list[float]:
    """What 95 % of the splits exceed in no kind of distance, one limit for each kind.

    Every kind has the same share of the error, however many columns it has: a split counts by the
    highest of its ranks over the kinds. The observed split is ranked among the others, so that it
    exceeds a limit in 5 % of all samples from one population at most, for any number of splits.

    **Parameters:**

    * **maxima**: of each kind, shapes (R + 1,).
    """
    from scipy.stats import rankdata

    values = np.array(maxima)  # (kinds, R + 1)
    n_lower = rankdata(values, method="min", axis=1).astype(np.intp) - 1  # (kinds, R + 1)
    highest = np.sort(n_lower.max(axis=0))  # (R + 1,)
    place = highest[math.ceil(_CONFIDENCE * len(highest)) - 1]
    return [float(ordered[place]) for ordered in np.sort(values, axis=1)]


def rank_block(numbers: FloatArray) -> FloatArray:
    """Numbers as a column for `Correlations`: their ranks, a missing one in the middle.

    **Returns** an array of shape (N, 1), or (N, 0) where all are the same.
    """
    from scipy.stats import rankdata

    present = ~np.isnan(numbers)
    ranks = np.zeros(len(numbers))
    ranks[present] = rankdata(numbers[present])
    ranks[~present] = (present.sum() + 1) / 2
    return ranks[:, None][:, [bool(np.ptp(ranks) > 0)]]


def level_block(codes: IntArray, n_smaller: int, n_columns: int) -> FloatArray:
    """Levels as columns of zeros and ones for `Correlations`, the commonest levels alone.

    A level that few rows have, or all but a few, has no correlation that could be measured.

    **Parameters:**

    * **codes**: the level of each pooled row, -1 for a missing cell; shape (N,).
    * **n_smaller**: rows of the smaller sample; **n_columns**: of the table.

    **Returns** an array of shape (N, any width).
    """
    counts = np.bincount(codes[codes >= 0])
    expected = counts * n_smaller / len(codes)
    common = np.flatnonzero(np.minimum(expected, n_smaller - expected) >= _MIN_ROWS_OF_A_LEVEL)
    # The last level follows from the others.
    n_used = min(max(1, np.count_nonzero(counts) - 1), max(1, _MAX_WIDTH // n_columns))
    used = common[np.argsort(-counts[common], kind="stable")][:n_used]
    return (codes[:, None] == used).astype(np.float64)

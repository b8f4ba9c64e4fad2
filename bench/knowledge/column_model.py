"""The distribution of a column given those before it, learnt from many rows.

All of it is weights of the population's rows: p(cell | cells before) = sum over i of
w_i(cells before) K(cell, i), with the kernels K of `t2local.stats.densities.ColumnDensity`. Three
ways to weigh are mixed, with shares fitted by expectation maximisation on rows that a way has not
seen:

* equal weights: the marginal distribution;
* a random forest: rows count by how often they share a leaf with the new row (Meinshausen 2006,
  "Quantile regression forests", JMLR 7:983-999);
* a single index: rows count by how near their linear prediction is to that of the new row (Härdle
  and Stoker 1989, doi 10.1080/01621459.1989.10478864).

Measured on four tables, nats a held-out row: the forest alone -13.6, -11.1, -15.2, -35.4; with the
index -13.5, -11.1, -15.2, -35.3; a Chow-Liu tree on the same rows -14.1, -11.1, -15.3, -35.8.
"""

from typing import Protocol

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist
from scipy.stats import norm, rankdata
from sklearn.ensemble import RandomForestRegressor

from bench.streams import Stream, generator
from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.columns import Column
from t2local.stats.densities import ColumnDensity

_N_TREES = 40
#: Leaves of 3 or 5 rows were worse than 10 on three of four tables, 20 on two of them.
_MIN_LEAF = 10
#: Penalty of the linear prediction, in rows.
_RIDGE = 10.0
#: Bandwidth of the index, in standard deviations of the column: 0.1 and 0.6 were worse.
_BANDWIDTH = 0.3
#: Rows on which the shares are fitted, at most.
_MAX_SCORED = 500
#: Shares before any row is seen (equal, forest, index), worth so many rows: near the means over
#: columns. Ten rows were worse on seven of nine tables.
_PRIOR_SHARES = np.array([0.4, 0.2, 0.4])
_PRIOR_ROWS = 3.0
#: Expectation maximisation of three shares has settled long before.
_N_STEPS = 100
#: How much a missing cell differs from a present one, beside numbers of standard deviation 1.
_MISSING_SCORE = 2.0


class Weighing(Protocol):
    """A way to weigh the n rows of the population for new rows; weights have sum 1."""

    def weights(self, x: FloatArray) -> FloatArray:
        """For new rows (m, w) encoded as the population is: shape (m, n)."""

    def held_out(self, rows: IntArray) -> FloatArray:
        """For rows of the population as if they were not in it: shape (s, n)."""


class EqualWeights:
    """All rows of the population alike."""

    def __init__(self, n_rows: int) -> None:
        self._n_rows = n_rows

    def weights(self, x: FloatArray) -> FloatArray:
        return np.full((len(x), self._n_rows), 1 / self._n_rows)

    def held_out(self, rows: IntArray) -> FloatArray:
        return _without_own(np.ones((len(rows), self._n_rows)), rows)


class ForestWeights:
    """Rows that share leaves with the new row, in a forest that predicts the column.

    **Parameters:**

    * **x**: the columns before, encoded, (n, w); **y**: the column as `scores`, (n, k).
    """

    def __init__(self, x: FloatArray, y: FloatArray, random_state: int) -> None:
        forest = RandomForestRegressor(
            _N_TREES, min_samples_leaf=min(_MIN_LEAF, len(x) // 4 or 1), random_state=random_state
        )
        self._forest = forest.fit(x, y if y.shape[1] > 1 else y[:, 0])
        n_nodes = [tree.tree_.node_count for tree in forest.estimators_]
        self._first = np.cumsum([0, *n_nodes[:-1]])  # (trees,): numbers of a tree's nodes begin
        self._n_nodes = sum(n_nodes)
        self._leaves = forest.apply(x) + self._first  # (n, trees)
        self._membership = self._matrix(self._leaves, np.ones(self._leaves.shape))  # (n, nodes)
        self._sizes = np.asarray(self._membership.sum(axis=0)).ravel()  # (nodes,)

    def weights(self, x: FloatArray) -> FloatArray:
        leaves = self._forest.apply(x) + self._first  # (m, trees)
        shared = self._matrix(leaves, 1 / self._sizes[leaves]) @ self._membership.T
        return shared.toarray() / _N_TREES

    def held_out(self, rows: IntArray) -> FloatArray:
        """By the trees that were grown without the row."""
        unseen = np.ones(self._leaves.shape)  # (n, trees)
        for tree, sample in enumerate(self._forest.estimators_samples_):
            unseen[sample, tree] = 0
        leaves = self._leaves[rows]  # (s, trees)
        others = np.maximum(self._sizes[leaves] - 1, 1)  # (s, trees)
        shared = self._matrix(leaves, unseen[rows] / others) @ self._membership.T
        return _without_own(shared.toarray(), rows)

    def _matrix(self, leaves: IntArray, entries: FloatArray) -> sparse.csr_matrix:
        """Entries of rows in their leaves: sparse, shape (rows, nodes)."""
        n_rows, n_trees = leaves.shape
        ends = np.arange(0, n_rows * n_trees + 1, n_trees)
        return sparse.csr_matrix((entries.ravel(), leaves.ravel(), ends), (n_rows, self._n_nodes))


class IndexWeights:
    """Rows whose linear prediction of the column is near that of the new row.

    **Parameters:** as of `ForestWeights`.
    """

    def __init__(self, x: FloatArray, y: FloatArray) -> None:
        self._mean = x.mean(axis=0)  # (w,)
        scaled = (y - y.mean(axis=0)) / np.maximum(y.std(axis=0), 1e-9)  # (n, k)
        centred = x - self._mean  # (n, w)
        inverse = np.linalg.inv(centred.T @ centred + _RIDGE * np.eye(x.shape[1]))  # (w, w)
        self._coefficients = inverse @ centred.T @ scaled  # (w, k)
        self._index = centred @ self._coefficients  # (n, k)
        # A row's own share in its prediction: the diagonal of the hat matrix.
        own = 1 / len(x) + np.einsum("iw,wv,iv->i", centred, inverse, centred)[:, None]  # (n, 1)
        self._unseen = (self._index - own * scaled) / (1 - own)  # (n, k)

    def weights(self, x: FloatArray) -> FloatArray:
        near = self._nearness((x - self._mean) @ self._coefficients)  # (m, n)
        return near / near.sum(axis=1, keepdims=True)

    def held_out(self, rows: IntArray) -> FloatArray:
        """By the index that is fitted without the row."""
        return _without_own(self._nearness(self._unseen[rows]), rows)

    def _nearness(self, index: FloatArray) -> FloatArray:
        """A normal kernel of the distance, 1 for the nearest row; (m, k) to (m, n)."""
        distances = cdist(index, self._index, "sqeuclidean")  # (m, n)
        distances -= distances.min(axis=1, keepdims=True)
        return np.exp(-distances / (2 * _BANDWIDTH**2))


class ColumnModel:
    """p(cell | cells before) of one column.

    **Parameters:**

    * **density**: the column in the population; **codes**: its cells there, (n,).
    * **x**: the columns before it, encoded, (n, w); the first column has none (w = 0).
    * **number**: of the column in the order, for its random numbers.
    """

    def __init__(
        self,
        column: Column,
        density: ColumnDensity,
        codes: FloatArray,
        x: FloatArray,
        seed: int,
        number: int,
    ) -> None:
        self.density = density
        self._codes = codes
        self._equal = EqualWeights(len(codes))
        self._ways: list[Weighing] = [self._equal]
        self.shares = np.ones(1)  # of the ways, (ways,)
        y = scores(column, codes)
        # A constant column depends on nothing.
        if not x.shape[1] or not y.shape[1]:
            return
        state = int(generator(seed, Stream.ORACLE_FOREST, number).integers(2**31))
        self._ways += [ForestWeights(x, y, state), IndexWeights(x, y)]
        rng = generator(seed, Stream.ORACLE_SCORED, number)
        rows = rng.permutation(len(codes))[:_MAX_SCORED]
        likelihoods = [density.probability(codes[rows], w.held_out(rows)) for w in self._ways]
        self.shares = _fitted_shares(np.stack(likelihoods, axis=1))

    def weights(self, x: FloatArray) -> FloatArray:
        """Weights of the population's rows for new rows (m, w): shape (m, n)."""
        pairs = zip(self.shares, self._ways, strict=True)
        return np.sum([share * way.weights(x) for share, way in pairs], axis=0)

    def draw(self, weights: FloatArray, rng: np.random.Generator) -> FloatArray:
        """A cell of the population for each row of weights (m, n), as its code: shape (m,).

        It is not smoothed, as `ColumnDensity.draw` would: with many rows the cells themselves show
        on which values a column lies. Measured on six tables: a forest tells such rows from real
        ones less well.
        """
        cumulative = weights.cumsum(axis=1)  # (m, n)
        positions = rng.random(len(weights)) * cumulative[:, -1]  # (m,)
        places = (cumulative <= positions[:, None]).sum(axis=1)  # (m,)
        # Rounding may make a position the very end.
        return self._codes[np.minimum(places, len(self._codes) - 1)]


def scores(column: Column, codes: FloatArray) -> FloatArray:
    """A column as numbers that a regression can predict, shape (n, k); k = 0: it is constant.

    Levels one by one, ranks as normal scores, and whether a cell is missing.
    """
    missing = np.isnan(codes)  # (n,)
    parts = [missing * _MISSING_SCORE]
    if column.levels:
        parts += [(codes == level).astype(float) for level in range(len(column.levels))]
    else:
        ranks = rankdata(codes[~missing])
        ranked = np.zeros(len(codes))
        ranked[~missing] = norm.ppf((ranks - 0.5) / max(1, len(ranks)))
        parts.append(ranked)
    y = np.stack(parts, axis=1)
    return y[:, y.std(axis=0) > 0]


def _without_own(weights: FloatArray, rows: IntArray) -> FloatArray:
    """Weights (s, n) without that of the row itself, with sum 1; equal ones where none are left."""
    weights[np.arange(len(rows)), rows] = 0
    total = weights.sum(axis=1, keepdims=True)  # (s, 1)
    equal = np.ones_like(weights)
    equal[np.arange(len(rows)), rows] = 0
    weights = np.where(total > 0, weights, equal)
    return weights / weights.sum(axis=1, keepdims=True)


def _fitted_shares(likelihoods: FloatArray) -> FloatArray:
    """The shares of the ways by expectation maximisation, from likelihoods (s, ways)."""
    shares = _PRIOR_SHARES
    prior = _PRIOR_ROWS * _PRIOR_SHARES  # (ways,)
    for _ in range(_N_STEPS):
        joint = shares * likelihoods  # (s, ways)
        responsibility = joint / joint.sum(axis=1, keepdims=True)  # (s, ways)
        shares = (responsibility.sum(axis=0) + prior) / (len(likelihoods) + _PRIOR_ROWS)
    return shares

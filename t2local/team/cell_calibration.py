"""What the feature workers know of the columns, and cells that are calibrated by it.

The yardstick is a model of independent columns: a worker that sees how columns depend on each other
finds a held-out real row likelier than this model does. A Chow-Liu tree that knows the real rows
alone is often the better of worker and tree for a cell. So with calibrated cells each cell comes
from the worker or from the tree, with a mixture weight for each column that is fitted on held-out
real rows (docs/method.md, "Cells").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray
from t2local.stats.densities import ChowLiuTree
from t2local.team.plan import Component
from t2local.team.rows import Value

#: The weight of a column starts at that of all columns, worth so many rows.
_PRIOR_ROWS = 10.0
#: Expectation maximisation has settled after so many steps; each is a few array operations.
_N_STEPS = 50
#: No source is ever fully responsible for a cell: a weight of 0 or 1 could not change any more.
_LEAST_RESPONSIBILITY = 1e-6


@dataclass(frozen=True)
class CellSummary:
    """Mean log-likelihoods of real rows in nats per row, in all and by component.

    **Parameters:**

    * **nats_per_row**: by source: ``worker``, ``tree``, their ``mixture``, ``independent`` columns.
    * **worker_minus_independent**: a mean above 0 says that the workers know how columns depend on
      each other; **standard_error**: of this mean; none with one row.
    * **components**: the same as ``nats_per_row``, by the role of a component.
    * **weights**: the weight of the worker in each column, 0 to 1.
    """

    rows: int
    nats_per_row: dict[str, float]
    worker_minus_independent: float
    standard_error: float | None
    components: dict[str, dict[str, float]]
    weights: dict[str, float]


@dataclass(frozen=True)
class CellCalibration:
    """Log-likelihoods of real rows that no source had seen, cell by cell, in nats.

    **Parameters:**

    * **worker**, **tree**, **independent**: frames (m, columns): under the workers, under the
      Chow-Liu tree of the columns, and under independent columns.
    """

    worker: pd.DataFrame
    tree: pd.DataFrame
    independent: pd.DataFrame

    @property
    def weights(self) -> dict[str, float]:
        """The weight of the worker in its mixture with the tree, by column.

        It is fitted by expectation maximisation, first one weight for all columns, then one for
        each column that is shrunk towards the first.
        """
        worker = self.worker.to_numpy()
        tree = self.tree.to_numpy()
        shared = np.full(1, 0.5)
        for _ in range(_N_STEPS):
            shared = _responsibility(shared, worker, tree).mean(keepdims=True)[0]
        weights = np.repeat(shared, worker.shape[1])
        for _ in range(_N_STEPS):
            sums = _responsibility(weights, worker, tree).sum(axis=0)
            weights = (sums + _PRIOR_ROWS * shared) / (len(worker) + _PRIOR_ROWS)
        return dict(zip(map(str, self.worker), weights.tolist(), strict=True))

    def summary(self, components: Sequence[Component]) -> CellSummary:
        """The figures of all rows together.

        **Parameters:**

        * **components**: of the plan, in any order.
        """
        weights = self.weights
        means = {
            "worker": self.worker.mean(),
            "tree": self.tree.mean(),
            "mixture": mixture(self.worker, self.tree, weights).mean(),
            "independent": self.independent.mean(),
        }
        by_component = {}
        for component in components:
            columns = [name for name in component.features if name in self.worker]
            if columns:
                sums = {source: float(mean[columns].sum()) for source, mean in means.items()}
                by_component[component.role] = sums
        difference = (self.worker - self.independent).sum(axis=1)
        n_rows = len(difference)
        error = float(difference.std(ddof=1)) / n_rows**0.5 if n_rows > 1 else None
        return CellSummary(
            rows=n_rows,
            nats_per_row={source: float(mean.sum()) for source, mean in means.items()},
            worker_minus_independent=float(difference.mean()),
            standard_error=error,
            components=by_component,
            weights=weights,
        )


def mixture(worker: pd.DataFrame, other: pd.DataFrame, weights: dict[str, float]) -> pd.DataFrame:
    """Log-likelihood of each cell under w worker + (1 - w) other, of their shape.

    **Parameters:**

    * **worker**, **other**: log-likelihoods of the same cells.
    * **weights**: w by column, above 0 and below 1.
    """
    w = np.array([weights[str(name)] for name in worker])
    return pd.DataFrame(
        np.logaddexp(np.log(w) + worker.to_numpy(), np.log1p(-w) + other.to_numpy()),
        columns=worker.columns,
        index=worker.index,
    )


class MixtureGate:
    """Says for each row that is to be written which cells come from the tree, and their values.

    **Parameters:**

    * **weights**: by column, the share of rows in which the worker writes the cell. A column that
      is not there is always the worker's.
    """

    def __init__(self, tree: ChowLiuTree, weights: dict[str, float]) -> None:
        self._tree = tree
        self._weights = weights

    def sample(self, rng: np.random.Generator) -> dict[str, Value]:
        """The given cells of a row; ``rng`` decides every random number.

        One number decides all cells of a row, so that cells which depend on each other come from
        the same source as often as can be.
        """
        uniform = rng.random()
        row = self._tree.row(rng)
        return {name: row[name] for name, weight in self._weights.items() if uniform >= weight}


def _responsibility(weights: FloatArray, worker: FloatArray, tree: FloatArray) -> FloatArray:
    """The probability that a cell is the worker's and not the tree's, shape of ``worker``."""
    log_odds = np.log(weights) - np.log1p(-weights) + worker - tree
    # Beyond 500 the exponential overflows.
    probability = 1 / (1 + np.exp(-np.clip(log_odds, -500, 500)))
    return np.clip(probability, _LEAST_RESPONSIBILITY, 1 - _LEAST_RESPONSIBILITY)

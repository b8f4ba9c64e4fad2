"""What the feature workers know of the columns, measured on real rows, and cells that are calibrated by it (METHOD section 1).

The yardstick is a model of independent columns. A worker that sees how columns hang together finds a held-out real row
likelier than this model does. Cell by cell a model that knows the real rows alone (`ChowLiuTree`) is often the better of the two, so with
calibrated cells a coin of weight w, one for each column, says whether the worker writes the cell or the tree gives it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray
from t2local.stats.densities import ChowLiuTree
from t2local.team.plan import Component
from t2local.team.rows import Value

#: Real rows that are scored: each costs as much as writing a row.
MOST_SCORED = 30
#: The weight of a column starts at that of all columns, worth so many rows.
_PRIOR_ROWS = 10.0
_STEPS = 50


@dataclass(frozen=True)
class CellCalibration:
    """Log-likelihoods of real rows that no source had seen, cell by cell, in nats.

    **Parameters:**

    * **worker**, **tree**, **independent**: frames (m, columns): under the workers' model, under the tree of the columns, and under that of
      independent columns.
    """

    worker: pd.DataFrame
    tree: pd.DataFrame
    independent: pd.DataFrame

    @property
    def weights(self) -> dict[str, float]:
        """For each column the weight of the worker in its mixture with the tree, fitted by expectation maximisation."""
        worker, tree = self.worker.to_numpy(), self.tree.to_numpy()
        shared = np.full(1, 0.5)
        for _ in range(_STEPS):
            shared = _responsible(shared, worker, tree).mean(keepdims=True)[0]
        weights = np.repeat(shared, worker.shape[1])
        for _ in range(_STEPS):
            weights = (_responsible(weights, worker, tree).sum(axis=0) + _PRIOR_ROWS * shared) / (
                len(worker) + _PRIOR_ROWS
            )
        return dict(zip(map(str, self.worker), weights.tolist(), strict=True))

    def report(self, line: Sequence[Component]) -> dict[str, Any]:
        """Nats a row, by component and in all, and the weight of the worker in each column."""
        weights = self.weights
        both = mixture(self.worker, self.tree, weights)
        frames = {
            "worker": self.worker,
            "tree": self.tree,
            "both": both,
            "independent": self.independent,
        }
        sums = {name: frame.mean() for name, frame in frames.items()}
        parts = {c.role: [name for name in c.features if name in self.worker] for c in line}
        components = {
            role: {name: float(mean[columns].sum()) for name, mean in sums.items()}
            for role, columns in parts.items()
            if columns
        }
        difference = (self.worker - self.independent).sum(axis=1)
        error = (
            float(difference.std(ddof=1)) / len(difference) ** 0.5 if len(difference) > 1 else None
        )
        return {
            "rows": len(self.worker),
            "nats a row": {name: float(mean.sum()) for name, mean in sums.items()},
            "worker - independent": float(difference.mean()),
            "standard error": error,
            "components": components,
            "weights": weights,
        }


def mixture(worker: pd.DataFrame, other: pd.DataFrame, weights: dict[str, float]) -> pd.DataFrame:
    """Log-likelihood of each cell under w worker + (1 - w) other."""
    w = np.array([weights[str(name)] for name in worker])
    return pd.DataFrame(
        np.logaddexp(np.log(w) + worker.to_numpy(), np.log1p(-w) + other.to_numpy()),
        columns=worker.columns,
        index=worker.index,
    )


class MixtureGate:
    """Says for each row that is to be written which cells the tree of the columns gives, and their values.

    One random number decides all mixture_gate of a row, so that cells which hang together come from the same source as often as can be.
    """

    def __init__(self, tree: ChowLiuTree, weights: dict[str, float]) -> None:
        self._tree, self._weights = tree, weights

    def sample(self, rng: np.random.Generator) -> dict[str, Value]:
        """The given cells of a row; ``rng`` decides every random number."""
        heads, row = rng.random(), self._tree.row(rng)
        return {name: row[name] for name, weight in self._weights.items() if heads >= weight}


def _responsible(weights: FloatArray, worker: FloatArray, tree: FloatArray) -> FloatArray:
    """How far the worker is responsible for each cell."""
    odds = np.log(weights) - np.log1p(-weights) + worker - tree
    return np.clip(1 / (1 + np.exp(-np.clip(odds, -500, 500))), 1e-6, 1 - 1e-6)


def by_cell(ends: Sequence[int], weights: Sequence[tuple[int, float]]) -> list[float]:
    """Sums of token log-probabilities for each cell of a text.

    **Parameters:**

    * **ends**: where each cell ends in the text with the comma or bracket after it (bytes).
    * **weights**: where each token ends, and its log-probability.
    """
    sums = [0.0] * len(ends)
    for end, logprob in weights:
        sums[int(np.searchsorted(ends, end))] += logprob
    return sums

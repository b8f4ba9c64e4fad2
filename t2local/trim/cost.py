"""Stage 2's costs: how surprising each label is to a model that did not see the row, and which rows a batch loses by it.

cost r = 1 - p_f(y | x) (paper, equation 5). Real rows are judged by the fits that held them out: in sample they would
look cheap and crowd the generated rows out of the paper's window.
"""

from dataclasses import dataclass

import numpy as np

from t2local.stats.arrays import FloatArray, Labels, Mask
from t2local.stats.folds import stratified_folds
from t2local.stats.learners import FittedModel, Learner
from t2local.stats.streams import Stream, generator

#: With fewer real rows one split into folds is too noisy to judge by, and three cost little.
_MANY_ROWS = 200


@dataclass(frozen=True)
class Crossfit:
    """The real rows, split into folds, and a fit of f for each fold that held it out.

    ``train`` has shape (R, n): what a row counted for in fit r, 0 where it was held out. Every row is held out once a repeat.
    """

    x: FloatArray
    y: Labels
    train: FloatArray
    learner: Learner
    fits: FittedModel
    weights: FloatArray  # what each row counts for, shape (n,)
    held_out: FloatArray  # log p(y | x) of each row by the fits that held it out, mean over repeats, shape (n,)

    @property
    def numeric(self) -> bool:
        """Whether labels are numbers, not classes."""
        return np.issubdtype(self.y.dtype, np.floating)

    @property
    def repeats(self) -> int:
        """How many times every row is held out."""
        return round(float((self.train == 0).sum()) / len(self.x))

    def mean_held_out(self, log_likelihood: FloatArray) -> float:
        """Weighted mean over the held-out rows of an array (R, n)."""
        counted = (self.train == 0) * self.weights
        return float((counted * log_likelihood).sum() / counted.sum())

    @property
    def mean(self) -> float:
        """Weighted mean of ``held_out``."""
        return float((self.weights * self.held_out).sum() / self.weights.sum())


def crossfit(
    x: FloatArray, y: Labels, learner: Learner, seed: int, weights: FloatArray | None = None
) -> Crossfit:
    """Fit f on every fold's complement: 5 folds (fewer for fewer rows), 3 repeats below 200 rows.

    Classes are dealt to the folds in turn; a class with a single row is not in the fit that judges it, and its cost says so.
    """
    rng = generator(seed, Stream.COST_FOLDS)
    n, folds = len(x), min(5, len(x))
    train = []
    for _ in range(3 if n < _MANY_ROWS else 1):
        fold = stratified_folds(y, folds, rng)
        train += [(fold != k).astype(np.float64) for k in range(folds)]
    counted = np.ones(n) if weights is None else weights
    trained = np.stack(train) * counted
    fits = learner.fit(x, y, trained)
    held_out = ((trained == 0) * fits.log_likelihood(x, y)).sum(axis=0) / (trained == 0).sum(axis=0)
    return Crossfit(x, y, trained, learner, fits, counted, held_out)


def costs(log_likelihood: FloatArray) -> FloatArray:
    """Costs r of rows from their log-likelihoods.

    1 - p for classes. A number has a density, not a probability; the same map keeps the order of |y - f(x)| over its
    out-of-fold scale, which is all that quantiles see.
    """
    return 1.0 - np.exp(log_likelihood)


def window(mixture: FloatArray, alpha: float, beta: float) -> Mask:
    """The paper's refinement: the rows between the quantiles beta and 1 - alpha + beta of the mixture's costs.

    **Parameters:**

    * **mixture**: costs, shape (..., 2 m).

    **Returns** a mask of the same shape with (1 - alpha) of the rows, the beta cheapest left out.
    """
    size = mixture.shape[-1]
    first = int(np.floor(beta * size + 1e-9))
    last = min(first + round((1 - alpha) * size), size)
    ranks = np.argsort(np.argsort(mixture, axis=-1, kind="stable"), axis=-1, kind="stable")
    return (ranks >= first) & (ranks < last)


def worst(cost: FloatArray, share: float) -> Mask:
    """Mask of the rows of highest cost, a share of all, rounded to whole rows."""
    count = int(np.floor(share * len(cost) + 0.5))
    ranks = np.argsort(np.argsort(cost, kind="stable"), kind="stable")
    return ranks >= len(cost) - count

"""The real rows judged by models that have not seen them.

In sample real rows look cheap, and crowd the generated rows out of the paper's cost window: every
real row is therefore judged by the fits that held it out (docs/method.md, Cost).
"""

from dataclasses import dataclass

import numpy as np

from t2local.stats.arrays import FloatArray, Labels
from t2local.stats.folds import stratified_folds
from t2local.stats.learners import FittedModel, Learner
from t2local.stats.streams import Stream, generator

_FOLDS = 5
#: With fewer real rows one split into folds is too noisy to judge by, and three cost little.
_MANY_ROWS = 200
_REPEATS_OF_FEW_ROWS = 3


@dataclass(frozen=True)
class Crossfit:
    """The real rows, split into folds, and a fit of f for each fold that held it out.

    * ``x``, ``y``: encoded rows (n, d), and their labels (n,).
    * ``train``: what a row counted for in fit r, 0 where it was held out; shape (R, n). Every row
      is held out once a repeat.
    * ``weights``: what each row counts for, shape (n,).
    * ``held_out``: log p(y | x) of each row by the fits that held it out, the mean over repeats;
      shape (n,).
    """

    x: FloatArray
    y: Labels
    train: FloatArray
    learner: Learner
    fits: FittedModel
    weights: FloatArray
    held_out: FloatArray

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
        counts = (self.train == 0) * self.weights  # (R, n)
        return float((counts * log_likelihood).sum() / counts.sum())

    @property
    def mean(self) -> float:
        """Weighted mean of ``held_out``."""
        return float((self.weights * self.held_out).sum() / self.weights.sum())

    def mean_log_likelihood(self, x: FloatArray, y: Labels) -> FloatArray:
        """Mean log p(y | x) of other rows over all fits, shape (m,): no fit has seen them."""
        return self.fits.log_likelihood(x, y).mean(axis=0)


def crossfit(
    x: FloatArray, y: Labels, learner: Learner, seed: int, weights: FloatArray | None = None
) -> Crossfit:
    """Fit f on every fold's complement: 5 folds (fewer for fewer rows), 3 repeats below 200 rows.

    A class with a single row is not in the fit that judges it, and its cost says so.
    """
    rng = generator(seed, Stream.COST_FOLDS)
    n_folds = min(_FOLDS, len(x))
    repeats = _REPEATS_OF_FEW_ROWS if len(x) < _MANY_ROWS else 1
    masks = []
    for _ in range(repeats):
        fold = stratified_folds(y, n_folds, rng)
        masks += [(fold != number).astype(np.float64) for number in range(n_folds)]
    if weights is None:
        weights = np.ones(len(x))
    train = np.stack(masks) * weights  # (R, n)
    fits = learner.fit(x, y, train)
    out = train == 0  # (R, n)
    held_out = (out * fits.log_likelihood(x, y)).sum(axis=0) / out.sum(axis=0)  # (n,)
    return Crossfit(x, y, train, learner, fits, weights, held_out)

"""The downstream model f of the paper: many weighted fits of one model, and their log-likelihoods.

The trimming judges batches and rows with it (docs/method.md, "Cost"). ``logistic`` is a regression
with a ridge penalty that is fitted for all weightings at once
(`t2local.stats.penalized_regression`). The others are scikit-learn's
(`t2local.stats.sklearn_models`).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from t2local.stats.arrays import FloatArray, Labels
from t2local.stats.penalized_regression import PenalizedRegression
from t2local.stats.sklearn_models import SklearnLearner


class FittedModel(Protocol):
    """R fits of one model."""

    def log_likelihood(self, x: FloatArray, y: Labels) -> FloatArray:
        """Log p(y | x) of each row under each fit, shape (R, n)."""


class Learner(Protocol):
    """A model that can be fitted under many weightings of the same rows."""

    def fit(self, x: FloatArray, y: Labels, weights: FloatArray, start: Any = None) -> FittedModel:
        """One fit for each row of ``weights``, shape (R, n).

        **Parameters:**

        * **x**: encoded rows (n, d); **y**: their labels (n,); **start**: an earlier fit to begin
          from.
        """


def learner(kind: str, n_classes: int, seed: int) -> Learner:
    """The learner with a name of the settings.

    **Parameters:**

    * **kind**: logistic, svm, mlp, forest, or several (the average of logistic and forest).
    * **n_classes**: 0 for a number.
    """
    if kind == "logistic":
        return PenalizedRegression(n_classes)
    if kind == "several":
        linear = PenalizedRegression(n_classes)
        return AverageLearner((linear, SklearnLearner("forest", n_classes, seed)))
    return SklearnLearner(kind, n_classes, seed)


@dataclass(frozen=True)
class AverageLearner:
    """Models of different kinds, with the mean of their probabilities.

    With several kinds the quality stages do not favour the rows that suit one of them.
    """

    learners: tuple[Learner, ...]

    def fit(
        self, x: FloatArray, y: Labels, weights: FloatArray, start: "AverageFit | None" = None
    ) -> "AverageFit":
        """Fits of every learner, each from its own ``start``."""
        starts: tuple[Any, ...] = (None,) * len(self.learners)
        if start is not None:
            starts = start.fits
        pairs = zip(self.learners, starts, strict=True)
        return AverageFit(tuple(model.fit(x, y, weights, begin) for model, begin in pairs))


@dataclass(frozen=True)
class AverageFit:
    """R fits of each learner."""

    fits: tuple[FittedModel, ...]

    def log_likelihood(self, x: FloatArray, y: Labels) -> FloatArray:
        """Log of the mean of p(y | x) over the learners, shape (R, n)."""
        each = [fit.log_likelihood(x, y) for fit in self.fits]
        return np.logaddexp.reduce(each) - np.log(len(each))

"""scikit-learn's models as learners: a forest, a neural network, a support vector machine."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from t2local.stats.arrays import FloatArray, IntArray, Labels
from t2local.stats.likelihoods import class_log_likelihood, normal_log_likelihood
from t2local.stats.streams import Stream, random_state


@dataclass(frozen=True)
class SklearnLearner:
    """Fits one scikit-learn model for each weighting.

    **Parameters:**

    * **kind**: forest, mlp or svm; **n_classes**: 0 for a number.
    """

    kind: str
    n_classes: int
    seed: int

    def fit(
        self,
        x: FloatArray,
        y: Labels,
        weights: FloatArray,
        start: object = None,  # noqa: ARG002 -- these models have no warm start
    ) -> "SklearnFit":
        """One model for each row of ``weights`` (R, n)."""
        return SklearnFit(self.n_classes, [self._fit_one(x, y, own) for own in weights])

    def _fit_one(self, x: FloatArray, y: Labels, weights: FloatArray) -> Any:
        """A fitted model, or the number of the only class that has weight."""
        rows = _copies(weights)
        if self.n_classes and len(np.unique(y[rows])) < 2:
            return int(y[rows[0]])
        with warnings.catch_warnings():
            # An MLP that is not quite converged is still a fair judge.
            warnings.simplefilter("ignore")
            return self._estimator().fit(x[rows], y[rows])

    def _estimator(self) -> Any:
        kinds = {"forest": _forest, "mlp": _network, "svm": _support_vectors}
        return kinds[self.kind](self.n_classes, random_state(self.seed, Stream.COST_MODEL))


def _copies(weights: FloatArray) -> IntArray:
    """Places of the rows, each as often as its weight says.

    Not every scikit-learn model takes weights, all take copies. Weights that are not whole numbers
    (shares of labels were asked for) become the nearest numbers of copies, counted in the smallest
    weight.
    """
    unit = min(weights[weights > 0].min(), 1.0)
    return np.repeat(np.arange(len(weights)), np.round(weights / unit).astype(int))


def _forest(n_classes: int, state: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    # 50 trees: a forest is fitted for every fold, batch and control, and their mean is what counts.
    forest = {True: RandomForestClassifier, False: RandomForestRegressor}[n_classes > 0]
    return forest(50, min_samples_leaf=2, random_state=state)


def _network(n_classes: int, state: int) -> Any:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    # L-BFGS converges where rows are few; the strong penalty keeps 32 units from learning them by
    # heart.
    network = {True: MLPClassifier, False: MLPRegressor}[n_classes > 0]
    return network(
        hidden_layer_sizes=(32,), alpha=1.0, solver="lbfgs", max_iter=200, random_state=state
    )


def _support_vectors(n_classes: int, state: int) -> Any:  # noqa: ARG001 -- nothing is random here
    from sklearn.svm import SVC, SVR

    if n_classes:
        return SVC(decision_function_shape="ovr")
    return SVR()


@dataclass(frozen=True)
class SklearnFit:
    """R fitted models; a whole number stands for a model that always says this class."""

    n_classes: int
    estimators: list[Any]

    def log_likelihood(self, x: FloatArray, y: Labels) -> FloatArray:
        """Log p(y | x) of each row under each fit, shape (R, n)."""
        return np.stack([self._one(estimator, x, y) for estimator in self.estimators])

    def _one(self, estimator: Any, x: FloatArray, y: Labels) -> FloatArray:
        """Log p(y | x) under one fit, shape (n,)."""
        if not self.n_classes:
            return normal_log_likelihood(np.asarray(y, dtype=np.float64) - estimator.predict(x))
        if isinstance(estimator, int):
            equal = (np.asarray(y) == estimator).astype(np.float64)  # (n,)
            return class_log_likelihood(equal, self.n_classes)
        p = np.zeros((len(x), self.n_classes))  # (n, classes); a class without weight keeps 0
        p[:, estimator.classes_] = _probabilities(estimator, x)
        own = p[np.arange(len(x)), np.asarray(y, dtype=np.intp)]  # (n,)
        return class_log_likelihood(own, self.n_classes)


def _probabilities(estimator: Any, x: FloatArray) -> FloatArray:
    """Of the classes that the model was fitted on, shape (n, classes of the model)."""
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(x)
    # A support vector machine gives margins; their softmax stands in for its probabilities.
    margins = estimator.decision_function(x)
    if margins.ndim == 1:  # two classes share one margin
        margins = np.stack([-margins, margins], axis=1)  # (n, 2)
    odds = np.exp(margins - margins.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)

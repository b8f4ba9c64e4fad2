"""The downstream model f that stage 2 judges with: many weighted fits of one model, and log-likelihoods.

``logistic`` is a ridge regression (logistic, or linear for a number) that is fitted for all replicates at once by Newton's
method; its posterior precision is what the paper's information gain needs. The other models are scikit-learn's.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from t2local.stats.arrays import FloatArray
from t2local.stats.streams import Stream, random_state

Labels = np.ndarray[Any, np.dtype[Any]]  # class numbers (int), or standardised numbers (float)

#: Prior precision of every coefficient, intercept included: N(0, 1/_PRIOR), notes D1.
_PRIOR = 1.0
_STEPS = 25
#: Newton stops when no logit moves by more than this: quadratic convergence makes the next step far smaller.
_TOLERANCE = 1e-4
#: Doubles in one temporary array: 32 MB.
_CHUNK = 4_000_000
#: The probability that a model gives at least: one confident error must not decide a mean of logs.
_FLOOR = 1e-3


class Fitted(Protocol):
    """R fits of one model."""

    def log_likelihood(self, x: FloatArray, y: Labels) -> FloatArray:
        """Log p(y | x) of each row under each fit, shape (R, n)."""


class Learner(Protocol):
    """A model that can be fitted under many weightings of the same rows."""

    def fit(self, x: FloatArray, y: Labels, weights: FloatArray, start: Any = None) -> Fitted:
        """One fit for each row of ``weights``, shape (R, n); ``start`` is an earlier result to begin from."""


def learner(kind: str, classes: int, seed: int) -> Learner:
    """The learner of a settings name; ``classes`` is 0 for a number."""
    if kind == "logistic":
        return Ridge(classes)
    if kind == "several":
        return _Several((Ridge(classes), _Sklearn("forest", classes, seed)))
    return _Sklearn(kind, classes, seed)


@dataclass(frozen=True)
class Ridge:
    """Multinomial ridge regression with the last class as reference; linear for a number (``classes`` is 0)."""

    classes: int

    def fit(
        self, x: FloatArray, y: Labels, weights: FloatArray, start: "RidgeFit | None" = None
    ) -> "RidgeFit":
        """Maximum a posteriori coefficients, shape (R, outputs, d + 1)."""
        basis, x1 = _row_space(_with_intercept(x))
        shape = (len(weights), max(self.classes - 1, 1), x1.shape[1])
        theta = (
            np.zeros(shape) if start is None else np.broadcast_to(start.theta @ basis, shape).copy()
        )
        targets = self._targets(y)
        for part in _parts(weights, x1.shape[1] * shape[1]):
            theta[part] = self._newton(x1, targets, weights[part], theta[part])
        return RidgeFit(self, theta @ basis.T)

    def _newton(
        self, x1: FloatArray, targets: FloatArray, weights: FloatArray, theta: FloatArray
    ) -> FloatArray:
        for _ in range(_STEPS if self.classes else 1):
            p = self._mean(x1, theta)
            gradient = np.matmul(weights[:, None, :] * (targets - p), x1) - _PRIOR * theta
            hessian = self._precision(x1, p, weights)
            step = np.linalg.solve(hessian, gradient.reshape(len(theta), -1, 1)).reshape(
                theta.shape
            )
            # A full Newton step can overshoot where classes are separable; no logit moves by more than 4 at once.
            reach = (
                np.abs(np.matmul(step, x1.T)).max(axis=(1, 2), initial=0.0)
                if self.classes
                else np.ones(len(theta))
            )
            theta = (
                theta + step * np.minimum(1.0, 4.0 / np.maximum(reach, 1e-12))[:, None, None]
                if self.classes
                else theta + step
            )
            if reach.max() < _TOLERANCE:
                break
        return theta

    def _targets(self, y: Labels) -> FloatArray:
        """Shape (outputs, n)."""
        if not self.classes:
            return np.asarray(y, dtype=np.float64)[None, :]
        return (np.arange(self.classes - 1)[:, None] == np.asarray(y)[None, :]).astype(np.float64)

    def _mean(self, x1: FloatArray, theta: FloatArray) -> FloatArray:
        """Probabilities of all classes but the last, or the predicted number; shape (R, outputs, n)."""
        logits = np.matmul(theta, x1.T)
        if not self.classes:
            return logits
        top = np.maximum(logits.max(axis=1, keepdims=True), 0.0)
        odds = np.exp(logits - top)
        return odds / (odds.sum(axis=1, keepdims=True) + np.exp(-top))

    def _precision(self, x1: FloatArray, p: FloatArray, weights: FloatArray) -> FloatArray:
        """Posterior precision, shape (R, P, P) with P = outputs * (d + 1): prior plus the block Fisher matrix."""
        replicates, outputs, _ = p.shape
        d = x1.shape[1]
        result = np.zeros((replicates, outputs, d, outputs, d))
        for a in range(outputs):
            for b in range(a + 1):
                curvature = weights * p[:, a] * ((a == b) - p[:, b]) if self.classes else weights
                result[:, a, :, b, :] = np.matmul(x1.T[None] * curvature[:, None, :], x1)
                result[:, b, :, a, :] = result[:, a, :, b, :]
        square = result.reshape(replicates, outputs * d, outputs * d)
        return square + _PRIOR * np.eye(outputs * d)

    def log_determinants(self, x: FloatArray, weights: FloatArray, fit: "RidgeFit") -> FloatArray:
        """Log det of the posterior precision at the fit's coefficients, one for each row of ``weights``."""
        basis, x1 = _row_space(_with_intercept(x))
        coefficients, result = fit.theta @ basis, np.empty(len(weights))
        theta = np.broadcast_to(coefficients, (len(weights), *coefficients.shape[1:]))
        # The directions outside the row space have the prior's precision, which is 1: they add nothing.
        for part in _parts(weights, x1.shape[1] * fit.theta.shape[1]):
            result[part] = np.linalg.slogdet(
                self._precision(x1, self._mean(x1, theta[part]), weights[part])
            )[1]
        return result

    def predictive_entropy(
        self, at: FloatArray, x: FloatArray, weights: FloatArray, fit: "RidgeFit"
    ) -> FloatArray:
        """Entropy of p(y | x) at the rows ``at``, shape (R, len(at)), in nats; of a number up to a constant, by the variance of its mean."""
        if self.classes:
            p = self._mean(_with_intercept(at), fit.theta)
            p = np.concatenate([p, 1 - p.sum(axis=1, keepdims=True)], axis=1)
            return -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1)
        basis, x1 = _row_space(_with_intercept(x))
        at1 = _with_intercept(at) @ basis
        precision = self._precision(x1, np.zeros((len(weights), 1, len(x))), weights)
        return 0.5 * np.log(
            1
            + np.einsum(
                "nd,rdn->rn",
                at1,
                np.linalg.solve(precision, np.broadcast_to(at1.T, (len(weights), *at1.T.shape))),
            )
        )


@dataclass(frozen=True)
class RidgeFit:
    """Coefficients of R fits, shape (R, outputs, d + 1)."""

    model: Ridge
    theta: FloatArray

    def log_likelihood(self, x: FloatArray, y: Labels) -> FloatArray:
        """Log p(y | x), shape (R, n); for a number the log density of a unit normal around the prediction."""
        mean = self.model._mean(_with_intercept(x), self.theta)
        if not self.model.classes:
            return _normal(np.asarray(y, dtype=np.float64) - mean[:, 0])
        full = np.concatenate([mean, 1.0 - mean.sum(axis=1, keepdims=True)], axis=1)
        return _log(full[:, np.asarray(y, dtype=np.intp), np.arange(len(y))], self.model.classes)


@dataclass(frozen=True)
class _Sklearn:
    kind: str
    classes: int
    seed: int

    def fit(
        self, x: FloatArray, y: Labels, weights: FloatArray, start: object = None
    ) -> "_SklearnFit":  # noqa: ARG002 -- these models have no warm start
        return _SklearnFit(self.classes, [self._fit_one(x, y, row) for row in weights])

    def _fit_one(self, x: FloatArray, y: Labels, weights: FloatArray) -> Any:
        # Weights that are no whole numbers (shares of labels were asked for) become the nearest numbers of copies.
        least = weights[weights > 0].min()
        rows = np.repeat(np.arange(len(x)), np.round(weights / min(least, 1.0)).astype(int))
        if self.classes and len(np.unique(y[rows])) < 2:
            return int(y[rows[0]])
        with warnings.catch_warnings():
            # An MLP that is not quite converged is still a fair judge.
            warnings.simplefilter("ignore")
            return self._estimator().fit(x[rows], y[rows])

    def _estimator(self) -> Any:
        if self.kind == "forest":
            from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

            return (RandomForestClassifier if self.classes else RandomForestRegressor)(
                50, min_samples_leaf=2, random_state=random_state(self.seed, Stream.COST_MODEL)
            )
        if self.kind == "mlp":
            from sklearn.neural_network import MLPClassifier, MLPRegressor

            return (MLPClassifier if self.classes else MLPRegressor)(
                hidden_layer_sizes=(32,),
                alpha=1.0,
                solver="lbfgs",
                max_iter=200,
                random_state=random_state(self.seed, Stream.COST_MODEL),
            )
        from sklearn.svm import SVC, SVR

        return SVC(decision_function_shape="ovr") if self.classes else SVR()


@dataclass(frozen=True)
class _SklearnFit:
    classes: int
    estimators: list[Any]

    def log_likelihood(self, x: FloatArray, y: Labels) -> FloatArray:
        return np.stack([self._one(estimator, x, y) for estimator in self.estimators])

    def _one(self, estimator: Any, x: FloatArray, y: Labels) -> FloatArray:
        if isinstance(estimator, int):
            return _log((np.asarray(y) == estimator).astype(np.float64), self.classes)
        if not self.classes:
            return _normal(np.asarray(y, dtype=np.float64) - estimator.predict(x))
        p = np.zeros((len(x), self.classes))
        p[:, estimator.classes_] = (
            estimator.predict_proba(x)
            if hasattr(estimator, "predict_proba")
            else _from_margins(estimator.decision_function(x))
        )
        return _log(p[np.arange(len(x)), np.asarray(y, dtype=np.intp)], self.classes)


@dataclass(frozen=True)
class _Several:
    """Models of different kinds, so that quality control does not fit one of them: the mean of their probabilities."""

    learners: tuple[Learner, ...]

    def fit(
        self, x: FloatArray, y: Labels, weights: FloatArray, start: "_SeveralFit | None" = None
    ) -> "_SeveralFit":
        starts = start.fits if start else (None,) * len(self.learners)
        return _SeveralFit(
            tuple(
                model.fit(x, y, weights, begin)
                for model, begin in zip(self.learners, starts, strict=True)
            )
        )


@dataclass(frozen=True)
class _SeveralFit:
    fits: tuple[Fitted, ...]

    def log_likelihood(self, x: FloatArray, y: Labels) -> FloatArray:
        return np.logaddexp.reduce([fit.log_likelihood(x, y) for fit in self.fits]) - np.log(
            len(self.fits)
        )


def _with_intercept(x: FloatArray) -> FloatArray:
    return np.hstack([x, np.ones((len(x), 1))])


def _from_margins(margins: FloatArray) -> FloatArray:
    """A support vector machine gives margins; their softmax stands in for its probabilities."""
    scores = np.stack([-margins, margins], axis=1) if margins.ndim == 1 else margins
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def _row_space(x1: FloatArray) -> tuple[FloatArray, FloatArray]:
    """An orthonormal basis (d, k) of the rows, and the rows in it.

    With more columns than rows (levels of many categories) the ridge solution lies in the span of the rows, and the prior
    looks the same from every direction: the smaller problem is the same problem.
    """
    if x1.shape[1] <= len(x1):
        return np.eye(x1.shape[1]), x1
    basis = np.linalg.qr(x1.T)[0]
    return basis, x1 @ basis


def _log(p: FloatArray, classes: int) -> FloatArray:
    """Log-probabilities, mixed with a uniform guess so that none is minus infinity."""
    return np.log((1 - _FLOOR) * p + _FLOOR / classes)


def _normal(residuals: FloatArray) -> FloatArray:
    return -0.5 * (residuals**2 + np.log(2 * np.pi))


def _parts(weights: FloatArray, width: int) -> Iterator[slice]:
    """Slices of the replicates, so that no temporary array grows beyond `_CHUNK`."""
    size = max(1, _CHUNK // max(1, weights.shape[1] * width, width * width))
    for start in range(0, len(weights), size):
        yield slice(start, start + size)

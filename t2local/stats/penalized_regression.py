"""Regression with a ridge penalty, fitted under many weightings of the rows at once.

Multinomial logistic regression for classes, linear regression for a number.

The penalty is a normal prior on the coefficients theta, so a fit is a posterior mode and the
Hessian there is the posterior precision. The paper's information gain needs its log determinant
(docs/method.md, "Information gain").

Letters in the shapes: R fits, n rows, d columns, k = d + 1 coefficients with the intercept (fewer
in the row space), ``outputs`` = classes - 1, or 1 for a number.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from t2local.stats.arrays import FloatArray, Labels
from t2local.stats.likelihoods import class_log_likelihood, normal_log_likelihood

#: Prior precision of every coefficient, intercept included: theta ~ N(0, 1 / precision). It is
#: scikit-learn's default penalty (C = 1). The paper gives none; docs/method.md, "Open points".
_PRIOR_PRECISION = 1.0
#: Newton's method needs 5 to 10 steps; separable classes, where steps are shortened, need more.
_MAX_STEPS = 25
#: Newton stops when no logit moves by more than this: it converges quadratically, so the next step
#: would be far smaller.
_TOLERANCE = 1e-4
#: A full Newton step can overshoot where classes are separable; no logit moves further than this at
#: once.
_MAX_LOGIT_CHANGE = 4.0
#: Doubles in one temporary array: 32 MB.
_CHUNK = 4_000_000
#: The smallest probability in a logarithm; p log p is 0 there in doubles.
_TINY = 1e-300


@dataclass(frozen=True)
class PenalizedRegression:
    """Multinomial logistic regression with a ridge penalty; linear regression for a number.

    The last class is the reference: its logit is 0.

    **Parameters:**

    * **n_classes**: 0 for a number.
    """

    n_classes: int

    def fit(
        self,
        x: FloatArray,
        y: Labels,
        weights: FloatArray,
        start: "PenalizedFit | None" = None,
        offset: FloatArray | None = None,
    ) -> "PenalizedFit":
        """The posterior mode of the coefficients, for each row of ``weights``.

        **Parameters:**

        * **x**: encoded rows (n, d); **y**: their labels (n,); **weights**: how much a row counts,
          (R, n).
        * **start**: an earlier fit to begin from, with R fits or one.
        * **offset**: what is added to the logits (or numbers) of the rows, (R, outputs, n).
        """
        basis, x1 = _row_space(_with_intercept(x))  # (d + 1, k), (n, k)
        shape = (len(weights), max(self.n_classes - 1, 1), x1.shape[1])
        theta = np.zeros(shape)  # (R, outputs, k)
        if start is not None:
            theta[:] = start.theta @ basis
        targets = self._targets(y)  # (outputs, n)
        for part in _chunks(weights, x1.shape[1] * shape[1]):
            theta[part] = self._newton(x1, targets, weights[part], theta[part], _part(offset, part))
        return PenalizedFit(self, theta @ basis.T)

    def log_determinants(
        self,
        x: FloatArray,
        weights: FloatArray,
        fit: "PenalizedFit",
        offset: FloatArray | None = None,
    ) -> FloatArray:
        """Log determinant of the posterior precision, for each row of ``weights``; shape (R,).

        **Parameters:**

        * **fit**: gives the coefficients; R fits, or one for all weightings.
        * **offset**: as in `fit`.
        """
        basis, x1 = _row_space(_with_intercept(x))  # (d + 1, k), (n, k)
        coefficients = fit.theta @ basis  # (R or 1, outputs, k)
        theta = np.broadcast_to(coefficients, (len(weights), *coefficients.shape[1:]))
        result = np.empty(len(weights))  # (R,)
        # Outside the row space the precision is the prior's, which is 1: its logarithm adds
        # nothing.
        for part in _chunks(weights, x1.shape[1] * fit.theta.shape[1]):
            mean = self._mean(x1, theta[part], _part(offset, part))  # (R, outputs, n)
            result[part] = np.linalg.slogdet(self._precision(x1, mean, weights[part]))[1]
        return result

    def log_evidence(
        self,
        x: FloatArray,
        y: Labels,
        weights: FloatArray,
        fit: "PenalizedFit | None" = None,
        offset: FloatArray | None = None,
    ) -> FloatArray:
        """Log marginal likelihood by Laplace's approximation, for each row of ``weights``; (R,).

        For a number it is exact.

        **Parameters:**

        * **fit**: the posterior modes under these weights, where they are known.
        * **offset**: as in `fit`.
        """
        if fit is None:
            fit = self.fit(x, y, weights, offset=offset)
        log_density = self._log_density(self._targets(y), fit.means(x, offset))  # (R, n)
        log_prior = -0.5 * _PRIOR_PRECISION * (fit.theta**2).sum(axis=(1, 2))  # (R,)
        # The 2 pi of prior and posterior cancel, and the logarithm of the prior's precision is 0.
        log_volume = -0.5 * self.log_determinants(x, weights, fit, offset)  # (R,)
        return (weights * log_density).sum(axis=1) + log_prior + log_volume

    def predictive_entropy(
        self, at: FloatArray, x: FloatArray, weights: FloatArray, fit: "PenalizedFit"
    ) -> FloatArray:
        """Entropy of p(y | x) in nats at the rows ``at`` (m, d); shape (R, m).

        For a number it is the entropy of a normal up to a constant: 0.5 log(1 + variance of the
        mean).
        """
        if self.n_classes:
            p = fit.probabilities(at)  # (R, classes, m)
            return -(p * np.log(np.maximum(p, _TINY))).sum(axis=1)
        basis, x1 = _row_space(_with_intercept(x))  # (d + 1, k), (n, k)
        at1 = _with_intercept(at) @ basis  # (m, k)
        mean = np.zeros((len(weights), 1, len(x)))  # (R, 1, n): has no influence
        precision = self._precision(x1, mean, weights)  # (R, k, k)
        rows = np.broadcast_to(at1.T, (len(weights), *at1.T.shape))  # (R, k, m)
        variance = np.einsum("mk,rkm->rm", at1, np.linalg.solve(precision, rows))  # (R, m)
        return 0.5 * np.log(1 + variance)

    def _newton(
        self,
        x1: FloatArray,
        targets: FloatArray,
        weights: FloatArray,
        theta: FloatArray,
        offset: FloatArray | None,
    ) -> FloatArray:
        """Newton's method from ``theta`` (R, outputs, k) to the posterior mode."""
        if not self.n_classes:  # a quadratic problem: one step is exact
            return theta + self._newton_step(x1, targets, weights, theta, offset)
        for _ in range(_MAX_STEPS):
            step = self._newton_step(x1, targets, weights, theta, offset)  # (R, outputs, k)
            change = np.abs(np.matmul(step, x1.T)).max(axis=(1, 2), initial=0.0)  # (R,)
            length = np.minimum(1.0, _MAX_LOGIT_CHANGE / np.maximum(change, 1e-12))  # (R,)
            theta = theta + step * length[:, None, None]  # (R, outputs, k)
            if change.max() < _TOLERANCE:
                break
        return theta

    def _newton_step(
        self,
        x1: FloatArray,
        targets: FloatArray,
        weights: FloatArray,
        theta: FloatArray,
        offset: FloatArray | None,
    ) -> FloatArray:
        """Inverse Hessian times gradient of the log posterior, shape (R, outputs, k)."""
        mean = self._mean(x1, theta, offset)  # (R, outputs, n)
        residuals = weights[:, None, :] * (targets - mean)  # (R, outputs, n)
        gradient = np.matmul(residuals, x1) - _PRIOR_PRECISION * theta  # (R, outputs, k)
        precision = self._precision(x1, mean, weights)  # (R, outputs * k, outputs * k)
        step = np.linalg.solve(precision, gradient.reshape(len(theta), -1, 1))
        return step.reshape(theta.shape)

    def _targets(self, y: Labels) -> FloatArray:
        """One-hot classes without the last, or the numbers; shape (outputs, n)."""
        if not self.n_classes:
            return np.asarray(y, dtype=np.float64)[None, :]
        classes = np.arange(self.n_classes - 1)[:, None]  # (outputs, 1)
        return (classes == np.asarray(y)[None, :]).astype(np.float64)

    def _log_density(self, targets: FloatArray, mean: FloatArray) -> FloatArray:
        """Log p(y | x) of each row, (R, n)."""
        if not self.n_classes:
            return normal_log_likelihood(targets - mean)[:, 0]
        last = 1.0 - targets.sum(axis=0)  # (n,): the reference, which has no row of its own
        p = (targets * mean).sum(axis=1) + last * (1.0 - mean.sum(axis=1))  # (R, n)
        return np.log(np.maximum(p, _TINY))

    def _mean(
        self, x1: FloatArray, theta: FloatArray, offset: FloatArray | None = None
    ) -> FloatArray:
        """Probabilities of all classes but the last, or predicted numbers: (R, outputs, n)."""
        logits = np.matmul(theta, x1.T)  # (R, outputs, n)
        if offset is not None:
            logits = logits + offset
        if not self.n_classes:
            return logits
        # The softmax with the largest logit subtracted; that of the reference is 0.
        largest = np.maximum(logits.max(axis=1, keepdims=True), 0.0)  # (R, 1, n)
        odds = np.exp(logits - largest)  # (R, outputs, n)
        return odds / (odds.sum(axis=1, keepdims=True) + np.exp(-largest))

    def _precision(self, x1: FloatArray, mean: FloatArray, weights: FloatArray) -> FloatArray:
        """The prior's precision plus the Fisher information: (R, outputs * k, outputs * k)."""
        n_fits, outputs, _ = mean.shape
        k = x1.shape[1]
        fisher = np.zeros((n_fits, outputs, k, outputs, k))
        for a in range(outputs):
            for b in range(a + 1):
                curvature = weights  # (R, n)
                if self.n_classes:
                    curvature = weights * mean[:, a] * ((a == b) - mean[:, b])
                block = np.matmul(x1.T[None] * curvature[:, None, :], x1)  # (R, k, k)
                fisher[:, a, :, b, :] = block
                fisher[:, b, :, a, :] = block
        square = fisher.reshape(n_fits, outputs * k, outputs * k)
        return square + _PRIOR_PRECISION * np.eye(outputs * k)


@dataclass(frozen=True)
class PenalizedFit:
    """Coefficients of R fits: ``theta`` has shape (R, outputs, d + 1), the intercept last."""

    model: PenalizedRegression
    theta: FloatArray

    def means(self, x: FloatArray, offset: FloatArray | None = None) -> FloatArray:
        """Probabilities of all classes but the last, or predicted numbers: (R, outputs, n)."""
        return self.model._mean(_with_intercept(x), self.theta, offset)

    def probabilities(self, x: FloatArray) -> FloatArray:
        """Of all classes, shape (R, classes, n)."""
        p = self.means(x)  # (R, outputs, n)
        return np.concatenate([p, 1.0 - p.sum(axis=1, keepdims=True)], axis=1)

    def best_log_likelihood(self, x: FloatArray) -> FloatArray:
        """Log p(y | x) of the likeliest label of each row under the first fit, shape (n,)."""
        if not self.model.n_classes:
            return normal_log_likelihood(np.zeros(len(x)))
        return class_log_likelihood(self.probabilities(x)[0].max(axis=0), self.model.n_classes)

    def log_likelihood(self, x: FloatArray, y: Labels) -> FloatArray:
        """Log p(y | x), shape (R, n); a number has a unit normal around its prediction."""
        if not self.model.n_classes:
            mean = self.means(x)[:, 0]  # (R, n)
            return normal_log_likelihood(np.asarray(y, dtype=np.float64) - mean)
        p = self.probabilities(x)  # (R, classes, n)
        own = p[:, np.asarray(y, dtype=np.intp), np.arange(len(y))]  # (R, n)
        return class_log_likelihood(own, self.model.n_classes)


def _with_intercept(x: FloatArray) -> FloatArray:
    """The rows with a column of ones at the end, shape (n, d + 1)."""
    return np.hstack([x, np.ones((len(x), 1))])


def _row_space(x1: FloatArray) -> tuple[FloatArray, FloatArray]:
    """An orthonormal basis (d + 1, k) of the rows (n, d + 1), and the rows in that basis (n, k).

    With more columns than rows (levels of many categories) the solution lies in the span of the
    rows, and the prior is the same in every direction: the smaller problem has the same solution.
    """
    if x1.shape[1] <= len(x1):
        return np.eye(x1.shape[1]), x1
    basis = np.linalg.qr(x1.T)[0]
    return basis, x1 @ basis


def _part(offset: FloatArray | None, part: slice) -> FloatArray | None:
    """The offsets of some fits, where there are any."""
    if offset is None:
        return None
    return offset[part]


def _chunks(weights: FloatArray, width: int) -> Iterator[slice]:
    """Slices of the fits, so that no temporary array has more than `_CHUNK` numbers."""
    size = max(1, _CHUNK // max(1, weights.shape[1] * width, width * width))
    for start in range(0, len(weights), size):
        yield slice(start, start + size)

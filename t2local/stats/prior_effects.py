"""Regression that knows which columns raise or lower a label, and trusts it as far as rows agree.

The coefficients have a normal prior with mean c z: z is what a person says, c how far it is
trusted. No threshold decides c. Models with different c are averaged by their marginal likelihood
(Bayesian model averaging: Hoeting et al. 1999, doi 10.1214/ss/1009212519), so the rows decide.

docs/method.md, "Effects". Letters in the shapes: n rows, d columns, R models of one deviation.
"""

from dataclasses import dataclass

import numpy as np

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.penalized_regression import PenalizedFit, PenalizedRegression

#: How far effects are trusted (c), and the prior weights. With c = -0.3 somebody took the other
#: class for the positive one: effects that are all wrong cost 0.4 points of AUC at n = 20 without
#: it, and nothing with it.
_SCALES = {-0.3: 0.05, 0.0: 0.45, 0.3: 0.3, 0.6: 0.2}
#: Standard deviations of the coefficients' prior, equally likely. With 0.6 alone effects that are
#: all right bring 0.6 points less at n = 20.
_DEVIATIONS = (0.3, 0.6)
#: The deviation for a column that is said to have no effect, as a share of the others'.
_NO_EFFECT = 0.5
#: Standard deviation of the intercept's prior: wide, as nobody has said how common the class is.
_INTERCEPT = 3.0
#: Of a number: standard deviations of what the columns do not explain, in deviations of the label.
_NOISE = (0.3, 0.5, 0.7, 1.0)
#: The strongest direction, in mean ones: one column must not speak for all.
_STRONGEST = 2.5


def directions(effects: FloatArray) -> FloatArray:
    """What is said of each column, in strengths of mean size 1; 0 where nothing is said; (d,)."""
    strengths = np.nan_to_num(effects)  # (d,)
    sizes = np.abs(strengths[strengths != 0])
    if not len(sizes):
        return strengths
    return np.clip(strengths / sizes.mean(), -_STRONGEST, _STRONGEST)


def agreed_signs(
    x: FloatArray, y: FloatArray, effects: FloatArray, weights: FloatArray
) -> IntArray:
    """-1 or 1 for the columns whose covariance with the label has the stated sign, else 0; (d,).

    **Parameters:** as for `fit_effects_regression`.
    """
    center = np.average(x, axis=0, weights=weights)
    covariance = (weights * (y - np.average(y, weights=weights))) @ (x - center)  # (d,)
    signs = np.sign(directions(effects))
    return np.where(signs * covariance > 0, signs, 0).astype(np.intp)


@dataclass(frozen=True)
class _Columns:
    """The columns as the priors need them.

    * ``center``: means; ``z``: `directions`; ``looseness``: the share of the prior's deviation that
      each coefficient has; (d,).
    """

    center: FloatArray
    z: FloatArray
    looseness: FloatArray

    @classmethod
    def of(cls, x: FloatArray, effects: FloatArray, weights: FloatArray) -> "_Columns":
        """Of encoded rows (n, d), what is said of the columns (d,), and weights of rows (n,)."""
        looseness = np.where(effects == 0, _NO_EFFECT, 1.0)
        return cls(np.average(x, axis=0, weights=weights), directions(effects), looseness)

    def design(self, x: FloatArray, deviation: float) -> FloatArray:
        """Rows for `PenalizedRegression`, whose coefficients have deviation 1; (n, d + 1)."""
        scaled = deviation * self.looseness * (x - self.center)
        # The regression has an intercept with deviation 1; a constant column adds the rest of the
        # variance.
        constant = np.full((len(x), 1), np.sqrt(_INTERCEPT**2 - 1))
        return np.hstack([scaled, constant])

    def offsets(self, x: FloatArray, scales: FloatArray) -> FloatArray:
        """What the means of the priors add to the logits (or numbers) of rows; (R, 1, n)."""
        return np.multiply.outer(scales, (x - self.center) @ self.z)[:, None, :]


@dataclass(frozen=True)
class _Models:
    """The models of one deviation, each with its scale c, noise and prior weight; (R,)."""

    scales: FloatArray
    noise: FloatArray
    prior: FloatArray

    @classmethod
    def of(cls, noise: tuple[float, ...]) -> "_Models":
        """Every scale with every noise."""
        return cls(
            scales=np.repeat(list(_SCALES), len(noise)),
            noise=np.tile(noise, len(_SCALES)),
            prior=np.repeat(list(_SCALES.values()), len(noise)),
        )


@dataclass(frozen=True)
class EffectsRegression:
    """Linear models with different priors, averaged by their posterior probabilities.

    * ``label``: mean and deviation of a number; 0 and 1 for classes.
    * ``scales``: c of each model of one deviation, (R,).
    * ``fits``: by the deviation of the prior; ``weights``: of each model, (deviations, R).
    """

    columns: _Columns
    label: tuple[float, float]
    scales: FloatArray
    fits: dict[float, PenalizedFit]
    weights: FloatArray

    def predict(self, x: FloatArray) -> FloatArray:
        """The probability of the class that effects are on, or the number; (m,)."""
        offsets = self.columns.offsets(x, self.scales)
        means = [
            fit.means(self.columns.design(x, deviation), offsets)[:, 0]
            for deviation, fit in self.fits.items()
        ]
        center, scale = self.label
        return center + scale * np.einsum("dr,drm->m", self.weights, means)

    @property
    def trust(self) -> float:
        """The posterior probability of all models with c > 0: that effects point the right way."""
        return float(self.weights[:, self.scales > 0].sum())


def fit_effects_regression(
    x: FloatArray, y: FloatArray, effects: FloatArray, weights: FloatArray, *, binary: bool
) -> EffectsRegression:
    """Fit all models and weigh them.

    **Parameters:**

    * **x**: encoded rows (n, d), numbers standardised; **y**: 1 for the class that effects are on
      and 0 for the others, or numbers; (n,).
    * **effects**: strengths, NaN where nothing is said, (d,); **weights**: how much each row
      counts, (n,).
    """
    columns = _Columns.of(x, effects, weights)
    # The regression's first class, 0, is the one that it predicts.
    label, targets, models = (0.0, 1.0), 1.0 - y, _Models.of((1.0,))
    if not binary:
        label = _mean_and_deviation(y, weights)
        targets, models = (y - label[0]) / label[1], _Models.of(_NOISE)
    regression = PenalizedRegression(2 if binary else 0)
    offsets = columns.offsets(x, models.scales)
    row_weights = weights / models.noise[:, None] ** 2  # (R, n)
    fits, evidences = {}, []
    for deviation in _DEVIATIONS:
        design = columns.design(x, deviation)
        fit = regression.fit(design, targets, row_weights, offset=offsets)
        fits[deviation] = fit
        evidences.append(regression.log_evidence(design, targets, row_weights, fit, offsets))
    log_weights = np.log(models.prior) + evidences
    if not binary:  # weights of rows stand for the noise; the constant of its density does not
        log_weights += 0.5 * np.log(2 * np.pi) * row_weights.sum(axis=1)
        log_weights -= weights.sum() * np.log(models.noise)
    posterior = np.exp(log_weights - log_weights.max())  # (deviations, R)
    return EffectsRegression(columns, label, models.scales, fits, posterior / posterior.sum())


def _mean_and_deviation(y: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Of weighted numbers; a constant has deviation 1."""
    mean = float(np.average(y, weights=weights))
    variance = float(np.average((y - mean) ** 2, weights=weights))
    return mean, variance**0.5 or 1.0

"""Regression that knows which columns raise or lower a label, and trusts it as far as rows agree.

The coefficients have a normal prior with mean c z: z is what a person says, c how far it is
trusted. No threshold decides c. Models with different c are averaged by their marginal likelihood
(Bayesian model averaging: Hoeting et al. 1999, doi 10.1214/ss/1009212519), so the rows decide.

docs/method.md, "Effects". Letters in the shapes: n rows, d columns, R models of one deviation.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.penalized_regression import PenalizedFit, PenalizedRegression
from t2local.stats.streams import Stream, generator

#: How far effects are trusted (c), and the prior weights. With c = -0.3 somebody took the other
#: class for the positive one: effects that are all wrong cost 0.4 points of AUC at n = 20 without
#: it, and nothing with it.
_SCALES = np.array([-0.3, 0.0, 0.3, 0.6])
_LOG_PRIOR = np.log([0.05, 0.45, 0.3, 0.2])
#: The deviation for a column that is said to have no effect, as a share of the others'.
_NO_EFFECT = 0.5
#: Standard deviation of the intercept's prior: wide, as nobody has said how common the class is.
_INTERCEPT = 3.0
#: Enough to tell a rank of 0.5 from one of 0.75, and half a second for 1,000 rows.
_PERMUTATIONS = 40
#: The strongest direction, in mean ones: one column must not speak for all.
_STRONGEST = 2.5


@dataclass(frozen=True)
class _Kind:
    """The models of a kind of label: each deviation with each noise and each of `_SCALES`.

    * ``deviations``: standard deviations of the coefficients' prior in units of the noise, with
      their prior weights; ``noises``: what the columns do not explain, in deviations of the label.
    * ``unit``: what c counts in.
    """

    n_classes: int
    deviations: dict[float, float]
    noises: tuple[float, ...]
    unit: float


#: With the deviation 0.6 alone effects that are all right bring 0.6 points of AUC less at n = 20;
#: 1.5 is for classes that the columns nearly tell apart, where the others are not sure enough.
_CLASS = _Kind(n_classes=2, deviations={0.3: 0.45, 0.6: 0.45, 1.5: 0.1}, noises=(1.0,), unit=1.0)
#: A deviation of 1 is scikit-learn's ridge. A logit has a noise of 1.8, so that a coefficient in
#: deviations of the label is about 0.4 of that in logits where half of the variance is explained.
_NUMBER = _Kind(n_classes=0, deviations={0.3: 0.5, 1.0: 0.5}, noises=(0.3, 0.5, 0.7, 1.0), unit=0.4)


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

    def offsets(self, x: FloatArray, unit: float) -> FloatArray:
        """What the means of the priors add to the logits (or numbers) of rows; (R, 1, n)."""
        return np.multiply.outer(unit * _SCALES, (x - self.center) @ self.z)[:, None, :]


@dataclass(frozen=True)
class _Fit:
    """Models that differ in their scale c, one for each of `_SCALES`."""

    columns: _Columns
    deviation: float
    noise: float
    unit: float
    fit: PenalizedFit

    def predict(self, x: FloatArray) -> FloatArray:
        """Probabilities of class 0, or numbers in deviations of the label; (R, m)."""
        offsets = self.columns.offsets(x, self.unit / self.noise)
        return self.noise * self.fit.means(self.columns.design(x, self.deviation), offsets)[:, 0]


@dataclass(frozen=True)
class EffectsRegression:
    """Linear models with different priors, averaged by their posterior probabilities.

    * ``label``: mean and deviation of a number; 0 and 1 for classes.
    * ``fits``: R models each; ``weights``: of each model, (fits, R).
    * ``support``: log marginal likelihood of the labels under the models with c > 0.
    """

    label: tuple[float, float]
    fits: list[_Fit]
    weights: FloatArray
    support: float

    def predict(self, x: FloatArray) -> FloatArray:
        """The probability of the class that effects are on, or the number; (m,)."""
        predictions = [fit.predict(x) for fit in self.fits]  # (fits, R, m)
        mean, deviation = self.label
        return mean + deviation * np.einsum("fr,frm->m", self.weights, predictions)


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
    kind, label, targets = _CLASS, (0.0, 1.0), 1.0 - y
    if not binary:
        kind, label = _NUMBER, _mean_and_deviation(y, weights)
        targets = (y - label[0]) / label[1]
    regression = PenalizedRegression(kind.n_classes)
    row_weights = np.tile(weights, (len(_SCALES), 1))  # (R, n)
    fits, log_weights = [], []
    for (deviation, prior), noise in product(kind.deviations.items(), kind.noises):
        design, offsets = columns.design(x, deviation), columns.offsets(x, kind.unit / noise)
        scaled = targets / noise
        fit = regression.fit(design, scaled, row_weights, offset=offsets)
        evidence = regression.log_evidence(design, scaled, row_weights, fit, offsets)  # (R,)
        fits.append(_Fit(columns, deviation, noise, kind.unit, fit))
        # A label in units of the noise has a density that is as many times higher.
        log_density = evidence - weights.sum() * np.log(noise)
        log_weights.append(_LOG_PRIOR + np.log(prior) + log_density)
    joint = np.array(log_weights)  # (fits, R)
    posterior = np.exp(joint - np.logaddexp.reduce(joint, axis=None))
    support = float(np.logaddexp.reduce(joint[:, _SCALES > 0], axis=None))
    return EffectsRegression(label, fits, posterior, support)


def evidence_rank(
    x: FloatArray, y: FloatArray, effects: FloatArray, seed: int, *, binary: bool
) -> float:
    """The share of permutations of what is said that explain the labels worse than it does itself.

    Near 1 the columns are the right ones; at 0.5 any others would do as well, and so it is where
    the same is said of every column. An equal one counts half. Columns change places among those of
    which something is said; permutations that change nothing are left out.

    **Parameters:** as for `fit_effects_regression`.
    """
    rng = generator(seed, Stream.PERMUTED_EFFECTS)
    weights = np.ones(len(x))
    places = np.flatnonzero(~np.isnan(effects))

    def support(order: IntArray) -> float:
        permuted = effects.copy()
        permuted[places] = effects[order]
        return fit_effects_regression(x, y, permuted, weights, binary=binary).support

    own = support(places)
    orders = [rng.permutation(places) for _ in range(_PERMUTATIONS)]
    # Of few columns many permutations are what was said: they say nothing of it.
    others = np.array([support(o) for o in orders if (effects[o] != effects[places]).any()])
    if not len(others):
        return 0.5
    return float(np.mean((others < own) + 0.5 * (others == own)))


def _mean_and_deviation(y: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Of weighted numbers; a constant has deviation 1."""
    mean = float(np.average(y, weights=weights))
    variance = float(np.average((y - mean) ** 2, weights=weights))
    return mean, variance**0.5 or 1.0

"""What a batch adds: held-out likelihood (our gate), information gain and its null threshold tau (the paper's).

The paper's gain is the drop of the entropy of f's parameters; it prefers wrong labels, which flatten p and raise
p(1 - p). The default gate asks instead whether held-out real rows become more likely (METHOD section 2, notes D1 to D3),
and whether the batch's labels fit its features better than labels drawn at random (bench/planted.py has what both are worth).
"""

from dataclasses import dataclass

import numpy as np

from t2local.settings import Gate
from t2local.stats.arrays import FloatArray, Labels
from t2local.stats.penalized_regression import PenalizedFit, PenalizedRegression
from t2local.stats.streams import Stream, generator
from t2local.trim.cost import Crossfit, costs, window

#: Bootstrap batches behind the control of the default gate.
_CONTROLS = 10
#: Random labelings behind `chance`.
_LABELINGS = 400
#: Rows of a batch, and different numbers as labels, that `chance` looks at: more would tell it nothing new.
_MOST_LABELLED = 500
_MOST_NUMBERS = 64
#: Rows closer than this share of the median distance between real rows are one piece of evidence.
_NEAR = 0.1


@dataclass(frozen=True)
class Threshold:
    """Mean and standard deviation under "nothing new", and the level that a batch must exceed."""

    mean: float
    sd: float
    k: float

    @property
    def level(self) -> float:
        """Mean + k sd."""
        return self.mean + self.k * self.sd

    @property
    def figures(self) -> dict[str, float]:
        """For the report."""
        return {"control_mean": self.mean, "control_sd": self.sd, "k": self.k}


def utility(fold: Crossfit, x: FloatArray, y: Labels) -> float:
    """Mean over held-out real rows of log p(y | x; train + batch) - log p(y | x; train), in nats a row."""
    weights = np.hstack([fold.train, np.ones((len(fold.train), len(x)))])
    fits = fold.learner.fit(np.vstack([fold.x, x]), np.concatenate([fold.y, y]), weights, fold.fits)
    return fold.mean_held_out(fits.log_likelihood(fold.x, fold.y)) - fold.mean


def utility_control(fold: Crossfit, size: int, k: float, seed: int) -> Threshold:
    """`utility` of batches that are bootstrap samples of the training folds: more rows, nothing new."""
    rng = generator(seed, Stream.UTILITY_CONTROL)
    draws = []
    for _ in range(_CONTROLS):
        extra = np.stack([rng.multinomial(size, row / row.sum()) for row in fold.train])
        fits = fold.learner.fit(fold.x, fold.y, fold.train + extra, fold.fits)
        draws.append(fold.mean_held_out(fits.log_likelihood(fold.x, fold.y)) - fold.mean)
    return Threshold(float(np.mean(draws)), float(np.std(draws, ddof=1)), k)


def chance(
    fold: Crossfit, x: FloatArray, y: Labels, level: float, rng: np.random.Generator
) -> float | None:
    """How often labels drawn from the real rows' fit these features as well as the batch's own do; ties count half.

    Copies and near copies share a label: a row that stands there ten times is one row's evidence. **Returns** none when the
    very labels of the batch are drawn more often than ``level``, as in a batch of few rows or of one frequent class:
    then no labels could pass.
    """
    some = rng.permutation(len(x))[:_MOST_LABELLED]
    x, y = x[some], y[some]
    values, places = np.unique(fold.y, return_inverse=True)
    counts = np.bincount(places, weights=fold.weights).astype(np.float64)
    if fold.numeric and len(values) > _MOST_NUMBERS:
        values, counts = (
            np.quantile(fold.y, (np.arange(_MOST_NUMBERS) + 0.5) / _MOST_NUMBERS),
            np.ones(_MOST_NUMBERS),
        )
    shares = counts / counts.sum()
    if not fold.numeric and np.log(shares[np.searchsorted(values, y)]).sum() > np.log(level):
        return None
    fit = (
        fold.fits.log_likelihood(np.repeat(x, len(values), axis=0), np.tile(values, len(x)))
        .mean(axis=0)
        .reshape(len(x), -1)
    )
    labelings = rng.choice(len(values), size=(_LABELINGS, len(x)), p=shares)[
        :, _first_near(x, fold.x)
    ]
    drawn = fit[np.arange(len(x)), labelings].sum(axis=1)
    own = fold.fits.log_likelihood(x, y).mean(axis=0).sum()
    equal = np.isclose(drawn, own, rtol=0, atol=1e-9)
    return float(((drawn > own) & ~equal).mean() + equal.mean() / 2)


def _first_near(x: FloatArray, real: FloatArray) -> "np.ndarray":
    """For each row the place of the first row that it is a copy or a near copy of, itself if none."""
    some = real[:_MOST_LABELLED]
    typical = (
        np.median(_distances(some, some)[np.triu_indices(len(some), 1)]) if len(some) > 1 else 0.0
    )
    return np.argmax(_distances(x, x) <= _NEAR * typical, axis=1)


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.sqrt(
        np.maximum(squares, 0.0) * (squares > 1e-9)
    )  # what floating point leaves of a zero is a zero


@dataclass(frozen=True)
class Information:
    """What a batch adds to a fixed D, by one of three measures; all of ridge regression f, and none knows a right label from a wrong one.

    * ``ig_refit``, ``ig_plugin``: the paper's information gain, half the gain in log det of the posterior precision, at the
      coefficients fitted with the batch or at those of D (blind to its labels). The entropy of the posterior of D cancels
      in Delta, so only the second term of equation 6 is computed.
    * ``predictive_entropy``: the drop of the mean entropy of p(y | x) over the rows of D (Mehta 2022).
    """

    x: FloatArray
    y: Labels
    model: PenalizedRegression
    measure: Gate
    start: PenalizedFit

    @classmethod
    def of(cls, x: FloatArray, y: Labels, classes: int, measure: Gate) -> "Information":
        """Fit the coefficients of D."""
        model = PenalizedRegression(classes)
        return cls(x, y, model, measure, model.fit(x, y, np.ones((1, len(x)))))

    def gain(self, x: FloatArray, y: Labels, counts: FloatArray) -> FloatArray:
        """Information of D with each of R batches, shape (R,); ``counts`` (R, m) says how often a batch holds row i of (x, y)."""
        both, labels = np.vstack([self.x, x]), np.concatenate([self.y, y])
        weights = np.hstack([np.ones((len(counts), len(self.x))), counts])
        fit = (
            self.start
            if self.measure == "ig_plugin"
            else self.model.fit(both, labels, weights, self.start)
        )
        if self.measure == "predictive_entropy":
            return -self.model.predictive_entropy(self.x, both, weights, fit).mean(axis=1)
        return 0.5 * self.model.log_determinants(both, weights, fit)


def null_threshold(
    information: Information,
    cost: FloatArray,
    size: int,
    *,
    alpha: float,
    beta: float,
    replicates: int,
    k: float,
    seed: int,
) -> Threshold:
    """tau: Delta of pairs of bootstrap batches that are pushed through the same trimming (notes D2).

    **Parameters:**

    * **information**: with D the real rows.
    * **cost**: out-of-fold costs of the real rows, shape (n,).
    """
    n = len(cost)
    rng = generator(seed, Stream.NULL_BATCHES)
    drawn = rng.integers(
        n, size=(replicates, 2 * size)
    )  # first the stand-in for the generated batch, then the control
    kept = window(cost[drawn], alpha, beta)
    refined, control = (
        _counts(drawn, kept, n),
        _counts(drawn[:, size:], np.ones((replicates, size), dtype=np.bool_), n),
    )
    delta = information.gain(information.x, information.y, refined) - information.gain(
        information.x, information.y, control
    )
    return Threshold(float(delta.mean()), float(delta.std(ddof=1)), k)


def bootstrap_comparison(
    information: Information,
    fold: Crossfit,
    x: FloatArray,
    y: Labels,
    *,
    alpha: float,
    beta: float,
    rng: np.random.Generator,
) -> tuple[float, "np.ndarray"]:
    """The paper's bootstrap_comparison of a generated batch with a bootstrap batch of the same size.

    **Returns** Delta = IG(refined) - IG(bootstrap), and the mask of the generated rows that are in the refined batch.
    """
    size, n = len(x), len(fold.x)
    bootstrap = rng.integers(n, size=size)
    generated = fold.fits.log_likelihood(x, y).mean(axis=0)
    inside = window(
        np.concatenate([costs(generated), costs(fold.held_out)[bootstrap]]), alpha, beta
    )
    control = np.bincount(bootstrap, minlength=n).astype(np.float64)
    again = np.bincount(bootstrap[inside[size:]], minlength=n).astype(np.float64)
    counts = np.stack(
        [np.concatenate([inside[:size], again]), np.concatenate([np.zeros(size), control])]
    )
    refined, plain = information.gain(np.vstack([x, fold.x]), np.concatenate([y, fold.y]), counts)
    return float(refined - plain), inside[:size]


def _counts(drawn: "np.ndarray", kept: "np.ndarray", n: int) -> FloatArray:
    """How often each of n rows stands among the kept draws of each replicate, shape (R, n)."""
    flat = drawn + n * np.arange(len(drawn))[:, None]
    return (
        np.bincount(flat[kept], minlength=n * len(drawn)).reshape(len(drawn), n).astype(np.float64)
    )

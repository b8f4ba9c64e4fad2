"""The paper's test of a batch: information gain against bootstrap batches (equation 6).

The gain is the drop of the entropy of f's parameters. It prefers wrong labels, which flatten p and
raise p (1 - p): it is here for comparison (docs/method.md, Information gain).
"""

from dataclasses import dataclass

import numpy as np

from t2local.settings import Gate, TrimSettings
from t2local.stats.arrays import FloatArray, IntArray, Labels, Mask
from t2local.stats.penalized_regression import PenalizedFit, PenalizedRegression
from t2local.stats.streams import Stream, generator
from t2local.trim.crossfit import Crossfit
from t2local.trim.threshold import Threshold


def costs(log_likelihood: FloatArray) -> FloatArray:
    """Costs r = 1 - p_f(y | x) of rows (paper, equation 5) from their log-likelihoods.

    A number has a density, not a probability; the same map keeps the order of |y - f(x)| over its
    out-of-fold scale, which is all that quantiles see.
    """
    return 1.0 - np.exp(log_likelihood)


def cost_window(mixture: FloatArray, alpha: float, beta: float) -> Mask:
    """The paper's refinement: the rows between two quantiles of the mixture's costs.

    These are beta and 1 - alpha + beta: 1 - alpha of the rows, the beta cheapest left out.

    **Parameters:**

    * **mixture**: costs, shape (..., 2 m).
    """
    size = mixture.shape[-1]
    first = int(np.floor(beta * size + 1e-9))
    last = min(first + round((1 - alpha) * size), size)
    ranks = np.argsort(np.argsort(mixture, axis=-1, kind="stable"), axis=-1, kind="stable")
    return (ranks >= first) & (ranks < last)


@dataclass(frozen=True)
class Information:
    """What a batch adds to a fixed D, by one of three measures.

    All are of ridge regression f, and none knows a right label from a wrong one.

    * ``ig_refit``, ``ig_plugin``: the paper's information gain, half the gain in log det of the
      posterior precision, at the coefficients fitted with the batch or at those of D (blind to its
      labels). The entropy of the posterior of D cancels in Delta, so only the second term of
      equation 6 is computed.
    * ``predictive_entropy``: the drop of the mean entropy of p(y | x) over the rows of D
      (Mehta 2022).
    """

    x: FloatArray
    y: Labels
    model: PenalizedRegression
    measure: Gate
    start: PenalizedFit

    @classmethod
    def of(cls, x: FloatArray, y: Labels, n_classes: int, measure: Gate) -> "Information":
        """Fit the coefficients of D."""
        model = PenalizedRegression(n_classes)
        return cls(x, y, model, measure, model.fit(x, y, np.ones((1, len(x)))))

    def gain(self, x: FloatArray, y: Labels, counts: FloatArray) -> FloatArray:
        """Information of D with each of R batches, shape (R,).

        **Parameters:**

        * **counts**: how often a batch holds row i of (x, y), shape (R, m).
        """
        both = np.vstack([self.x, x])  # (n + m, d)
        weights = np.hstack([np.ones((len(counts), len(self.x))), counts])  # (R, n + m)
        fit = self.start
        if self.measure != "ig_plugin":
            fit = self.model.fit(both, np.concatenate([self.y, y]), weights, self.start)
        if self.measure == "predictive_entropy":
            return -self.model.predictive_entropy(self.x, both, weights, fit).mean(axis=1)
        return 0.5 * self.model.log_determinants(both, weights, fit)


def null_threshold(
    information: Information,
    cost: FloatArray,
    size: int,
    settings: TrimSettings,
    k: float,
    seed: int,
) -> Threshold:
    """The paper's tau: Delta of pairs of bootstrap batches, pushed through the same trimming.

    **Parameters:**

    * **information**: with D the real rows.
    * **cost**: out-of-fold costs of the real rows, shape (n,); **size**: of a batch.
    """
    n, replicates = len(cost), settings.replicates
    rng = generator(seed, Stream.NULL_BATCHES)
    # First the stand-in for the generated batch, then the control.
    drawn = rng.integers(n, size=(replicates, 2 * size))
    kept = cost_window(cost[drawn], settings.alpha, settings.beta)
    everything = np.ones((replicates, size), dtype=np.bool_)
    refined = _counts(drawn, kept, n)  # (R, n)
    control = _counts(drawn[:, size:], everything, n)  # (R, n)
    x, y = information.x, information.y
    delta = information.gain(x, y, refined) - information.gain(x, y, control)  # (R,)
    return Threshold(float(delta.mean()), float(delta.std(ddof=1)), k)


@dataclass(frozen=True)
class Comparison:
    """Delta = IG(refined) - IG(bootstrap), and which generated rows the refined batch has."""

    delta: float
    inside: Mask


def bootstrap_comparison(
    information: Information,
    fold: Crossfit,
    x: FloatArray,
    y: Labels,
    settings: TrimSettings,
    rng: np.random.Generator,
) -> Comparison:
    """Hold a generated batch, refined, against a bootstrap batch of the same size."""
    size, n = len(x), len(fold.x)
    bootstrap = rng.integers(n, size=size)
    batch_costs = costs(fold.mean_log_likelihood(x, y))
    mixture = np.concatenate([batch_costs, costs(fold.held_out)[bootstrap]])  # (2 m,)
    inside = cost_window(mixture, settings.alpha, settings.beta)
    control = np.bincount(bootstrap, minlength=n)  # (n,)
    real_inside = np.bincount(bootstrap[inside[size:]], minlength=n)  # (n,)
    counts = np.stack(
        [
            np.concatenate([inside[:size], real_inside]),
            np.concatenate([np.zeros(size), control]),
        ]
    ).astype(np.float64)  # (2, m + n)
    gains = information.gain(np.vstack([x, fold.x]), np.concatenate([y, fold.y]), counts)
    return Comparison(float(gains[0] - gains[1]), inside[:size])


def _counts(drawn: IntArray, kept: Mask, n: int) -> FloatArray:
    """How often each of n rows stands among the kept draws of each replicate, shape (R, n)."""
    flat = drawn + n * np.arange(len(drawn))[:, None]
    counts = np.bincount(flat[kept], minlength=n * len(drawn))
    return counts.reshape(len(drawn), n).astype(np.float64)

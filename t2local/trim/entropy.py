"""Entropy of the shares of clusters, and what chance does to it."""

import numpy as np

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.streams import Stream, generator

#: Batches drawn to see what chance does to the entropy.
_CHANCE_BATCHES = 1000
#: What floating point may take from an entropy without being a loss.
_ROUNDING = 1e-9


def entropy(clusters: IntArray, n: int) -> float:
    """Entropy of the shares of ``n`` clusters, in nats; from the cluster of each row."""
    shares = np.bincount(clusters, minlength=n) / len(clusters)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def chance_loss(
    real: IntArray, n: int, size: int, seed: int, weights: FloatArray | None = None
) -> float:
    """The loss of entropy that 39 of 40 batches of real rows do not exceed; zero or less.

    The batches are drawn with replacement by the weights of the real rows.
    """
    counts = np.bincount(real, minlength=n)
    drawn = np.bincount(real, weights=weights, minlength=n)
    rng = generator(seed, Stream.ENTROPY_BY_CHANCE)
    batches = rng.multinomial(size, drawn / drawn.sum(), _CHANCE_BATCHES)  # (batches, n)
    shares = (counts + batches) / (len(real) + size)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    entropies = -(shares * logs).sum(axis=1)
    return min(0.0, float(np.quantile(entropies, 1 / 40)) - entropy(real, n)) - _ROUNDING

"""Stage 3: does a batch spread over the clusters of the real rows? (METHOD section 2; paper, equation 7)

Clusters are found in the features alone: a label that is flipped is not diversity.
"""

import warnings
from typing import Any

import numpy as np

from t2local.settings import TrimSettings
from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.streams import Stream, generator, random_state

#: With fewer rows there are no 3 clusters of 3 rows.
FEWEST_ROWS = 9
#: Below this many rows a nearest centroid places a row, above it an MLP.
_FEW_ROWS = 30
#: Rows that the silhouette looks at: it compares every pair.
_SILHOUETTE_ROWS = 2000
#: Batches drawn to see what chance does to the entropy.
_CHANCE = 1000
#: What floating point may take from an entropy without being a loss.
_ROUNDING = 1e-9
#: Above this share of ln M there is nothing left to gain.
_FULL = 0.95


class Regions:
    """The clusters of the real rows, and the cluster of any row.

    M in 3, 4, 5 (at most n / 3) by the best mean silhouette, (b - a) / max(a, b): the paper's formula has the sign reversed.

    **Parameters:**

    * **x**: encoded real rows (n, d), n >= `FEWEST_ROWS`.
    """

    def __init__(self, x: FloatArray, seed: int) -> None:
        from sklearn.cluster import KMeans
        from sklearn.metrics import silhouette_score
        from sklearn.neural_network import MLPClassifier

        best: tuple[float, Any] = (-np.inf, None)
        with warnings.catch_warnings():
            # Fewer distinct rows than clusters is a fact of small tables; the silhouette then decides against them.
            warnings.simplefilter("ignore")
            for clusters in range(3, min(5, len(x) // 3) + 1):
                means = KMeans(
                    clusters, n_init=4, random_state=random_state(seed, Stream.CLUSTERS)
                ).fit(x)
                if len(np.unique(means.labels_)) == clusters:
                    score = float(
                        silhouette_score(
                            x,
                            means.labels_,
                            sample_size=min(len(x), _SILHOUETTE_ROWS),
                            random_state=random_state(seed, Stream.SILHOUETTE),
                        )
                    )
                    best = max(best, (score, means), key=lambda pair: pair[0])
            self.silhouette, self._place = best
            self.usable = self._place is not None and self.silhouette > 0
            if self.usable:
                self.clusters = int(self._place.n_clusters)
                self.labels: IntArray = self._place.labels_.astype(np.intp)
                if len(x) >= _FEW_ROWS:
                    self._place = MLPClassifier(
                        (32,),
                        solver="lbfgs",
                        max_iter=300,
                        random_state=random_state(seed, Stream.CLUSTER_CLASSIFIER),
                    ).fit(x, self.labels)

    def of(self, x: FloatArray) -> IntArray:
        """The cluster of each row, shape (n,)."""
        return (
            np.asarray(self._place.predict(x), dtype=np.intp)
            if len(x)
            else np.empty(0, dtype=np.intp)
        )


def entropy(clusters: IntArray, count: int) -> float:
    """Entropy of the shares of ``count`` clusters, in nats."""
    shares = np.bincount(clusters, minlength=count) / len(clusters)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def chance_loss(
    real: IntArray, count: int, size: int, seed: int, weights: FloatArray | None = None
) -> float:
    """The loss of entropy that 39 of 40 batches of real rows, drawn with replacement by their weights, do not exceed; zero or less."""
    counts, drawn = (
        np.bincount(real, minlength=count),
        np.bincount(real, weights=weights, minlength=count),
    )
    batches = generator(seed, Stream.ENTROPY_BY_CHANCE).multinomial(
        size, drawn / drawn.sum(), _CHANCE
    )
    shares = (counts + batches) / (len(real) + size)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return (
        min(0.0, float(np.quantile(-(shares * logs).sum(axis=1), 1 / 40)) - entropy(real, count))
        - _ROUNDING
    )


def threshold(
    real: IntArray,
    accepted: IntArray,
    count: int,
    size: int,
    settings: TrimSettings,
    seed: int,
    weights: FloatArray | None = None,
) -> float:
    """The change of entropy that a batch of ``size`` rows must bring.

    ``attainable``: kappa of what can still be gained, (ln M - H) n_t / (n + n_t). With kappa 0, or above 95 % of ln M, only
    a loss is refused: more than chance takes from real rows, and more than earlier batches gained. (Held against what is
    accepted so far without that, "must not lose" would be a ratchet: each kept batch raises the bar for the next.)
    ``relative``: the paper's rise by a share of H, which a balanced table can never reach.

    **Parameters:**

    * **real**, **accepted**: clusters of the real rows, and of these with all rows accepted so far.
    """
    before = entropy(accepted, count)
    if settings.diversity == "relative":
        return settings.relative_rise * before
    if settings.kappa == 0 or before > _FULL * np.log(count):
        return min(entropy(real, count) - before, 0.0) + chance_loss(
            real, count, size, seed, weights
        )
    return settings.kappa * (float(np.log(count)) - before) * size / (len(accepted) + size)

"""The clusters of the real rows, and the cluster of any row (paper, section 2.4)."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.streams import Stream, random_state

#: With fewer rows there are no 3 clusters of 3 rows.
MIN_ROWS = 9
#: The paper tries 3, 4 and 5 clusters.
_FEWEST, _MOST = 3, 5
#: Below this many rows the nearest centroid places a row; an MLP would learn too little.
_FEW_ROWS = 30
#: Rows that the silhouette looks at: it compares every pair.
_SILHOUETTE_ROWS = 2000


@dataclass(frozen=True)
class Clusters:
    """Clusters of rows.

    * ``labels``: the cluster of each real row, shape (n,); ``silhouette``: their mean, -1 to 1.
    * ``classifier``: places any row.
    """

    n: int
    silhouette: float
    labels: IntArray
    classifier: Any

    @classmethod
    def of(cls, x: FloatArray, seed: int) -> "Clusters | None":
        """The clusters of encoded real rows (n, d); none where there are no clusters to speak of.

        Their number M is 3, 4 or 5 (at most n / 3) by the best mean silhouette,
        (b - a) / max(a, b): the paper's formula has the sign reversed.
        """
        from sklearn.neural_network import MLPClassifier

        if len(x) < MIN_ROWS:
            return None
        with warnings.catch_warnings():
            # Fewer distinct rows than clusters is a fact of small tables; the silhouette then
            # decides against them. An MLP that is not quite converged still places rows.
            warnings.simplefilter("ignore")
            silhouette, k_means = _best_k_means(x, seed)
            if k_means is None or silhouette <= 0:
                return None
            labels: IntArray = k_means.labels_.astype(np.intp)
            classifier = k_means
            if len(x) >= _FEW_ROWS:
                state = random_state(seed, Stream.CLUSTER_CLASSIFIER)
                network = MLPClassifier((32,), solver="lbfgs", max_iter=300, random_state=state)
                classifier = network.fit(x, labels)
        return cls(int(k_means.n_clusters), silhouette, labels, classifier)

    def predict(self, x: FloatArray) -> IntArray:
        """The cluster of each row, shape (m,)."""
        if not len(x):
            return np.empty(0, dtype=np.intp)
        return np.asarray(self.classifier.predict(x), dtype=np.intp)


def _best_k_means(x: FloatArray, seed: int) -> tuple[float, Any]:
    """The mean silhouette of the best clustering, and k-means; none where clusters stay empty."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    best: tuple[float, Any] = (-np.inf, None)
    for n in range(_FEWEST, min(_MOST, len(x) // 3) + 1):
        k_means = KMeans(n, n_init=4, random_state=random_state(seed, Stream.CLUSTERS)).fit(x)
        if len(np.unique(k_means.labels_)) < n:
            continue
        silhouette = silhouette_score(
            x,
            k_means.labels_,
            sample_size=min(len(x), _SILHOUETTE_ROWS),
            random_state=random_state(seed, Stream.SILHOUETTE),
        )
        best = max(best, (float(silhouette), k_means), key=lambda pair: pair[0])
    return best

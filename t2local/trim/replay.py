"""What the kept rows would have been if some real rows had not been there.

Labels that a model of all real rows gave tell of each of them, and so does the choice of the rows
that are clear for this model. Before kept rows are measured on held-out real rows, both are done
again with a model that has not seen these (docs/method.md, "Benefit").
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.quotas import assign
from t2local.trim.choice import clearest


@dataclass(frozen=True)
class Candidates:
    """The rows that the kept ones were chosen from, the clearest of each class.

    * ``rows``: frame of values (c, d) with their labels; the kept ones are among them.
    * ``predictions``: the log-probabilities that they were labelled and chosen by, (c, classes).
      None: their labels were given, and a model of the real rows said which ones are clear.
    * ``draw_noise``: what was added to these so that labels are drawn, (c, classes); none: nothing.
    """

    rows: pd.DataFrame
    predictions: FloatArray | None = None
    draw_noise: FloatArray | None = None


@dataclass(frozen=True)
class EncodedSource:
    """Rows of a source, encoded: x (c, d), and their labels y (c,), class numbers or numbers.

    * ``n_classes``: 0 for a number.
    * ``model_weight``: how much the model of the real rows had to say of the labels; 0: nothing.
    * ``wanted``: how many rows of each class were chosen, (classes,); none: all rows were kept.
    * ``predictions``, ``draw_noise``: as of `Candidates`.
    """

    x: FloatArray
    y: FloatArray
    n_classes: int
    model_weight: float = 0.0
    wanted: IntArray | None = None
    predictions: FloatArray | None = None
    draw_noise: FloatArray | None = None

    @property
    def knows_all(self) -> bool:
        """Whether a model of all real rows has a part in them."""
        return self.model_weight > 0 or self.wanted is not None

    def sample(self, most: int, rng: np.random.Generator) -> "EncodedSource":
        """At most so many of the rows, at random; of each class as large a share of them chosen."""
        n_rows = len(self.x)
        if n_rows <= most:
            return self
        places = np.sort(rng.choice(n_rows, most, replace=False))
        wanted = self.wanted
        if wanted is not None:
            wanted = np.round(wanted * (most / n_rows)).astype(np.intp)
        return replace(
            self,
            x=self.x[places],
            y=self.y[places],
            wanted=wanted,
            predictions=_part(self.predictions, places),
            draw_noise=_part(self.draw_noise, places),
        )

    def replayed(self, whole: FloatArray, part: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The kept rows (m, d) and their labels (m,), had one model been there for the other.

        **Parameters:**

        * **whole**, **part**: predictions of all rows here, by the model of all real rows and by
          that of some of them: log-probabilities (c, classes), or numbers (c, 1).
        """
        if not self.n_classes:
            return self.x, self.y + self.model_weight * (part - whole)[:, 0]
        log_probabilities, labels = self._relabelled(whole, part)
        chosen = np.arange(len(labels))
        if self.wanted is not None:
            clearness = log_probabilities[chosen, labels]
            by_class = [
                clearest(np.flatnonzero(labels == number), clearness, count)
                for number, count in enumerate(self.wanted)
            ]
            chosen = np.concatenate(by_class)
        return self.x[chosen], labels[chosen].astype(np.float64)

    def _relabelled(self, whole: FloatArray, part: FloatArray) -> tuple[FloatArray, IntArray]:
        """The log-probabilities (c, classes) that rows are chosen by, and their labels (c,)."""
        labels = self.y.astype(np.intp)
        if not self.model_weight:
            return part, labels
        if self.predictions is None:
            return part, relabelled(labels, whole, part)
        pooled = self.predictions + self.model_weight * (part - whole)
        pooled = pooled - np.logaddexp.reduce(pooled, axis=1, keepdims=True)
        scores = pooled if self.draw_noise is None else pooled + self.draw_noise
        return pooled, assign(scores, np.bincount(labels, minlength=self.n_classes))


def _part(array: FloatArray | None, places: IntArray) -> FloatArray | None:
    return None if array is None else array[places]


def relabelled(labels: IntArray, whole: FloatArray, part: FloatArray) -> IntArray:
    """Labels with the word of one model replaced by that of another; each class keeps its count.

    Labels are given so that the classes keep their shares, so what a model would say is the best
    assignment under their counts. Where a label is what the first model says, the second one's word
    takes its place; all other labels are somebody else's word and stay.

    **Parameters:**

    * **labels**: classes, shape (m,); **whole**, **part**: log-probabilities of both models, shapes
      (m, classes).
    """
    n_classes = whole.shape[1]
    own = labels == assign(whole, np.bincount(labels, minlength=n_classes))  # (m,)
    new = labels.copy()
    new[own] = assign(part[own], np.bincount(labels[own], minlength=n_classes))
    return new

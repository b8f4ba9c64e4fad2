"""What the stages look at: the real rows, which are fixed, and what was accepted, which grows."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from t2local.settings import TrimSettings
from t2local.stats.arrays import FloatArray, IntArray, Labels, Mask
from t2local.stats.columns import level_codes
from t2local.stats.encoding import Encoder
from t2local.stats.learners import learner
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.tables.rules import Rule, binding
from t2local.trim.clusters import Clusters
from t2local.trim.copies import few_rows_possible, row_hashes
from t2local.trim.crossfit import Crossfit, crossfit
from t2local.trim.threshold import Threshold


@dataclass(frozen=True)
class LabelCode:
    """Labels as the model f sees them: class numbers, or numbers standardised by the real rows."""

    target: Feature
    center: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, target: Feature, real: pd.DataFrame) -> "LabelCode":
        """The code for a target, with mean and deviation of the real rows."""
        if target.levels:
            return cls(target)
        numbers = real[target.name].to_numpy(dtype=np.float64)
        return cls(target, float(numbers.mean()), float(numbers.std()) or 1.0)

    def encode(self, rows: pd.DataFrame) -> Labels:
        """Labels of rows (values), shape (m,); -1 for a class that the dictionary lacks."""
        labels = rows[self.target.name]
        if not self.target.levels:
            return (labels.to_numpy(dtype=np.float64) - self.center) / self.scale
        return level_codes(self.target, labels)


@dataclass(frozen=True)
class Reference:
    """All that follows from the real rows.

    * ``real``: the real rows, a frame of values (n, d); ``x``: encoded, (n, columns).
    * ``weights``: what each real row counts for, shape (n,), mean 1.
    * ``matches``: which of them are what was asked of all rows, shape (n,).
    * ``classes``: the labels that real rows have; none where the label is a number, or none.
    * ``rules``: those that bind, by what is said of a row that breaks one.
    * ``hashes``: of the real rows; ``copies_by_chance``: whether chance explains copies of them.
    """

    dictionary: FeatureDictionary
    settings: TrimSettings
    seed: int
    real: pd.DataFrame
    encoder: Encoder
    x: FloatArray
    weights: FloatArray
    matches: Mask
    clusters: Clusters | None
    classes: frozenset[str]
    rules: Mapping[str, Rule]
    hashes: frozenset[int]
    copies_by_chance: bool

    @classmethod
    def of(
        cls,
        real: pd.DataFrame,
        dictionary: FeatureDictionary,
        settings: TrimSettings,
        seed: int,
        weights: FloatArray | None = None,
        matches: Mask | None = None,
    ) -> "Reference":
        """Encode and cluster the real rows (values, shape (n, d), every row with a label)."""
        if weights is None:
            weights = np.ones(len(real))
        if matches is None:
            matches = np.ones(len(real), dtype=np.bool_)
        encoder = Encoder(dictionary.input_features, real)
        x = encoder.transform(real)
        return cls(
            dictionary=dictionary,
            settings=settings,
            seed=seed,
            real=real,
            encoder=encoder,
            x=x,
            weights=weights,
            matches=matches,
            clusters=Clusters.of(x, seed),
            classes=_classes(real, dictionary),
            rules=binding(dictionary.parsed_rules(), real)[0],
            hashes=frozenset(row_hashes(real)),
            copies_by_chance=few_rows_possible(dictionary, len(real)),
        )

    @property
    def labels(self) -> LabelCode:
        """How labels are encoded; ``fold`` has those of the real rows. Both need a target."""
        return self._label_model[0]

    @property
    def fold(self) -> Crossfit:
        """Models of the label that have not seen the rows which they judge."""
        return self._label_model[1]

    @cached_property
    def _label_model(self) -> tuple[LabelCode, Crossfit]:
        """Folds and fits; a numeric label is in units of its out-of-fold error, as costs are."""
        labels = LabelCode.of(self.dictionary.target_feature, self.real)
        y = labels.encode(self.real)
        model = learner(self.settings.model, self.n_classes, self.seed)
        fold = crossfit(self.x, y, model, self.seed, self.weights)
        if self.n_classes:
            return labels, fold
        # log density = -residual^2 / 2 - ln(2 pi) / 2: the mean of -2 log density gives the scale^2
        error = float(np.sqrt(max(-2 * fold.held_out.mean() - np.log(2 * np.pi), 1e-12)))
        rescaled = replace(labels, scale=labels.scale * error)
        return rescaled, crossfit(self.x, y / error, model, self.seed, self.weights)

    @property
    def n_classes(self) -> int:
        """Classes of the label; 0 for a number."""
        return len(self.dictionary.target_feature.levels)

    def unverified(self, rows: pd.DataFrame) -> Mask:
        """Rows of a class that no real row has: no model of these can judge them; shape (m,)."""
        if not self.dictionary.classification:
            return np.zeros(len(rows), dtype=np.bool_)
        return ~rows[self.dictionary.target_feature.name].isin(self.classes).to_numpy()


def _classes(real: pd.DataFrame, dictionary: FeatureDictionary) -> frozenset[str]:
    """The labels that real rows have."""
    if not dictionary.classification:
        return frozenset()
    return frozenset(real[dictionary.target_feature.name].dropna().unique())


@dataclass(frozen=True)
class Wanted:
    """How many rows are wanted: ``total``, and of each class (none: classes as they come)."""

    target: str | None
    total: int
    by_class: Mapping[str, int] = field(default_factory=dict)

    def split(self, rows: pd.DataFrame) -> Iterator[tuple[Mask, int]]:
        """The rows of each class (a mask of shape (m,)), and how many of them are wanted."""
        if not self.by_class:
            yield np.ones(len(rows), dtype=np.bool_), self.total
        for label, count in self.by_class.items():
            yield (rows[self.target] == label).to_numpy(), count


@dataclass(frozen=True)
class Pool:
    """What is known of all rows of a source beside the rows.

    * ``trusted``: whether their labels were calibrated on the real rows, or given by the user.
    * ``wanted``: how many are to be kept; none: all that pass.
    * ``clearness``: log-probability of each row's label, shape (m,); none: not known.
    """

    trusted: bool = False
    wanted: Wanted | None = None
    clearness: FloatArray | None = None


@dataclass(frozen=True)
class Batch:
    """Rows that a stage judges together: a frame of values, shape (m, d), and their number.

    ``clearness``: as in `Pool`, of these rows.
    """

    rows: pd.DataFrame
    number: int
    reference: Reference
    clearness: FloatArray | None = None

    @cached_property
    def x(self) -> FloatArray:
        """Encoded features, shape (m, columns)."""
        return self.reference.encoder.transform(self.rows)

    @cached_property
    def y(self) -> Labels:
        """Encoded labels, shape (m,)."""
        return self.reference.labels.encode(self.rows)


@dataclass
class TrimState:
    """The reference, and what grows: the rows accepted so far, their hashes and their clusters.

    * ``k``: standard deviations above the null that a batch must reach.
    * ``pool``: what is known of the rows, where all rows of a source are judged together.
    * ``thresholds``: by the size of a batch; they depend on the real rows and on k alone.
    """

    reference: Reference
    k: float
    pool: Pool = field(default_factory=Pool)
    accepted: list[pd.DataFrame] = field(default_factory=list)
    hashes: set[int] = field(init=False)
    clusters: IntArray = field(init=False)
    n_batches: int = 0
    thresholds: dict[int, Threshold] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hashes = set(self.reference.hashes)
        self.clusters = np.empty(0, dtype=np.intp)
        if self.reference.clusters:
            self.clusters = self.reference.clusters.labels

    def batch(self, rows: pd.DataFrame, places: Mask | None = None) -> Batch:
        """Rows as the next batch; ``places`` says which of the pool's rows (m,) they are."""
        clearness = self.pool.clearness
        if clearness is not None and places is not None:
            clearness = clearness[places]
        return Batch(rows, self.n_batches, self.reference, clearness)

    def use_k(self, k: float) -> None:
        """Take another factor; thresholds follow from it."""
        self.k = k
        self.thresholds = {}

    def threshold(self, size: int, compute: Callable[[int], Threshold]) -> Threshold:
        """The threshold of a batch size, computed once."""
        if size not in self.thresholds:
            self.thresholds[size] = compute(size)
        return self.thresholds[size]

    def accept(self, rows: pd.DataFrame) -> None:
        """Count the kept rows of a batch as accepted."""
        self.n_batches += 1
        if rows.empty:
            return
        self.accepted.append(rows)
        self.hashes.update(row_hashes(rows))
        if self.reference.clusters:
            new = self.reference.clusters.predict(self.batch(rows).x)
            self.clusters = np.concatenate([self.clusters, new])

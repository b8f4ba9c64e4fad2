"""How far kept rows are from real ones, by column and by pair, and what chance explains of it.

All columns and pairs are one family: of 95 % of ideal generators nothing is beyond its band
(docs/method.md, Shifts).
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.columns import level_codes
from t2local.stats.ensemble import encode_labels
from t2local.stats.streams import Stream, generator
from t2local.stats.two_samples import (
    BinShares,
    Correlations,
    Splits,
    Standardised,
    level_block,
    limits,
    number_codes,
    rank_block,
)
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.tables.disclosure import hidden_shares
from t2local.trim import shift_sentences as sentences

#: Pairs of columns that a report shows.
_PAIRS_SHOWN = 10
#: Random splits behind the bands: the level is exact for any number, and more of them change the
#: bands by less than their width.
_N_SPLITS = 400

DistanceKind = Literal["class_shares", "marginal", "missing"]


@dataclass(frozen=True)
class Distance:
    """How far the kept rows are from the real ones in one column, and how far chance goes.

    * ``kind``: ``class_shares`` of a class of the label, ``marginal`` of another column,
      ``missing`` of a column's missing cells.
    * ``label``: the class; blank for other kinds.
    * ``distance``: of a class and of missing cells the difference of the shares, of levels the
      total variation, of numbers the distance of their ranks; 0 to 1. Chance does not explain what
      is beyond ``band``. None where a share of fewer than 11 real rows would follow from it.
    * ``sentence``: what differs; blank within the band.
    """

    kind: DistanceKind
    column: str
    label: str
    distance: float | None
    band: float | None
    sentence: str


@dataclass(frozen=True)
class AssociationShift:
    """A pair of columns whose correlation differs, for what chance does to it.

    * ``real``, ``kept``: correlations of ranks, or of single levels.
    * ``distance``: their difference in standard deviations of chance, which does not explain what
      is beyond ``band``.
    * ``sentence``: what differs; blank within the band.
    * ``of_target``: whether one of them is the target.
    """

    columns: tuple[str, str]
    real: float
    kept: float
    distance: float
    band: float
    sentence: str
    of_target: bool = False


@dataclass(frozen=True)
class _Measured:
    """The distance of a column in every split, shape (R + 1,), and what the observed one means."""

    kind: DistanceKind
    column: str
    values: FloatArray
    sentence: str
    label: str = ""


@dataclass(frozen=True)
class _Pooled:
    """Real rows, then kept ones: the cells of a column in both."""

    real: pd.DataFrame
    kept: pd.DataFrame

    def numbers(self, feature: Feature) -> FloatArray:
        """NaN for a missing one, shape (N,)."""
        frames = (self.real, self.kept)
        return np.concatenate([frame[feature.name].to_numpy(np.float64) for frame in frames])

    def codes(self, feature: Feature) -> IntArray:
        """The number of each cell's level or bin, -1 for a missing one; shape (N,)."""
        if feature.numeric:
            return number_codes(self.numbers(feature))
        frames = (self.real, self.kept)
        return np.concatenate([level_codes(feature, frame[feature.name]) for frame in frames])


def distances(
    real: pd.DataFrame,
    kept: pd.DataFrame,
    dictionary: FeatureDictionary,
    seed: int,
    groups: IntArray,
    wanted_shares: Mapping[str, float] | None = None,
) -> tuple[tuple[Distance, ...], tuple[AssociationShift, ...]]:
    """All distances with their bands, and the pairs whose associations differ most.

    **Parameters:**

    * **real**, **kept**: frames of values (n, d) and (m, d), at least two rows each.
    * **groups**: what rows are compared within, real rows first; shape (n + m,).
    * **wanted_shares**: those of the classes that were asked for; by default those of the real rows
      are expected.
    """
    pooled = _Pooled(real, kept)
    splits = Splits.of(len(real), groups, _N_SPLITS, generator(seed, Stream.SHIFT_SPLITS))
    measured = [*_columns(pooled, dictionary.input_features, splits)]
    if wanted_shares:
        target = dictionary.target_feature
        measured += _wanted_classes(kept[target.name], target, wanted_shares, seed)
    elif dictionary.target is not None:
        measured += _columns(pooled, [dictionary.target_feature], splits, label=dictionary.target)
    correlations = Correlations.of(_blocks(pooled, dictionary.features), splits.masks)
    n_smaller = min(len(real), len(kept))
    return _with_bands(measured, n_smaller, correlations, dictionary)


def _columns(
    pooled: _Pooled, features: Sequence[Feature], splits: Splits, label: str = ""
) -> Iterator[_Measured]:
    """Each column, and the missing cells of those that have some."""
    n_real = len(pooled.real)
    for feature in features:
        codes = pooled.codes(feature)  # (N,)
        shares = BinShares.of(codes, splits)
        if feature.numeric:
            sentence = sentences.of_numbers(feature, shares)
            yield _Measured("marginal", feature.name, shares.rank_distance(), sentence)
        elif feature.name == label:
            hidden = hidden_shares(pooled.real[feature.name])
            yield from _classes(feature, shares.first, shares.second, hidden)
        else:
            sentence = sentences.of_levels(feature, shares, codes[:n_real])
            yield _Measured("marginal", feature.name, shares.total_variation(), sentence)
        is_missing = codes < 0  # (N,)
        if is_missing.any():
            shares = BinShares.of(is_missing.astype(np.intp), splits)
            sentence = sentences.of_missing_cells(feature, shares, is_missing[:n_real])
            yield _Measured("missing", feature.name, shares.total_variation(), sentence)


def _wanted_classes(
    labels: pd.Series, target: Feature, wanted_shares: Mapping[str, float], seed: int
) -> Iterator[_Measured]:
    """The classes against the shares that were asked for, and draws with these shares."""
    expected = np.array([wanted_shares.get(level, 0.0) for level in target.levels])  # (levels,)
    counts = np.bincount(encode_labels(labels, target).astype(np.intp), minlength=len(expected))
    rng = generator(seed, Stream.SHIFT_CLASSES)
    drawn = rng.multinomial(len(labels), expected / expected.sum(), _N_SPLITS)
    shares = np.vstack([counts, drawn]).T / len(labels)  # (levels, R + 1)
    yield from _classes(target, expected[:, None], shares, ())


def _classes(
    target: Feature, expected: FloatArray, kept: FloatArray, hidden: Container[str]
) -> Iterator[_Measured]:
    """Each class for itself, so that a rare one counts as much as a common one.

    **Parameters:**

    * **expected**, **kept**: shares, shapes (levels, R + 1); **hidden**: classes without a figure.
    """
    values = np.abs(kept - expected)
    order = np.argsort(expected[:, 0], kind="stable")
    if len(order) == 2:
        order = order[:1]  # the other class differs by as much
    for place in order:
        label = target.levels[place]
        sentence = sentences.of_class(
            target, int(place), expected[place, 0], kept[place, 0], shown=label not in hidden
        )
        yield _Measured("class_shares", target.name, values[place], sentence, label)


def _blocks(pooled: _Pooled, features: Sequence[Feature]) -> list[FloatArray]:
    """The columns of the matrix of correlations for each feature, shapes (N, any width)."""
    n_smaller = min(len(pooled.real), len(pooled.kept))
    return [
        rank_block(pooled.numbers(feature))
        if feature.numeric
        else level_block(pooled.codes(feature), n_smaller, len(features))
        for feature in features
    ]


def _with_bands(
    measured: Sequence[_Measured],
    n_smaller: int,
    correlations: Correlations | None,
    dictionary: FeatureDictionary,
) -> tuple[tuple[Distance, ...], tuple[AssociationShift, ...]]:
    """Every kind of distance gets its limit, all of them together."""
    by_kind: dict[DistanceKind, list[_Measured]] = {}
    for column in measured:
        by_kind.setdefault(column.kind, []).append(column)
    standardised = [
        Standardised.of([column.values for column in columns], n_smaller)
        for columns in by_kind.values()
    ]
    maxima = [kind.maxima for kind in standardised]
    if correlations is not None:
        maxima.append(correlations.deviations.max(axis=0))
    limit_of_kinds = limits(maxima)
    with_bands = [
        _with_band(column, distance, band)
        for columns, kind, limit in zip(
            by_kind.values(), standardised, limit_of_kinds, strict=False
        )
        for column, distance, band in zip(
            columns, kind.observed.tolist(), kind.bands(limit).tolist(), strict=True
        )
    ]
    pairs: tuple[AssociationShift, ...] = ()
    if correlations is not None:
        pairs = tuple(_pairs(correlations, limit_of_kinds[-1], dictionary))
    return tuple(with_bands), pairs


def _with_band(column: _Measured, distance: float, band: float) -> Distance:
    sentence = ""
    if distance > band:
        sentence = column.sentence
    return Distance(column.kind, column.column, column.label, distance, band, sentence)


def _pairs(
    correlations: Correlations, limit: float, dictionary: FeatureDictionary
) -> Iterator[AssociationShift]:
    """The ten pairs that differ most, each by the two of their levels that differ most.

    Where none of these has the target, the first that has it is the eleventh.
    """
    deviations = correlations.deviations[:, 0]
    order = np.argsort(-deviations, kind="stable")
    owners = [tuple(sorted(pair)) for pair in correlations.pairs[order].tolist()]
    _, first_places = np.unique(owners, axis=0, return_index=True)
    names = np.array(dictionary.names, dtype=object)
    places = order[np.sort(first_places)]
    of_target = (names[correlations.pairs[places]] == dictionary.target).any(axis=1)
    is_shown = np.arange(len(places)) < _PAIRS_SHOWN
    is_shown |= of_target & (of_target.cumsum() == 1)
    for place in places[is_shown]:
        first, second = names[correlations.pairs[place]]
        real, kept = float(correlations.first[place]), float(correlations.second[place])
        distance = float(deviations[place])
        sentence = ""
        if distance > limit:
            sentence = sentences.of_association((first, second), real, kept)
        has_target = dictionary.target in (first, second)
        # More digits would give the counts of a rare level.
        rounded = (round(real, 2), round(kept, 2))
        yield AssociationShift((first, second), *rounded, distance, limit, sentence, has_target)

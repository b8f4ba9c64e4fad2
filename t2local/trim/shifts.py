"""What distinguishes the kept rows from the real ones: findings that chance does not explain.

Pure figures; who calls decides which kinds of findings fail a verdict. Rows that were chosen for
their clear labels differ from the real ones by design, rows to be shared must not
(docs/method.md, Shifts).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from t2local.stats.arrays import IntArray, Mask
from t2local.stats.ensemble import encode_labels
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.disclosure import MIN_ROWS, hidden_shares, is_small
from t2local.trim import shift_sentences as sentences
from t2local.trim.distances import AssociationShift, Distance, distances
from t2local.trim.losses import ClassShare, LostRange, class_shares, lost_ranges

FindingKind: TypeAlias = Literal[
    "lost_class",
    "lost_range",
    "class_shares",
    "target_association",
    "marginal",
    "missing",
    "association",
]
#: From the worst to what matters least.
_KINDS = get_args(FindingKind)
#: More rows of a table are thinned out for the distances: so many show every difference that
#: matters, and take about a second.
_MAX_ROWS = 2000


@dataclass(frozen=True)
class Finding:
    """A difference that chance does not explain, in one sentence."""

    kind: FindingKind
    columns: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class Shifts:
    """All differences between kept and real rows, with what chance explains of them.

    * ``n_real``: real rows that the kept ones were held against; none: so few of the real rows, or
      all but so few, that their number may not be said.
    * ``few_compared``: whether these are fewer than eleven, which can show no difference.
    * ``classes``, ``lost_ranges``, ``distances``, ``associations``: what was measured; of the pairs
      of columns the ten that differ most, and the first with the target.
    * ``findings``: what is beyond chance, the worst first.
    """

    n_real: int | None
    few_compared: bool
    n_kept: int
    classes: tuple[ClassShare, ...]
    lost_ranges: tuple[LostRange, ...]
    distances: tuple[Distance, ...]
    associations: tuple[AssociationShift, ...]
    findings: tuple[Finding, ...]

    @property
    def compared(self) -> bool:
        """Whether there was a real row to compare with."""
        return self.n_real != 0

    @property
    def passed(self) -> bool:
        """Whether chance explains everything."""
        return not self.findings

    def sentences(self) -> list[str]:
        """The findings in words, the worst first."""
        return [finding.sentence for finding in self.findings]


def shifts(
    real: pd.DataFrame,
    kept: pd.DataFrame,
    dictionary: FeatureDictionary,
    seed: int,
    *,
    matches: Mask | None = None,
    wanted_shares: Mapping[str, float] | None = None,
) -> Shifts:
    """Hold the kept rows against the real ones.

    **Parameters:**

    * **real**, **kept**: frames of values (n, d) and (m, d); where there is a target, with labels.
    * **matches**: real rows that are what was asked for (``--where``), (n,); by default all.
    * **wanted_shares**: those of the classes that were asked for (``--balance``). The kept rows are
      then held against these, and all else is compared within the classes.
    """
    own = real if matches is None else real[matches]
    n_real = None if is_small(len(own), len(real)) else len(own)
    few = len(own) < MIN_ROWS
    if own.empty or kept.empty:
        return Shifts(n_real, few, len(kept), (), (), (), (), ())
    classes = _classes(own, kept, dictionary, wanted_shares)
    groups = [_groups(frame, dictionary, wanted_shares) for frame in (own, kept)]
    ranges = lost_ranges(own, kept, dictionary.features, *groups)
    used = [_thinned(len(group), generator(seed, Stream.SHIFT_ROWS)) for group in groups]
    columns, pairs = distances(
        own.iloc[used[0]],
        kept.iloc[used[1]],
        dictionary,
        seed,
        np.concatenate([group[places] for group, places in zip(groups, used, strict=True)]),
        wanted_shares,
    )
    shown = tuple(_shown(one, own, dictionary, wanted_shares) for one in columns)
    if few:  # what differs from few patients tells of each of them
        ranges, columns, pairs = (), (), ()
    findings = tuple(_findings(dictionary.target or "", classes, ranges, columns, pairs))
    return Shifts(n_real, few, len(kept), classes, ranges, shown, pairs, findings)


def _shown(
    distance: Distance,
    real: pd.DataFrame,
    dictionary: FeatureDictionary,
    wanted_shares: Mapping[str, float] | None,
) -> Distance:
    """A distance without its figures where they and the kept rows give a share of few real rows."""
    if distance.kind == "class_shares" and wanted_shares:
        return distance  # the shares that were asked for are no secret
    cells, levels = real[distance.column], dictionary[distance.column].levels
    hidden = len(real) < MIN_ROWS
    if distance.kind == "missing":
        hidden |= is_small(int(cells.isna().sum()), len(cells))
    elif distance.kind == "class_shares" or len(levels) == 2:
        hidden |= (distance.label or levels[0]) in hidden_shares(cells)
    return replace(distance, distance=None, band=None) if hidden else distance


def _classes(
    real: pd.DataFrame,
    kept: pd.DataFrame,
    dictionary: FeatureDictionary,
    wanted_shares: Mapping[str, float] | None,
) -> tuple[ClassShare, ...]:
    """The classes of the label; none without a target."""
    if dictionary.target is None:
        return ()
    target = dictionary.target_feature
    return class_shares(real[target.name], kept[target.name], target, wanted_shares)


def _groups(
    rows: pd.DataFrame, dictionary: FeatureDictionary, wanted_shares: Mapping[str, float] | None
) -> IntArray:
    """What rows are compared within: their class where shares were asked for; shape (n,)."""
    if not wanted_shares:
        return np.zeros(len(rows), dtype=np.intp)
    target = dictionary.target_feature
    return encode_labels(rows[target.name], target).astype(np.intp)


def _thinned(n: int, rng: np.random.Generator) -> IntArray:
    """The places of the rows that are compared, in order."""
    if n <= _MAX_ROWS:
        return np.arange(n)
    return np.sort(rng.choice(n, _MAX_ROWS, replace=False))


def _findings(
    target: str,
    classes: tuple[ClassShare, ...],
    ranges: tuple[LostRange, ...],
    columns: tuple[Distance, ...],
    pairs: tuple[AssociationShift, ...],
) -> Iterator[Finding]:
    """Kind by kind, and within a kind what exceeds its band the most."""
    lost_labels = [share.label for share in classes if share.lost]
    for share in classes:
        if share.lost:
            sentence = sentences.of_lost_class(target, share.label, share.expected)
            yield Finding("lost_class", (target,), sentence)
    for lost in ranges:
        yield Finding("lost_range", (lost.column,), lost.sentence)
    beyond = [one for one in columns if one.sentence and one.label not in lost_labels]
    # A band may be 0: of a column that differs in no random split.
    beyond.sort(key=lambda one: (one.band or 0.0) / (one.distance or 1.0))
    findings = [Finding(one.kind, (one.column,), one.sentence) for one in beyond]
    of_target = [pair for pair in pairs if pair.sentence and pair.of_target]
    others = [pair for pair in pairs if pair.sentence and not pair.of_target]
    findings += [Finding("target_association", p.columns, p.sentence) for p in of_target[:1]]
    findings += [Finding("association", pair.columns, pair.sentence) for pair in others[:1]]
    yield from sorted(findings, key=lambda finding: _KINDS.index(finding.kind))

"""What each column looks like in real and in kept rows, for the pictures of a report.

A column is cut into parts that at least eleven real rows stand behind, so that a report shows no
value that few patients have. Of a table of fewer than 22 rows nothing is shown.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from t2local.stats.arrays import FloatArray, IntArray
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.tables.disclosure import MIN_ROWS, is_small, rounding_unit

#: More parts of a number show no more of its shape.
_MOST_PARTS = 8
#: How often chance alone may put a share of the table outside its band.
_ERROR = 0.05


@dataclass(frozen=True)
class Part:
    """Some values of a column, and how common they are.

    * ``label``: the values in words: "54 to <61", "F", "4 other levels".
    * ``real``, ``kept``: shares of the rows.
    * ``low``, ``high``: the band of chance. Of 95 in 100 samples of real rows with as many rows,
      every share of the table lies in its band (Bonferroni, normal approximation).
    """

    label: str
    real: float
    kept: float
    low: float
    high: float


@dataclass(frozen=True)
class Marginal:
    """One column: its parts in order (fewer than two: none), and its missing cells.

    ``missing``: none where fewer than eleven real cells are missing, or are there.
    """

    column: str
    parts: tuple[Part, ...]
    missing: Part | None


def marginals(
    real: pd.DataFrame,
    kept: pd.DataFrame,
    dictionary: FeatureDictionary,
    weights: FloatArray,
) -> tuple[Marginal, ...]:
    """Every column, in the order of the table.

    **Parameters:**

    * **real**, **kept**: frames of values (n, d) and (m, d).
    * **weights**: what each real row counts for, shape (n,), where other shares of the labels were
      asked for. How many rows stand behind a part is counted without them.
    """
    cuts = {f.name: _cut(f, real[f.name], kept[f.name]) for f in dictionary.features}
    missing = {f.name: _missing(real[f.name], kept[f.name]) for f in dictionary.features}
    n_shares = sum(len(cut.labels) for cut in [*cuts.values(), *filter(None, missing.values())])
    width = float(ndtri(1 - _ERROR / 2 / max(1, n_shares)))
    return tuple(
        Marginal(
            name,
            _shares(cut, weights, width),
            _shares(blanks, weights, width)[1] if (blanks := missing[name]) else None,
        )
        for name, cut in cuts.items()
    )


@dataclass(frozen=True)
class _Cut:
    """The part of each row, -1 for a missing cell; shapes (n,) and (m,)."""

    labels: list[str]
    real: IntArray
    kept: IntArray


def _cut(feature: Feature, real: pd.Series, kept: pd.Series) -> _Cut:
    """The parts of a column; none where there would be one."""
    cut = _cut_numbers(feature, real, kept) if feature.numeric else _cut_levels(feature, real, kept)
    return cut if len(cut.labels) > 1 else _Cut([], cut.real, cut.kept)


def _missing(real: pd.Series, kept: pd.Series) -> _Cut | None:
    is_missing = [column.isna().to_numpy().astype(np.intp) for column in (real, kept)]
    n_missing = int(is_missing[0].sum())
    if n_missing in (0, len(real)) or is_small(n_missing, len(real)):
        return None
    return _Cut(["there", "missing"], *is_missing)


def _shares(cut: _Cut, weights: FloatArray, width: float) -> tuple[Part, ...]:
    """The parts with their shares and bands of so many standard deviations on each side."""
    labels, real, kept = cut.labels, cut.real, cut.kept
    if not labels:
        return ()
    used = weights * (real >= 0)  # (n,)
    n_parts = len(labels)
    expected = np.bincount(real[real >= 0], used[real >= 0], n_parts) / used.sum()
    counts = np.bincount(kept[kept >= 0], minlength=n_parts)
    observed = counts / max(1, counts.sum())
    # Both the real rows and the kept ones are samples; weights make the real ones count as fewer.
    n_real = used.sum() ** 2 / (used**2).sum()
    variance = expected * (1 - expected) * (1 / n_real + 1 / max(1, counts.sum()))
    half = width * np.sqrt(variance)  # (parts,)
    low, high = np.maximum(0, expected - half), np.minimum(1, expected + half)
    figures = zip(labels, expected, observed, low, high, strict=True)
    return tuple(Part(label, *map(float, shares)) for label, *shares in figures)


def _cut_numbers(feature: Feature, real: pd.Series, kept: pd.Series) -> _Cut:
    """Ranges between round numbers, and the range of each number (-1 where it is missing)."""
    both = [column.to_numpy(np.float64, na_value=np.nan) for column in (real, kept)]
    edges = _round_edges(feature, both[0][~np.isnan(both[0])])
    texts = [str(feature.plain(edge)) for edge in edges]
    labels = []
    if texts:
        middle = [f"{low} to <{high}" for low, high in itertools.pairwise(texts)]
        labels = [f"<{texts[0]}", *middle, f"≥{texts[-1]}"]
    parts = [np.where(np.isnan(x), -1, np.searchsorted(edges, x, side="right")) for x in both]
    return _Cut(labels, *parts)


def _round_edges(feature: Feature, numbers: FloatArray) -> FloatArray:
    """Round numbers near the quantiles, with eleven rows or more between any two; (edges,)."""
    n_parts = min(_MOST_PARTS, len(numbers) // MIN_ROWS)
    if n_parts < 2:
        return np.empty(0)
    numbers = np.sort(numbers)
    cuts = np.quantile(numbers, np.linspace(0, 1, n_parts + 1)[1:-1])
    # Of where the middle 90 % lie, not of single patients at the ends.
    low, high = np.quantile(numbers, [0.05, 0.95])
    step = max(rounding_unit(float(high - low)), 10.0**-feature.decimals)
    edges: list[float] = []
    start = 0
    for edge in np.unique(np.round(cuts / step) * step):
        end = int(np.searchsorted(numbers, edge))
        if min(end - start, len(numbers) - end) >= MIN_ROWS:
            edges.append(float(np.round(edge, feature.decimals)))
            start = end
    return np.array(edges)


def _cut_levels(feature: Feature, real: pd.Series, kept: pd.Series) -> _Cut:
    """Levels that eleven real rows have, then all others together (-1: the cell is missing)."""
    levels = pd.Index(feature.levels, dtype=object)
    codes = [levels.get_indexer(pd.Index(column, dtype=object)) for column in (real, kept)]
    counts = np.bincount(codes[0][codes[0] >= 0], minlength=len(levels))
    shown = _shown_levels(counts)
    place = np.full(len(levels) + 1, len(shown))  # the last is for missing cells
    place[shown] = np.arange(len(shown))
    place[-1] = -1
    labels = [feature.levels[code] for code in shown]
    n_others = len(levels) - len(shown)
    if n_others:
        noun = "level" if n_others == 1 else "levels"
        labels.append(f"{n_others} other {noun}")
    return _Cut(labels, *(place[code] for code in codes))


def _shown_levels(counts: IntArray) -> IntArray:
    """The levels that eleven rows have or more.

    Where all others together have fewer, their number would follow from that of all rows: then the
    rarest shown level goes to them.
    """
    shown = np.flatnonzero(counts >= MIN_ROWS)
    n_others = int(counts.sum() - counts[shown].sum())
    if len(shown) < len(counts) and n_others < MIN_ROWS and len(shown):
        shown = shown[shown != shown[counts[shown].argmin()]]
    return shown

"""What each column looks like in real and in kept rows, for the pictures of a report.

A column is cut into parts that at least eleven real rows stand behind (`t2local.evaluate.parts`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from t2local.evaluate.parts import Parts
from t2local.stats.arrays import FloatArray, IntArray
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.disclosure import is_small

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
    columns = {}
    for feature in dictionary.features:
        both = real[feature.name], kept[feature.name]
        parts = Parts.of(feature, both[0])
        cut = Cut(parts.labels, *(parts.codes(column) for column in both))
        columns[feature.name] = cut, _missing(*both)
    n_shares = sum(len(cut.labels) for pair in columns.values() for cut in filter(None, pair))
    width = band_width(n_shares)
    return tuple(
        Marginal(
            name,
            shares(cut, weights, width),
            shares(missing, weights, width)[1] if missing else None,
        )
        for name, (cut, missing) in columns.items()
    )


@dataclass(frozen=True)
class Cut:
    """Parts by their labels, and the part of each row, -1 for none; shapes (n,) and (m,)."""

    labels: Sequence[str]
    real: IntArray
    kept: IntArray


def _missing(real: pd.Series, kept: pd.Series) -> Cut | None:
    is_missing = [column.isna().to_numpy().astype(np.intp) for column in (real, kept)]
    n_missing = int(is_missing[0].sum())
    if n_missing in (0, len(real)) or is_small(n_missing, len(real)):
        return None
    return Cut(["there", "missing"], *is_missing)


def band_width(n_shares: int) -> float:
    """How many standard deviations the band of chance of so many shares has on each side."""
    return float(ndtri(1 - _ERROR / 2 / max(1, n_shares)))


def shares(cut: Cut, weights: FloatArray, width: float) -> tuple[Part, ...]:
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
    return tuple(Part(label, *map(float, numbers)) for label, *numbers in figures)

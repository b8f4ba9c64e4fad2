"""What somebody who has the synthetic rows learns of a person in the table (docs/privacy.md).

The three attacks of Anonymeter (Giomi et al. 2023, arXiv 2211.10459), which are the three risks
that European data protection authorities name (WP 216): singling out, linkability, inference. Each
is tried on rows of the table, on held-out rows (control), and without the synthetic rows (naive).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.evaluate.membership import AttackedRows
from t2local.stats.arrays import FloatArray, Mask
from t2local.stats.columns import level_codes
from t2local.stats.rates import Rate, residual_risk, wilson
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import Feature

#: Guesses that single somebody out; how many are drawn at a time, and how often at most.
_N_GUESSES, _N_DRAWN, _N_ROUNDS = 500, 2000, 10
#: Columns of a guess.
_N_COLUMNS = 3
#: A number is guessed when it is within this share of itself (the paper's).
_TOLERANCE = 0.05


@dataclass(frozen=True)
class InferenceRisk:
    """How often an attack succeeds, with 95 % intervals (Wilson).

    * ``attack``: on rows of the table; ``naive``: the same guesses without the synthetic rows.
    * ``control``: on held-out rows, and ``risk``: what is left of the attack, as a share of what
      the control leaves open; none without held-out rows.
    * ``guesses``: how many were made on each. ``column``: the one that is guessed, of `inference`.
    """

    name: str
    guesses: int
    attack: Rate
    naive: Rate
    control: Rate | None
    risk: Rate | None
    column: str | None = None


def inference_risks(attacked: AttackedRows) -> tuple[InferenceRisk, ...]:
    """Singling out, linkability, and the inference of each column from all others.

    Attack and control have equally many rows.
    """
    if attacked.holdout is None:
        attacks = _Attacks(attacked, attacked.members, None)
    else:
        n_each = min(len(attacked.members), len(attacked.holdout))
        attacks = _Attacks(attacked, attacked.members.head(n_each), attacked.holdout.head(n_each))
    return (*attacks.singling_out(), *attacks.linkability(), *attacks.inferences())


@dataclass(frozen=True)
class _Attacks:
    attacked: AttackedRows
    members: pd.DataFrame
    holdout: pd.DataFrame | None

    def singling_out(self) -> Iterator[InferenceRisk]:
        """Guesses of a few cells that exactly one synthetic row has: does one real row, too?"""
        names = self.attacked.pair.columns
        if len(names) < _N_COLUMNS:
            return
        synthetic = self._numbers(self.attacked.synthetic)
        rng = generator(self.attacked.pair.seed, Stream.SINGLING_OUT)
        guesses = _Guesses.chosen(synthetic, self._numeric, rng)
        if not len(guesses.columns):
            return
        naive = _Guesses.at_random(synthetic, self._numeric, rng, len(guesses.columns))

        def hits(rows: pd.DataFrame, own: _Guesses = guesses) -> Mask:
            return own.matches(self._numbers(rows)).sum(axis=1) == 1

        yield self._risk("singling out", hits, hits(self.members, naive))

    def linkability(self) -> Iterator[InferenceRisk]:
        """Two halves of a row's cells: is one synthetic row the nearest to both?"""
        pair, synthetic = self.attacked.pair, self.attacked.synthetic
        if len(pair.columns) < 2:
            return
        rng = generator(pair.seed, Stream.LINKED_COLUMNS)
        is_first = np.arange(len(pair.columns)) < len(pair.columns) // 2
        is_first = rng.permutation(is_first)

        def links(rows: pd.DataFrame) -> Mask:
            halves = np.zeros((2, len(rows), len(synthetic)))
            for first, differences in zip(
                is_first, pair.gower.differences(rows, synthetic), strict=True
            ):
                halves[int(first)] += differences
            first_row, second_row = halves.argmin(axis=2)
            return first_row == second_row

        draws = rng.integers(len(synthetic), size=(2, len(self.members)))
        yield self._risk("linkability", links, draws[0] == draws[1])

    def inferences(self) -> Iterator[InferenceRisk]:
        """Each column: the cell of the synthetic row that is nearest in all other columns."""
        synthetic = self._numbers(self.attacked.synthetic)
        tables = [table for table in (self.members, self.holdout) if table is not None]
        cells = [self._numbers(table) for table in tables]  # (n, d) each
        guesses = [self._nearest_without_each(table) for table in tables]  # (d, n) each
        rng = generator(self.attacked.pair.seed, Stream.NAIVE_GUESSES)
        for place, name in enumerate(self.attacked.pair.columns):
            if len(np.unique(synthetic[:, place])) == 1:
                continue  # nothing is guessed, and the hits are a count of real rows
            hits = [
                self._equal(synthetic[rows[place], place], own[:, place], place)
                for own, rows in zip(cells, guesses, strict=True)
            ]
            draws = synthetic[rng.integers(len(synthetic), size=len(self.members)), place]
            naive = self._equal(draws, cells[0][:, place], place)
            control = hits[1] if len(hits) > 1 else None
            yield _risk("inference", hits[0], naive, control, name)

    def _nearest_without_each(self, rows: pd.DataFrame) -> np.ndarray:
        """The nearest synthetic row of each row by all columns but one, for each column: (d, n)."""
        gower, synthetic = self.attacked.pair.gower, self.attacked.synthetic
        total = gower.distances(rows, synthetic) * gower.n_columns
        return np.array(
            [(total - own).argmin(axis=1) for own in gower.differences(rows, synthetic)]
        )

    def _equal(self, guesses: FloatArray, cells: FloatArray, place: int) -> Mask:
        """Which guesses of a column are right."""
        tolerance = _TOLERANCE if self._numeric[place] else 0.0
        right = np.abs(guesses - cells) <= tolerance * np.abs(guesses)
        return right | (np.isnan(guesses) & np.isnan(cells))

    @property
    def _numeric(self) -> Mask:
        pair = self.attacked.pair
        return np.array([pair.dictionary[name].numeric for name in pair.columns])

    def _numbers(self, rows: pd.DataFrame) -> FloatArray:
        """A frame of values as numbers, levels by their numbers, (n, d)."""
        pair = self.attacked.pair

        def column(feature: Feature) -> FloatArray:
            cells = rows[feature.name]
            if feature.numeric:
                return cells.to_numpy(dtype=np.float64, na_value=np.nan)
            return np.where(cells.isna(), np.nan, level_codes(feature, cells))

        return np.column_stack([column(pair.dictionary[name]) for name in pair.columns])

    def _risk(self, name: str, hits: Callable[[pd.DataFrame], Mask], naive: Mask) -> InferenceRisk:
        control = None if self.holdout is None else hits(self.holdout)
        return _risk(name, hits(self.members), naive, control)


def _risk(
    name: str, hits: Mask, naive: Mask, control: Mask | None, column: str | None = None
) -> InferenceRisk:
    attack, at_random = _rate(hits), _rate(naive)
    if control is None:
        return InferenceRisk(name, len(hits), attack, at_random, None, None, column)
    unseen = _rate(control)
    risk = residual_risk(attack, unseen)
    return InferenceRisk(name, len(hits), attack, at_random, unseen, risk, column)


def _rate(hits: Mask) -> Rate:
    return wilson(int(hits.sum()), len(hits))


@dataclass(frozen=True)
class _Guesses:
    """Statements on rows, each on a few columns.

    A level is the one that is named; a number is at most, or at least, the one that is named.

    **Parameters:**

    * **columns**, **values**, **signs**: of each statement, (g, columns of a guess); the sign is 0
      for equal, 1 for at least, -1 for at most.
    """

    columns: np.ndarray
    values: FloatArray
    signs: np.ndarray

    @classmethod
    def of_rows(cls, rows: FloatArray, numeric: Mask, rng: np.random.Generator) -> "_Guesses":
        """What random rows (m, d) have in random columns; numbers away from the median."""
        columns = _random_columns(rows.shape[1], _N_DRAWN, rng)
        values = rows[rng.integers(len(rows), size=_N_DRAWN)[:, None], columns]
        medians = np.nanmedian(np.where(np.isnan(rows).all(axis=0), 0.0, rows), axis=0)
        signs = np.where(values > medians[columns], 1, -1) * numeric[columns]
        return cls(columns, values, signs)

    @classmethod
    def at_random(
        cls, rows: FloatArray, numeric: Mask, rng: np.random.Generator, n: int
    ) -> "_Guesses":
        """Cells of each column by themselves, and any sign: what no row tells."""
        columns = _random_columns(rows.shape[1], n, rng)
        values = rows[rng.integers(len(rows), size=columns.shape), columns]
        signs = rng.choice([-1, 1], size=columns.shape) * numeric[columns]
        return cls(columns, values, signs)

    @classmethod
    def chosen(cls, rows: FloatArray, numeric: Mask, rng: np.random.Generator) -> "_Guesses":
        """Guesses of rows (m, d) that are true of exactly one of them, each once."""
        chosen = np.empty((0, 3 * _N_COLUMNS))
        for _ in range(_N_ROUNDS):
            n_before = len(chosen)
            drawn = cls.of_rows(rows, numeric, rng)
            single = drawn.matches(rows).sum(axis=1) == 1
            facts = np.hstack([drawn.columns, drawn.values, drawn.signs])[single]
            every = np.vstack([chosen, facts])
            _, first = np.unique(every, axis=0, return_index=True)
            chosen = every[np.sort(first)][:_N_GUESSES]
            if len(chosen) in (n_before, _N_GUESSES):  # no new ones, or enough
                break
        columns, values, signs = np.split(chosen, 3, axis=1)
        return cls(columns.astype(np.intp), values, signs)

    def matches(self, rows: FloatArray) -> Mask:
        """Which rows (n, d) each statement is true of, shape (g, n)."""
        true = np.ones((len(self.columns), len(rows)), dtype=bool)
        for columns, values, signs in zip(self.columns.T, self.values.T, self.signs.T, strict=True):
            cells = rows[:, columns].T  # (g, n)
            named, sign = values[:, None], signs[:, None]
            above = sign * (cells - named) >= 0
            equal = (cells == named) | (np.isnan(cells) & np.isnan(named))
            true &= np.where(sign == 0, equal, above | (np.isnan(named) & equal))
        return true


def _random_columns(n_columns: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Different columns in ascending order, shape (n, columns of a guess)."""
    return np.sort(rng.random((n, n_columns)).argsort(axis=1)[:, :_N_COLUMNS], axis=1)

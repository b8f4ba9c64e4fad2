"""What statistics need to know of a column; `t2local.tables.dictionary.Feature` has it."""

from typing import Protocol

import pandas as pd

from t2local.stats.arrays import IntArray


class Column(Protocol):
    """A column of numbers or of levels. A number counts steps of 10^-decimals."""

    @property
    def name(self) -> str:
        """Its name in the table."""

    @property
    def numeric(self) -> bool:
        """Whether cells are numbers."""

    @property
    def levels(self) -> tuple[str, ...]:
        """What a cell may be, in order; empty for a number."""

    @property
    def decimals(self) -> int:
        """Of a number: decimals at most."""

    @property
    def steps(self) -> tuple[int, int]:
        """Of a number: smallest and largest value, in steps."""

    @property
    def missing(self) -> bool:
        """Whether cells may be missing."""

    @property
    def effects(self) -> tuple[float, ...]:
        """How strongly it raises the target, as a person says; lowers: below 0.

        Of a number one strength, of levels one each; NaN where nothing is said.
        """

    @property
    def positive_class(self) -> int:
        """Of a target with classes: the number of the class whose risk effects are on."""


def level_codes(column: Column, cells: pd.Series) -> IntArray:
    """The number of each cell's level, -1 for a cell that has none of them; shape (n,)."""
    levels = pd.Index(column.levels, dtype=object)
    return levels.get_indexer(pd.Index(cells, dtype=object))

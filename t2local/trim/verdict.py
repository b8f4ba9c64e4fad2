"""Which rows of a batch are kept, why the others are not, and the figures behind it. Loses no row."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from t2local.stats.arrays import IntArray, Mask

Stage = Literal["sanity", "cost", "diversity", "surplus"]


@dataclass
class Verdict:
    """One verdict for each of ``size`` rows: kept until a stage rejects it, once, with a reason.

    ``figures`` has one entry a stage: what was measured, and the threshold it was held against.
    """

    size: int
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stages: list[Stage | None] = [None] * self.size
        self.reasons: list[str] = [""] * self.size
        self._measured = np.full((self.size, 2), np.nan)

    @property
    def kept(self) -> Mask:
        """Mask (size,) of the rows that no stage rejected."""
        return np.array([stage is None for stage in self.stages], dtype=np.bool_)

    def reject(
        self, rows: Mask, stage: Stage, reason: str, figure: Any = np.nan, threshold: float = np.nan
    ) -> None:
        """Reject the kept ones among ``rows`` (a mask of all rows); a row keeps its first stage and reason.

        ``figure`` is what was measured of the batch, or of each row (shape (size,)), and ``threshold`` what it was held against.
        """
        chosen = np.flatnonzero(rows & self.kept)
        self._measured[chosen, 0] = np.broadcast_to(figure, self.size)[chosen]
        self._measured[chosen, 1] = threshold
        for index in chosen:
            self.stages[index], self.reasons[index] = stage, reason

    def put(self, places: IntArray, other: "Verdict") -> None:
        """Take over the verdict on some of the rows."""
        self._measured[places] = other._measured
        for place, stage, reason in zip(places.tolist(), other.stages, other.reasons, strict=True):
            self.stages[place], self.reasons[place] = stage, reason

    def notes(self) -> pd.DataFrame:
        """What is said of each row: ``stage``, ``reason``, ``figure``, ``threshold`` (missing where there is none)."""
        measured = [
            [float(f"{number:.6g}") for number in column] for column in self._measured.T.tolist()
        ]
        figures = dict(zip(("figure", "threshold"), measured, strict=True))
        return pd.DataFrame(
            {
                "stage": pd.Series(self.stages, dtype=object),
                "reason": pd.Series(self.reasons, dtype=object),
                **figures,
            }
        )

    def rejected_by(self) -> Counter[Stage]:
        """How many rows each stage rejected."""
        return Counter(stage for stage in self.stages if stage is not None)


def reasons(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How many rows were rejected for each reason, the figures in it left out, the most common first."""
    return dict(
        Counter(
            reason.partition(":")[0] for verdict in verdicts for reason in verdict.reasons if reason
        ).most_common()
    )


def with_notes(notes: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with the notes on them in front; a note takes underscores where a column of the table has its name."""
    names = {}
    for name in map(str, notes):
        free = name
        while free in rows.columns:
            free += "_"
        names[name] = free
    return pd.concat([notes.rename(columns=names), rows], axis=1)

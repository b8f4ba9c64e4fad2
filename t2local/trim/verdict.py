"""Which rows of a batch are kept, and why the others are not. Loses no row."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray, Mask
from t2local.trim.result import Rejection, StageFigures


@dataclass
class Verdict:
    """One verdict for each of ``size`` rows: kept until a stage rejects it, once, with a reason.

    ``figures`` has one entry a stage: what was measured, and the threshold it was held against.
    ``overruled`` counts the rows that a stage would have rejected and that are kept all the same.
    """

    size: int
    figures: dict[str, StageFigures] = field(default_factory=dict)
    overruled: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.stages: list[str | None] = [None] * self.size
        self.reasons: list[str] = [""] * self.size
        self._measured = np.full((self.size, 2), np.nan)  # figure and threshold of each row

    @property
    def kept(self) -> Mask:
        """Mask (size,) of the rows that no stage rejected."""
        return np.array([stage is None for stage in self.stages], dtype=np.bool_)

    def reject(
        self,
        rows: Mask,
        stage: str,
        reason: str,
        figure: float | FloatArray = np.nan,
        threshold: float = np.nan,
    ) -> None:
        """Reject the kept ones among ``rows``, a mask of all rows (size,).

        A row keeps its first stage and reason. ``figure`` is what was measured of the batch, or of
        each row (shape (size,)), and ``threshold`` what it was held against.
        """
        chosen = np.flatnonzero(rows & self.kept)
        self._measured[chosen, 0] = np.broadcast_to(figure, self.size)[chosen]
        self._measured[chosen, 1] = threshold
        for index in chosen:
            self.stages[index] = stage
            self.reasons[index] = reason

    def reject_among(self, judged: Mask, stage: str, rejection: Rejection) -> None:
        """Reject rows as a stage says that saw only the rows ``judged``, a mask of all rows."""
        places = np.flatnonzero(judged)
        rows = np.zeros(self.size, dtype=np.bool_)
        rows[places] = rejection.rows
        figures = np.full(self.size, np.nan)
        figures[places] = rejection.measured
        self.reject(rows, stage, rejection.reason, figures, rejection.threshold)

    def put(self, places: IntArray, other: "Verdict") -> None:
        """Take over the verdict on some of the rows; figures that are there already stay."""
        self.figures = {**other.figures, **self.figures}
        self.overruled.update(other.overruled)
        self._measured[places] = other._measured
        for place, stage, reason in zip(places.tolist(), other.stages, other.reasons, strict=True):
            self.stages[place] = stage
            self.reasons[place] = reason

    def notes(self) -> pd.DataFrame:
        """The stage, reason, figure and threshold of each row; missing where there is none."""
        figures, thresholds = (
            [float(f"{number:.6g}") for number in column] for column in self._measured.T.tolist()
        )
        return pd.DataFrame(
            {
                "stage": pd.Series(self.stages, dtype=object),
                "reason": pd.Series(self.reasons, dtype=object),
                "figure": figures,
                "threshold": thresholds,
            }
        )

    def rejected_by(self) -> Counter[str]:
        """How many rows each stage rejected."""
        return Counter(stage for stage in self.stages if stage is not None)


def joined(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict on the rows of all, with the stages of the first that has figures of each."""
    whole = Verdict(sum(verdict.size for verdict in verdicts))
    start = 0
    for verdict in verdicts:
        whole.put(np.arange(start, start + verdict.size), verdict)
        start += verdict.size
    return whole


def overruled_sentence(overruled: Mapping[str, int]) -> str:
    """What ``trim.keep=all`` kept against the stages; blank where it made no difference."""
    counts = " and ".join(f"{stage} {count}" for stage, count in overruled.items() if count)
    if not counts:
        return ""
    return f" All that pass sanity were asked for; else more would have been rejected: {counts}."


def reasons(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How many rows were rejected for each reason, without its figures, the most common first."""
    counts = Counter(
        reason.partition(":")[0] for verdict in verdicts for reason in verdict.reasons if reason
    )
    return dict(counts.most_common())


def with_notes(notes: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with the notes on them in front.

    A note takes underscores where a column of the table has its name.
    """
    names = {}
    for name in map(str, notes):
        free_name = name
        while free_name in rows.columns:
            free_name += "_"
        names[name] = free_name
    return pd.concat([notes.rename(columns=names), rows], axis=1)

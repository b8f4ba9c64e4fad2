"""Which rows of a batch are kept, why the others are not, and the figures behind it. Loses no row."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Stage = Literal["sanity", "cost", "diversity", "surplus"]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


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

    @property
    def kept(self) -> Mask:
        """Mask (size,) of the rows that no stage rejected."""
        return np.array([stage is None for stage in self.stages], dtype=np.bool_)

    def reject(self, rows: Mask, stage: Stage, reason: str) -> None:
        """Reject the kept ones among ``rows`` (a mask of all rows); a row keeps its first stage and reason."""
        for index in np.flatnonzero(rows & self.kept):
            self.stages[index], self.reasons[index] = stage, reason

    def rejected_by(self) -> Counter[Stage]:
        """How many rows each stage rejected."""
        return Counter(stage for stage in self.stages if stage is not None)

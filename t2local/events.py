"""What a run tells whoever listens: decisions taken for the user, notices, and progress."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Decision:
    """A choice made for the user: what was chosen, its value, and the reason."""

    what: str
    value: Any
    reason: str


@dataclass(frozen=True)
class Notice:
    """Something in the input that the user should know; it never holds a cell's value."""

    message: str


@dataclass(frozen=True)
class Phase:
    """A part of a run begins, in a few words.

    ``seconds_left`` of the whole run: a guess; none before there is anything to guess by.
    """

    words: str
    seconds_left: float | None


@dataclass(frozen=True)
class Progress:
    """Where a run is: rows written, kept, and rejected by stage; speed, and what is left.

    ``seconds_left`` of the whole run is a guess; none before there is anything to guess by.
    """

    wanted: int
    written: int
    kept: int
    rejected_by: dict[str, int]
    tokens_per_second: float
    seconds_left: float | None


Event = Decision | Notice | Phase | Progress
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener of a caller who does not listen."""

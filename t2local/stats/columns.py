"""What statistics need to know of a column; `t2local.tables.dictionary.Feature` has it."""

from typing import Protocol


class Column(Protocol):
    """A column of numbers or of levels.

    A number has ``decimals`` and ``steps``: its smallest and largest value, counted in steps of 10^-decimals.
    ``levels`` is empty for a number. ``missing`` says whether cells may be missing.
    """

    @property
    def name(self) -> str: ...
    @property
    def numeric(self) -> bool: ...
    @property
    def levels(self) -> tuple[str, ...]: ...
    @property
    def decimals(self) -> int: ...
    @property
    def steps(self) -> tuple[int, int]: ...
    @property
    def missing(self) -> bool: ...

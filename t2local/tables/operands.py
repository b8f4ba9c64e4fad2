"""What the parts of a rule are in the rows of a table: truths, numbers and levels.

Each operation is one on whole columns (`t2local.tables.rules`).
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, Mask
from t2local.tables.column_types import YES_AND_NO

#: A difference that the rounding of decimals explains is none: 0.1 + 0.2 equals 0.3.
_ROUNDING = 1e-9


class RuleFault(ValueError):
    """What is wrong with the text of a rule."""


@dataclass(frozen=True)
class Truth:
    """For each row whether a condition is true, and whether it is false.

    It is neither where it is unknown, because a cell is missing.
    """

    true: Mask
    false: Mask

    def negated(self) -> "Truth":
        """True where this is false; unknown where this is unknown."""
        return Truth(self.false, self.true)

    def both(self, other: "Truth") -> "Truth":
        """This and the other: false where one is false, even if the other is unknown."""
        return Truth(self.true & other.true, self.false | other.false)

    def either(self, other: "Truth") -> "Truth":
        """This or the other: true where one is true, even if the other is unknown."""
        return Truth(self.true | other.true, self.false & other.false)


@dataclass(frozen=True)
class Levels:
    """A column of levels."""

    name: str
    levels: tuple[str, ...]
    values: "pd.Series[Any]"

    def numbers(self) -> FloatArray:
        """Levels such as 0, 1, 2 as numbers."""
        try:
            codes = {level: float(level) for level in self.levels}
        except ValueError:
            raise RuleFault(
                f"{self.name} has levels, not numbers: compare it with == or in"
            ) from None
        return np.asarray(self.values.map(codes), dtype=np.float64)

    def among(self, texts: Sequence[str]) -> Truth:
        """Where the cell is one of these levels; unknown where it is missing."""
        is_one = self.values.isin([self.level(text) for text in texts])
        return _where(self.values.notna().to_numpy(), is_one.to_numpy())

    def level(self, constant: str | float) -> str:
        """A constant of a rule as one of these levels: 1.0 is the level 1, and True may be yes."""
        if isinstance(constant, bool):
            return self._meaning(constant)
        if isinstance(constant, float) and constant.is_integer():
            constant = int(constant)
        text = str(constant)
        if text not in self.levels:
            hint = did_you_mean(text, self.levels)
            raise RuleFault(f"{text!r} is not a level of {self.name}{hint}")
        return text

    def _meaning(self, constant: bool) -> str:
        """The level that means yes, or the one that means no."""
        by_text = {level.casefold(): level for level in self.levels}
        for yes, no in YES_AND_NO:
            if {yes, no} <= by_text.keys():
                return by_text[yes if constant else no]
        if text := by_text.get(str(constant).casefold()):
            return text
        raise RuleFault(f"{self.name} has no levels that mean yes and no")


Constant: TypeAlias = str | bool | int | float
Operand: TypeAlias = Truth | Levels | FloatArray | Constant


def numbers(operand: Operand) -> FloatArray:
    """An operand as numbers, NaN for missing. **Raises** `RuleFault` for what is none."""
    if isinstance(operand, Levels):
        return operand.numbers()
    if isinstance(operand, str):
        raise RuleFault("a text and a number cannot be compared or computed")
    if isinstance(operand, Truth):
        raise RuleFault("a condition is not a number")
    return np.asarray(operand, dtype=np.float64)


def truth(operand: Operand) -> Truth:
    """An operand as a condition. **Raises** `RuleFault` for what is none."""
    if not isinstance(operand, Truth):
        raise RuleFault('and, or, not join conditions: write sex == "F", not sex')
    return operand


def is_missing(operand: Operand) -> Mask:
    """Where an operand has no value."""
    if isinstance(operand, Levels):
        return operand.values.isna().to_numpy()
    return np.isnan(numbers(operand))


def equality(first: Operand, second: Operand, n_rows: int) -> Truth:
    """Where two operands are equal; unknown where one is missing.

    Two conditions are equal where both are true or both are false.
    """
    if isinstance(first, Truth) and isinstance(second, Truth):
        return first.both(second).either(first.negated().both(second.negated()))
    if isinstance(second, Levels) and not isinstance(first, Levels):
        return equality(second, first, n_rows)
    if isinstance(first, Levels) and isinstance(second, Levels):
        present = (first.values.notna() & second.values.notna()).to_numpy()
        return _where(present, (first.values == second.values).to_numpy())
    if isinstance(first, Levels) and isinstance(second, Constant):
        equal = first.values == first.level(second)
        return _where(first.values.notna().to_numpy(), equal.to_numpy())
    one, other = numbers(first), numbers(second)
    return _where(_present(one, other, n_rows), np.broadcast_to(_near(one, other), n_rows))


def order(
    first: Operand,
    second: Operand,
    compare: Callable[[FloatArray, FloatArray], Mask],
    n_rows: int,
    *,
    allows_equal: bool,
) -> Truth:
    """Where a comparison of two numbers holds; unknown where one is missing.

    Numbers that differ by rounding are equal: <= holds for them and < does not.
    """
    one, other = numbers(first), numbers(second)
    holds = np.where(_near(one, other), allows_equal, compare(one, other)).astype(np.bool_)
    return _where(_present(one, other, n_rows), holds)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of a message: the name that was meant, if one is near."""
    names = list(names)
    near = [each for each in names if each.casefold() == name.casefold()]
    near += difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _where(present: Mask, true: Mask) -> Truth:
    return Truth(present & true, present & ~true)


def _present(one: FloatArray, other: FloatArray, n_rows: int) -> Mask:
    return np.broadcast_to(~(np.isnan(one) | np.isnan(other)), n_rows)


def _near(one: FloatArray, other: FloatArray) -> Mask:
    return np.abs(one - other) <= _ROUNDING * np.maximum(1.0, np.abs(one))

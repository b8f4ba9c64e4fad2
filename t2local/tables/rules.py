"""Relations between features: ``priors >= juvenile_felonies``, ``not (sex == "M" and pregnant == "yes")``.

A rule is an expression over columns: comparisons (chained too), ``and``, ``or``, ``not``, ``+ - * /``, ``in``, and the functions
``isna``, ``abs``, ``min``, ``max``. A name that is no Python name stands in backticks. The text is parsed, never run: only the
nodes named here are let through, and each becomes an operation on whole columns.

A missing value makes a comparison unknown, not false; a row breaks a rule only where the rule is false (Kleene's logic).
"""

import ast
import difflib
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Numbers = np.ndarray[Any, np.dtype[np.float64]]
#: The levels of a column; none for a number.
Columns = Mapping[str, tuple[str, ...]]
#: METHOD section 2: a rule that more real rows break than this share is only a warning.
TOLERANCE = 0.005

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_ORDER: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FUNCTIONS = ("isna", "abs", "min", "max")
#: A difference that the rounding of decimals explains is none: 0.1 + 0.2 equals 0.3.
_ROUNDING = 1e-9


class RuleFault(ValueError):
    """What is wrong with the text of a rule."""


@dataclass(frozen=True)
class _Truth:
    """For each row whether a condition is true, and whether it is false; neither where it is unknown."""

    true: Mask
    false: Mask


@dataclass(frozen=True)
class _Levels:
    """A column of levels."""

    name: str
    levels: tuple[str, ...]
    values: "pd.Series[Any]"

    def numbers(self) -> Numbers:
        """Levels such as 0, 1, 2 as numbers."""
        try:
            coded = {level: float(level) for level in self.levels}
        except ValueError:
            raise RuleFault(
                f"{self.name} has levels, not numbers: compare it with == or in"
            ) from None
        return np.asarray(self.values.map(coded), dtype=np.float64)


class Rule:
    """A rule, parsed and checked against the columns.

    **Parameters:**

    * **columns**: for each column its levels, none for a number. **Raises** `RuleFault` that says what is wrong, and what was meant.
    """

    def __init__(self, text: str, columns: Columns) -> None:
        self.text, self._columns = text, columns
        plain, self._quoted = _without_backticks(text)
        try:
            self._tree = ast.parse(plain.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise RuleFault(
                'it cannot be read; an example: age >= 18 and (sex == "F" or pregnant == 0)'
            ) from None
        # One row of nothing but missing cells runs through every node, and so checks all names, types and levels.
        blank = {
            name: pd.Series([None if levels else np.nan], dtype=object if levels else float)
            for name, levels in columns.items()
        }
        try:
            self.obeyed(pd.DataFrame(blank))
        except (OverflowError, RecursionError):
            raise RuleFault("a number in it is too large, or it is too long") from None

    @property
    def names(self) -> set[str]:
        """The columns that it speaks of."""
        return {
            self._quoted.get(node.id, node.id)
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Name)
        } & self._columns.keys()

    def obeyed(self, rows: pd.DataFrame) -> Mask:
        """Mask of the rows (a frame of values) that do not break the rule."""
        with np.errstate(all="ignore"):
            truth = self._eval(self._tree, rows)
        if not isinstance(truth, _Truth):
            raise RuleFault("it is a value, not a condition: compare it with something")
        return ~truth.false

    def _eval(self, node: ast.expr, rows: pd.DataFrame) -> Any:  # noqa: PLR0911 -- one for each kind of node
        match node:
            case ast.BoolOp(op=op, values=values):
                parts = [_truth(self._eval(value, rows)) for value in values]
                every, some = [np.logical_and.reduce, np.logical_or.reduce][
                    :: 1 if isinstance(op, ast.And) else -1
                ]
                return _Truth(
                    every([part.true for part in parts]), some([part.false for part in parts])
                )
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = _truth(self._eval(operand, rows))
                return _Truth(inner.false, inner.true)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -_numbers(self._eval(operand, rows))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return _ARITHMETIC[type(op)](
                    _numbers(self._eval(left, rows)), _numbers(self._eval(right, rows))
                )
            case ast.Compare(left=left, ops=ops, comparators=rights):
                pairs = zip([left, *rights[:-1]], ops, rights, strict=True)
                return reduce(
                    _both, [self._compare(one, op, other, rows) for one, op, other in pairs]
                )
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if (
                name in _FUNCTIONS
            ):
                return self._call(name, arguments, rows)
            case ast.Constant(value=bool() | int() | float() | str() as value):
                return value
            case ast.Name(id=name):
                return self._column(self._quoted.get(name, name), rows)
        raise RuleFault(f"{ast.unparse(node)!r} is not allowed in a rule")

    def _column(self, name: str, rows: pd.DataFrame) -> Any:
        if name not in self._columns:
            near = difflib.get_close_matches(name, self._columns, n=1)
            raise RuleFault(
                f"there is no column {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
        levels = self._columns[name]
        return (
            _Levels(name, levels, rows[name])
            if levels
            else rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
        )

    def _call(self, name: str, arguments: list[ast.expr], rows: pd.DataFrame) -> Any:
        values = [self._eval(argument, rows) for argument in arguments]
        if len(values) != 1 if name in ("isna", "abs") else len(values) < 2:
            raise RuleFault(
                f"{name} needs {'one value' if name in ('isna', 'abs') else 'two values or more'}"
            )
        if name == "isna":
            missing = (
                values[0].values.isna().to_numpy()
                if isinstance(values[0], _Levels)
                else np.isnan(_numbers(values[0]))
            )
            return _Truth(missing, ~missing)
        if name == "abs":
            return np.abs(_numbers(values[0]))
        return reduce(
            np.minimum if name == "min" else np.maximum, [_numbers(value) for value in values]
        )

    def _compare(
        self, left: ast.expr, op: ast.cmpop, right: ast.expr, rows: pd.DataFrame
    ) -> _Truth:
        one = self._eval(left, rows)
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
                raise RuleFault('in needs a list: ward in ("A", "B")')
            found = reduce(
                _either,
                [_equal(one, self._eval(element, rows), len(rows)) for element in right.elts],
            )
        else:
            other = self._eval(right, rows)
            if type(op) in _ORDER:
                a, b = _numbers(one), _numbers(other)
                known = np.broadcast_to(~(np.isnan(a) | np.isnan(b)), len(rows))
                near = np.abs(a - b) <= _ROUNDING * np.maximum(1.0, np.abs(a))
                true = np.where(
                    near, isinstance(op, ast.LtE | ast.GtE), _ORDER[type(op)](a, b)
                ).astype(np.bool_)
                return _Truth(known & true, known & ~true)
            if not isinstance(op, ast.Eq | ast.NotEq):
                raise RuleFault("only ==, !=, <, <=, >, >= and in compare")
            found = _equal(one, other, len(rows))
        return _Truth(found.false, found.true) if isinstance(op, ast.NotIn | ast.NotEq) else found


def binding(
    rules: Mapping[str, Rule], real: pd.DataFrame
) -> tuple[dict[str, Rule], dict[str, int]]:
    """The rules that hold in the real rows; and those that too many of them break, with how many."""
    broken = {name: int((~rule.obeyed(real)).sum()) for name, rule in rules.items()}
    demoted = {name: count for name, count in broken.items() if count > TOLERANCE * len(real)}
    return {name: rule for name, rule in rules.items() if name not in demoted}, demoted


def _equal(one: Any, other: Any, size: int) -> _Truth:
    if isinstance(other, _Levels) and not isinstance(one, _Levels):
        one, other = other, one
    if isinstance(one, _Levels) and isinstance(other, str | bool | int | float):
        known, true = one.values.notna().to_numpy(), (one.values == _level(one, other)).to_numpy()
    elif isinstance(one, _Levels) and isinstance(other, _Levels):
        known, true = (
            (one.values.notna() & other.values.notna()).to_numpy(),
            (one.values == other.values).to_numpy(),
        )
    else:
        a, b = _numbers(one), _numbers(other)
        known = np.broadcast_to(~(np.isnan(a) | np.isnan(b)), size)
        true = np.broadcast_to(np.abs(a - b) <= _ROUNDING * np.maximum(1.0, np.abs(a)), size)
    return _Truth(known & true, known & ~true)


class Formula(Rule):
    """A number computed from other columns: ``weight / (height * height)``; checked as a rule is."""

    def obeyed(self, rows: pd.DataFrame) -> Mask:
        """All rows; a text that is no number is a fault."""
        self.values(rows)
        return np.ones(len(rows), dtype=np.bool_)

    def values(self, rows: pd.DataFrame) -> Numbers:
        """The number of each row, NaN where a column is missing or the formula has no value."""
        with np.errstate(all="ignore"):
            result = np.broadcast_to(_numbers(self._eval(self._tree, rows)), len(rows)).astype(
                np.float64
            )
        return np.where(np.isfinite(result), result, np.nan)


def _level(column: _Levels, constant: str | float) -> str:
    """A constant of a rule as one of the column's levels."""
    text = (
        constant
        if isinstance(constant, str)
        else str(
            int(constant) if isinstance(constant, float) and constant.is_integer() else constant
        )
    )
    if text not in column.levels:
        near = [
            level for level in column.levels if level.casefold() == text.casefold()
        ] or difflib.get_close_matches(text, column.levels, n=1)
        raise RuleFault(
            f"{text!r} is not a level of {column.name}"
            + (f"; did you mean {near[0]!r}?" if near else "")
        )
    return text


def _numbers(value: Any) -> Numbers:
    if isinstance(value, _Levels):
        return value.numbers()
    if isinstance(value, str | _Truth):
        raise RuleFault(
            "a text and a number cannot be compared or computed"
            if isinstance(value, str)
            else "a condition is not a number"
        )
    return np.asarray(value, dtype=np.float64)


def _truth(value: Any) -> _Truth:
    if not isinstance(value, _Truth):
        raise RuleFault('and, or, not join conditions: write sex == "F", not sex')
    return value


def _both(one: _Truth, other: _Truth) -> _Truth:
    return _Truth(one.true & other.true, one.false | other.false)


def _either(one: _Truth, other: _Truth) -> _Truth:
    return _Truth(one.true | other.true, one.false & other.false)


def _without_backticks(text: str) -> tuple[str, dict[str, str]]:
    """The text with a plain name for every name in backticks, outside of strings; and which is which."""
    names: dict[str, str] = {}

    def plain(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return match.group(0)
        return names.setdefault(match.group(1), f"quoted_{len(names)}_")

    replaced = re.sub(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`([^`]+)`", plain, text)
    return replaced, {short: name for name, short in names.items()}

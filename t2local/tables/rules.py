"""Relations between features: ``priors >= juvenile_felonies``, ``not (sex == "M" and age < 9)``.

A rule is an expression over columns: comparisons (chained too), ``and``, ``or``, ``not``,
``+ - * /``, ``in``, and the functions ``isna``, ``abs``, ``min``, ``max``. A name that is no Python
name stands in backticks. The text is parsed, never run: only the nodes named here are let through,
and each becomes an operation on whole columns.

A missing value makes a comparison unknown, not false; a row breaks a rule only where the rule is
false (Kleene's three-valued logic, Introduction to Metamathematics, 1952, section 64).
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, Mask
from t2local.tables.operands import (
    Levels,
    Operand,
    RuleFault,
    Truth,
    did_you_mean,
    equality,
    is_missing,
    numbers,
    order,
    truth,
)

__all__ = ["Formula", "Rule", "RuleFault", "binding"]

#: The levels of a column; none for a number.
Columns = Mapping[str, tuple[str, ...]]
#: docs/method.md, "Sanity": a rule that more real rows break than this share is only a warning.
TOLERANCE = 0.005

_ARITHMETIC: Mapping[type[ast.operator], Callable[[FloatArray, FloatArray], FloatArray]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_ORDER: Mapping[type[ast.cmpop], Callable[[FloatArray, FloatArray], Mask]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_OF_ONE_VALUE = ("isna", "abs")
#: What a rule may call; a column of such a name stands in backticks.
FUNCTIONS = (*_OF_ONE_VALUE, "min", "max")
_EXAMPLE = 'age >= 18 and (sex == "F" or pregnant == 0)'
#: A text in quotes of either kind, or a name in backticks.
_QUOTED = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`([^`]+)`")


class Rule:
    """A rule, parsed and checked against the columns.

    **Parameters:**

    * **columns**: for each column its levels, none for a number.

    **Raises** `RuleFault` that says what is wrong, and what was meant.
    """

    def __init__(self, text: str, columns: Columns) -> None:
        self.text = text
        self._columns = columns
        plain, self._quoted = _without_backticks(text)
        try:
            self._tree = ast.parse(plain.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise RuleFault(f"it cannot be read; an example: {_EXAMPLE}") from None
        # One row of nothing but missing cells runs through every node, and so checks all names,
        # types and levels.
        blank = {
            name: pd.Series([None], dtype=object if columns[name] else float) for name in self.names
        }
        try:
            self.obeyed(pd.DataFrame(blank, index=[0]))
        except (OverflowError, RecursionError):
            raise RuleFault("a number in it is too large, or it is too long") from None

    @property
    def names(self) -> set[str]:
        """The columns that it speaks of."""
        names = [node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)]
        return {self._quoted.get(name, name) for name in names} & self._columns.keys()

    def obeyed(self, rows: pd.DataFrame) -> Mask:
        """Mask of the rows (a frame of values) that do not break the rule."""
        with np.errstate(all="ignore"):
            outcome = self._operand(self._tree, rows)
        if not isinstance(outcome, Truth):
            raise RuleFault("it is a value, not a condition: compare it with something")
        # A rule without columns is one truth for all rows.
        return np.array(np.broadcast_to(~outcome.false, len(rows)))

    @property
    def total(self) -> str | None:
        """The column that stands alone on the left of an equation: ``c`` of ``c == a + b``."""
        match self._tree:
            case ast.Compare(left=ast.Name(id=name), ops=[ast.Eq()]):
                column = self._quoted.get(name, name)
                return column if not self._columns.get(column, ("",)) else None
        return None

    def solution(self, name: str, rows: pd.DataFrame) -> FloatArray:
        """The numbers of a column that make an equation of this rule hold, shape (m,).

        NaN where another cell is missing; all NaN where the rule is no equation, or not linear in
        the column.
        """
        none = np.full(len(rows), np.nan)
        match self._tree:
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                sides = (left, right)
            case _:
                return none
        with np.errstate(all="ignore"):
            errors = []
            for number in (0.0, 1.0, 2.0):
                trial = rows.assign(**{name: number})
                first, second = (self._operand(side, trial) for side in sides)
                if isinstance(first, Truth | str) or isinstance(second, Truth | str):
                    return none
                errors.append(np.broadcast_to(numbers(first) - numbers(second), len(rows)))
            slope = errors[1] - errors[0]
            linear = np.isclose(errors[2] - errors[1], slope) & (np.abs(slope) > 0)
            return np.where(linear, -errors[0] / slope, np.nan)

    def _operand(self, node: ast.expr, rows: pd.DataFrame) -> Operand:  # noqa: PLR0911
        """What a node of the rule is in these rows."""
        match node:
            case ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                return self._logic(node, rows)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -numbers(self._operand(inner, rows))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                sides = [numbers(self._operand(side, rows)) for side in (left, right)]
                return _ARITHMETIC[type(op)](*sides)
            case ast.Compare():
                return self._chain(node, rows)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
                return self._call(name, [self._operand(each, rows) for each in arguments])
            case ast.Constant(value=bool() | int() | float() | str() as constant):
                return constant
            case ast.Name(id=name):
                return self._column(self._quoted.get(name, name), rows)
        raise RuleFault(f"{ast.unparse(node)!r} is not allowed in a rule")

    def _column(self, name: str, rows: pd.DataFrame) -> Operand:
        if name not in self._columns:
            raise RuleFault(f"there is no column {name!r}{did_you_mean(name, self._columns)}")
        if levels := self._columns[name]:
            return Levels(name, levels, rows[name])
        return rows[name].to_numpy(dtype=np.float64, na_value=np.nan)

    def _logic(self, node: ast.BoolOp | ast.UnaryOp, rows: pd.DataFrame) -> Truth:
        """Conditions joined by and, or, not."""
        if isinstance(node, ast.UnaryOp):
            return truth(self._operand(node.operand, rows)).negated()
        parts = [truth(self._operand(value, rows)) for value in node.values]
        return reduce(Truth.both if isinstance(node.op, ast.And) else Truth.either, parts)

    def _chain(self, node: ast.Compare, rows: pd.DataFrame) -> Truth:
        """A comparison, or several in a chain: 0 < a < 2."""
        lefts = [node.left, *node.comparators[:-1]]
        links = zip(lefts, node.ops, node.comparators, strict=True)
        return reduce(Truth.both, [self._compare(*link, rows) for link in links])

    def _compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr, rows: pd.DataFrame) -> Truth:
        first = self._operand(left, rows)
        if isinstance(op, ast.In | ast.NotIn):
            outcome = self._membership(first, right, rows)
        elif type(op) in _ORDER:
            allows_equal = isinstance(op, ast.LtE | ast.GtE)
            second = self._operand(right, rows)
            return order(first, second, _ORDER[type(op)], len(rows), allows_equal=allows_equal)
        elif isinstance(op, ast.Eq | ast.NotEq):
            outcome = equality(first, self._operand(right, rows), len(rows))
        else:
            raise RuleFault("only ==, !=, <, <=, >, >= and in compare")
        return outcome.negated() if isinstance(op, ast.NotIn | ast.NotEq) else outcome

    def _membership(self, value: Operand, elements: ast.expr, rows: pd.DataFrame) -> Truth:
        if not isinstance(elements, ast.Tuple | ast.List | ast.Set) or not elements.elts:
            raise RuleFault('in needs a list: ward in ("A", "B")')
        constants = [self._operand(element, rows) for element in elements.elts]
        if isinstance(value, Levels) and all(isinstance(each, str) for each in constants):
            return value.among([str(each) for each in constants])
        return reduce(Truth.either, [equality(value, each, len(rows)) for each in constants])

    @staticmethod
    def _call(name: str, arguments: list[Operand]) -> Operand:
        if name in _OF_ONE_VALUE and len(arguments) != 1:
            raise RuleFault(f"{name} needs one value")
        if name not in _OF_ONE_VALUE and len(arguments) < 2:
            raise RuleFault(f"{name} needs two values or more")
        if name == "isna":
            missing = is_missing(arguments[0])
            return Truth(missing, ~missing)
        values = [numbers(argument) for argument in arguments]
        if name == "abs":
            return np.abs(values[0])
        return reduce(np.minimum if name == "min" else np.maximum, values)


class Formula(Rule):
    """A number computed from other columns, such as ``weight / (height * height)``.

    It is checked as a rule is.
    """

    def obeyed(self, rows: pd.DataFrame) -> Mask:
        """All rows; a text that is no number is a fault."""
        self.values(rows)
        return np.ones(len(rows), dtype=np.bool_)

    def values(self, rows: pd.DataFrame) -> FloatArray:
        """The number of each row, NaN where a column is missing or the formula has no value."""
        with np.errstate(all="ignore"):
            result = numbers(self._operand(self._tree, rows))
        # A formula without columns is one number for all rows.
        result = np.broadcast_to(result, len(rows)).astype(np.float64)
        return np.where(np.isfinite(result), result, np.nan)


def binding(
    rules: Mapping[str, Rule], real: pd.DataFrame
) -> tuple[dict[str, Rule], dict[str, int]]:
    """The rules that hold in the real rows, and for each other one how many rows break it."""
    n_broken = {name: int((~rule.obeyed(real)).sum()) for name, rule in rules.items()}
    demoted = {name: count for name, count in n_broken.items() if count > TOLERANCE * len(real)}
    return {name: rule for name, rule in rules.items() if name not in demoted}, demoted


def _without_backticks(text: str) -> tuple[str, dict[str, str]]:
    """The text with a plain name for every name in backticks, and which is which.

    Backticks inside quotes are text.
    """
    plain_names: dict[str, str] = {}

    def plain(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        return plain_names.setdefault(match[1], f"quoted_{len(plain_names)}_")

    replaced = _QUOTED.sub(plain, text)
    return replaced, {plain_name: name for name, plain_name in plain_names.items()}

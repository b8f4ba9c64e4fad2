"""Rules that the real rows keep without an exception, as proposals in the language of rules.

`t2local.stats.dependencies` searches columns of numbers and partitions of rows; here columns become
these, and what is found becomes rules. A row is in a class of a partition by its level, by whether
its cell is missing, or by whether its number is 0. A reason holds no level and no number: rejected
rows and reports quote it.
"""

import json
import keyword
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.columns import level_codes
from t2local.stats.dependencies import (
    LEAST_SUPPORT,
    LEAST_SUPPORT_OF_EQUATIONS,
    Cut,
    Equation,
    Exclusion,
    Order,
    Partition,
    chance_limit,
    cuts,
    equations,
    exclusions,
    log_chance_of_same_cells,
    orders,
)
from t2local.tables.feature import Feature
from t2local.tables.rules import FUNCTIONS, Rule

#: Columns that are searched, the first ones: three of them can be a sum, so time grows with the
#: third power. 300 take seconds.
MOST_COLUMNS = 300
#: Rows that are searched, spread over the table; what is found is tried on all of them.
_MOST_ROWS = 5000
#: A column of more levels is more a name than a class, and its rules would be pages.
_MOST_LEVELS = 50
#: Classes of all partitions together: each is compared with each.
_MOST_CLASSES = 2000
#: A number that is 0 in this share of the rows or more has a class for it: no cigarettes.
_LEAST_SHARE_OF_ZEROS = 0.1
#: A rule of a dictionary has 2,000 characters at most.
_LONGEST_RULE = 2000
#: Types whose numbers compare, and how many rows an order of them needs: dates have one anyway.
_COMPARABLE = {
    ("integer", "decimal"): LEAST_SUPPORT,
    ("date",): LEAST_SUPPORT_OF_EQUATIONS,
    ("datetime",): LEAST_SUPPORT_OF_EQUATIONS,
    ("duration",): LEAST_SUPPORT,
}
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,14}")


@dataclass(frozen=True)
class Proposal:
    """A rule that no real row breaks.

    * ``rule``: its text; ``reason``: in words, without a cell; ``support``: how many rows could
      break it.
    """

    rule: str
    reason: str
    support: int


def search_rules(features: Sequence[Feature], cells: pd.DataFrame) -> list[Proposal]:
    """The rules between columns that no row breaks, and that chance would hardly make.

    Only the first `MOST_COLUMNS` features are searched.

    **Parameters:**

    * **cells**: frame of text, None for missing (n, d).
    """
    # A rule cannot quote a name with a backtick.
    quotable = [feature for feature in features[:MOST_COLUMNS] if "`" not in feature.name]
    values = pd.DataFrame({f.name: f.values(cells[f.name]) for f in quotable})
    spread = np.linspace(0, len(values) - 1, min(len(values), _MOST_ROWS)).astype(np.intp)
    rows = values.iloc[spread]
    columns = {feature.name: feature.levels for feature in quotable}
    return [
        proposal
        for proposal in (*_of_numbers(quotable, rows), *_of_classes(quotable, rows))
        if len(proposal.rule) <= _LONGEST_RULE and Rule(proposal.rule, columns).obeyed(values).all()
    ]


def _of_numbers(features: Sequence[Feature], values: pd.DataFrame) -> Iterator[Proposal]:
    """Equations between all numbers, and orders of those of one kind."""
    numeric = [feature for feature in features if feature.numeric]
    names = [feature.name for feature in numeric]
    numbers = _matrix(values, names)
    in_equations: list[set[int]] = []
    copies: set[int] = set()
    for equation in equations(numbers):
        in_equations.append({equation.total, *equation.parts})
        if len(equation.parts) == 1:
            copies.add(equation.total)
        yield _equation(equation, names)
    for kinds, least in _COMPARABLE.items():
        places = [
            place
            for place, feature in enumerate(numeric)
            if feature.type in kinds and place not in copies
        ]
        pairs = {
            (places[order.lower], places[order.upper]): order
            for order in orders(numbers[:, places], least)
        }
        for (lower, upper), order in pairs.items():
            follows = any((lower, k) in pairs and (k, upper) in pairs for k in places)
            # The parts of an equation say it better.
            if not follows and not any({lower, upper} <= columns for columns in in_equations):
                yield _order(order, names[lower], names[upper])


def _matrix(values: pd.DataFrame, names: Sequence[str]) -> FloatArray:
    """Columns of numbers, shape (n, columns), NaN for missing."""
    return values[list(names)].to_numpy(dtype=np.float64, na_value=np.nan)


def _order(order: Order, lower: str, upper: str) -> Proposal:
    rule = f"{_name(lower)} <= {_name(upper)}"
    return Proposal(rule, f"{lower} is never above {upper}", order.support)


def _equation(equation: Equation, names: Sequence[str]) -> Proposal:
    total = names[equation.total]
    parts = [names[part] for part in equation.parts]
    sum_of_parts = " + ".join(map(_name, parts))
    reason = f"{total} is the sum of {' and '.join(parts)}"
    if len(parts) == 1:
        reason = f"{total} follows from {parts[0]}"
    if equation.factor != 1:
        sum_of_parts = f"{equation.factor:.12g} * {sum_of_parts}"
    if equation.offset:
        sum_of_parts += f" {'-' if equation.offset < 0 else '+'} {abs(equation.offset):.12g}"
    return Proposal(f"{_name(total)} == {sum_of_parts}", reason, equation.support)


@dataclass(frozen=True)
class _Classes:
    """A partition of the rows by one column, and how its classes are written in a rule.

    * ``kind``: ``level``; ``missing`` or ``zero``, with class 1 for such cells and 0 for others.
    """

    feature: Feature
    kind: str
    partition: Partition

    @property
    def subject(self) -> str:
        """What it looks at, in words."""
        what = {"level": "", "missing": "the blanks of ", "zero": "the zeros of "}
        return what[self.kind] + self.feature.name

    def condition(self, classes: Iterable[int], *, negated: bool = False) -> str:
        """That a row is in one of the classes, or, negated, in none of them."""
        name = _name(self.feature.name)
        if self.kind == "missing":
            return f"isna({name})" if (1 in classes) != negated else f"not isna({name})"
        if self.kind == "zero":
            return f"{name} {'==' if (1 in classes) != negated else '!='} 0"
        levels = [_constant(self.feature.levels[k]) for k in sorted(classes)]
        if len(levels) == 1:
            return f"{name} {'!=' if negated else '=='} {levels[0]}"
        return f"{name} {'not in' if negated else 'in'} ({', '.join(levels)})"


def _of_classes(features: Sequence[Feature], values: pd.DataFrame) -> Iterator[Proposal]:
    """What is missing together, levels that follow from numbers, and levels from each other."""
    groups = _missing_together(features, values)
    for names in groups:
        if len(names) > 1:
            rule = " == ".join(f"isna({_name(name)})" for name in names)
            reason = f"{', '.join(names[:-1])} and {names[-1]} are missing together"
            yield Proposal(rule, reason, len(values))
    classes = list(_partitions(features, values, {names[0] for names in groups}))
    if not classes:
        return
    partitions = [each.partition for each in classes]
    # A bound of dates could not be read: inside they are days since 1970.
    numbers = np.full((len(values), len(features)), np.nan)
    for place, feature in enumerate(features):
        if feature.type in ("integer", "decimal"):
            numbers[:, [place]] = _matrix(values, [feature.name])
    steps = np.array([10.0**-feature.decimals for feature in features])
    for cut in cuts(numbers, steps, partitions):
        yield _cut(cut, features[cut.number].name, classes[cut.partition])
    for exclusion in _irreducible(list(exclusions(partitions))):
        yield _exclusion(exclusion, classes[exclusion.first], classes[exclusion.second])


def _missing_together(features: Sequence[Feature], values: pd.DataFrame) -> list[list[str]]:
    """The columns in which cells are missing, those together that are missing in the same rows."""
    masks: dict[bytes, list[str]] = {}
    for feature in features:
        missing = values[feature.name].isna().to_numpy()
        if not (missing.any() and not missing.all()):
            continue
        key = missing.tobytes()
        # One row without two cells says nothing: only what chance would not make is together.
        if log_chance_of_same_cells(missing) > chance_limit(len(features) ** 2):
            key += feature.name.encode()
        masks.setdefault(key, []).append(feature.name)
    return list(masks.values())


def _partitions(
    features: Sequence[Feature], values: pd.DataFrame, first_missing: set[str]
) -> Iterator[_Classes]:
    """The partitions of each column, `_MOST_CLASSES` classes at most.

    **Parameters:**

    * **first_missing**: the columns whose missing cells are a class.
    """
    left = _MOST_CLASSES
    for owner, feature in enumerate(features):
        cells = values[feature.name]
        codes: dict[str, IntArray] = {}
        if 1 < len(feature.levels) <= _MOST_LEVELS:
            codes["level"] = level_codes(feature, cells)
        elif feature.type in ("integer", "decimal"):
            zero = (cells == 0).to_numpy()
            if _LEAST_SHARE_OF_ZEROS <= zero.mean() < 1:
                codes["zero"] = np.where(cells.isna(), -1, zero.astype(np.intp))
        if feature.name in first_missing:
            codes["missing"] = cells.isna().to_numpy().astype(np.intp)
        for kind, classes in codes.items():
            left -= len(feature.levels) or 2
            if left >= 0:
                yield _Classes(feature, kind, Partition(owner, classes))


def _cut(cut: Cut, number: str, classes: _Classes) -> Proposal:
    reason = f"{_follows(classes)} from the range of {number}"
    bounds = [f"{bound:.12g}" for bound in cut.bounds]
    name = _name(number)
    if len(cut.classes) == 2:
        upper = classes.condition([cut.classes[1]])
        return Proposal(f"({name} > {bounds[0]}) == ({upper})", reason, cut.support)
    parts = []
    for k, low, high in zip(cut.classes, ["", *bounds], [*bounds, ""], strict=True):
        within = f"{low} < {name} < {high}".removeprefix(" < ").removesuffix(" < ")
        parts.append(f"{classes.condition([k], negated=True)} or {within}")
    return Proposal(_joined(parts), reason, cut.support)


def _irreducible(exclusions: Sequence[Exclusion]) -> Iterator[Exclusion]:
    """Those that do not follow from others: of two functions that say the same, the first."""
    functions = {(each.first, each.second) for each in exclusions if each.function}
    between = {second for _, second in functions}
    for each in exclusions:
        pair, reverse = (each.first, each.second), (each.second, each.first)
        by_another = any(
            (pair[0], k) in functions
            and (k, pair[1]) in functions
            and (k, pair[0]) not in functions
            for k in between
        )
        is_said = reverse in functions and (pair not in functions or pair > reverse)
        if not (by_another or is_said):
            yield each


def _exclusion(exclusion: Exclusion, first: _Classes, second: _Classes) -> Proposal:
    if exclusion.function:
        reason = f"{_follows(second)} from {first.subject}"
        return Proposal(_function(exclusion, first, second), reason, exclusion.support)
    by_set: dict[frozenset[int], list[int]] = {}
    for k, never in exclusion.never.items():
        by_set.setdefault(never, []).append(k)
    rules = [
        f"{first.condition(own, negated=True)} or {second.condition(never, negated=True)}"
        for never, own in by_set.items()
    ]
    reason = f"not every combination of {first.subject} and {second.subject} exists"
    return Proposal(_joined(rules), reason, exclusion.support)


def _function(exclusion: Exclusion, first: _Classes, second: _Classes) -> str:
    """The rule that a class of the first has one class of the second."""
    every = set(range(second.partition.n_classes))
    by_class: dict[int, list[int]] = {}
    for k, never in exclusion.never.items():
        by_class.setdefault((every - never).pop(), []).append(k)
    if every == {0, 1}:
        return f"({second.condition([1])}) == ({first.condition(by_class[1])})"
    return _joined(
        [
            f"{first.condition(own, negated=True)} or {second.condition([k])}"
            for k, own in by_class.items()
        ]
    )


def _follows(classes: _Classes) -> str:
    return f"{classes.subject} {'follows' if classes.kind == 'level' else 'follow'}"


def _joined(rules: Sequence[str]) -> str:
    """One rule that says all of them."""
    return rules[0] if len(rules) == 1 else " and ".join(f"({rule})" for rule in rules)


def _name(column: str) -> str:
    """A column in a rule."""
    plain = column.isidentifier() and column.isascii() and not keyword.iskeyword(column)
    return column if plain and column not in FUNCTIONS else f"`{column}`"


def _constant(level: str) -> str:
    """A level in a rule: codes are numbers."""
    return level if _WHOLE.fullmatch(level) else json.dumps(level, ensure_ascii=False)

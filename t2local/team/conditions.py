"""What the user asks of the rows: values that are given (``--where``), and shares of the labels (``--balance``).

A given feature is written first, under a grammar that is restricted to what was asked for, and every worker sees it (METHOD
section 1, "label first"). What cannot be is refused before any token is written, all faults at once.
"""

import difflib
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from t2local.errors import UsageError
from t2local.stats.arrays import Mask
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.team.plan import Component

#: The component of what is given; every other one depends on it.
GIVEN_ROLE = "As asked"
_CONDITION = re.compile(r"\s*(>=|<=|==|=|>|<)\s*(.*?)\s*")
#: What shares may miss of 1 in all: 0.33 three times is meant as a third each.
_ROUNDING = 0.02
#: Combinations of given values with which a rule is tried; with more of them it is left to stage 1.
_MOST_TRIED = 10_000


class _Fault(ValueError):
    """Why a wish cannot be granted."""


@dataclass(frozen=True)
class Conditions:
    """Features with fewer allowed values than the dictionary has, and the share of each label (empty: as the label worker has it)."""

    target: str
    restricted: dict[str, Feature] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)

    @property
    def given(self) -> tuple[str, ...]:
        """The features that are written first; the label before all others."""
        label = self.target in self.restricted or self.shares
        return (
            *((self.target,) if label else ()),
            *(name for name in self.restricted if name != self.target),
        )

    def order(self, line: Sequence[Component]) -> list[Component]:
        """The components in order, what is given first and seen by all; a component that has nothing left to write is not there."""
        if not self.given:
            return list(line)
        left = [(c, tuple(name for name in c.features if name not in self.given)) for c in line]
        gone = {c.role for c, features in left if not features}
        rest = [
            Component(
                role=c.role,
                features=f,
                parents=(GIVEN_ROLE, *(p for p in c.parents if p not in gone)),
            )
            for c, f in left
            if f
        ]
        return [Component(role=GIVEN_ROLE, features=self.given), *rest]

    def matches_conditions(self, values: pd.DataFrame) -> Mask:
        """Which rows of values are what ``--where`` asks for, shape (n,)."""
        return np.logical_and.reduce(
            [
                np.ones(len(values), dtype=np.bool_),
                *(
                    mask
                    for f in self.restricted.values()
                    for mask in f.obeyed(values[f.name]).values()
                ),
            ]
        )

    def quotas(self, rows: int) -> dict[str, int]:
        """How many of the rows each label gets: whole numbers with the sum ``rows``, those with the largest remainders rounded up."""
        exact = {label: share * rows for label, share in self.shares.items()}
        result = {label: math.floor(number) for label, number in exact.items()}
        for label in sorted(exact, key=lambda label: result[label] - exact[label])[
            : rows - sum(result.values())
        ]:
            result[label] += 1
        return result if self.shares else {}


def draw_labels(missing: Mapping[str, int], rows: int, rng: np.random.Generator) -> list[str]:
    """Labels for the next rows, in the proportions of what is still missing and in random order."""
    shares = Conditions(
        "",
        shares={
            label: number / sum(missing.values()) for label, number in missing.items() if number > 0
        },
    )
    labels = [label for label, number in shares.quotas(rows).items() for _ in range(number)]
    return [labels[place] for place in rng.permutation(len(labels))]


def read_conditions(
    dictionary: FeatureDictionary, where: Iterable[str], balance: str | Mapping[str, float] | None
) -> Conditions:
    """The conditions of the command line, checked.

    **Parameters:**

    * **where**: ``sex=F``, ``age>=65``; several are joined by "and".
    * **balance**: ``uniform``, or the share of each label: ``yes=0.3,no=0.7``, or a mapping.

    **Raises** `UsageError` with every fault.
    """
    faults, restricted, shares = list[str](), dict[str, Feature](), dict[str, float]()
    for text in where:
        try:
            feature, sign, value = _split(text, dictionary)
            restricted[feature.name] = _narrow(restricted.get(feature.name, feature), sign, value)
        except _Fault as fault:
            faults.append(f"--where {text}: {fault}")
    try:
        shares = _shares(dictionary, balance) if balance else {}
    except _Fault as fault:
        faults.append(f"--balance: {fault}")
    if shares and dictionary.target in restricted:
        faults.append(f"--balance: {dictionary.target!r} is given by --where already")
    ordered = {name: restricted[name] for name in dictionary.names if name in restricted}
    faults += (
        []
        if faults
        else [
            f"the rule {rule!r} forbids what --where asks for"
            for rule in _broken(dictionary, ordered)
        ]
    )
    if not faults and len(ordered) + bool(shares) == len(dictionary.features):
        faults = ["every feature is given: nothing is left to write"]
    if faults:
        raise UsageError(
            "What was asked for cannot be:",
            faults=faults,
            next_step="see the ranges and levels in the dictionary ('t2local describe')",
        )
    return Conditions(dictionary.target, ordered, shares)


def _split(text: str, dictionary: FeatureDictionary) -> tuple[Feature, str, str]:
    """The feature, the sign and the value of a condition; the longest name that fits is meant."""
    for name in sorted(dictionary.names, key=len, reverse=True):
        for asked in (text, text.strip()):
            if asked.startswith(name) and (found := _CONDITION.fullmatch(asked[len(name) :])):
                return dictionary[name], found[1].replace("==", "="), found[2]
    asked = re.split(r"[<>=]", text)[0].strip()
    raise _Fault(f"no feature {asked!r} before one of = >= <= > <" + _near(asked, dictionary.names))


def _narrow(feature: Feature, sign: str, value: str) -> Feature:
    """The feature with the values that the condition leaves; a missing value is none of them."""
    if not feature.numeric:
        if sign != "=":
            raise _Fault(f"{feature.name} has levels, so only = can be asked of it")
        if value not in feature.levels:
            raise _Fault(
                "not one of its levels, or excluded by another --where"
                + _near(value, feature.levels)
            )
        return feature.model_copy(update={"type": "category", "levels": (value,), "missing": False})
    try:
        step = feature.number(value) * 10.0**feature.decimals
    except ValueError:
        step = math.nan
    if not math.isfinite(step):
        raise _Fault(
            f"what stands after {sign} is no {'number' if feature.type in ('integer', 'decimal') else feature.type}"
        )
    low, high = feature.steps
    least = {
        ">": math.floor(step + 1e-6) + 1,
        ">=": math.ceil(step - 1e-6),
        "=": math.ceil(step - 1e-6),
    }.get(sign, low)
    most = {
        "<": math.ceil(step - 1e-6) - 1,
        "<=": math.floor(step + 1e-6),
        "=": math.floor(step + 1e-6),
    }.get(sign, high)
    low, high = max(low, least), min(high, most)
    if low > high:
        bounds = " to ".join(str(feature.plain(bound)) for bound in feature.bounds)
        raise _Fault(
            f"no value is left: {feature.name} goes from {bounds}"
            + (f" in steps of 10^-{feature.decimals}" if feature.decimals else "")
        )
    grid = 10.0**feature.decimals
    return feature.model_copy(
        update={"minimum": low / grid, "maximum": high / grid, "missing": False}
    )


def _shares(dictionary: FeatureDictionary, balance: str | Mapping[str, float]) -> dict[str, float]:
    """The share of each label; 0 for those that are not named."""
    levels = dictionary[dictionary.target].levels
    if not levels:
        raise _Fault(f"{dictionary.target!r} is a number; only classes have shares")
    if balance == "uniform":
        return {level: 1 / len(levels) for level in levels}
    pairs = (
        [pair.rpartition("=")[::2] for pair in balance.split(",")]
        if isinstance(balance, str)
        else list(balance.items())
    )
    asked = {str(label).strip(): _share(str(share)) for label, share in pairs}
    for label in asked:
        if label not in levels:
            raise _Fault(f"{dictionary.target!r} has no level {label!r}" + _near(label, levels))
    if abs((total := sum(asked.values())) - 1) > _ROUNDING:
        raise _Fault(f"the shares sum to {total:g}, not to 1")
    return {level: asked[level] / total for level in levels if asked.get(level)}


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise _Fault("a share is a number from 0 to 1, as in yes=0.3,no=0.7; or say uniform")
    return share


def _broken(dictionary: FeatureDictionary, restricted: Mapping[str, Feature]) -> list[str]:
    """Rules that no row can keep with what is given: those about given features alone whose every combination of values breaks them."""
    result = []
    for reason, rule in dictionary.parsed_rules().items():
        features = [restricted[name] for name in rule.names if name in restricted]
        if len(features) == len(rule.names) and math.prod(map(_count, features)) <= _MOST_TRIED:
            tried = pd.DataFrame(
                itertools.product(*map(_allowed, features)),
                columns=[f.name for f in features],
                dtype=object,
            )
            if not rule.obeyed(
                pd.DataFrame({f.name: f.values(tried[f.name]) for f in features})
            ).any():
                result.append(reason)
    return result


def _count(feature: Feature) -> int:
    return feature.steps[1] - feature.steps[0] + 1 if feature.numeric else len(feature.levels)


def _allowed(feature: Feature) -> Sequence[float | str]:
    """Every value that a feature allows."""
    if not feature.numeric:
        return feature.levels
    return [step / 10.0**feature.decimals for step in range(feature.steps[0], feature.steps[1] + 1)]


def _near(asked: str, names: Sequence[str]) -> str:
    found = difflib.get_close_matches(asked, names, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""

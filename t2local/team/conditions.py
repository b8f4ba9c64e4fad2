"""What the rows are to be: given values (``--where``), shares of the labels (``--balance``).

A given feature is written first, under a grammar that is restricted to what was asked for, and
every worker sees it (docs/method.md, "Conditions"). What cannot be is refused before any token is
written, all faults at once.
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
from t2local.stats.column_mixture import Limits
from t2local.stats.quotas import quotas
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.tables.files import MISSING
from t2local.team.plan import Component

#: The component of what is given; every other one depends on it.
GIVEN_ROLE = "As asked"
_CONDITION = re.compile(r"\s*(>=|<=|==|=|>|<)\s*(.*?)\s*")
#: How far the shares may be from 1 in all: 0.33 three times is meant as a third each.
_ROUNDING = 0.02
#: Combinations of values with which a rule is tried; with more of them the model of the columns is.
_MAX_COMBINATIONS = 10_000
#: A bound counted in steps is a whole number up to this: 0.29 * 100 is 28.999999999999996.
_STEP_ROUNDING = 1e-6


class _Fault(ValueError):
    """Why a condition cannot be met."""


@dataclass(frozen=True)
class Conditions:
    """What the rows are to be.

    **Parameters:**

    * **restricted**: features with fewer allowed values than the dictionary has, by name.
    * **shares**: the share of each label; empty: as the label worker has it.
    """

    target: str | None
    restricted: dict[str, Feature] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)

    @property
    def given(self) -> tuple[str, ...]:
        """The features that are written first; the label before all others."""
        others = (name for name in self.restricted if name != self.target)
        if self.target is not None and (self.target in self.restricted or self.shares):
            return (self.target, *others)
        return tuple(others)

    def order(self, components: Sequence[Component]) -> list[Component]:
        """The components with the given features first, which all others see.

        A component that has nothing left to write is not there.

        **Parameters:**

        * **components**: of the plan, in the order of writing.
        """
        if not self.given:
            return list(components)
        # What each component still has to write.
        left = {
            component.role: tuple(name for name in component.features if name not in self.given)
            for component in components
        }
        rest = [
            Component(
                role=component.role,
                features=left[component.role],
                parents=(GIVEN_ROLE, *(role for role in component.parents if left[role])),
            )
            for component in components
            if left[component.role]
        ]
        return [Component(role=GIVEN_ROLE, features=self.given), *rest]

    def drawing_order(self, real: pd.DataFrame) -> list[str]:
        """The given features in the order in which a model of the columns draws them.

        What has a single value comes first, a label too; then the range that the fewest real rows
        (n, d) meet, so that the others follow what is rare.
        """

        def share(name: str) -> float:
            feature = self.restricted.get(name)
            if feature is None or _count(feature) == 1:
                return 0.0
            return float(_meets(feature, real).mean())

        return sorted(self.given, key=share)

    def limits(self, n_rows: int, labels: Sequence[str] | None = None) -> Limits:
        """What was asked for of each of the rows.

        **Parameters:**

        * **labels**: of these rows, where shares of them are asked for.
        """
        ends = pd.DataFrame(
            {
                name: feature.bounds if feature.numeric else feature.levels * 2
                for name, feature in self.restricted.items()
            },
            index=range(2),
        )
        lowest, highest = (ends.loc[[end] * n_rows].reset_index(drop=True) for end in ends.index)
        if labels is not None:
            own = {str(self.target): list(labels)}
            lowest, highest = lowest.assign(**own), highest.assign(**own)
        return Limits(lowest, highest)

    def matches(self, values: pd.DataFrame) -> Mask:
        """Which rows of values are what ``--where`` asks for, shape (n,)."""
        matches = np.ones(len(values), dtype=np.bool_)
        for feature in self.restricted.values():
            matches &= _meets(feature, values)
        return matches

    def quotas(self, rows: int) -> dict[str, int]:
        """How many of the rows each label gets (`t2local.stats.quotas.quotas`)."""
        return quotas(self.shares, rows)

    def quotas_to_pass(self, wanted: int, candidates: int) -> dict[str, int]:
        """How many of the candidates of each label are to pass: never fewer than are wanted of it.

        By largest remainders a rare label can have a row of 20 and none of 30.
        """
        kept, passed = self.quotas(wanted), self.quotas(max(wanted, candidates))
        return {label: max(count, passed[label]) for label, count in kept.items()}


def _meets(feature: Feature, values: pd.DataFrame) -> Mask:
    """Which rows have a value of their own that the feature allows, shape (n,)."""
    masks = [*feature.obeyed(values[feature.name]).values()]
    met: Mask = np.logical_and.reduce(masks)
    return met


def draw_labels(missing: Mapping[str, int], rows: int, rng: np.random.Generator) -> list[str]:
    """Labels for the next rows, in the proportions of what is missing and in random order.

    **Parameters:**

    * **missing**: how many rows of each label are still wanted, at least one of all.
    """
    total = sum(missing.values())
    shares = {label: number / total for label, number in missing.items() if number > 0}
    counts = quotas(shares, rows)
    labels = [label for label, number in counts.items() for _ in range(number)]
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
    faults: list[str] = []
    restricted: dict[str, Feature] = {}
    shares: dict[str, float] = {}
    for text in where:
        try:
            feature, sign, value = _split(text, dictionary)
            restricted[feature.name] = _restrict(restricted.get(feature.name, feature), sign, value)
        except _Fault as fault:
            faults.append(f"--where {text}: {fault}")
    if balance:
        try:
            shares = _shares(dictionary, balance)
        except _Fault as fault:
            faults.append(f"--balance: {fault}")
    in_order = {name: restricted[name] for name in dictionary.names if name in restricted}
    conditions = Conditions(dictionary.target, in_order, shares)
    faults += _joint_faults(dictionary, conditions, faults)
    if faults:
        raise UsageError(
            "What was asked for cannot be:",
            faults=faults,
            next_step="see the ranges and levels in the dictionary ('t2local describe')",
        )
    return conditions


def _joint_faults(
    dictionary: FeatureDictionary, conditions: Conditions, faults: Sequence[str]
) -> list[str]:
    """What is wrong with all conditions together; most can be told only if each is right."""
    if conditions.shares and conditions.target in conditions.restricted:
        return [f"--balance: {conditions.target!r} is given by --where already"]
    if faults:
        return []
    if broken := _broken_rules(dictionary, conditions.restricted):
        return [f"the rule {rule!r} forbids what --where asks for" for rule in broken]
    if len(conditions.given) == len(dictionary.features):
        return ["every feature is given: nothing is left to write"]
    return []


def _split(text: str, dictionary: FeatureDictionary) -> tuple[Feature, str, str]:
    """The feature, the sign and the value of a condition; the longest name that fits is meant."""
    # The name "age" is also the beginning of "age at entry".
    for name in sorted(dictionary.names, key=len, reverse=True):
        # A name may begin or end with blanks itself.
        for candidate in (text, text.strip()):
            match = candidate.startswith(name) and _CONDITION.fullmatch(candidate[len(name) :])
            if match:
                return dictionary[name], match[1].replace("==", "="), match[2]
    name = re.split(r"[<>=]", text)[0].strip()
    hint = _did_you_mean(name, dictionary.names)
    raise _Fault(f"no feature {name!r} before one of = >= <= > <{hint}")


def _restrict(feature: Feature, sign: str, value: str) -> Feature:
    """The feature with the values that the condition leaves; a missing value is none of them."""
    if value.casefold() in MISSING and value not in feature.levels:
        raise _Fault("a missing value cannot be asked for")
    if feature.numeric:
        return _restrict_number(feature, sign, value)
    if sign != "=":
        raise _Fault(f"{feature.name} has levels, so only = can be asked of it")
    if value not in feature.levels:
        hint = _did_you_mean(value, feature.levels)
        raise _Fault(f"not one of its levels, or excluded by another --where{hint}")
    only = {"type": "category", "levels": (value,), "pool": "", "missing": False}
    return feature.model_copy(update=only)


def _restrict_number(feature: Feature, sign: str, value: str) -> Feature:
    grid = 10.0**feature.decimals
    step = _number(feature, sign, value) * grid
    at_least = math.ceil(step - _STEP_ROUNDING)
    at_most = math.floor(step + _STEP_ROUNDING)
    low, high = feature.steps
    # Several conditions on one feature are joined by "and": the bounds only move inwards.
    low = max(low, {">": at_most + 1, ">=": at_least, "=": at_least}.get(sign, low))
    high = min(high, {"<": at_least - 1, "<=": at_most, "=": at_most}.get(sign, high))
    if low > high:
        bounds = " to ".join(str(feature.plain(bound)) for bound in feature.bounds)
        steps = f" in steps of 10^-{feature.decimals}" if feature.decimals else ""
        raise _Fault(f"no value is left: {feature.name} goes from {bounds}{steps}")
    return feature.model_copy(
        update={"minimum": low / grid, "maximum": high / grid, "missing": False}
    )


def _number(feature: Feature, sign: str, value: str) -> float:
    """The value of a condition as a number: of a date too."""
    try:
        number = feature.number(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number * 10.0**feature.decimals):
        kind = feature.type if feature.written_as_text else "number"
        raise _Fault(f"what stands after {sign} is no {kind}")
    return number


def _shares(dictionary: FeatureDictionary, balance: str | Mapping[str, float]) -> dict[str, float]:
    """The share of each label that is to be written, with the sum 1."""
    if dictionary.target is None:
        raise _Fault("there is no target whose labels could have shares")
    levels = dictionary.target_feature.levels
    if not levels:
        raise _Fault(f"{dictionary.target!r} is a number; only classes have shares")
    if balance == "uniform":
        return {level: 1 / len(levels) for level in levels}
    pairs: Iterable[tuple[str, object]] = (
        (pair.rpartition("=")[::2] for pair in balance.split(","))
        if isinstance(balance, str)
        else balance.items()
    )
    # A label may hold an equals sign itself, so the last one is meant.
    shares = {str(label).strip(): _share(str(share)) for label, share in pairs}
    for label in shares:
        if label not in levels:
            hint = _did_you_mean(label, levels)
            raise _Fault(f"{dictionary.target!r} has no level {label!r}{hint}")
    total = sum(shares.values())
    if abs(total - 1) > _ROUNDING:
        raise _Fault(f"the shares sum to {total:g}, not to 1")
    return {level: shares[level] / total for level in levels if shares.get(level)}


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise _Fault("a share is a number from 0 to 1, as in yes=0.3,no=0.7; or say uniform")
    return share


def _broken_rules(
    dictionary: FeatureDictionary, restricted: Mapping[str, Feature]
) -> Iterable[str]:
    """Rules about given features that every combination of the values left breaks."""
    broken = []
    for text, rule in dictionary.parsed_rules().items():
        features = [restricted.get(name, dictionary[name]) for name in rule.names]
        is_given = not rule.names.isdisjoint(restricted)
        if not is_given or math.prod(map(_count, features)) > _MAX_COMBINATIONS:
            continue
        combinations = pd.DataFrame(
            itertools.product(*map(_allowed, features)),
            columns=[feature.name for feature in features],
            dtype=object,
        )
        values = pd.DataFrame({f.name: f.values(combinations[f.name]) for f in features})
        if not rule.obeyed(values).any():
            broken.append(text)
    return broken


def _count(feature: Feature) -> int:
    """How many values a feature allows, a missing one too."""
    if not feature.numeric:
        return len(feature.levels) + feature.missing
    low, high = feature.steps
    return high - low + 1 + feature.missing


def _allowed(feature: Feature) -> Sequence[float | str | None]:
    """Every value that a feature allows, a missing one too."""
    missing = [None] * feature.missing
    if not feature.numeric:
        return [*feature.levels, *missing]
    low, high = feature.steps
    return [*(step / 10.0**feature.decimals for step in range(low, high + 1)), *missing]


def _did_you_mean(name: str, names: Sequence[str]) -> str:
    """A hint at a similar name, empty where there is none."""
    similar = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {similar[0]!r}?" if similar else ""

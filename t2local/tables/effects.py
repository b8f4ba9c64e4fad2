"""What a person knows of the effect of a column on the target, as a dictionary says it.

``effect`` is about a whole column, ``level_effects`` about levels of a category. For a target with
classes an effect is on the risk of one of them, which the target names as ``positive``; for a
number it is on its size. How the ensemble uses effects: docs/method.md, "Effects".
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, PrivateAttr

from t2local.errors import DictionaryError
from t2local.tables.characters import Text
from t2local.tables.yaml_file import Fault

Effect = Literal["raises", "strongly raises", "lowers", "strongly lowers", "none"]

#: Only signs and ratios count (`t2local.stats.prior_effects` rescales): a strong effect is twice a
#: plain one.
_STRENGTHS: Mapping[str, float] = {
    "strongly raises": 2.0,
    "raises": 1.0,
    "none": 0.0,
    "lowers": -1.0,
    "strongly lowers": -2.0,
}


class StatedEffects(BaseModel):
    """The part of a feature that says what a person knows of effects.

    ``positive`` is for the target: the level whose risk the other columns raise or lower; of two
    levels it is the second one where nothing is said.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    levels: tuple[Text, ...] = ()
    effect: Effect | None = None
    level_effects: Mapping[str, Effect] = {}
    positive: str = ""
    #: Private: what a model believes stands in no dictionary file.
    _beliefs: tuple[float, ...] = PrivateAttr(())

    def with_beliefs(self, strengths: tuple[float, ...]) -> Self:
        """The same feature with what a model believes of it, as strengths like ``effects``."""
        copy = self.model_copy()
        copy._beliefs = strengths
        return copy

    @property
    def effects(self) -> tuple[float, ...]:
        """Strengths: of a number one, of levels one each; NaN where nothing is said.

        An effect of ordered levels goes up in equal steps, with the mean size of a number's.
        What a model believes counts where a person says nothing.
        """
        if self._beliefs and not states_effects(self):
            return self._beliefs
        if self.level_effects:
            return tuple(_strength(self.level_effects.get(level)) for level in self.levels)
        strength = _strength(self.effect)
        if not self.levels or self.effect in (None, "none"):
            return (strength,) * max(1, len(self.levels))
        steps = np.linspace(-1.0, 1.0, len(self.levels))  # (levels,)
        steps[steps == 0] = np.nan  # the level in the middle is not said to have no effect
        return tuple((strength / np.nanmean(np.abs(steps)) * steps).tolist())

    @property
    def positive_class(self) -> int:
        """Of a target with classes: the number of the one that effects are on."""
        if self.positive:
            return self.levels.index(self.positive)
        return 1


def _strength(effect: Effect | None) -> float:
    """As a number; NaN where nothing is said."""
    if effect is None:
        return float("nan")
    return _STRENGTHS[effect]


def effect_faults(feature: StatedEffects, *, ordered: bool) -> Iterable[str]:
    """What is wrong inside one feature.

    **Parameters:**

    * **ordered**: whether its values have an order.
    """
    levels = set(feature.levels)
    if feature.positive and feature.positive not in levels:
        yield "positive is not one of the levels"
    if feature.level_effects and feature.effect:
        yield "it has an effect and level_effects: leave one of them out"
    if feature.level_effects and not levels:
        yield "a number has no level_effects: say effect instead"
    elif n_unknown := len(feature.level_effects.keys() - levels):
        yield f"level_effects names {n_unknown} that are not among the levels"
    if feature.effect in (None, "none"):
        return
    if len(levels) == 1:
        yield "a column with one level has no effect"
    if len(levels) > 2 and not ordered:
        yield (
            f"{len(levels)} levels have no direction: say level_effects: {{LEVEL: raises}}, "
            "or categoriesOrdered: true where they stand in order"
        )


def states_effects(feature: StatedEffects) -> bool:
    """Whether a feature says anything of its effect, if only that it has none."""
    return bool(feature.effect or feature.level_effects)


def check_effects(target: str | None, features: Sequence[StatedEffects]) -> None:
    """**Raises** `DictionaryError` with all that is wrong between the features of a dictionary."""
    entries = [feature.model_dump() for feature in features]
    if faults := [what for _, what in target_faults(target, entries)]:
        raise DictionaryError(
            "The effects in the dictionary cannot be used:",
            faults=faults,
            next_step="mend effect, level_effects and positive in the dictionary",
        )


def target_faults(target: str | None, entries: Sequence[Any]) -> Iterable[Fault]:
    """What is wrong between the features of a dictionary.

    **Parameters:**

    * **target**: its name; none: there is nothing that an effect could be on.
    * **entries**: the features as a file has them, in our words; what is no mapping is passed over.
    """
    features = [
        (position, entry) for position, entry in enumerate(entries) if isinstance(entry, Mapping)
    ]
    any_effect = any(_says_effect(entry) for _, entry in features)
    for position, entry in features:
        key = "effect" if entry.get("effect") else "level_effects"
        if target is None and _says_effect(entry):
            yield ("features", position, key), "effects are on the target, and there is none"
        if str(entry.get("name")) != target:
            if entry.get("positive"):
                yield ("features", position, "positive"), "only the target has a positive level"
            continue
        if _says_effect(entry):
            yield ("features", position, key), "effects are on the target; it has none itself"
        levels = entry.get("levels")
        n_levels = len(levels) if isinstance(levels, list | tuple) else 0
        if any_effect and n_levels > 2 and not entry.get("positive"):
            what = f"effects are on one of {n_levels} classes: name it, as in positive: LEVEL"
            yield ("features", position), what


def _says_effect(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("effect") or entry.get("level_effects"))

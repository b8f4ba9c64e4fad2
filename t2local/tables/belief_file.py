"""What a language model believes of the columns: the file ``knowledge.yaml``, which a person edits.

A belief is about a column of numbers or about one level of a column, and says whether it raises or
lowers the target, as `t2local.tables.effects` does for a person. A person's word comes first: a
column with an ``effect`` or ``level_effects`` of its own takes no belief.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from t2local.errors import DictionaryError, KnowledgeError
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.effects import states_effects
from t2local.tables.yaml_file import Fault, parse, place, yaml_text

_NEXT_STEP = "mend the lines above; 'python -m t2local ask data.csv' writes a correct file"
#: A belief so many times as strong as the middle one of its file is none. The strongest honest one
#: of seven models on 14 tables is 23 times as strong; what was the mean of a column in place of an
#: effect, 49 to 262 times (docs/method.md, "Beliefs").
_IMPLAUSIBLE = 30.0


class Belief(BaseModel):
    """What a model believes of a column of numbers, or of one level of a column.

    * ``strength``: 1 is as strong as the model's beliefs are on average.
    * ``spread``: standard deviation over the phrasings of the question, in the same unit.
    * ``agreement``: share of the phrasings that give this direction.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    feature: str
    level: str = ""
    direction: Literal["raises", "lowers", "none"]
    strength: float = Field(1.0, ge=0, le=100)
    spread: float | None = Field(None, ge=0)
    agreement: float | None = Field(None, ge=0, le=1)

    @property
    def effect(self) -> float:
        """As a signed strength."""
        return {"raises": 1.0, "lowers": -1.0, "none": 0.0}[self.direction] * self.strength


class Knowledge(BaseModel):
    """Beliefs about a target; ``positive`` is the class that they are on, blank for a number.

    ``model`` and ``sha256`` say whose they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    target: str
    positive: str = ""
    model: str = ""
    sha256: str = ""
    beliefs: tuple[Belief, ...] = ()

    @property
    def plausible(self) -> tuple[Belief, ...]:
        """The beliefs whose strength an effect can have beside that of the others."""
        strengths = [belief.strength for belief in self.beliefs if belief.effect]
        limit = _IMPLAUSIBLE * median(strengths or [0.0])
        return tuple(belief for belief in self.beliefs if abs(belief.effect) <= limit)

    def to_yaml(self) -> str:
        """A file that a person can edit."""
        comment = (
            "What a model believes of the columns, asked without a single row of the table. "
            "Change what is wrong,\n# leave out what it cannot know, and pass it on with "
            "--knowledge. An effect in the dictionary beats it."
        )
        return yaml_text(comment, self.model_dump(mode="json", exclude_defaults=True))

    def faults(self, dictionary: FeatureDictionary) -> Iterable[Fault]:
        """Where it does not fit a dictionary."""
        if self.target != dictionary.target:
            yield ("target",), f"the target is {dictionary.target!r}"
        elif self.positive and self.positive != positive_level(dictionary):
            yield ("positive",), "the dictionary has effects on another class"
        seen = set()
        for position, belief in enumerate(self.beliefs):
            where = ("beliefs", position)
            if belief.feature not in dictionary.inputs:
                yield (
                    (*where, "feature"),
                    f"there is no feature {belief.feature!r} beside the target",
                )
                continue
            levels = dictionary[belief.feature].levels
            if belief.level and belief.level not in levels:
                yield (*where, "level"), "not a level of this feature"
            elif levels and not belief.level:
                yield where, "a belief about a column of levels names one of them as level"
            if (belief.feature, belief.level) in seen:
                yield where, "there is a belief about this already"
            seen.add((belief.feature, belief.level))


@dataclass(frozen=True)
class BeliefEvidence:
    """How beliefs fare with the real rows.

    * ``rank``: the share of the beliefs' own permutations that explain the labels worse; none where
      no column takes a belief.
    * ``used``: whether the labels of new rows know them.
    """

    knowledge: Knowledge
    rank: float | None
    used: bool


def positive_level(dictionary: FeatureDictionary) -> str:
    """The class whose risk effects are on; blank for a number."""
    target = dictionary.target_feature
    if not target.levels:
        return ""
    return target.levels[target.positive_class]


def takes_beliefs(dictionary: FeatureDictionary) -> bool:
    """Whether it is clear what a column could raise or lower: a number, or one class."""
    if dictionary.target is None:
        return False
    target = dictionary.target_feature
    return len(target.levels) <= 2 or bool(target.positive)


def check_positive(dictionary: FeatureDictionary) -> None:
    """**Raises** `DictionaryError` where a target of three or more classes names none of them;
    `UsageError` where there is no target.
    """
    target = dictionary.target_feature
    if not takes_beliefs(dictionary):
        raise DictionaryError(
            f"Beliefs are on one of {len(target.levels)} classes.",
            next_step="name it in the dictionary, as in positive: LEVEL",
        )


def with_beliefs(dictionary: FeatureDictionary, knowledge: Knowledge) -> FeatureDictionary:
    """The dictionary whose features have the plausible beliefs as effects, where none is stated."""
    effects = {(belief.feature, belief.level): belief.effect for belief in knowledge.plausible}
    nothing = float("nan")
    features = [
        feature.with_beliefs(
            tuple(effects.get((feature.name, level), nothing) for level in feature.levels or ("",))
        )
        if feature.name != dictionary.target and not states_effects(feature)
        else feature
        for feature in dictionary.features
    ]
    return dictionary.model_copy(update={"features": tuple(features)})


def read_knowledge(text: str, source: str, dictionary: FeatureDictionary) -> Knowledge:
    """The beliefs in a YAML text.

    **Raises** `KnowledgeError` with every fault, each with its line and column in ``source``.
    """
    node, raw = parse(text, source, KnowledgeError, _NEXT_STEP)
    try:
        knowledge = Knowledge.model_validate(raw)
        faults = list(knowledge.faults(dictionary))
    except ValidationError as error:
        faults = [
            (fault["loc"], fault["msg"])
            for fault in error.errors(include_input=False, include_url=False)
        ]
    if faults:
        raise KnowledgeError(
            f"{source} has {len(faults)} faults:",
            faults=[
                f"{source}, {place(node, path)}: {'.'.join(map(str, path)) or 'file'}: {what}"
                for path, what in faults
            ],
            next_step=_NEXT_STEP,
        )
    return knowledge

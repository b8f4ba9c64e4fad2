"""Which segments a row has: who writes which columns, in which order, and what each worker sees.

All workers write into one row, one after the other, in the order of the plan:

* With conditioning ``row`` a worker sees all that is written of its row. The row is one array,
  ``[71,"F",28.1,3,1]``, in which the workers' columns follow each other.
* With conditioning ``parents`` a worker sees the parts of its parents only. Each part is an array
  of its own after the mark of its worker: ``A[71,"F"]B[28.1,3]C[1]``.

One array costs 15 % fewer tokens than marked parts, and held-out real rows are as likely in it
(bench/decoder.py). This file writes nothing: it only says what is to be written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from t2local.llm.grammar import Grammar
from t2local.llm.model import Model
from t2local.llm.requests import Segment
from t2local.settings import TeamSettings
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.team.conditions import Conditions
from t2local.team.plan import Component, Plan
from t2local.team.rows import Record, Value, array, max_bytes, parse, schema


@dataclass(frozen=True)
class RowPart:
    """What is written of a row at one go: the columns of all workers, or those of one.

    **Parameters:**

    * **mark**: the text before the array; empty with conditioning ``row``.
    * **segment**: the tokens of the mark, the grammar of the array, and what it sees.
    """

    features: tuple[Feature, ...]
    mark: str
    segment: Segment


@dataclass(frozen=True)
class RowLayout:
    """The parts of a row, in the order of writing.

    **Parameters:**

    * **components**: of the plan, those of the given features first.
    * **label_policy**: ``given``, who decides the label, or ``none`` (`label_policy`).
    * **label_segments**: the first segment of a row whose label is wanted, by that label.
    """

    components: tuple[Component, ...]
    parts: tuple[RowPart, ...]
    label_policy: str
    label_segments: Mapping[str, Segment] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        model: Model,
        dictionary: FeatureDictionary,
        plan: Plan,
        conditions: Conditions,
        settings: TeamSettings,
        policy: str,
    ) -> Self:
        """The layout of the rows of a run; each part's grammar is compiled once, here."""
        components = conditions.order(plan.line())
        by_row = settings.conditioning == "row"
        parts: list[RowPart] = []
        for places in _places_of_parts(components, conditions, settings, policy):
            names = [name for place in places for name in components[place].features]
            features = tuple(dictionary[name] for name in names)
            mark = "" if by_row else component_mark(places[0])
            segment = Segment(
                prompt=tuple(model.tokenize(mark)),
                grammar=_grammar(model, features, conditions.restricted),
                sees=tuple(range(len(parts))) if by_row else _parents(components, places[0]),
                keep_logits=policy == "calibrated" and dictionary.target in names,
            )
            parts.append(RowPart(features, mark, segment))
        label_segments = _label_segments(model, dictionary, conditions, parts[0])
        return cls(tuple(components), tuple(parts), policy, label_segments)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments of a row of which no cell is given."""
        return tuple(part.segment for part in self.parts)

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features that are written, in the order of writing."""
        return tuple(feature for part in self.parts for feature in part.features)

    @property
    def label_part(self) -> RowPart | None:
        """The part of the label worker, where its opinion is asked apart from the other columns."""
        # The label depends on all other features, so its part is the last one.
        return self.parts[-1] if self.label_policy == "calibrated" else None

    @property
    def max_tokens(self) -> int:
        """The most tokens of one row, all parts together: a token has at least one byte."""
        return sum(max_bytes(part.features) + len(part.segment.prompt) for part in self.parts)

    @property
    def form(self) -> str:
        """The form of a row in words, for a prompt that shows none."""
        return "".join(
            f"{part.mark}[{','.join(feature.name for feature in part.features)}]"
            for part in self.parts
        )

    def with_label(self, label: str) -> tuple[Segment, ...]:
        """The segments of a row whose label is wanted."""
        return (self.label_segments[label], *self.segments[1:])

    def with_cells(self, model: Model, cells: Mapping[str, Value]) -> tuple[Segment, ...]:
        """The segments of a row with given cells: their grammar forces these cells."""
        segments = []
        for part in self.parts:
            own = {f.name: cells[f.name] for f in part.features if f.name in cells}
            # A segment without given cells stays the same object: the decoder shares the beginning
            # of rows whose first segments are the same.
            segment = part.segment
            if own:
                grammar = Grammar(schema(part.features, own), model.tokenizer)
                segment = replace(segment, grammar=grammar)
            segments.append(segment)
        return tuple(segments)

    def arrays(self, record: Mapping[str, Value]) -> list[str]:
        """The text of each part of a row."""
        return [array(part.features, record) for part in self.parts]

    def texts(self, record: Mapping[str, Value]) -> list[str]:
        """A row as it is written: the mark and the array of each part in turn."""
        return [text for part in self.parts for text in (part.mark, array(part.features, record))]

    def parse(self, texts: Sequence[str]) -> Record:
        """The cells of a row from the texts of its parts."""
        record: Record = {}
        for part, text in zip(self.parts, texts, strict=True):
            record |= parse(part.features, text)
        return record


def label_policy(conditions: Conditions, settings: TeamSettings, n_examples: int) -> str:
    """Who decides the label of a row: ``given``, ``worker``, ``calibrated`` or ``classifier``.

    Without a target it is ``none``.
    """
    if conditions.target is None:
        return "none"
    if conditions.target in conditions.given:
        return "given"
    # The label worker is weighed on real rows; without examples none may be shown to it.
    if settings.labels == "calibrated" and not n_examples:
        return "classifier"
    return settings.labels


def component_mark(place: int) -> str:
    """A, B, C ... Z, AA, AB: one letter, one token, for any plan that a person would make."""
    letters = ""
    while place >= 0:
        letters = chr(ord("A") + place % 26) + letters
        place = place // 26 - 1
    return letters


def _places_of_parts(
    components: Sequence[Component], conditions: Conditions, settings: TeamSettings, policy: str
) -> list[range]:
    """The components of each part, by their places: those that are written at one go."""
    # The label comes last, unless it is given. With a classifier no worker is asked for it.
    end = len(components) - (policy == "classifier")
    if settings.conditioning == "parents":
        return [range(place, place + 1) for place in range(end)]
    first = int(bool(conditions.given))
    # The label worker's opinion is read before its first token: it needs a segment of its own.
    label = end - (policy == "calibrated")
    groups = [range(first), range(first, label), range(label, end)]
    return [group for group in groups if group]


def _parents(components: Sequence[Component], place: int) -> tuple[int, ...]:
    """The places of a component's parents."""
    # With conditioning ``parents`` each component has a part, so places of both are the same: only
    # the label's component may have none, and it comes last.
    parents = components[place].parents
    return tuple(i for i, other in enumerate(components[:place]) if other.role in parents)


def _grammar(
    model: Model, features: Sequence[Feature], restricted: Mapping[str, Feature]
) -> Grammar:
    """The grammar of an array of features, some of them restricted to what was asked for."""
    return Grammar(schema([restricted.get(f.name, f) for f in features]), model.tokenizer)


def _label_segments(
    model: Model, dictionary: FeatureDictionary, conditions: Conditions, first: RowPart
) -> dict[str, Segment]:
    """The first segment of a row for each label of which a share is wanted."""
    # One for each label and not for each row: compiling a grammar takes longer than a token.
    segments = {}
    for label in conditions.shares:
        one_level = {"type": "category", "levels": (label,), "missing": False}
        target = dictionary.target_feature.model_copy(update=one_level)
        restricted = {**conditions.restricted, target.name: target}
        grammar = _grammar(model, first.features, restricted)
        segments[label] = replace(first.segment, grammar=grammar)
    return segments

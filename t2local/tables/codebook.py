"""What a data dictionary that a hospital has already says of a table, in place of guesses.

A codebook says what columns mean, their types and codes; what it leaves open (most ranges) is
guessed from the rows. Identifiers that it names are never shown to a model, whatever the rows look
like. `t2local.tables.codebook_file` reads REDCap, OMOP, Table Schema and FHIR.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from pydantic import ValidationError

from t2local.errors import DictionaryError
from t2local.system.json_text import JsonObject
from t2local.tables import disclosure
from t2local.tables.dictionary import Feature, FeatureDictionary, LeftOut, Relation
from t2local.tables.effects import check_effects
from t2local.tables.rules import Rule, RuleFault

#: What stays of a guess where a codebook gives a column levels: a range does not.
_KEPT_WITH_LEVELS = ("name", "type", "missing", "missing_values", "meaning")
_QUOTED_NUMBER = re.compile(r'"(-?\d+(?:\.\d+)?)"')


@dataclass
class Codebook:
    """What a codebook says.

    **Parameters:**

    * **source**: how errors and notes name it.
    * **facts**: by column, fields of `Feature`, and ``labels`` (codes and what they mean).
    * **hidden**: columns that no model may see.
    * **relations**: rules between columns, of which some may not be there.
    * **notes**: what is not understood and left out.
    """

    source: str
    facts: dict[str, JsonObject] = field(default_factory=dict)
    hidden: dict[str, LeftOut] = field(default_factory=dict)
    relations: list[Relation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def apply(
        self, guess: FeatureDictionary, cells: pd.DataFrame, least: int | None = None
    ) -> FeatureDictionary:
        """The guessed dictionary with what the codebook says in place of guesses.

        **Parameters:**

        * **least**: rows that a level needs which the codebook does not name; by default as for
          guesses (`disclosure.min_count`).

        **Raises** `DictionaryError` with every column that cannot be what the codebook says.
        """
        # The target is shown even where it is hidden: without it there is nothing to do.
        hidden = {name: out for name, out in self.hidden.items() if name != guess.target}
        features = self._features(
            [feature for feature in guess.features if feature.name not in hidden],
            cells,
            guess.target,
            disclosure.min_count(least, len(cells)),
        )
        check_effects(guess.target, features)  # a Table Schema may state some
        left_out = [
            *(column for column in guess.left_out if column.name not in self.hidden),
            *(column for name, column in hidden.items() if name in cells),
        ]
        relations = [*guess.rules, *self.relations]
        return guess.model_copy(
            update={
                "features": tuple(features),
                "left_out": tuple(left_out),
                "rules": tuple(self._usable(relations, features)),
            }
        )

    def _features(
        self, guesses: Iterable[Feature], cells: pd.DataFrame, target: str | None, least: int
    ) -> list[Feature]:
        features: list[Feature] = []
        faults: list[str] = []
        for guess in guesses:
            try:
                present = cells[guess.name].dropna()
                rare = []
                if guess.name != target and self.facts.get(guess.name):
                    rare = disclosure.rare_levels(Counter(present), least)
                features.append(self._feature(guess, present, rare, least))
            except ValidationError as error:
                faults += [
                    f"{self.source}: {guess.name}: {fault['msg']}"
                    for fault in error.errors(include_input=False, include_url=False)
                ]
        if faults:
            raise DictionaryError(
                f"{self.source} does not fit the table:",
                faults=faults,
                next_step="mend the codebook, or describe the table without it",
            )
        return features

    def _feature(
        self, guess: Feature, present: pd.Series, rare: Sequence[str], least: int
    ) -> Feature:
        """A feature with the facts of the codebook.

        Codes that the rows do not use may be written all the same; ``rare`` ones only where the
        codebook names them. No bound is a number of fewer rows than ``least``.
        """
        facts = dict(self.facts.get(guess.name, {}))
        if not facts:
            return guess
        texts = set(present)
        labels = facts.pop("labels", {})
        if not texts <= labels.keys() and texts <= set(labels.values()):
            facts["levels"] = tuple(labels.values())  # rows with labels keep labels
        levels = facts.get("levels")
        if isinstance(levels, list | tuple) and not any(isinstance(x, list | dict) for x in levels):
            levels = tuple(map(str, levels))  # a Table Schema may have numbers
            others = sorted(texts.difference(levels))
            facts |= _pooled(levels, others, rare)
        guessed = guess.model_dump(exclude_defaults=True)
        kind = facts.get("type", guess.type)
        if kind in ("category", "ordinal", "boolean"):
            if "levels" not in facts:
                facts |= _pooled(guess.levels, sorted(texts.difference(guess.levels)), rare)
            if kind == "boolean" and len(facts["levels"]) != 2:
                facts["type"] = "category"
            guessed = {key: guessed[key] for key in _KEPT_WITH_LEVELS if key in guessed}
        elif kind == "integer" and guess.levels and all(map(str.isdecimal, texts)):
            # Few whole numbers look like codes; the codebook knows better.
            numbers = np.asarray(present, dtype=np.float64)
            low, high = disclosure.outward_range(numbers, 0.0, 0, least)
            facts = {"minimum": low, "maximum": high, **facts}
            guessed = {key: guessed[key] for key in _KEPT_WITH_LEVELS if key in guessed}
        elif not guess.numeric:
            # A number by the codebook, text in the rows: what the rows have is right.
            facts = {key: facts[key] for key in ("meaning", "unit") if key in facts}
        elif guess.written_as_text or (kind == "integer" and guess.type == "decimal"):
            facts.pop("type", None)
        return Feature.model_validate({**guessed, **facts, "reason": f"from {self.source}"})

    def _usable(
        self, relations: Iterable[Relation], features: Iterable[Feature]
    ) -> Iterable[Relation]:
        """Relations between columns that are there; of any other a note is kept."""
        columns = {feature.name: feature.levels for feature in features}
        for relation in relations:
            # REDCap quotes numbers and codes alike.
            unquoted = _QUOTED_NUMBER.sub(r"\1", relation.rule)
            faults = {rule: _fault(rule, columns) for rule in (relation.rule, unquoted)}
            if usable := [rule for rule, fault in faults.items() if not fault]:
                yield relation.model_copy(update={"rule": usable[0]})
            else:
                fault = faults[relation.rule]
                self.notes.append(f"{self.source}: left out: {relation.reason}: {fault}")


def _pooled(levels: Sequence[str], others: Sequence[str], rare: Sequence[str]) -> JsonObject:
    """Levels that are named and ``others`` that rows have; the rare ones of these are pooled."""
    hidden = set(rare).intersection(others)
    if not hidden:
        return {"levels": (*levels, *others)}
    shown, pool = disclosure.pooled((*levels, *others), hidden)
    return {"levels": shown, "pool": pool}


def _fault(rule: str, columns: Mapping[str, tuple[str, ...]]) -> str:
    """What is wrong with a rule; blank for nothing."""
    try:
        Rule(rule, columns)
    except RuleFault as fault:
        return str(fault)
    return ""

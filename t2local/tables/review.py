"""What a person should look at in a guessed dictionary, and what can be changed at once.

Knows no terminal: a question has its facts and its answers, and an answer changes a dictionary.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.settings import TableSettings
from t2local.tables import disclosure
from t2local.tables.describe import all_cells
from t2local.tables.dictionary import Feature, FeatureDictionary, LeftOut
from t2local.tables.guess import guess_column
from t2local.tables.rules import Rule, RuleFault
from t2local.tables.zeros import suspect_zeros

_INTEGER = re.compile(r"[+-]?\d{1,15}", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
#: At most so many different whole numbers may be codes, as for `t2local.tables.guess`.
_MOST_CODES = 10
_REASON = "as a person said in the review"

Change = Callable[[FeatureDictionary], FeatureDictionary]


@dataclass(frozen=True)
class Answer:
    """What can be done instead of keeping a guess: the key, what it does in words, the change."""

    key: str
    words: str
    change: Change


@dataclass(frozen=True)
class Question:
    """One screen; no text of it holds a cell of the table, but for codes of missing values.

    * ``subject``: a column, or a rule; ``guess``: what it is taken for; ``doubts``: why to look.
    * ``answers``: beside keeping the guess.
    """

    subject: str
    guess: str
    doubts: tuple[str, ...]
    answers: tuple[Answer, ...]


def column_questions(
    dictionary: FeatureDictionary,
    cells: pd.DataFrame,
    settings: TableSettings,
    other_cells: Mapping[str, Sequence[str | None]] | None = None,
) -> Iterator[Question]:
    """A question for each column whose guess may be wrong, in the order of the table.

    **Parameters:**

    * **cells** (frame of text, None for missing) and **other_cells**: as for
      `t2local.tables.describe.describe`.
    """
    places = {str(name): place for place, name in enumerate(cells.columns)}
    guesses = _guesses(dictionary)
    for name in sorted(guesses, key=places.__getitem__):
        guess = guesses[name]
        column = _Column(
            all_cells(cells[name], other_cells), name == dictionary.target, settings, places
        )
        if pairs := list(column.doubts(guess)):
            doubts, answers = zip(*pairs, strict=True)
            yield Question(name, _in_words(guess), tuple(filter(None, doubts)), answers)


def _guesses(dictionary: FeatureDictionary) -> dict[str, Feature | LeftOut]:
    """What each column is taken for, by its name."""
    guesses: dict[str, Feature | LeftOut] = {f.name: f for f in dictionary.features}
    return guesses | {column.name: column for column in dictionary.left_out}


def rule_questions(dictionary: FeatureDictionary) -> Iterator[Question]:
    """A question for each rule between columns."""
    for relation in dictionary.rules:
        yield Question(
            relation.rule,
            "a rule that every new row has to keep",
            (relation.reason,),
            (Answer("x", "drop the rule", _without_rule(relation.rule)),),
        )


def _without_rule(rule: str) -> Change:
    def change(dictionary: FeatureDictionary) -> FeatureDictionary:
        kept = tuple(relation for relation in dictionary.rules if relation.rule != rule)
        return dictionary.model_copy(update={"rules": kept})

    return change


#: What may be wrong, in words (blank: nothing new), and an answer to it.
_Doubt = tuple[str, Answer]


@dataclass(frozen=True)
class _Column:
    """The cells of a column (text, None for missing), and the places of all columns by name."""

    cells: pd.Series
    is_target: bool
    settings: TableSettings
    places: Mapping[str, int]

    def doubts(self, guess: Feature | LeftOut) -> Iterator[_Doubt]:
        """What may be wrong with the guess."""
        if isinstance(guess, LeftOut):
            yield from self._others(guess)
            return
        pairs = [
            *self._zeros(guess),
            *self._codes_of_missing(guess),
            *self._codes(guess),
            *self._rare_levels(guess),
        ]
        yield from pairs
        if pairs and not self.is_target:
            words = "leave the column out: no model sees a cell of it"
            yield "", self._answer("x", words, self._left_out(""))

    def _others(self, left_out: LeftOut) -> Iterator[_Doubt]:
        """What else may be done with a column that is not generated."""
        if self.cells.dropna().empty:
            return
        if self.cells.nunique() <= self.settings.max_levels:
            words = "its texts are levels: a model sees them, and new rows repeat them"
            yield "", self._answer("l", words, self._levels(left_out))
        makes = {
            "identifier": ("i", "an identifier: new ones are made"),
            "text": ("t", "short texts: a model writes them from the row, having seen none"),
            "": ("e", "nothing is made: it comes back empty"),
        }
        for make, (key, words) in makes.items():
            if make != left_out.make:
                yield "", self._answer(key, words, self._left_out(make))

    def _zeros(self, feature: Feature) -> Iterator[_Doubt]:
        values = feature.values(self.cells)
        if not suspect_zeros(feature, values.dropna().to_numpy()):
            return
        is_zero = values == 0
        what = f"0 lies far below all other values, in {_rows(int(is_zero.sum()))}"
        without = guess_column(
            self.cells.where(~is_zero, None), is_target=self.is_target, settings=self.settings
        )
        if isinstance(without, Feature):
            texts = (*without.missing_values, *sorted(set(self.cells[is_zero])))
            update = {"missing": True, "missing_values": texts, "reason": _REASON}
            yield what, self._answer("z", "0 means missing", without.model_copy(update=update))

    def _codes_of_missing(self, feature: Feature) -> Iterator[_Doubt]:
        codes = feature.missing_values
        if not codes or not feature.numeric or not all(map(_NUMBER.fullmatch, codes)):
            return
        low, high = feature.bounds
        update = {
            "missing_values": (),
            "missing": bool(self.cells.isna().any()),
            "minimum": min(low, *map(float, codes)),
            "maximum": max(high, *map(float, codes)),
            "reason": _REASON,
        }
        words = f"{' and '.join(codes)} can be measured: a number like others"
        yield (
            f"{' and '.join(codes)} stands for a missing value",
            self._answer("v", words, feature.model_copy(update=update)),
        )

    def _codes(self, feature: Feature) -> Iterator[_Doubt]:
        """Whole numbers that may be names, and names that may be whole numbers."""
        levels = self._present(feature)
        if not 2 < len(levels) <= _MOST_CODES or not all(map(_INTEGER.fullmatch, levels)):
            return
        if feature.type == "integer":
            what = f"only {len(levels)} different whole numbers: codes, or a quantity?"
            yield (
                what,
                self._answer("l", "codes: each is a level of its own", self._levels(feature)),
            )
        elif not feature.numeric:
            numbers = self.cells[self.cells.isin(levels)].to_numpy(np.float64)
            low, high = disclosure.outward_range(numbers, 0.0, 0, self._least)
            fields = {"type": "integer", "minimum": low, "maximum": high}
            what = f"{len(levels)} levels that are whole numbers: codes, or a quantity?"
            words = "a quantity: numbers between them are possible"
            yield what, self._answer("n", words, self._as(fields, feature))

    def _rare_levels(self, feature: Feature) -> Iterator[_Doubt]:
        if feature.numeric or self.is_target:
            return
        least = self._least
        values = feature.values(self.cells)
        n_rare = int((values[values != feature.pool].value_counts() < least).sum())
        if not n_rare:
            return
        n_levels = len(set(feature.levels) - {feature.pool})
        what = (
            f"{n_rare} of {n_levels} levels stand in fewer than {least} rows: "
            "they may point at persons"
        )
        words = "short texts: a model writes them from the row, having seen none"
        yield what, self._answer("t", words, self._left_out("text"))

    @property
    def _least(self) -> int:
        """Rows that a level or a bound needs to leave the table."""
        return disclosure.min_count(self.settings.min_count, len(self.cells))

    def _present(self, guess: Feature | LeftOut) -> set[str]:
        """The different texts that stand for no missing value."""
        missing = guess.missing_values if isinstance(guess, Feature) else ()
        return set(self.cells.dropna()) - set(missing)

    def _levels(self, guess: Feature | LeftOut) -> Feature:
        levels = sorted(self._present(guess))
        if all(map(_INTEGER.fullmatch, levels)):
            levels.sort(key=int)
        present = self.cells[self.cells.isin(levels)]
        rare = [] if self.is_target else disclosure.rare_levels(Counter(present), self._least)
        kept, pool = disclosure.pooled(levels, rare)
        return self._as({"type": "category", "levels": kept, "pool": pool}, guess)

    def _as(self, fields: Mapping[str, object], guess: Feature | LeftOut) -> Feature:
        """The column as another kind; what is missing stays so."""
        missing_values = guess.missing_values if isinstance(guess, Feature) else ()
        common = {
            "name": guess.name,
            "missing": bool(self.cells.isna().any()) or bool(missing_values),
            "missing_values": missing_values,
            "reason": _REASON,
        }
        return Feature.model_validate({**common, **fields})

    def _left_out(self, make: str) -> LeftOut:
        fields = {"name": str(self.cells.name), "make": make, "reason": _REASON}
        return LeftOut.model_validate(fields)

    def _answer(self, key: str, words: str, guess: Feature | LeftOut) -> Answer:
        return Answer(key, words, lambda dictionary: _placed(dictionary, guess, self.places))


def _placed(
    dictionary: FeatureDictionary, guess: Feature | LeftOut, places: Mapping[str, int]
) -> FeatureDictionary:
    """The dictionary with another guess for a column, without the rules that it breaks."""
    guesses = _guesses(dictionary) | {guess.name: guess}
    columns = [guesses[name] for name in sorted(guesses, key=places.__getitem__)]
    features = tuple(column for column in columns if isinstance(column, Feature))
    levels = {feature.name: feature.levels for feature in features}
    update = {
        "features": features,
        "left_out": tuple(column for column in columns if isinstance(column, LeftOut)),
        "rules": tuple(rule for rule in dictionary.rules if _usable(rule.rule, levels)),
    }
    return dictionary.model_copy(update=update)


def _usable(rule: str, levels: Mapping[str, tuple[str, ...]]) -> bool:
    try:
        Rule(rule, levels)
    except RuleFault:
        return False
    return True


def _rows(count: int) -> str:
    least = disclosure.MIN_ROWS  # as in all other places
    return f"{count} rows" if count >= least else f"fewer than {least} rows"


def _in_words(guess: Feature | LeftOut) -> str:
    """What a column is taken for, with the reason."""
    if isinstance(guess, LeftOut):
        makes = {
            "identifier": "new identifiers",
            "link": f"new ones of {guess.to}",
            "text": "short texts",
        }
        made = makes.get(guess.make, "nothing")
        return f"left out, and {made} in its place ({guess.reason})"
    kind = guess.type
    if guess.numeric:
        low, high = (guess.plain(bound) for bound in guess.bounds)
        return f"{kind} from {low} to {high} ({guess.reason})"
    return f"{kind} of {len(guess.levels)} levels ({guess.reason})"

"""The prefix that all rows share: the members of the team, then example rows in the form of rows.

The head is the same for the whole run. The examples are drawn anew for each set of written rows.
The prompt is split into tokens as a written row is, so that the model sees examples token by token
as it will write them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.llm.model import Model
from t2local.llm.row import common_length
from t2local.settings import TeamSettings
from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import FeatureDictionary
from t2local.team.aggregates import aggregates
from t2local.team.layout import RowLayout, component_mark
from t2local.team.prompts import render
from t2local.team.rows import feature_description, records

#: Real rows whose lengths stand for those that will be written: the mean of 20 is near enough.
_ROWS_MEASURED = 20


@dataclass(frozen=True)
class Expected:
    """Sizes in tokens, measured on the first prompt and on real rows: before anything is decoded.

    **Parameters:**

    * **prefix**: of the prompt of the first set of examples.
    * **row**: decoded for one row, on average.
    * **longest_row**: the most that one of these rows holds in the cache.
    """

    prefix: int
    row: float
    longest_row: int


class TeamPrompt:
    """The prompts of a run: one for each set of examples.

    **Parameters:**

    * **real**: frame of values (n, d), from which the examples are drawn.
    * **seed**: with the number of a set it decides which rows are shown.
    """

    def __init__(
        self,
        model: Model,
        dictionary: FeatureDictionary,
        layout: RowLayout,
        real: pd.DataFrame,
        settings: TeamSettings,
        seed: int,
    ) -> None:
        self.n_examples = min(settings.examples, len(real))
        self._model = model
        self._layout = layout
        self._seed = seed
        self._records = records(real)
        self._strata: FloatArray | IntArray = np.zeros(len(real), dtype=np.intp)
        if dictionary.classification:
            self._strata = pd.factorize(real[dictionary.target_feature.name], sort=True)[0]
        # A prompt that shows no real row says their means and shares instead.
        statistics = {} if self.n_examples else aggregates(real, dictionary)
        self._head_text = _head(dictionary, layout, statistics)
        #: The tokens of the head alone: what all prompts of the run begin with, but for the end.
        self.head = model.prompt([self._head_text])

    def examples(self, number: int) -> list[int]:
        """The places of the example rows of a set: each class by its share, a rare one always."""
        rng = generator(self._seed, Stream.EXAMPLES, number)
        return stratified_draw(self._strata, self.n_examples, rng)

    def tokens(self, examples: Sequence[int]) -> list[int]:
        """The tokens of the prompt that shows the real rows at these places."""
        rows = [text for place in examples for text in (*self._texts(place), "\n")]
        return self._model.prompt([self._head_text, *rows])

    def tokens_of_set(self, number: int) -> list[int]:
        """The tokens of the prompt with a set of examples."""
        return self.tokens(self.examples(number))

    def shared_tokens(self, prompt: Sequence[int]) -> int:
        """How many tokens at the beginning of a prompt are the same in every prompt of the run."""
        return common_length(prompt, self.head)

    def expected(self) -> Expected:
        """The sizes to expect of the first prompt and of rows like the real ones."""
        measured = range(min(_ROWS_MEASURED, len(self._records)))
        lengths = np.array(
            [[len(self._model.tokenize(t)) for t in self._texts(row)] for row in measured]
        )
        # Marks and arrays take turns; a part is one of each.
        tokens = lengths[:, ::2] + lengths[:, 1::2]
        sees = [part.segment.sees for part in self._layout.parts]
        return Expected(len(self.tokens_of_set(0)), *row_sizes(sees, tokens))

    def _texts(self, place: int) -> list[str]:
        return self._layout.texts(self._records[place])


def stratified_draw(
    strata: FloatArray | IntArray, n_rows: int, rng: np.random.Generator
) -> list[int]:
    """The places of a stratified sample without replacement, in random order.

    **Parameters:**

    * **strata**: the class of each row, shape (n,). Every class is drawn by its share, and at
      least once while there are as many rows as classes.
    """
    order = rng.permutation(len(strata))
    shuffled = pd.Series(strata[order])
    # A row's rank in its class over the size of the class: the first rows by that are stratified.
    place = shuffled.groupby(shuffled).cumcount().to_numpy()
    # The first row of a class keeps rank 0. The noise breaks ties among the others.
    rank = place + rng.random(len(order)) * (place > 0)
    size = shuffled.map(shuffled.value_counts()).to_numpy()
    chosen = order[np.argsort(rank / size, kind="stable")][:n_rows]
    return rng.permutation(chosen).tolist()


def row_sizes(sees: Sequence[tuple[int, ...]], tokens: IntArray) -> tuple[float, int]:
    """Tokens decoded for a row on average, and the most that one row holds in the cache.

    The decoder keeps two sequences of a row and goes on from the one that has more of what the
    next part sees. What a worker does not see is taken back; what it sees again is decoded again.

    **Parameters:**

    * **sees**: the places of the parts that stand before each part.
    * **tokens**: the length of each part, shape (rows, parts).
    """
    decoded = 0.0
    longest = 0
    current: tuple[int, ...] = ()
    other: tuple[int, ...] = ()
    for place, seen in enumerate(sees):
        sequence = (*seen, place)
        if common_length(current, sequence) < len(current):
            current, other = other, current  # it goes on from the sequence that it left
        kept = max(common_length(held, sequence) for held in (current, other))
        decoded += float(tokens[:, sequence[kept:]].sum(axis=1).mean())
        longest = max(longest, int(tokens[:, [*sequence, *other]].sum(axis=1).max()))
        current = sequence
    return decoded, longest


def _head(dictionary: FeatureDictionary, layout: RowLayout, statistics: dict[str, str]) -> str:
    """The text before the example rows: who is in the team, and what each writes."""
    members = [
        {
            "mark": component_mark(place),
            "role": component.role,
            "features": [
                feature_description(dictionary[name], statistics.get(name, ""))
                for name in component.features
            ],
        }
        for place, component in enumerate(layout.components)
    ]
    form = layout.form if statistics else ""
    return render("team.j2", description=dictionary.description, members=members, form=form)

"""The team of one run: its row layout, its prompts, and the one decoder that all of them share.

`t2local.team.calibration` asks the team about real rows, `t2local.team.writer` lets it write rows,
`t2local.team.scoring` scores rows that exist, and `t2local.team.rehearsal` measures its speed.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd

from t2local.errors import DecodeError
from t2local.llm.counters import Counters
from t2local.llm.decoder import Decoder
from t2local.llm.model import Model
from t2local.llm.requests import Completion, Request
from t2local.settings import Settings
from t2local.tables.dictionary import FeatureDictionary
from t2local.team.conditions import Conditions
from t2local.team.extremes import extremes
from t2local.team.layout import RowLayout, label_policy
from t2local.team.plan import Plan
from t2local.team.prompt import TeamPrompt
from t2local.team.row_rules import RowRules
from t2local.team.vocabulary_check import check_vocabulary

#: Room for prompts and rows that are longer than those that were measured.
_SLACK = 1.25


class Team:
    """The team of one run; a context manager, because it holds a context of the model.

    **Parameters:**

    * **plan**: who writes which features; it is checked before.
    * **real**: frame of values (n, d), from which the examples are drawn.
    * **seed**: with the numbers of block and row it decides every random number, and which
      examples are shown.
    * **conditions**: given features and shares of the labels; none: nothing is given.

    **Raises** `DecodeError` when prompt and row do not fit the model, `ModelError` when it has no
    tokens for the table.
    """

    def __init__(
        self,
        model: Model,
        dictionary: FeatureDictionary,
        plan: Plan,
        real: pd.DataFrame,
        settings: Settings,
        seed: int,
        conditions: Conditions | None = None,
    ) -> None:
        check_vocabulary(model, dictionary)
        self.model = model
        self.dictionary = dictionary
        self.real = real
        self.settings = settings.team
        self.seed = seed
        self.conditions = conditions or Conditions(dictionary.target)
        policy = label_policy(
            self.conditions, settings.team, min(settings.team.examples, len(real))
        )
        self.layout = RowLayout.of(model, dictionary, plan, self.conditions, settings.team, policy)
        self.prompt = TeamPrompt(model, dictionary, self.layout, real, settings.team, seed)
        self.extremes = extremes(dictionary, real, settings.table, self.conditions.given)
        #: The sizes of prompt and rows, for the context and for ``--dry-run``.
        self.expected = self.prompt.expected()
        longest_row = math.ceil(self.expected.longest_row * _SLACK)
        #: How many rows are written side by side, and why.
        self.slots = model.slots(settings.decoder.slots, longest_row)
        #: SHA-256 of the tokens of the prompt in the cache; empty: none, or not known.
        self.prompt_sha256 = ""
        self._decoder = Decoder(
            model,
            slots=self.slots.value,
            prefix_tokens=math.ceil(self.expected.prefix * _SLACK),
            max_row_tokens=self.layout.max_tokens,
            typical_row_tokens=longest_row,
            temperature=settings.team.temperature,
            # A row that sees all before it never goes back to an earlier part.
            branches=1 if settings.team.conditioning == "row" else 2,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._decoder.__exit__()

    @cached_property
    def rules(self) -> RowRules:
        """The rules between cells, in the order in which these are written."""
        return RowRules(self.dictionary, self.real, self.layout.features, self.conditions)

    @property
    def scored(self) -> list[str]:
        """The features but the label of which real cells are scored: those that are not given."""
        return [name for name in self.dictionary.inputs if name not in self.conditions.given]

    @property
    def label_policy(self) -> str:
        """Who decides the label of a row, as `t2local.team.layout.label_policy` says it."""
        return self.layout.label_policy

    @property
    def counters(self) -> Counters:
        """Tokens and seconds so far."""
        return self._decoder.counters

    def show(self, prompt: Sequence[int]) -> None:
        """Decode a prompt, unless it is the one in the cache. The head of all prompts is kept."""
        if _sha256(prompt) != self.prompt_sha256:
            self.prefill(prompt, self.prompt.shared_tokens(prompt))

    def prefill(self, prompt: Sequence[int], stable: int = 0) -> None:
        """Decode a prompt; its first ``stable`` tokens are kept where the cache has the same."""
        self.prompt_sha256 = ""
        self._decoder.prefill(prompt, stable)
        self.prompt_sha256 = _sha256(prompt)

    def complete(
        self, requests: Sequence[Request], *, until: float = math.inf
    ) -> Iterator[tuple[int, Completion]]:
        """Complete rows after the prompt that was shown; yields (place of the request, completion).

        **Raises** `DecodeError` when a decode goes wrong; the next prompt is then decoded anew.
        """
        try:
            yield from self._decoder.complete(requests, until=until)
        except DecodeError:
            self.prompt_sha256 = ""
            raise


def _sha256(tokens: Sequence[int]) -> str:
    return hashlib.sha256(np.array(tokens, dtype="<i4").tobytes()).hexdigest()

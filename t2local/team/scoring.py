"""How likely rows are under the team: of every cell its log-likelihood, and the label's prediction.

A real row is put in the place of a written one: the decoder is forced to write it, and notes the
probability of each token among those that the grammar allows. Where the label worker has a part of
its own, it is not forced: its probabilities of the levels are its prediction.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd

from t2local.llm.grammar import Tokenizer
from t2local.llm.requests import Completion, Request, Segment
from t2local.llm.sampling import RowStream
from t2local.stats.arrays import FloatArray
from t2local.stats.ensemble import FLOOR
from t2local.stats.streams import Stream
from t2local.team.layout import RowPart
from t2local.team.rows import Record, Value, array, cell_ends, parse, records
from t2local.team.team import Team


@dataclass(frozen=True)
class RowScores:
    """What the team says of rows, one row of each frame for each of them.

    **Parameters:**

    * **cells**: log-likelihood of each cell in nats, of the columns `Team.scored`. A row that
      could not be scored (its grammar does not allow it) is not there.
    * **labels**: what the label worker predicts: log-probabilities, shape (m, levels), or a number,
      shape (m, 1). None where the label worker is not asked apart (`Team.label_policy`).
    """

    cells: pd.DataFrame
    labels: pd.DataFrame | None


class Scorer(Protocol):
    """Who scores rows that exist: a team, or in a bench a model that stands for one."""

    def score(
        self,
        rows: pd.DataFrame,
        *,
        prompt: Sequence[int] | None = None,
        with_cells: bool = True,
    ) -> RowScores:
        """Score rows, as `RowScorer.score`."""


class RowScorer:
    """Scores rows that exist, such as real ones, with a team."""

    def __init__(self, team: Team) -> None:
        self._team = team

    def score(
        self,
        rows: pd.DataFrame,
        *,
        prompt: Sequence[int] | None = None,
        with_cells: bool = True,
    ) -> RowScores:
        """Score rows; the result does not depend on their order, nor on which others there are.

        **Parameters:**

        * **rows**: frame of values (m, d). Its index holds different whole numbers, 0 or more: they
          choose the random numbers of a label worker who writes a number.
        * **prompt**: tokens of the prompt; none: that of the first set of examples.
        * **with_cells**: whether their cells are scored; else the label worker alone is asked.

        **Raises** `DecodeError` when a decode goes wrong.
        """
        team = self._team
        by_number = dict(zip(rows.index.tolist(), records(rows), strict=True))
        requests = [
            self._request(number, record, with_cells=with_cells)
            for number, record in by_number.items()
        ]
        team.show(team.prompt.tokens_of_set(0) if prompt is None else prompt)
        completions = dict(team.complete(requests))
        in_order = {number: completions[place] for place, number in enumerate(by_number)}
        cells = {
            number: self._cells(by_number[number], completion)
            for number, completion in in_order.items()
            if with_cells and not completion.failure
        }
        frame = pd.DataFrame.from_dict(cells, orient="index", columns=team.scored)
        return RowScores(frame, self._labels(in_order))

    def _request(self, number: int, record: Record, *, with_cells: bool) -> Request:
        """A row to be scored: all parts are forced, but for that of the label worker.

        What was asked for may be otherwise in a real row: its grammar has the row's own cells.
        """
        layout = self._team.layout
        stream = RowStream(self._team.seed, row=number, stream=Stream.CALIBRATION_TOKENS)
        if not with_cells:
            return Request((self._label_segment(record),), stream)
        forced = [text.encode() for text in layout.arrays(record)]
        if layout.label_part:
            forced.pop()  # the worker predicts the label itself
        given = {name: record[name] for name in self._team.conditions.given}
        return Request(layout.with_cells(self._team.model, given), stream, tuple(forced))

    def _label_segment(self, record: Record) -> Segment:
        """The label segment alone, after all of the row that the label worker sees."""
        layout = self._team.layout
        texts = layout.texts(record)
        label = layout.parts[-1]
        seen = [text for place in label.segment.sees for text in texts[2 * place : 2 * place + 2]]
        tokens = [t for text in (*seen, label.mark) for t in self._team.model.tokenize(text)]
        return replace(label.segment, prompt=tuple(tokens), sees=())

    def _cells(self, record: Record, completion: Completion) -> list[float]:
        """Log-likelihood of each cell of a row, in the order of `Team.scored`."""
        sums: dict[str, float] = {}
        parts = self._team.layout.parts
        # The label's own part is not forced, so it has no log-probabilities.
        for part, token_logprobs in zip(parts, completion.token_logprobs, strict=False):
            ends = cell_ends(part.features, record)
            names = [feature.name for feature in part.features]
            sums |= zip(names, sum_by_cell(ends, token_logprobs), strict=True)
        return [sums[name] for name in self._team.scored]

    def _labels(self, completions: dict[int, Completion]) -> pd.DataFrame | None:
        part = self._team.layout.label_part
        if part is None:
            return None
        tokenizer = self._team.model.tokenizer
        predictions = {
            number: label_prediction(part, completion, tokenizer)
            for number, completion in completions.items()
        }
        target = part.features[0]
        names = list(target.levels) or [target.name]
        return pd.DataFrame.from_dict(predictions, orient="index", columns=names)


def label_prediction(part: RowPart, completion: Completion, tokenizer: Tokenizer) -> list[float]:
    """What the label worker predicts for a row: log-probabilities of the levels, or its number.

    Where its decoding failed it says what knows nothing: the same for all levels, or the middle of
    the range.
    """
    target = part.features[0]
    if target.numeric:
        number: Value = None
        if not completion.failure:
            number = parse(part.features, completion.texts[-1])[target.name]
        # A dictionary may allow the target to be missing; then the worker may say null.
        return [float(np.mean(target.bounds) if number is None else number)]
    if completion.first_logits is None:
        return [-math.log(len(target.levels))] * len(target.levels)
    tokens, logits = completion.first_logits
    # What the grammar forces before the first choice (an opening bracket) is not in any token.
    n_forced = len(tokenizer.decode_bytes(list(part.segment.grammar.forced)))
    texts = [array(part.features, {target.name: level}) for level in target.levels]
    rests = [text.encode()[n_forced:] for text in texts]
    token_bytes = [tokenizer.decode_bytes([token]) for token in tokens.tolist()]
    return level_log_probabilities(rests, token_bytes, logits.astype(np.float64)).tolist()


def level_log_probabilities(
    rests: list[bytes], tokens: list[bytes], logits: FloatArray
) -> FloatArray:
    """Log-probabilities of the levels from the logits of the first token that is chosen.

    A token that begins several levels counts for each of them by what the other tokens say of it.

    **Parameters:**

    * **rests**: what is left to write of each level.
    * **tokens**: the bytes of the allowed tokens; **logits**: of these tokens, shape (tokens,).
    """
    p = np.exp(logits - logits.max())  # without the maximum the exponential could overflow
    begins = np.array([[rest.startswith(token) for rest in rests] for token in tokens])
    n_levels = begins.sum(axis=1)
    # The floor keeps a level that no token begins from a logarithm of 0.
    mass = p[n_levels == 1] @ begins[n_levels == 1] + FLOOR * p.sum()
    for token in np.flatnonzero(n_levels > 1):
        mass = mass + p[token] * begins[token] * mass / (begins[token] @ mass)
    return np.log(mass / mass.sum())


def sum_by_cell(ends: Sequence[int], token_logprobs: Sequence[tuple[int, float]]) -> list[float]:
    """Sums of token log-probabilities for each cell of a text; a token belongs where it ends.

    **Parameters:**

    * **ends**: where each cell ends in the text with the comma or bracket after it (bytes).
    * **token_logprobs**: where each token ends (bytes), and its log-probability.
    """
    sums = [0.0] * len(ends)
    for end, logprob in token_logprobs:
        sums[int(np.searchsorted(ends, end))] += logprob
    return sums

"""Lets the team write blocks of rows.

A block is the unit of seed and retry: its rows depend on the seed, the number of the block and the
number of the row, never on what is written beside them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from t2local.errors import DecodeError
from t2local.llm.requests import Completion, Request, Segment
from t2local.llm.sampling import RowStream
from t2local.stats.arrays import FloatArray
from t2local.stats.streams import Stream, generator
from t2local.system.interrupts import deferred
from t2local.team.calibration import Calibration
from t2local.team.extremes import moved, moved_labels
from t2local.team.scoring import label_prediction
from t2local.team.team import Team


@dataclass(frozen=True)
class BlockRequest:
    """A block to be written.

    **Parameters:**

    * **number**: of the block; **rows**: how many are to be written.
    * **first**: how many rows were written before it, which decides the set of examples.
    * **labels**: the wanted label of each row, where shares of them are asked for.
    """

    number: int
    rows: int
    first: int
    labels: Sequence[str] | None = None


@dataclass(frozen=True)
class Block:
    """What the team wrote at one go.

    **Parameters:**

    * **rows**: frame of values (m, d), in the order of their numbers.
    * **failed**: rows whose decoding failed at every attempt.
    * **prompt_sha256**: of the tokens of the prompt.
    * **interrupted**: Ctrl-C came; the rows that were complete are there.
    * **predictions**: of the labels, by the opinion pool: log-probabilities (m, levels), or numbers
      (m, 1). None where labels are given or the worker's own.
    """

    number: int
    rows: pd.DataFrame
    failed: int
    prompt_sha256: str
    interrupted: bool
    predictions: FloatArray | None = None


class Writer(Protocol):
    """Who writes blocks of rows: a team, or in a bench a model that stands for one."""

    def write(self, request: BlockRequest, on_row: Callable[[], None]) -> Block:
        """Write a block, as `RowWriter.write`."""


class RowWriter:
    """Writes blocks of rows with a team, as it was calibrated.

    **Parameters:**

    * **seed**: of the rows; none: that of the team.
    """

    def __init__(self, team: Team, calibration: Calibration, seed: int | None = None) -> None:
        self._team = team
        self._calibration = calibration
        self._seed = seed or team.seed

    def write(self, request: BlockRequest, on_row: Callable[[], None] = lambda: None) -> Block:
        """Write a block; Ctrl-C ends it early with the rows that are complete.

        **Parameters:**

        * **on_row**: called after each row.

        **Raises** `DecodeError` when decodes go wrong at every attempt.
        """
        completions: dict[int, Completion] = {}
        interrupted = False
        try:
            for attempt in range(self._team.settings.attempts):
                self._complete(request, attempt, completions, on_row)
        except KeyboardInterrupt:
            interrupted = True
        # Values and labels are made whole: a Ctrl-C in between would lose rows that are complete.
        with deferred() as ctrl_c:
            completions = dict(sorted(completions.items()))
            in_order = list(completions.values())
            rows = self._values(request.number, completions)
            predictions = self._predictions(rows, in_order)
            # Labels that were asked for stay until all rows are there to be compared.
            if predictions is not None and not request.labels:
                rows = self._with_labels(request.number, rows, predictions)
        interrupted |= bool(ctrl_c)
        # Rows that nobody got to write are no failures.
        failed = 0 if interrupted else request.rows - len(completions)
        prompt_sha256 = self._team.prompt_sha256
        return Block(request.number, rows, failed, prompt_sha256, interrupted, predictions)

    def _complete(
        self,
        request: BlockRequest,
        attempt: int,
        completions: dict[int, Completion],
        on_row: Callable[[], None],
    ) -> None:
        """Write the rows that are missing; a decode that goes wrong ends this attempt."""
        missing = [row for row in range(request.rows) if row not in completions]
        if not missing:
            return
        team = self._team
        try:
            team.show(team.prompt.tokens_of_set(request.first // team.settings.examples_for))
            row_requests = self._row_requests(request, missing, attempt)
            for index, completion in team.complete(row_requests):
                if not completion.failure:
                    completions[missing[index]] = completion
                    on_row()
        except DecodeError:
            if attempt + 1 == team.settings.attempts:
                raise

    def _row_requests(
        self, request: BlockRequest, rows: Sequence[int], attempt: int
    ) -> list[Request]:
        # The attempt is part of the stream: the same random numbers would fail in the same way.
        return [
            Request(segments, RowStream(self._seed, request.number, row, attempt))
            for row, segments in zip(rows, self._segments(request, rows, attempt), strict=True)
        ]

    def _segments(
        self, request: BlockRequest, rows: Sequence[int], attempt: int
    ) -> list[tuple[Segment, ...]]:
        """The segments of rows: with wanted labels, or with cells of the columns' model."""
        team, cell_mixture = self._team, self._calibration.cell_mixture
        labels = request.labels and [request.labels[row] for row in rows]
        if not cell_mixture:
            if labels:
                return [team.layout.with_label(label) for label in labels]
            return [team.layout.segments] * len(rows)
        uniforms = [
            generator(self._seed, Stream.ROW_MIXTURE, request.number, row, attempt).random(
                cell_mixture.n_uniforms
            )
            for row in rows
        ]
        given = cell_mixture.sample(np.array(uniforms), labels)
        return [team.layout.with_cells(team.model, cells) for cells in given]

    def _values(self, block: int, completions: Mapping[int, Completion]) -> pd.DataFrame:
        """The rows as a frame of values; a label that nobody wrote is missing.

        **Parameters:**

        * **completions**: by the number of their row in the block.
        """
        team = self._team
        records = [
            moved(
                team.layout.parse(completion.texts),
                team.extremes,
                generator(self._seed, Stream.EXTREMES, block, row),
            )
            for row, completion in completions.items()
        ]
        # As objects: a column of None alone would become numbers.
        frame = pd.DataFrame(records, columns=team.dictionary.names, dtype=object)
        values = pd.DataFrame({f.name: f.values(frame[f.name]) for f in team.dictionary.features})
        return team.rules.with_totals(values)

    def _predictions(
        self, rows: pd.DataFrame, completions: Sequence[Completion]
    ) -> FloatArray | None:
        """The predictions of the opinion pool, where there is one."""
        pool = self._calibration.pool
        if pool is None:
            return None
        predictions = pool.predict(rows, self._label_predictions(completions))
        return self._team.rules.predictions(rows, predictions)

    def _with_labels(self, block: int, rows: pd.DataFrame, predictions: FloatArray) -> pd.DataFrame:
        """The rows with labels by their predictions, chosen among the rows of this block."""
        pool = self._calibration.pool
        assert pool is not None
        team = self._team
        rng = generator(self._seed, Stream.DRAWN_LABELS, block)
        labels = pool.labels(predictions, team.settings.label_choice, rng)
        labels = moved_labels(labels, team.dictionary.target_feature, team.extremes, rng)
        return rows.assign(**{team.dictionary.target_feature.name: labels})

    def _label_predictions(self, completions: Sequence[Completion]) -> FloatArray | None:
        """What the label worker predicts for each row; none where it is not asked."""
        part = self._team.layout.label_part
        if part is None or not completions:
            return None
        tokenizer = self._team.model.tokenizer
        return np.array([label_prediction(part, c, tokenizer) for c in completions])

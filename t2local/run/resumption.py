"""A team whose answers are kept: what it was asked before, it is not asked again.

A run that goes on asks for the same blocks in the same order, and has them judged anew. So judging
is a replay over the blocks, and nothing but what a model wrote has to be kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from t2local.llm.counters import Counters
from t2local.run.checkpoint import block_name
from t2local.run.inputs import Inputs, Run
from t2local.system.hashes import text_sha256
from t2local.system.interrupts import deferred
from t2local.system.json_text import JsonObject
from t2local.tables.dictionary import FeatureDictionary
from t2local.team.plan import Plan
from t2local.team.scoring import RowScores, Scorer
from t2local.team.writer import Block, BlockRequest, Writer

#: How the names of a scorer's answers begin.
SCORES = "scores-"


class ResumableScorer:
    """Scores real rows as another scorer does, and keeps what it says.

    **Parameters:**

    * **counters**: those of the decoder behind the scorer.
    """

    def __init__(self, scorer: Scorer, run: Run, counters: Counters) -> None:
        self._scorer = scorer
        self._run = run
        self._counters = counters

    def score(
        self,
        rows: pd.DataFrame,
        *,
        prompt: Sequence[int] | None = None,
        with_cells: bool = True,
    ) -> RowScores:
        """Score rows, as `RowScorer.score`."""
        request = _sha256((rows.index.tolist(), list(prompt or []), with_cells))
        name = f"{SCORES}{request[:16]}"
        answer = _recalled(self._run, name, request)
        if answer is None:
            self._run.enter("asking")
            before = replace(self._counters)
            scores = self._scorer.score(rows, prompt=prompt, with_cells=with_cells)
            answer = {"cells": _split(scores.cells), "labels": None}
            if scores.labels is not None:
                answer["labels"] = _split(scores.labels)
            answer = _kept(self._run, name, request, answer, self._counters.since(before))
        labels = answer["labels"]
        return RowScores(_frame(answer["cells"]), labels and _frame(labels))


class ResumableWriter:
    """Writes blocks as another writer does, and keeps each one that is complete.

    **Parameters:**

    * **counters**: those of the decoder behind the writer.
    """

    def __init__(
        self, writer: Writer, run: Run, dictionary: FeatureDictionary, counters: Counters
    ) -> None:
        self._writer = writer
        self._run = run
        self._dictionary = dictionary
        self._counters = counters

    def write(self, request: BlockRequest, on_row: Callable[[], None] = lambda: None) -> Block:
        """Write a block, as `RowWriter.write`; one that was kept is taken over."""
        name, digest = block_name(request.number), _sha256(vars(request))
        if answer := _recalled(self._run, name, digest):
            self._run.ledger.earlier_rows += len(answer["rows"])
            return block_of(answer, self._dictionary)
        before = replace(self._counters)
        block = self._writer.write(request, on_row)
        if block.interrupted:
            return block
        # A block that is on its way to the disk is not lost to Ctrl-C, nor is one that comes back.
        with deferred() as signals:
            tokens = self._counters.since(before)
            block = block_of(
                _kept(self._run, name, digest, answer_of(block), tokens), self._dictionary
            )
        return replace(block, interrupted=bool(signals))


def answer_of(block: Block) -> JsonObject:
    """A block as what JSON can hold."""
    predictions = block.predictions
    return {
        "number": block.number,
        "rows": lists_of(block.rows),
        "failed": block.failed,
        "prompt_sha256": block.prompt_sha256,
        "predictions": predictions if predictions is None else predictions.tolist(),
    }


def block_of(answer: JsonObject, dictionary: FeatureDictionary) -> Block:
    """The block of an answer."""
    rows = values_of(answer["rows"], dictionary)
    predictions = answer["predictions"]
    if predictions is not None:
        n_columns = max(1, len(dictionary.target_feature.levels))
        predictions = np.array(predictions, dtype=np.float64).reshape(len(rows), n_columns)
    return Block(**{**answer, "rows": rows, "predictions": predictions}, interrupted=False)


def fit_of(run: Run, inputs: Inputs, plan: Plan) -> JsonObject:
    """How a team was fitted, as what JSON can hold, without the real rows."""
    return {
        "settings": run.settings.model_dump(mode="json"),
        "seed": run.seed,
        "dictionary": inputs.dictionary.model_dump(mode="json"),
        "plan": plan.model_dump(mode="json"),
        "answers": run.checkpoint.entries(SCORES),
    }


def lists_of(values: pd.DataFrame) -> list[list[object]]:
    """Rows of values (m, d) as what JSON can hold."""
    return values.astype(object).where(values.notna(), None).to_numpy().tolist()


def values_of(rows: list[list[object]], dictionary: FeatureDictionary) -> pd.DataFrame:
    """Rows of values (m, d) again: reading values changes nothing."""
    return dictionary.values(pd.DataFrame(rows, columns=dictionary.names, dtype=object))


def _recalled(run: Run, name: str, request: str) -> Any:
    """What is kept of a request; none: nothing, or the answer to another one."""
    entry = run.checkpoint.get(name)
    if entry is None or entry["request"] != request:
        return None
    run.ledger.earlier_tokens += Counters(**entry["tokens"])
    return entry["answer"]


def _sha256(request: object) -> str:
    """Of a request: its tokens are those of real rows, and stay in memory."""
    return text_sha256(str(request))


def _kept(run: Run, name: str, request: str, answer: object, tokens: Counters) -> Any:
    """Keep an answer, with what it cost; returns it as it will be read."""
    entry = {"request": request, "answer": answer, "tokens": vars(tokens)}
    return run.checkpoint.put(name, entry)["answer"]


def _split(frame: pd.DataFrame) -> JsonObject:
    """A frame of numbers as what JSON can hold."""
    return frame.to_dict("split")


def _frame(split: JsonObject) -> pd.DataFrame:
    return pd.DataFrame(**split, dtype=np.float64)

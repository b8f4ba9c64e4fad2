"""Who judges the rows of a run: all of them as one source, or batch by batch as in the paper.

Both take the blocks of the team one after another and keep the ledger.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from t2local.run.inputs import Inputs, Run
from t2local.run.ledger import SURPLUS, BatchEntry
from t2local.stats.arrays import FloatArray, Mask
from t2local.stats.quotas import none_lost, quotas
from t2local.stats.streams import Stream, generator
from t2local.team.extremes import extremes, moved_labels
from t2local.team.labels import (
    allowed_shares,
    gumbel_noise,
    labels_under_shares,
    noise_for_rare_classes,
    number_values,
    numbers_like,
)
from t2local.team.writer import Block
from t2local.trim.inspector import Inspector
from t2local.trim.state import Pool, Wanted
from t2local.trim.verdict import Verdict

#: A class with at least so many real rows that are what was asked for is in every result.
_LEAST_REAL_ROWS = 3
#: Predicted shares count as so many real rows beside those that are what was asked for.
_PREDICTED_ROWS = 10.0
#: From so many rows on, blocks wait until the rows have grown by a share: to judge all of them
#: again takes 15 microseconds a row, which after each block would be most of the work of a long
#: run. No run of the default size is as long.
_ALWAYS_JUDGED, _GROWTH = 5000, 0.05
#: So many blocks before the expected end none waits any more.
_LAST_BLOCKS = 4


class Judge(Protocol):
    """Judges the blocks of a run."""

    def add(self, block: Block) -> Sequence[BatchEntry]:
        """Judge a block; the ledger then knows what is kept. Returns entries for the journal."""

    def rest(self) -> Sequence[BatchEntry]:
        """Judge the blocks that wait for more of them. Returns entries for the journal."""


def judge_of(run: Run, inputs: Inputs) -> Judge:
    """The judge that the settings choose."""
    inspector = inspector_for(run, inputs)
    if run.settings.trim.gate == "source":
        return SourceJudge(run, inputs, inspector)
    return BatchJudge(run, inspector)


def inspector_for(run: Run, inputs: Inputs) -> Inspector:
    """The quality stages, with the real rows weighted as the wanted ones."""
    return Inspector(
        inputs.values,
        inputs.dictionary,
        run.settings.trim,
        run.seed,
        inputs.row_weights(),
        inputs.matches(),
    )


class BatchJudge:
    """Judges batch after batch, as in the paper: what is decided stays."""

    def __init__(self, run: Run, inspector: Inspector) -> None:
        self._run = run
        self._inspector = inspector

    def add(self, block: Block) -> Sequence[BatchEntry]:
        """Judge the batches of a block until the wanted rows are kept."""
        ledger = self._run.ledger
        batches = _batches(block, ledger.batch_size)
        if not ledger.blocks:
            self._inspector.tune(batches)
        entries = []
        for rows in batches:
            verdict = Verdict(len(rows))
            if not ledger.full:
                verdict = self._inspector.judge(rows)
            surplus = ledger.surplus(rows, verdict)
            verdict.reject(surplus, SURPLUS, "the wanted rows were already there")
            entries.append(ledger.add_batch(block, rows, verdict, self._run.seed))
        ledger.end_block(block)
        return entries

    def rest(self) -> Sequence[BatchEntry]:
        """No block waits."""
        return []


def _batches(block: Block, size: int) -> list[pd.DataFrame]:
    starts = range(0, len(block.rows), size)
    return [block.rows.iloc[first : first + size].reset_index(drop=True) for first in starts]


class SourceJudge:
    """Judges all rows of the run together, again after every block; in long runs after several.

    Evidence grows with the rows, so a row that was decided against may be kept later, and labels
    are given anew: they keep the shares of the classes among all candidates.
    """

    def __init__(self, run: Run, inputs: Inputs, inspector: Inspector) -> None:
        self._run = run
        self._inputs = inputs
        self._inspector = inspector
        self._blocks: list[Block] = []

    def add(self, block: Block) -> Sequence[BatchEntry]:
        """Judge all rows so far, those of this block included, unless it can wait."""
        self._blocks.append(block)
        self._run.ledger.generated += len(block.rows)
        self._run.ledger.waiting += len(block.rows)
        self._run.ledger.end_block(block)
        if _can_wait(self._run):
            return []
        return self.rest()

    def rest(self) -> Sequence[BatchEntry]:
        """Judge all rows so far, if some wait."""
        if not self._run.ledger.waiting:
            return []
        rows = pd.concat([block.rows for block in self._blocks], ignore_index=True)
        predictions = self._predictions()
        noise = self._draw_noise(predictions)
        if predictions is not None and self._relabels:
            rows = rows.assign(**{self._target: self._labels(predictions, noise)})
        verdict = self._inspector.judge_source(rows, self._pool(rows, predictions))
        last, run = self._blocks[-1], self._run
        return [run.ledger.settle(last, rows, verdict, run.seed, predictions, noise)]

    def _pool(self, rows: pd.DataFrame, predictions: FloatArray | None) -> Pool:
        """What the stages know of rows (values, shape (m, d)); without a target their number."""
        if self._inputs.dictionary.target is None:
            return Pool(wanted=Wanted(None, self._run.ledger.wanted))
        return Pool(
            trusted=predictions is not None or self._target in self._inputs.conditions.given,
            wanted=self._wanted(rows, predictions),
            clearness=self._clearness(rows, predictions),
        )

    @property
    def _target(self) -> str:
        return self._inputs.dictionary.target_feature.name

    @property
    def _relabels(self) -> bool:
        """Whether labels are given anew, in view of all candidates."""
        by_shares = self._run.settings.team.label_choice == "shares"
        return self._shares_purpose or (by_shares and self._inputs.dictionary.classification)

    @property
    def _shares_purpose(self) -> bool:
        return self._run.settings.trim.purpose == "share"

    def _predictions(self) -> FloatArray | None:
        """The predictions of all rows; none where labels are given or the worker's own."""
        parts = [block.predictions for block in self._blocks]
        if any(part is None for part in parts):
            return None
        return np.concatenate([part for part in parts if part is not None])

    def _labels(self, predictions: FloatArray, noise: FloatArray | None) -> pd.Series:
        """Labels that keep the shares; with noise they are drawn."""
        target = self._inputs.dictionary.target_feature
        if not target.levels:
            return self._numbers_to_share(predictions[:, 0])
        shares = self._shares(predictions)
        if self._inputs.conditions.shares:
            # What nobody asked for is no row's label, however likely.
            predictions = np.where(shares > 0, predictions, -np.inf)
        classes = labels_under_shares(predictions, shares, self._never_lost(), noise)
        return pd.Series([target.levels[place] for place in classes], dtype=object)

    def _numbers_to_share(self, predictions: FloatArray) -> pd.Series:
        """Numbers with the distribution of the real ones, by their predictions (m,)."""
        inputs, target = self._inputs, self._inputs.dictionary.target_feature
        real = inputs.values[target.name].to_numpy(dtype=np.float64)
        error = self._inspector.state.reference.labels.scale
        rng = generator(self._run.seed, Stream.DRAWN_LABELS, 0)
        labels = number_values(target, numbers_like(real, predictions, error, rng))
        ends = extremes(inputs.dictionary, inputs.values, self._run.settings.table, ())
        return moved_labels(labels, target, ends, rng)

    def _never_lost(self) -> Mask:
        """The classes that are in every result, shape (levels,)."""
        levels = self._inputs.dictionary.target_feature.levels
        matches = self._inputs.matches()
        return _counts(self._inputs.values[self._target][matches], levels) >= _LEAST_REAL_ROWS

    def _draw_noise(self, predictions: FloatArray | None) -> FloatArray | None:
        """Noise that makes labels drawn ones, (m, classes): all of them where rows are to look like
        the table, else those of rare classes. None where labels are given, or shares asked for.

        A row's noise is the same whatever comes after it.
        """
        if predictions is None or not (self._inputs.dictionary.classification and self._relabels):
            return None
        target = self._inputs.dictionary.target_feature
        blocks = [
            gumbel_noise(
                (len(block.rows), len(target.levels)),
                generator(self._run.seed, Stream.DRAWN_LABELS, block.number),
            )
            for block in self._blocks
        ]
        noise = np.concatenate(blocks)
        if self._shares_purpose:
            return noise
        if self._inputs.conditions.shares:
            return None
        return noise_for_rare_classes(noise, self._shares(None))

    def _shares(self, predictions: FloatArray | None) -> FloatArray:
        """The wanted shares of the levels, shape (levels,), with the sum 1.

        They are those asked for, else those of the real rows. Where only some real rows are what
        ``--where`` asks for, their shares count together with those that are predicted.
        """
        levels = list(self._inputs.dictionary.target_feature.levels)
        if wanted := self._inputs.conditions.shares:
            return np.array([wanted.get(level, 0.0) for level in levels])
        matches = self._inputs.matches()
        labels = self._inputs.values[self._target]
        counts = _counts(labels[matches], levels)
        if matches.all():
            return counts / counts.sum()
        every = _counts(labels, levels)
        expected = every / every.sum()
        if predictions is not None:
            expected = np.exp(predictions).mean(axis=0) * (every > 0)
        counts = counts + _PREDICTED_ROWS * expected / expected.sum()
        shares = counts / counts.sum()
        return shares if predictions is None else allowed_shares(shares, predictions)

    def _wanted(self, rows: pd.DataFrame, predictions: FloatArray | None) -> Wanted:
        """How many rows of each class; a class that no real row has keeps what it has of these."""
        total = self._run.ledger.wanted
        conditions = self._inputs.conditions
        if conditions.shares:
            return Wanted(self._target, total, conditions.quotas(total))
        target = self._inputs.dictionary.target_feature
        if self._target in conditions.given or not (target.levels and self._relabels):
            return Wanted(self._target, total)
        shares = self._shares(predictions)
        real = _counts(self._inputs.values[self._target], target.levels)
        unseen = (_counts(rows[self._target], target.levels) * (real == 0)) / max(len(rows), 1)
        shares = shares * (1 - unseen.sum()) + unseen
        by_class = quotas(dict(zip(target.levels, shares.tolist(), strict=True)), total)
        never_lost = [target.levels[place] for place in np.flatnonzero(self._never_lost())]
        return Wanted(self._target, total, none_lost(by_class, never_lost))

    def _clearness(self, rows: pd.DataFrame, predictions: FloatArray | None) -> FloatArray | None:
        """Log-probability of each row's label, (m,); none: the first rows are as good as others."""
        target = self._inputs.dictionary.target_feature
        if self._shares_purpose or not target.levels:
            return None
        state = self._inspector.state
        places = state.reference.labels.encode(rows)  # (m,)
        if predictions is None:
            x = state.batch(rows).x
            return state.reference.fold.mean_log_likelihood(x, places)
        clearness: FloatArray = predictions[np.arange(len(rows)), places]
        return clearness


def _can_wait(run: Run) -> bool:
    """Whether the rows have hardly grown since they were judged, and the end is not near."""
    ledger = run.ledger
    judged = ledger.generated - ledger.waiting
    if judged < _ALWAYS_JUDGED or not ledger.passed:
        return False
    grew = ledger.waiting >= _GROWTH * judged
    rows_left = ledger.gap / ledger.acceptance
    return not grew and rows_left > _LAST_BLOCKS * run.settings.team.block_rows


def _counts(labels: pd.Series, levels: Sequence[str]) -> FloatArray:
    """How many rows have each level, shape (levels,)."""
    counts = Counter(labels)
    return np.array([counts[level] for level in levels], dtype=np.float64)

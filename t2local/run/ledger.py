"""The accounting of a run: the one object that grows while rows are written and judged.

Every row that was written is kept or rejected, with its reason; every second and token is counted.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from t2local.events import Decision
from t2local.llm.counters import Counters
from t2local.run.clock import Clock
from t2local.stats.arrays import FloatArray, Mask
from t2local.tables.dictionary import FeatureDictionary
from t2local.team.writer import Block
from t2local.trim import stages
from t2local.trim.result import StageFigures
from t2local.trim.verdict import Verdict

#: What rejects rows that passed all stages after the wanted rows were there; it is no stage.
SURPLUS = "surplus"
#: The stage that chooses among the rows that passed all others.
CHOICE = "choice"
#: However few rows are kept, a block is planned as if at least this share were: at most twice the
#: gap is written before the next look.
_LEAST_ACCEPTANCE = 0.5
#: A guess of what is left divides by the acceptance; below this it would be endless.
_LEAST_ACCEPTANCE_FORECAST = 0.1


@dataclass(frozen=True)
class BatchEntry:
    """A batch as it stands in report.json and in the journal."""

    batch: int
    block: int
    seed: int
    prompt_sha256: str
    rows: int
    kept: int
    rejected_by: Mapping[str, int]
    figures: Mapping[str, StageFigures]

    @classmethod
    def of(
        cls, number: int, block: Block, verdict: Verdict, seed: int, first: int = 0
    ) -> "BatchEntry":
        """The batch whose rows begin at ``first`` in a verdict that ends with them."""
        entry = cls(
            batch=number,
            block=block.number,
            seed=seed,
            prompt_sha256=block.prompt_sha256,
            rows=verdict.size - first,
            kept=0,
            rejected_by={},
            figures=verdict.figures,
        )
        return entry.recounted(verdict, first)

    def recounted(self, verdict: Verdict, first: int) -> "BatchEntry":
        """The entry with the counts of another verdict, in which its rows begin at ``first``."""
        rejected_by = Counter(filter(None, verdict.stages[first : first + self.rows]))
        kept = self.rows - rejected_by.total()
        return replace(self, kept=kept, rejected_by=dict(rejected_by))


class JudgedRows(NamedTuple):
    """The rows of a run in the order of writing: frames of values, and notes on the rejected."""

    kept: pd.DataFrame
    rejected: pd.DataFrame
    notes: pd.DataFrame  # one for each rejected row, with its number among all rows


@dataclass
class Ledger:
    """What has been written and judged so far; generated = kept + rejected after every batch.

    **Parameters:**

    * **wanted**: rows asked for; **batch_size**: rows judged together.
    * **max_batches**: batches tried at most.
    * **candidates**: rows that are to pass before the wanted ones are chosen among them; 0: all
      that pass are kept.

    ``passed``: rows that no stage but the choice among them rejected; ``waiting``: rows that were
    written and are not judged yet. ``tokens`` has the counters of each part that used a model:
    plan, rows, texts; ``calibration_tokens``: how many of the rows' tokens the questions about real
    rows took. ``earlier_tokens``, ``earlier_rows``: of the rows, what an earlier process had done
    that did not come to the end of the run.
    """

    wanted: int
    batch_size: int
    max_batches: int
    candidates: int = 0
    clock: Clock = field(default_factory=Clock)
    decisions: list[Decision] = field(default_factory=list)
    tokens: dict[str, Counters] = field(default_factory=dict)
    earlier_tokens: Counters = field(default_factory=Counters)
    earlier_rows: int = 0
    calibration_tokens: int = 0
    batches: list[BatchEntry] = field(default_factory=list)
    judged: list[tuple[pd.DataFrame, Verdict]] = field(default_factory=list)
    predictions: FloatArray | None = None
    draw_noise: FloatArray | None = None
    rejected_by: Counter[str] = field(default_factory=Counter)
    blocks: int = 0
    kept: int = 0
    passed: int = 0
    generated: int = 0
    waiting: int = 0
    failed: int = 0
    interrupted: bool = False
    target: str | None = None
    quotas: dict[str, int] = field(default_factory=dict)
    passed_labels: Counter[str] = field(default_factory=Counter)

    def want_labels(self, target: str | None, quotas: dict[str, int]) -> None:
        """Ask for so many rows of each label; without quotas labels come as they come."""
        self.target = target
        self.quotas = quotas

    @property
    def missing_labels(self) -> dict[str, int]:
        """How many rows of each label are still wanted."""
        return {
            label: max(0, quota - self.passed_labels[label]) for label, quota in self.quotas.items()
        }

    def surplus(self, rows: pd.DataFrame, verdict: Verdict) -> Mask:
        """The kept rows that are more than is wanted, in all or of their label; shape (m,)."""
        if not self.quotas:
            return np.cumsum(verdict.kept) > self.wanted - self.kept
        over = np.zeros(len(rows), dtype=np.bool_)
        for label, missing in self.missing_labels.items():
            of_label = verdict.kept & (rows[self.target] == label).to_numpy()
            over |= of_label & (np.cumsum(of_label) > missing)
        return over

    @property
    def full(self) -> bool:
        """Whether the wanted rows are kept, and were chosen among enough candidates."""
        return self.kept >= self.wanted and self.passed >= self.candidates

    @property
    def done(self) -> bool:
        """Whether the wanted rows are kept, the batches are spent, or Ctrl-C came."""
        return self.full or self.tried >= self.max_batches * self.batch_size or self.interrupted

    @property
    def tried(self) -> int:
        """Rows that were begun, those included that could not be written."""
        return self.generated + self.failed

    @property
    def acceptance(self) -> float:
        """The share of the judged rows that passed so far; 1 before the first."""
        judged = self.generated - self.waiting
        return self.passed / judged if judged else 1.0

    @property
    def gap(self) -> float:
        """Rows that are still to pass; at least 1 until the wanted rows are kept.

        Of those that wait as many are expected to pass as of the others.
        """
        expected = self.passed + self.acceptance * self.waiting
        return max(max(self.wanted, self.candidates) - expected, int(not self.full))

    def next_block(self, most: int) -> int:
        """Rows to write next, in whole batches.

        They should fill the gap at the acceptance seen so far; at most twice the gap.
        """
        gap = self.gap / max(self.acceptance, _LEAST_ACCEPTANCE)
        batches_left = self.max_batches - self.tried // self.batch_size
        batches = min(
            math.ceil(gap / self.batch_size), math.ceil(most / self.batch_size), batches_left
        )
        return max(1, batches) * self.batch_size

    def rows_left(self, written: int) -> float:
        """Rows that will still be written, after ``written`` in all, at the acceptance so far."""
        gap = self.gap / max(self.acceptance, _LEAST_ACCEPTANCE_FORECAST)
        missing = min(gap, self.max_batches * self.batch_size - self.generated)
        return max(0.0, missing - (written - self.generated))

    def add_batch(
        self, block: Block, rows: pd.DataFrame, verdict: Verdict, seed: int
    ) -> BatchEntry:
        """Count a batch of a block, and return its entry for the report and the journal."""
        entry = BatchEntry.of(len(self.batches), block, verdict, seed)
        self.batches.append(entry)
        self.judged.append((rows, verdict))
        self.rejected_by.update(entry.rejected_by)
        self.kept += entry.kept
        self.passed += entry.kept
        self.generated += entry.rows
        if self.quotas:
            self.passed_labels.update(rows[self.target][verdict.kept])
        return entry

    def settle(
        self,
        block: Block,
        rows: pd.DataFrame,
        verdict: Verdict,
        seed: int,
        predictions: FloatArray | None = None,
        draw_noise: FloatArray | None = None,
    ) -> BatchEntry:
        """Take the verdict on all rows so far; returns the entry of those that had none before.

        Earlier verdicts no longer count: the entries of earlier blocks keep what was measured then,
        and count what is kept now.

        **Parameters:**

        * **block**: the last one.
        * **predictions**: log-probabilities of the rows' labels (m, levels), where there are some.
        * **draw_noise**: what was added to them so that labels are drawn, (m, levels).
        """
        self.predictions, self.draw_noise = predictions, draw_noise
        first = sum(entry.rows for entry in self.batches)
        entry = BatchEntry.of(len(self.batches), block, verdict, seed, first)
        self.batches = [*_recounted(self.batches, verdict), entry]
        self.judged = [(rows, verdict)]
        self.rejected_by = verdict.rejected_by()
        self.generated, self.waiting = len(rows), 0
        self.kept = int(verdict.kept.sum())
        self.passed = self.kept + self.rejected_by[CHOICE]
        if self.quotas:
            passed = [stage in (None, CHOICE) for stage in verdict.stages]
            self.passed_labels = Counter(rows[self.target][passed])
        return entry

    def end_block(self, block: Block) -> None:
        """Count a block whose batches were added, and its rows that could not be written."""
        self.blocks += 1
        self.failed += block.failed
        self.interrupted |= block.interrupted

    def rejected_by_stage(self) -> dict[str, int]:
        """How many rows each stage rejected, in the order of the stages; surplus comes last."""
        names = [*(stage.name for stage in stages.STAGES), SURPLUS]
        return {name: self.rejected_by[name] for name in names}

    def rows(self, dictionary: FeatureDictionary) -> JudgedRows:
        """All rows so far, parted."""
        written = rows_written(self.judged, dictionary)
        verdicts = [Verdict(0), *(verdict for _, verdict in self.judged)]
        kept = np.concatenate([verdict.kept for verdict in verdicts])
        notes = pd.concat([verdict.notes() for verdict in verdicts], ignore_index=True)
        notes.insert(0, "row", np.arange(1, len(written) + 1))
        return JudgedRows(
            written[kept].reset_index(drop=True),
            written[~kept].reset_index(drop=True),
            notes[~kept].reset_index(drop=True),
        )


def rows_written(
    judged: Sequence[tuple[pd.DataFrame, Verdict]], dictionary: FeatureDictionary
) -> pd.DataFrame:
    """All rows, kept and rejected, in the order of writing: a frame of values (m, d)."""
    empty = dictionary.values(pd.DataFrame(columns=dictionary.names, dtype=object))
    return pd.concat([rows for rows, _ in judged] or [empty], ignore_index=True)


def _recounted(batches: Sequence[BatchEntry], verdict: Verdict) -> Iterator[BatchEntry]:
    """The entries with the counts of a verdict on the rows of all of them, in order."""
    first = 0
    for entry in batches:
        yield entry.recounted(verdict, first)
        first += entry.rows

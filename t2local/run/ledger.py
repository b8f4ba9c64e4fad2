"""The accounting of a run: every row that was written is kept or rejected, and every second and token has its place."""

import hashlib
import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from t2local.llm.decoder import Counters
from t2local.llm.model import Model
from t2local.run.folder import fingerprint
from t2local.settings import Settings
from t2local.stats.arrays import Mask
from t2local.system.environment import environment
from t2local.system.json_text import to_json
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.files import Table
from t2local.team.plan import Plan
from t2local.trim.benefit import Benefit
from t2local.trim.verdict import Verdict, reasons


class Clock:
    """Seconds by part of the run."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC)
        self.seconds: Counter[str] = Counter()
        self._begin = self._last = time.perf_counter()

    def lap(self, part: str) -> None:
        """Count the time since the last call for a part."""
        now = time.perf_counter()
        self.seconds[part] += now - self._last  # type: ignore[assignment]
        self._last = now

    @property
    def total(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._begin

    @property
    def assembling(self) -> float:
        """Seconds of assembly, the current lap included."""
        return self.seconds["assembly"] + time.perf_counter() - self._last


@dataclass
class Ledger:
    """What has been written and judged so far; generated = kept + rejected after every batch."""

    wanted: int
    batch_size: int
    max_batches: int
    batches: list[dict[str, Any]] = field(default_factory=list)
    judged: list[tuple[pd.DataFrame, Verdict]] = field(default_factory=list)
    rejected_by: Counter[str] = field(default_factory=Counter)
    blocks: int = 0
    kept: int = 0
    generated: int = 0
    failed: int = 0
    interrupted: bool = False
    target: str = ""
    quotas: dict[str, int] = field(
        default_factory=dict
    )  # rows wanted of each label; empty: as they come
    kept_labels: Counter[str] = field(default_factory=Counter)

    @property
    def missing_labels(self) -> dict[str, int]:
        """How many rows of each label are still wanted."""
        return {label: quota - self.kept_labels[label] for label, quota in self.quotas.items()}

    def surplus(self, rows: pd.DataFrame, verdict: Verdict) -> Mask:
        """The kept rows of a batch that are more than is wanted, in all or of their label."""
        if not self.quotas:
            return np.cumsum(verdict.kept) > self.wanted - self.kept
        over = np.zeros(len(rows), dtype=np.bool_)
        for label, missing in self.missing_labels.items():
            of_label = verdict.kept & (rows[self.target] == label).to_numpy()
            over |= of_label & (np.cumsum(of_label) > missing)
        return over

    @property
    def done(self) -> bool:
        """Whether the wanted rows are kept, the batches are spent, or Ctrl-C came."""
        return (
            self.kept >= self.wanted
            or self.tried >= self.max_batches * self.batch_size
            or self.interrupted
        )

    @property
    def tried(self) -> int:
        """Rows that were begun, those included that could not be written."""
        return self.generated + self.failed

    def next_block(self, most: int) -> int:
        """Rows to write next: what should fill the gap at the acceptance seen so far, at most twice the gap, in whole batches."""
        acceptance = max(self.kept / self.generated, 0.5) if self.generated else 1.0
        wanted = math.ceil((self.wanted - self.kept) / acceptance / self.batch_size)
        left = self.max_batches - self.tried // self.batch_size
        return max(1, min(wanted, math.ceil(most / self.batch_size), left)) * self.batch_size

    def rows_left(self, written: int) -> float:
        """How many rows will still be written, after ``written`` in all, at the acceptance seen so far."""
        acceptance = self.kept / self.generated if self.generated else 1.0
        missing = min(
            (self.wanted - self.kept) / max(acceptance, 0.1),
            self.max_batches * self.batch_size - self.generated,
        )
        return max(0.0, missing - (written - self.generated))

    def end_block(self, failed: int, *, interrupted: bool) -> None:
        """Count a block whose rows were added, and those that failed to be written."""
        self.blocks += 1
        self.failed += failed
        self.interrupted = interrupted

    def add(self, rows: pd.DataFrame, verdict: Verdict, origin: dict[str, Any]) -> dict[str, Any]:
        """Count a batch, and return its entry for the report and the journal."""
        kept = int(verdict.kept.sum())
        rejected = dict(verdict.rejected_by())
        entry = {
            "batch": len(self.batches),
            **origin,
            "rows": len(rows),
            "kept": kept,
            "rejected_by": rejected,
            "figures": verdict.figures,
        }
        self.batches.append(entry)
        self.judged.append((rows, verdict))
        self.rejected_by.update(rejected)
        self.kept += kept
        if self.quotas:
            self.kept_labels.update(rows[self.target][verdict.kept])
        self.generated += len(rows)
        return entry

    def rows(self, known: FeatureDictionary) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """The kept rows; the notes on the rejected ones, with their number among all; and these. All in the order of writing."""
        empty = known.values(pd.DataFrame(columns=known.names, dtype=object))
        frames = [rows for rows, _ in self.judged]
        every = pd.concat(frames, ignore_index=True) if frames else empty
        verdicts = [verdict for _, verdict in self.judged]
        kept = np.concatenate(
            [np.zeros(0, dtype=np.bool_), *(verdict.kept for verdict in verdicts)]
        )
        notes = pd.concat(
            [verdict.notes() for verdict in [Verdict(0), *verdicts]], ignore_index=True
        )
        notes.insert(0, "row", np.arange(1, len(every) + 1))
        return (
            every[kept].reset_index(drop=True),
            notes[~kept].reset_index(drop=True),
            every[~kept].reset_index(drop=True),
        )


def report_of(
    ledger: Ledger,
    counters: Counters,
    clock: Clock,
    team: Plan,
    model: Model,
    seed: int,
    found: Benefit | None,
) -> dict[str, Any]:
    """The figures of a run, as they stand in report.json."""
    rejected = {
        stage: ledger.rejected_by[stage] for stage in ("sanity", "cost", "diversity", "surplus")
    }
    decoded = counters.prefix + counters.rows
    return {
        "rows": {
            "wanted": ledger.wanted,
            "generated": ledger.generated,
            "kept": ledger.kept,
            "rejected": ledger.generated - ledger.kept,
            "failed": ledger.failed,
        },
        "rejected_by": rejected,
        "reasons": reasons(verdict for _, verdict in ledger.judged),
        "batches": ledger.batches,
        "tokens": {
            "prefix": counters.prefix,
            "rows": counters.rows,
            "sampled": counters.sampled,
            "context": counters.cells,
            "rows_put_back": counters.put_back,
            "failed_rows": counters.failures,
            "failed_decodes": counters.errors,
            "per_generated_row": decoded / ledger.generated if ledger.generated else None,
            "per_kept_row": decoded / ledger.kept if ledger.kept else None,
        },
        "seconds": {
            "total": clock.total,
            **{
                part: clock.seconds[part]
                for part in ("load", "plan", "labels", "assembly", "trim", "benefit")
            },
            "decode": counters.seconds,
        },
        "plan": team.model_dump(mode="json"),
        "model": {"name": model.name, "sha256": model.sha256},
        "seed": seed,
        "interrupted": ledger.interrupted,
        "benefit": found.figures() if found else None,
        "verdict": " ".join([_counted(ledger, rejected), *([found.verdict] if found else [])]),
    }


def _counted(ledger: Ledger, rejected: Mapping[str, int]) -> str:
    refused = ", ".join(f"{stage} {count}" for stage, count in rejected.items() if count)
    sentence = f"{ledger.kept} of the {ledger.wanted} rows asked for were kept, out of {ledger.generated} written"
    sentence += f" (rejected by {refused})." if refused else "."
    if ledger.interrupted:
        sentence = "Interrupted: " + sentence
    return sentence


def manifest_of(
    ledger: Ledger,
    table: Table,
    settings: Settings,
    known: FeatureDictionary,
    clock: Clock,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """What must be known to repeat a run, as it stands in manifest.json; hashes, names and reasons, never a cell."""
    return {
        "format": 1,
        "synthetic": True,
        **to_json(environment()),
        "started": clock.started.isoformat(),
        "ended": datetime.now(UTC).isoformat(),
        "input": fingerprint(table),
        "dictionary_sha256": hashlib.sha256(known.to_yaml().encode()).hexdigest(),
        "asked": {
            "rows": ledger.wanted,
            "batch_size": ledger.batch_size,
            "max_batches": ledger.max_batches,
        },
        "settings": settings.model_dump(mode="json"),
        **more,
    }

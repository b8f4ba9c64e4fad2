"""What a row costs in runs of up to 100,000 rows: seconds of the processor by part, and memory.

    taskset -c 1 python -m bench.long_runs heart_failure.csv insurance_charges.csv --rows 1000 10000
    taskset -c 1 python -m bench.long_runs heart_failure.csv --model tiny.gguf

`t2local.generate` as a user calls it, with a folder, and with blocks of rows that no model had to
write: cells of real rows, a third of them exchanged for those of other rows. Labels are predicted
by the ensemble of the run, as those of a team. With ``--model`` a model writes them. Each run is a
process of its own, so its memory is that of the run, with all that it imports. Appends to
results/long_runs.jsonl. Development seeds.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import t2local
from bench.streams import Stream, generator
from bench.tables import real_table
from t2local import pipeline
from t2local.events import Event, Phase
from t2local.run.inputs import Inputs, Run
from t2local.run.resumption import ResumableWriter
from t2local.team.calibration import Calibration
from t2local.team.plan import Plan
from t2local.team.team import Team
from t2local.team.writer import Block, BlockRequest

RESULTS = Path(__file__).parent / "results" / "long_runs.jsonl"
#: The share of cells that come from another row.
_EXCHANGED = 1 / 3


class _Seconds:
    """Of the processor, by part of a run."""

    def __init__(self) -> None:
        self.parts: Counter[str] = Counter()
        self._part, self._begin = "start", 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Phase):
            self.enter(event.words)

    def enter(self, part: str) -> None:
        now = time.process_time()
        self.parts[self._part] += now - self._begin  # type: ignore[assignment]
        self._part, self._begin = part, now


class _ReadyWriter:
    """Writes blocks in no time."""

    def __init__(self, run: Run, inputs: Inputs, calibration: Calibration) -> None:
        self._seed = run.seed
        self._inputs = inputs
        self._pool = calibration.pool

    def write(self, request: BlockRequest, on_row: Callable[[], None]) -> Block:
        real, dictionary = self._inputs.values, self._inputs.dictionary
        rng = generator(self._seed, Stream.READY_ROWS, request.number)
        shape = (request.rows, len(dictionary.names))
        places = np.where(
            rng.random(shape) < _EXCHANGED,
            rng.integers(len(real), size=shape),
            rng.integers(len(real), size=(request.rows, 1)),
        )
        columns = zip(dictionary.names, places.T, strict=True)
        rows = real.head(0).assign(**{n: real[n].to_numpy()[own] for n, own in columns})
        predictions = None
        if self._pool is not None:
            predictions = self._pool.predict(rows, None)
            labels = self._pool.labels(predictions, "shares", rng)
            rows = rows.assign(**{dictionary.target_feature.name: labels.to_numpy()})
        for _ in range(len(rows)):
            on_row()
        return Block(request.number, rows[dictionary.names], 0, "0" * 64, False, predictions)


def _writer_of(
    run: Run,
    inputs: Inputs,
    plan: Plan,  # noqa: ARG001 - as `t2local.run.writers.writer_of`
    team: Team,
    calibration: Calibration,
) -> ResumableWriter:
    writer = _ReadyWriter(run, inputs, calibration)
    return ResumableWriter(writer, run, inputs.dictionary, team.counters)


def measure(table: str, rows: int, purpose: str, block_rows: int, model: str) -> dict[str, Any]:
    """A run in this process; without a model nobody writes."""
    seconds = _Seconds()
    settings = {"trim.purpose": purpose, "team.block_rows": block_rows}
    if not model:
        pipeline.writer_of = _writer_of  # type: ignore[attr-defined]
        settings |= {"team.labels": "classifier", "team.cells": "worker", "team.examples": 0}
    with tempfile.TemporaryDirectory() as folder:
        result = t2local.generate(
            real_table(table),
            rows=rows,
            plan="data",
            model=model or t2local.ScriptedModel(),
            settings=settings,
            out=Path(folder) / "run",
            on_event=seconds,
        )
    seconds.enter("end")
    return {
        "table": table,
        "purpose": purpose,
        "model": Path(model).name,
        "block_rows": block_rows,
        "wanted": rows,
        "kept": len(result.synthetic),
        "written": result.report["rows"]["generated"],
        "seconds": {part: round(value, 2) for part, value in seconds.parts.items()},
        "ms_per_row": round(1000 * seconds.parts.total() / rows, 2),
        "gain": result.report["benefit"] and result.report["benefit"]["gain"],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="+")
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--purpose", choices=["train", "share"], default="train")
    parser.add_argument("--block-rows", type=int, default=100)
    parser.add_argument("--model", default="", metavar="NAME|FILE")
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        for table in options.tables:
            for rows in options.rows:
                own = (table, rows, options.purpose, options.block_rows, options.model)
                line = json.dumps(pool.submit(measure, *own).result())
                print(line, flush=True)
                with RESULTS.open("a") as file:
                    file.write(f"{line}\n")


if __name__ == "__main__":
    main()

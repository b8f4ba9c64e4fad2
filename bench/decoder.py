"""How fast rows are written, beside what a user would write otherwise and beside llama.cpp itself.

One process, one table; everything takes about 40 minutes, the targets of issue 3 about 5:

    taskset -c 0,1 python -m bench.decoder --out bench/results/decoder.json
    python -m bench.decoder --only targets --pairs 2

a. *common*: Outlines' Generator (llguidance) on llama-cpp-python's Llama: one call for a JSON array
   of n objects.
b. *paper*: the team's plan as the paper describes it: for each worker one call with pretty JSON
   that restates the parents.
c. *ours*, conditioned on the row so far, and on the parents.
d. *floor*: the token batches of (c) once more through llama.cpp, with nothing between; once with
   llama.cpp's whole output layer, and once stopped at the hidden states as (c) does.
e. *ceiling*: a prompt of this model, tokens per second at 512 tokens a pass.

All write the same columns within the same bounds after the same example rows, at temperature 1. A
figure that compares is a ratio of one run: the machine is shared. Batches of (a) and (b) cost the
same each, so a few stand for all.
"""

import argparse
import functools
import json
import platform
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench import baselines, tables
from bench.streams import single
from t2local.llm import decoder as decoder_module
from t2local.llm import row as row_module
from t2local.llm.backbone import Backbone
from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar, Masks
from t2local.llm.machine import system_info
from t2local.llm.requests import Request, Segment
from t2local.llm.sampling import RowStream
from t2local.llm.store import find
from t2local.settings import Settings
from t2local.system.environment import environment
from t2local.system.json_text import to_json
from t2local.team.calibration import uncalibrated
from t2local.team.team import Team
from t2local.team.writer import BlockRequest, RowWriter

#: Rows that the slower ways write in one pair of runs; their cost a row does not depend on the
#: number of batches.
COMMON_ROWS, PAPER_ROWS, BATCH = 20, 10, 10
TARGETS = {
    "rows/s, ours (row) / common": (">=", 10.0),
    "rows/s, ours (parents) / common": (">=", 5.0),
    "rows/s, ours (parents) / paper": (">=", 40.0),
    "floor time / our time (row)": (">=", 0.95),
    "floor time / our time (parents)": (">=", 0.95),
    "tokens a row, prefix included (row)": ("<=", 50.0),
    "tokens a row, prefix included (parents)": ("<=", 90.0),
    "cost a row, 5000 rows / 100 rows": ("<=", 1.05),
    "memory, 5000 rows - 100 rows, MB": ("<=", 50.0),
}


class Recorded:
    """A model whose contexts keep what is asked of them, so that it can be asked again."""

    def __init__(self, model: Backbone) -> None:
        self._model = model
        self.asked: list[tuple[str, tuple]] = []
        self.seconds = {"prefix": 0.0, "rows": 0.0}
        self.cells = self.sequences = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def context(self, cells: int, sequences: int):
        self.cells, self.sequences = cells, sequences
        return _RecordedContext(self, self._model.context(cells, sequences))


class _RecordedContext:
    def __init__(self, owner: Recorded, context) -> None:
        self._owner, self._context = owner, context

    def decode(self, tokens, positions, sequences, wanted, *, full=False):
        self._owner.asked.append(("decode", (tokens, positions, sequences, wanted)))
        began = time.perf_counter()
        scores = self._context.decode(tokens, positions, sequences, wanted, full=full)
        self._owner.seconds["prefix" if sequences[0] < 2 else "rows"] += time.perf_counter() - began
        return scores

    def branch(self, source, target):
        self._owner.asked.append(("branch", (source, target)))
        self._context.branch(source, target)

    def drop(self, sequence):
        self._owner.asked.append(("drop", (sequence,)))
        self._context.drop(sequence)

    def rewind(self, sequence, end):
        self._owner.asked.append(("rewind", (sequence, end)))
        self._context.rewind(sequence, end)

    def close(self):
        self._context.close()


def floor(model: Backbone, recorded: Recorded, *, whole: bool) -> float:
    """Seconds of the same batches through llama.cpp alone."""
    layer = model.output_layer
    model.output_layer = type(layer)("output layer", None, "replay") if whole else layer
    context = model.context(recorded.cells, recorded.sequences)
    model.output_layer = layer
    began = time.perf_counter()
    for what, arguments in recorded.asked:
        getattr(context, what)(*arguments)
    seconds = time.perf_counter() - began
    context.close()
    return seconds


def ceiling(model: Backbone) -> float:
    """Tokens per second of a prompt."""
    context = model.context(1024, 1)
    tokens = single(1).integers(1000, 40_000, 1024).astype(np.int32)
    positions, zeros = np.arange(1024, dtype=np.int32), np.zeros(1024, dtype=np.int32)
    began = time.perf_counter()
    context.decode(tokens, positions, zeros, zeros.astype(bool))
    seconds = time.perf_counter() - began
    context.close()
    return 1024 / seconds


class Parts:
    """Seconds in masks and in sampling, taken around the decoder's own functions."""

    def __init__(self) -> None:
        self.seconds = {"masks (while llama.cpp decodes)": 0.0, "sampling": 0.0}

    def __enter__(self):
        self._before = row_module.draw, decoder_module.allowed_tokens, Masks.fill
        masks, sampling = self.seconds
        row_module.draw = self._timed(row_module.draw, sampling)
        decoder_module.allowed_tokens = self._timed(decoder_module.allowed_tokens, masks)
        Masks.fill = self._timed(Masks.fill, masks)
        return self

    def __exit__(self, *_):
        row_module.draw, decoder_module.allowed_tokens, Masks.fill = self._before

    def _timed(self, function, part):
        def timed(*arguments):
            began = time.perf_counter()
            result = function(*arguments)
            self.seconds[part] += time.perf_counter() - began
            return result

        return timed


def ours(
    model: Backbone,
    table: tables.Table,
    rows: int,
    *,
    conditioning: str = "row",
    slots: int = 0,
    replay: bool = False,
) -> dict[str, Any]:
    """Our rows, in blocks of 100 as in a run.

    ``replay``: the floor of the same batches stands beside them.
    """
    recorded = Recorded(model)
    settings = Settings.load({"team.conditioning": conditioning, "decoder.slots": slots})
    with (
        Parts() as parts,
        Team(recorded, table.dictionary, table.plan, table.values, settings, 1) as team,
    ):
        writer = RowWriter(team, uncalibrated(team))
        began = time.perf_counter()
        for block, first in enumerate(range(0, rows, settings.team.block_rows)):
            n_rows = min(settings.team.block_rows, rows - first)
            written = writer.write(BlockRequest(block, n_rows, first))
            if written.failed:
                raise SystemExit(f"{written.failed} rows were not written")
            if not replay:
                recorded.asked.clear()
        seconds = time.perf_counter() - began
        result = _figures(team.counters, rows, seconds)
    decode = recorded.seconds
    rest = seconds - sum(decode.values()) - parts.seconds["sampling"]
    result["seconds by part"] = {
        "prefix": decode["prefix"],
        "rows in llama.cpp": decode["rows"],
        **parts.seconds,
        "rest": rest,
    }
    if replay:
        stopped, whole = floor(model, recorded, whole=False), floor(model, recorded, whole=True)
        result |= {
            "floor / ours": stopped / seconds,
            "floor with the whole output layer / ours": whole / seconds,
        }
    return result


def ours_text(model: Backbone, table: tables.Table, rows: int) -> dict[str, Any]:
    """Rows with a column of short free text.

    This is the decoder alone, as the team does not write free text.
    """
    grammar = Grammar(table.array_schema(), model.tokenizer)
    mark = tuple(model.tokenize("A"))
    prefix = model.prompt(
        [
            table.brief(),
            *(
                part
                for row in table.examples
                for part in ("A", json.dumps(row, separators=(",", ":")), "\n")
            ),
        ]
    )
    with Decoder(
        model, slots=32, prefix_tokens=len(prefix), max_row_tokens=400, typical_row_tokens=60
    ) as decoder:
        began = time.perf_counter()
        decoder.prefill(prefix)
        done = dict(
            decoder.complete(
                [Request((Segment(mark, grammar),), RowStream(1, row=i)) for i in range(rows)]
            )
        )
        seconds = time.perf_counter() - began
        if any(completion.failure for completion in done.values()):
            raise SystemExit("a row was not written")
        return _figures(decoder.counters, rows, seconds)


def _figures(counters, rows: int, seconds: float) -> dict[str, Any]:
    return {
        "rows": rows,
        "rows/s": rows / seconds,
        "tokens a row": counters.decoded_tokens / rows,
        "prefix tokens a row": counters.prefix_tokens / rows,
        "scored tokens a row": counters.sampled_tokens / rows,
        "tokens/s": counters.decoded_tokens / seconds,
        "rows put back": counters.requeued_rows,
        "seconds": seconds,
    }


def pair(model: Backbone, llama, table: tables.Table) -> dict[str, Any]:
    """Everything once, close together in time."""
    by_row, by_parents = (
        ours(model, table, 100, conditioning=conditioning, replay=True)
        for conditioning in ("row", "parents")
    )
    common = baselines.common(llama, table, COMMON_ROWS, BATCH)
    paper = baselines.paper(llama, table, PAPER_ROWS, BATCH)
    return {
        "common": common,
        "paper": paper,
        "ours (row)": by_row,
        "ours (parents)": by_parents,
        "ceiling, tokens/s": ceiling(model),
    }


def ratios(measured: dict[str, Any]) -> dict[str, float]:
    row, parents = measured["ours (row)"], measured["ours (parents)"]
    return {
        "rows/s, ours (row) / common": row["rows/s"] / measured["common"]["rows/s"],
        "rows/s, ours (parents) / common": parents["rows/s"] / measured["common"]["rows/s"],
        "rows/s, ours (parents) / paper": parents["rows/s"] / measured["paper"]["rows/s"],
        "floor time / our time (row)": row["floor / ours"],
        "floor time / our time (parents)": parents["floor / ours"],
        "floor with whole output layer / our time (row)": row[
            "floor with the whole output layer / ours"
        ],
        "floor with whole output layer / our time (parents)": parents[
            "floor with the whole output layer / ours"
        ],
        "tokens/s of ours (row) / ceiling": row["tokens/s"] / measured["ceiling, tokens/s"],
        "tokens a row, prefix included (row)": row["tokens a row"],
        "tokens a row, prefix included (parents)": parents["tokens a row"],
    }


def targets(model: Backbone, llama, pairs: int) -> dict[str, Any]:
    """The paired runs on 9 numeric columns, and their medians beside what issue 3 asks for."""
    table = tables.nine_numeric()
    runs = []
    for number in range(pairs):
        runs.append(pair(model, llama, table))
        found = ratios(runs[-1])
        print(
            f"pair {number + 1}: "
            + "; ".join(f"{name} {value:.3g}" for name, value in found.items()),
            flush=True,
        )
    every = [ratios(run) for run in runs]
    summary = {
        name: {
            "median": statistics.median(r[name] for r in every),
            "least": min(r[name] for r in every),
            "most": max(r[name] for r in every),
        }
        for name in every[0]
    }
    return {"table": table.name, "pairs": runs, "summary": summary}


def growth(model: Backbone, most: int) -> dict[str, Any]:
    """Cost and memory from 10 rows on.

    100 rows are measured before and after the longest run, because the machine drifts.
    """
    table = tables.nine_numeric()
    result, memory = {}, {}
    for rows in [10, 100, *(n for n in (1000, most) if n > 100)]:
        result[f"{rows} rows"] = ours(model, table, rows)
        memory[rows] = _peak()
        speed = result[f"{rows} rows"]["rows/s"]
        print(
            f"{rows} rows: {speed:.2f} rows/s, peak {memory[rows]:.0f} MB",
            flush=True,
        )
    again = [ours(model, table, 100)["seconds"] for _ in range(3)]
    hundred = statistics.median([result["100 rows"]["seconds"], *again])
    result["cost a row, 5000 rows / 100 rows"] = (
        result[f"{most} rows"]["seconds"] / most / (hundred / 100)
    )
    result["memory, 5000 rows - 100 rows, MB"] = memory[most] - memory[100]
    return result


def sweep(model: Backbone, llama, name: str) -> dict[str, Any]:
    """All tables and batch sizes, once each."""
    result: dict[str, Any] = {"ceiling, tokens/s": ceiling(model)}
    for table in tables.every():
        entry: dict[str, Any] = {}
        if table.plan:
            for size in (10, 32, 128):
                entry[f"ours (row), {size} side by side"] = ours(
                    model, table, 128, slots=size, replay=size == 32
                )
            entry["ours (parents)"] = ours(model, table, 100, conditioning="parents", replay=True)
        else:
            entry["ours, 32 side by side"] = ours_text(model, table, 100)
        entry["common, 10 a call"] = baselines.common(llama, table, 10, 10)
        if table.name == "9 numeric":
            for size in (32, 128):
                try:
                    entry[f"common, {size} a call"] = baselines.common(llama, table, size, size)
                except ValueError:  # its array did not end within the tokens of a call
                    print(
                        f"{name}, {table.name}, common, {size} a call: "
                        f"not complete within {baselines.MOST_TOKENS} tokens",
                        flush=True,
                    )
            entry["ours (row), 100 rows"] = ours(model, table, 100)
        result[table.name] = entry
        for way, figures in entry.items():
            print(
                f"{name}, {table.name}, {way}: {figures['rows/s']:.2f} rows/s, "
                f"{figures['tokens a row']:.0f} tokens a row",
                flush=True,
            )
    return result


def threads(file, model: Backbone) -> dict[str, float]:
    """Rows per second by number of threads, with the rule's own choice among them."""
    table, result = tables.nine_numeric(), {}
    for number in sorted({1, 2, 3, 4, model.threads.value}):
        other = Backbone(file, threads=number)
        result[str(number)] = ours(other, table, 100)["rows/s"]
        other.close()
        print(f"{number} threads: {result[str(number)]:.2f} rows/s", flush=True)
    return result


def _peak() -> float:
    """Peak resident memory of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1e6 if sys.platform == "darwin" else 1e3
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", choices=["targets", "growth", "sweep", "threads"], action="append"
    )
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--most", type=int, default=5000, help="rows of the longest run")
    parser.add_argument("--second", type=Path, help="a second model for the sweep (SmolLM2-135M)")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    wanted = asked.only or ["growth", "targets", "threads", "sweep"]
    file = find()
    model = Backbone(file)
    machine = {
        **to_json(environment()),
        "cpu": platform.processor(),
        "llama.cpp": system_info(),
        "decisions": {d.what: vars(d) for d in model.decisions()},
    }
    earlier = (
        json.loads(asked.out.read_text())
        if asked.only and asked.out and asked.out.is_file()
        else {}
    )
    found: dict[str, Any] = {**earlier, "machine": machine}
    high_level = functools.cache(
        lambda: baselines.load(file.path, model.threads.value)
    )  # after the memory is measured
    parts = {
        "growth": lambda: growth(model, asked.most),
        "targets": lambda: targets(model, high_level(), asked.pairs),
        "threads": lambda: threads(file, model),
        "sweep": lambda: sweep(model, high_level(), file.name),
    }
    if asked.second:
        parts["sweep of the second model"] = lambda: second(asked.second, model.threads.value)
    for name, measure in parts.items():
        if name.partition(" ")[0] in wanted:
            found[name] = measure()
            if asked.out:  # after each part: a long run that is stopped is not lost
                asked.out.parent.mkdir(parents=True, exist_ok=True)
                asked.out.write_text(
                    json.dumps(
                        found, indent=1, default=lambda value: str(getattr(value, "reason", value))
                    )
                    + "\n"
                )
    report(found)


def second(path: Path, threads: int) -> dict[str, Any]:
    file = find(str(path))
    return sweep(Backbone(file), baselines.load(file.path, threads), file.name)


def report(found: dict[str, Any]) -> None:
    """The table of the issue: what was asked for, the median, and its range."""
    every = {
        name: tuple(figures.values())
        for name, figures in found.get("targets", {}).get("summary", {}).items()
    }
    every |= {
        name: (value,) * 3 for name, value in found.get("growth", {}).items() if name in TARGETS
    }
    print(f"\n{'':<52}{'asked':>10}{'median':>10}{'range':>20}")
    for name, (median, least, most) in every.items():
        sign, bound = TARGETS.get(name, ("", 0.0))
        target = f"{sign} {bound:g}" if sign else ""
        verdict = ""
        if sign:
            reached = median >= bound if sign == ">=" else median <= bound
            verdict = "  reached" if reached else "  MISSED"
        span = f"{least:.3g} to {most:.3g}"
        print(f"{name:<52}{target:>10}{median:>10.3g}{span:>20}{verdict}")


if __name__ == "__main__":
    main()

"""Whether a GPU writes what a CPU writes, how fast, and in how much memory. Runs on a CPU too.

Two steps, as one process has one build of llama.cpp. The first runs anywhere, and best where the
GPU is hidden (``CUDA_VISIBLE_DEVICES=-1``) or in an environment with a build for CPUs:

    CUDA_VISIBLE_DEVICES=-1 python -m bench.gpu reference --model starter --out reference.json
    python -m bench.gpu measure --model starter --reference reference.json --out gpu.json

*Correct*: 12 fixed rows of nine numbers are scored after a prompt of 1,024 tokens, 1 and 12 side by
side. The difference of a token's log-probability from the reference is compared with the
reference's own difference between the two ways, which is rounding alone. Rows are then written:
twice with the same seed they must be equal (what t2local promises); beside the reference's they may
differ, and the share of equal ones is given.

*Speed*: rows and tokens a second at several numbers of slots, with flash attention as the rule says
and, at 32 slots, the other way; a prompt and equal steps with one cache and with a cache for each
row. *Memory*: what the device has less of, with the model and with each context.

Each figure is a cell of the file, under device, build and model; cells that are there are skipped,
so a run that was stopped goes on.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from t2local.events import Decision
from t2local.llm import machine
from t2local.llm.backbone import Backbone
from t2local.llm.decoder import Decoder
from t2local.llm.requests import Completion, Request
from t2local.llm.sampling import RowStream
from t2local.llm.store import find
from t2local.llm.tuning_bench import Block, cache_seconds
from t2local.system.atomic import atomic

SLOTS = (1, 8, 32, 64, 128)
PROMPT, NUMBERS, SCORED, WRITTEN = 1024, 9, 12, 32
#: How fixed rows are scored: rows at a time.
WAYS = {"scores, one by one": 1, "scores, side by side": SCORED}
#: Mean difference of a token's log-probability that counts as rounding whatever the reference says:
#: half of a percent of a probability is less than any choice notices.
ROUNDING = 0.005


def fixed_texts() -> list[bytes]:
    """Rows that exist already: they follow from nothing that a model or a machine does."""
    rows = [[(i * 37 + j * 11) % 100 for j in range(NUMBERS)] for i in range(SCORED)]
    return [json.dumps(row, separators=(",", ":")).encode() for row in rows]


class Device:
    """A loaded model, with the block that it writes."""

    def __init__(self, model: Backbone) -> None:
        self.model = model
        self._block = Block.of(model, PROMPT, NUMBERS)

    def decoder(self, slots: int) -> Decoder:
        """A decoder after the prompt."""
        decoder = Decoder(
            self.model,
            slots=slots,
            prefix_tokens=len(self._block.prompt),
            max_row_tokens=self._block.row_tokens,
        )
        decoder.prefill(self._block.prompt)
        return decoder

    def requests(self, n_rows: int, texts: Sequence[bytes] = ()) -> list[Request]:
        """Rows to write, or texts to score."""
        segments = self._block.requests[0].segments
        return [
            Request(segments, RowStream(1, row=row), tuple(texts[row : row + 1]))
            for row in range(n_rows)
        ]

    def complete(self, slots: int, requests: Sequence[Request]) -> list[Completion]:
        """All completions, in order."""
        with self.decoder(slots) as decoder:
            done = dict(decoder.complete(requests))
        return [done[i] for i in range(len(requests))]

    def scores(self, slots: int) -> list[list[float]]:
        """The log-probabilities of the tokens of each fixed row."""
        completions = self.complete(slots, self.requests(SCORED, fixed_texts()))
        return [[logprob for _, logprob in done.token_logprobs[0]] for done in completions]

    def rows(self) -> list[str]:
        """Rows written with one seed; a row that failed is empty."""
        return ["".join(done.texts) for done in self.complete(32, self.requests(WRITTEN))]


def identity(model: Backbone) -> str:
    """Device, build and model: what a figure belongs to."""
    here = machine.identity()
    device = "; ".join(here.devices)
    return f"{device} | {here.cores} cores | {here.llama_cpp_python} | {model.name} {model.sha256}"


def reference(device: Device) -> dict[str, Any]:
    """What another device is compared with."""
    return {
        "identity": identity(device.model),
        "sha256": device.model.sha256,
        "gpu": [gpu.description for gpu in machine.gpus()],
        **{name: device.scores(slots) for name, slots in WAYS.items()},
        "rows": device.rows(),
    }


def correctness(device: Device, other: dict[str, Any]) -> dict[str, Any]:
    """How far this device is from a reference, beside the reference's own rounding."""
    own = difference(*(other[name] for name in WAYS))
    gaps = {name: difference(device.scores(slots), other[name]) for name, slots in WAYS.items()}
    worst = max(gap["mean"] for gap in gaps.values())
    first, second = device.rows(), device.rows()
    same = [mine == theirs for mine, theirs in zip(first, other["rows"], strict=True)]
    return {
        "reference": other["identity"],
        "own rounding of the reference": own,
        **gaps,
        "within rounding": worst <= max(ROUNDING, 2 * own["mean"]),
        "equal when written again": first == second,
        "valid rows": float(np.mean([is_valid(row) for row in first])),
        "rows equal to the reference's": float(np.mean(same)),
    }


def difference(mine: list[list[float]], theirs: list[list[float]]) -> dict[str, float]:
    """Mean and largest difference of the log-probability of a token."""
    pairs = zip(mine, theirs, strict=True)
    gaps = np.concatenate([np.abs(np.subtract(a, b)) for a, b in pairs])
    return {"mean": float(gaps.mean()), "largest": float(gaps.max())}


def is_valid(text: str) -> bool:
    """Whether a row is what the grammar asks for."""
    try:
        row = json.loads(text)
    except json.JSONDecodeError:
        return False
    return len(row) == NUMBERS and all(value in range(100) for value in row)


def speed(device: Device, slots: int, seconds: float) -> dict[str, Any]:
    """Tokens and rows a second while all slots are busy, after a part that is not counted."""
    before = free_bytes()
    began = time.perf_counter()
    with device.decoder(slots) as decoder:
        prompt_seconds = time.perf_counter() - began
        for _ in decoder.complete(device.requests(slots)):
            pass
        tokens_a_row = decoder.counters.row_tokens / slots
        requests = device.requests(10_000)
        tokens = decoder.counters.row_tokens
        began = time.perf_counter()
        for _ in decoder.complete(requests, until=began + seconds):
            pass
        token_speed = (decoder.counters.row_tokens - tokens) / (time.perf_counter() - began)
        return {
            "slots": slots,
            "flash attention": device.model.flash_attention.value,
            "rows/s": token_speed / tokens_a_row,
            "row tokens/s": token_speed,
            "prompt tokens/s, context included": PROMPT / prompt_seconds,
            "device memory of the context, MB": (before - free_bytes()) / 1e6,
            "peak of this process, MB": peak_megabytes(),
        }


def caches(device: Device, slots: int) -> dict[str, float]:
    """A cache for each row beside one for all: times as fast, the median of three pairs."""
    pairs = []
    for _ in range(3):
        shared = cache_seconds(device.model, slots, unified=True)
        split = cache_seconds(device.model, slots, unified=False)
        pairs.append(np.divide(shared, split))
    prompt, steps = np.median(pairs, axis=0)
    return {"slots": slots, "prompt": float(prompt), "equal steps": float(steps)}


def free_bytes() -> int:
    """Free memory of the first GPU; of main memory where there is none."""
    return machine.free_memory()


def peak_megabytes() -> float:
    """Peak resident memory of this process."""
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def cells(
    device: Device, slots: Sequence[int], seconds: float, other: dict[str, Any] | None
) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """The name of each cell, and what measures it."""
    if other:
        yield "correctness", lambda: correctness(device, other)
    rule = device.model.flash_attention
    opposite = {"off": "on"}.get(rule.value, "off")
    for n in slots:
        for way in {rule.value} | ({opposite} if n == 32 else set()):
            yield (
                f"{n} slots, flash attention {way}",
                lambda n=n, way=way: with_flash(device, way, lambda: speed(device, n, seconds)),
            )
    for n in (1, 32):
        yield f"caches, {n} rows", lambda n=n: caches(device, n)


def with_flash(device: Device, way: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A measurement with flash attention another way."""
    rule = device.model.flash_attention
    device.model.flash_attention = Decision(rule.what, way, "measured")
    try:
        return measure()
    finally:
        device.model.flash_attention = rule


def measure(
    device: Device, out: Path, slots: Sequence[int], seconds: float, other: dict[str, Any] | None
) -> None:
    """Fill the cells that are missing in the file."""
    results = json.loads(out.read_text()) if out.is_file() else {}
    mine = results.setdefault(identity(device.model), {})
    for name, measurement in cells(device, slots, seconds, other):
        if name not in mine:
            mine[name] = measurement()
            write(out, results)
        print(f"{name}: {json.dumps(mine[name])}", flush=True)


def write(out: Path, content: dict[str, Any]) -> None:
    """The whole file anew, or the old one."""
    with atomic(out) as file:
        file.write(json.dumps(content, indent=1) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=["reference", "measure"])
    parser.add_argument("--model", help="a model of the store, or a GGUF file [starter]")
    parser.add_argument("--reference", type=Path, help="what the first step wrote")
    parser.add_argument("--slots", type=int, nargs="+", default=SLOTS)
    parser.add_argument("--seconds", type=float, default=10, help="for each number of slots")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    before = free_bytes()
    with closing(Backbone(find(chosen.model))) as model:
        print(f"memory with the model: {(before - free_bytes()) / 1e6:.0f} MB less", flush=True)
        if not machine.gpus():
            print("no GPU that this build of llama.cpp can use: a CPU is measured", flush=True)
        device = Device(model)
        if chosen.step == "reference":
            write(chosen.out, reference(device))
            return
        other = json.loads(chosen.reference.read_text()) if chosen.reference else None
        if other and other["sha256"] != model.sha256:
            raise SystemExit(f"{chosen.reference} is of another model")
        measure(device, chosen.out, chosen.slots, chosen.seconds, other)


if __name__ == "__main__":
    main()

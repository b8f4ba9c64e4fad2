"""What a user would write with llama-cpp-python and Outlines, and the paper's way of asking; both as their manuals have it."""

import json
import time
from pathlib import Path
from typing import Any

import llama_cpp
import outlines

from bench.tables import Table

#: Compact JSON. Left free, as by default, a small model sometimes writes blanks until its tokens are spent: seen here with 1 of 3 calls.
_COMPACT = {"whitespace_flexible": False}
#: Restated parents are constants, and pretty printing is asked for in the grammar: the model cannot save tokens on its own.
_PRETTY = {"whitespace_flexible": False, "item_separator": ",\n    ", "key_separator": ": "}
#: What one call may write.
MOST_TOKENS = 8000


def load(path: Path, threads: int) -> llama_cpp.Llama:
    """The high-level class with what its manual advises: all threads, flash attention, a context for the longest call."""
    return llama_cpp.Llama(
        str(path),
        n_ctx=16_384,
        n_threads=threads,
        n_threads_batch=threads,
        flash_attn=True,
        verbose=False,
        seed=1,
    )


def common(llama: llama_cpp.Llama, table: Table, rows: int, batch: int) -> dict[str, Any]:
    """Outlines: a JSON array of ``batch`` objects a call."""
    schema = {
        "type": "array",
        "items": table.object_schema(),
        "minItems": batch,
        "maxItems": batch,
        "x-guidance": _COMPACT,
    }
    generator = outlines.Generator(
        outlines.from_llamacpp(llama, chat_mode=False),
        outlines.json_schema(json.dumps(schema)),
        backend="llguidance",
    )
    prompt = (
        table.brief()
        + "Real rows:\n"
        + json.dumps(table.records(), separators=(",", ":"))
        + f"\n{batch} new rows:\n"
    )
    usage = {"rows": 0, "prompt": 0, "text": 0}
    began = time.perf_counter()
    for _ in range(0, rows, batch):
        text = generator(prompt, max_tokens=MOST_TOKENS, temperature=1.0)
        _count(llama, usage, prompt, text, batch)
    return _figures(usage, time.perf_counter() - began)


def paper(llama: llama_cpp.Llama, table: Table, rows: int, batch: int) -> dict[str, Any]:
    """The plan, worker by worker: each call restates the parents' values of all rows and adds the worker's own."""
    model = outlines.from_llamacpp(llama, chat_mode=False)
    usage = {"rows": 0, "prompt": 0, "text": 0}
    began = time.perf_counter()
    for _ in range(0, rows, batch):
        written: list[dict[str, Any]] = [{} for _ in range(batch)]
        for component in table.plan.line():
            given = [
                name
                for role in component.parents
                for c in table.plan.components
                if c.role == role
                for name in c.features
            ]
            names = [*given, *component.features]
            objects = [
                _object(table, names, {name: row[name] for name in given}) for row in written
            ]
            schema = {
                "type": "array",
                "prefixItems": objects,
                "items": False,
                "minItems": batch,
                "x-guidance": _PRETTY,
            }
            examples = json.dumps(
                [{n: record[n] for n in names} for record in table.records()], indent=4
            )
            prompt = (
                f"You are the {component.role} worker.\n{table.brief()}Real rows:\n{examples}\n"
            )
            if given:
                prompt += f"Rows to complete:\n{json.dumps([{n: row[n] for n in given} for row in written], indent=4)}\n"
            generator = outlines.Generator(
                model, outlines.json_schema(json.dumps(schema)), backend="llguidance"
            )
            text = generator(f"{prompt}{batch} rows:\n", max_tokens=MOST_TOKENS, temperature=1.0)
            _count(llama, usage, prompt, text, batch)
            written = [row | new for row, new in zip(written, json.loads(text), strict=True)]
        usage["rows"] += batch - batch * len(table.plan.components)
    return _figures(usage, time.perf_counter() - began)


def _object(table: Table, names: list[str], given: dict[str, Any]) -> dict[str, Any]:
    schema = table.object_schema(names)
    return {
        **schema,
        "properties": {
            name: {"const": given[name]} if name in given else cell
            for name, cell in schema["properties"].items()
        },
    }


def _count(
    llama: llama_cpp.Llama, usage: dict[str, int], prompt: str, text: str, batch: int
) -> None:
    if len(json.loads(text)) != batch:
        raise SystemExit("a baseline wrote another number of rows")
    usage["rows"] += batch
    usage["prompt"] += len(llama.tokenize(prompt.encode()))
    usage["text"] += len(llama.tokenize(text.encode(), add_bos=False))


def _figures(usage: dict[str, int], seconds: float) -> dict[str, Any]:
    rows, tokens = usage["rows"], usage["prompt"] + usage["text"]
    return {
        "rows": rows,
        "rows/s": rows / seconds,
        "tokens a row": tokens / rows,
        "prompt tokens a row": usage["prompt"] / rows,
        "written tokens a row": usage["text"] / rows,
        "tokens/s": tokens / seconds,
        "seconds": seconds,
    }

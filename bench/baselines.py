"""What a user would write with llama-cpp-python and Outlines, and the paper's way of asking.

Both as their manuals have it.
"""

import json
import time
from pathlib import Path
from typing import Any

import llama_cpp
import outlines

from bench.tables import Table
from t2local.team.plan import Plan

#: Compact JSON. Left free, as by default, a small model sometimes writes blanks until its tokens
#: are spent: seen here with 1 of 3 calls.
_COMPACT = {"whitespace_flexible": False}
#: Restated parents are constants, and the grammar demands pretty printing: the model cannot save
#: tokens on its own.
_PRETTY = {"whitespace_flexible": False, "item_separator": ",\n    ", "key_separator": ": "}
#: What one call may write.
MOST_TOKENS = 8000


def load(path: Path, threads: int) -> llama_cpp.Llama:
    """The high-level class with what its manual advises.

    All threads, flash attention, a context for the longest call.
    """
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
    generator = _generator(outlines.from_llamacpp(llama, chat_mode=False), schema)
    examples = json.dumps(table.records(), separators=(",", ":"))
    prompt = f"{table.brief()}Real rows:\n{examples}\n{batch} new rows:\n"
    usage = {"rows": 0, "prompt": 0, "text": 0}
    start = time.perf_counter()
    for _ in range(0, rows, batch):
        text = generator(prompt, max_tokens=MOST_TOKENS, temperature=1.0)
        _count(llama, usage, prompt, text, batch)
    return _figures(usage, time.perf_counter() - start)


def paper(llama: llama_cpp.Llama, table: Table, rows: int, batch: int) -> dict[str, Any]:
    """The plan, worker by worker.

    Each call restates the parents' values of all rows and adds the worker's own.
    """
    model = outlines.from_llamacpp(llama, chat_mode=False)
    usage = {"rows": 0, "prompt": 0, "text": 0}
    start = time.perf_counter()
    for _ in range(0, rows, batch):
        written: list[dict[str, Any]] = [{} for _ in range(batch)]
        for component in table.plan.line():
            parents = _features_of(table.plan, component.parents)
            names = [*parents, *component.features]
            prompt = _worker_prompt(table, component.role, names, parents, written)
            generator = _generator(model, _completed_rows(table, names, parents, written))
            text = generator(prompt, max_tokens=MOST_TOKENS, temperature=1.0)
            _count(llama, usage, prompt, text, batch)
            written = [row | new for row, new in zip(written, json.loads(text), strict=True)]
        # Every worker's call counted the same rows once more.
        usage["rows"] += batch - batch * len(table.plan.components)
    return _figures(usage, time.perf_counter() - start)


def _generator(model: Any, schema: dict[str, Any]) -> outlines.Generator:
    return outlines.Generator(model, outlines.json_schema(json.dumps(schema)), backend="llguidance")


def _features_of(plan: Plan, roles: tuple[str, ...]) -> list[str]:
    """The features of some roles, in the order of the roles."""
    by_role = {component.role: component.features for component in plan.components}
    return [name for role in roles for name in by_role[role]]


def _worker_prompt(
    table: Table, role: str, names: list[str], parents: list[str], rows: list[dict[str, Any]]
) -> str:
    examples = _pretty(table.records(), names)
    prompt = f"You are the {role} worker.\n{table.brief()}Real rows:\n{examples}\n"
    if parents:
        prompt += f"Rows to complete:\n{_pretty(rows, parents)}\n"
    return f"{prompt}{len(rows)} rows:\n"


def _pretty(rows: list[dict[str, Any]], names: list[str]) -> str:
    return json.dumps([{name: row[name] for name in names} for row in rows], indent=4)


def _completed_rows(
    table: Table, names: list[str], parents: list[str], rows: list[dict[str, Any]]
) -> dict[str, Any]:
    """The JSON Schema of the rows with their parents' values and what the worker adds."""
    objects = [_object(table, names, {name: row[name] for name in parents}) for row in rows]
    return {
        "type": "array",
        "prefixItems": objects,
        "items": False,
        "minItems": len(rows),
        "x-guidance": _PRETTY,
    }


def _object(table: Table, names: list[str], given: dict[str, Any]) -> dict[str, Any]:
    schema = table.object_schema(names)
    constants = {name: {"const": value} for name, value in given.items()}
    return {**schema, "properties": schema["properties"] | constants}


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

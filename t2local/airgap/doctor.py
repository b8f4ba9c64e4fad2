"""What a person needs to know when t2local does not run as it should."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from t2local.errors import ModelError
from t2local.llm.catalog import ChatFormat, entries
from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar
from t2local.llm.manifest import folder, manifests, unreadable
from t2local.llm.model import Model
from t2local.llm.requests import Request, Segment
from t2local.llm.sampling import RowStream
from t2local.llm.store import ModelFile, find
from t2local.stats.streams import Stream
from t2local.system.environment import environment
from t2local.system.json_text import JsonObject

if TYPE_CHECKING:
    from t2local.llm.tuning_memory import Tuning

#: One name, and one line for each value; for people and programs alike.
Findings = dict[str, str | list[str]]

#: An array of two digits: the smallest row that passes prompt, grammar, sampling and decoding.
_TWO_DIGITS: JsonObject = {
    "type": "array",
    "prefixItems": [{"type": "integer", "minimum": 0, "maximum": 9}] * 2,
    "items": False,
    "minItems": 2,
    "maxItems": 2,
}
#: Tokens of that row with room to spare.
_MAX_ROW_TOKENS = 16


def examine(name: str | None) -> Findings:
    """Versions, CPU, devices, known problems, model store, model, and a decode of two numbers.

    **Parameters:**

    * **name**: a model of the store or the catalogue, or a GGUF file; none: the starter model.

    **Raises** `ModelError` when the model cannot be used.
    """
    file = find(name)
    # Only now: llama.cpp is not even imported for a file that was altered.
    from t2local.llm.backbone import Backbone
    from t2local.llm.tuning_memory import recall

    findings = _machine()
    tuning = recall(file.sha256)
    with closing(Backbone(file, tuning=tuning)) as model:
        findings["model"] = [f"{file.name}: {file.path}", _hash(file), file.licence]
        for choice in model.decisions():
            findings[choice.what] = f"{choice.value} ({choice.reason})"
        findings["tuning"] = list(_tuning(tuning))
        findings["chat text"] = list(_chat_text(file.chat))
        findings["decode"] = _decode(model)
    return findings


def bench(name: str | None, tell: Callable[[str], None]) -> None:
    """Measure what is fastest for a model on this machine, and remember it for later runs.

    **Parameters:**

    * **name**: as `examine` takes it.
    * **tell**: takes a line about each thing that was measured.

    **Raises** `ModelError` when the model cannot be used.
    """
    file = find(name)
    from t2local.llm.backbone import Backbone
    from t2local.llm.tuning_bench import measure
    from t2local.llm.tuning_memory import remember

    with closing(Backbone(file)) as model:
        remember(file.sha256, measure(model, tell))


def _chat_text(chat: ChatFormat) -> Iterator[str]:
    # As JSON: control text of a stranger may hold what controls a terminal.
    yield f"before a prompt {json.dumps(chat.opening)}"
    yield f"after it        {json.dumps(chat.closing)}"
    if chat.thought:
        yield f"before and after a thought {json.dumps([chat.thought.closing, chat.thought.end])}"


def _tuning(tuning: "Tuning") -> Iterator[str]:
    from t2local.llm.tuning_memory import path

    if not tuning.date:
        yield "not measured on this machine: doctor --bench"
        return
    yield f"measured on {tuning.date}, kept in {path()}; delete that file to forget it"
    yield from map(str, tuning.comparisons)
    if not any(comparison.taken for comparison in tuning.comparisons):
        yield "nothing was clearly faster than the rules: runs are as they were"


def _machine() -> Findings:
    from t2local.llm.machine import gpu_support, problems, system_info, threads

    here = environment()
    choice = threads(0)
    return {
        "python": f"{here.python} on {here.system}",
        "packages": [f"{name} {version}" for name, version in here.packages.items()],
        "cpu": system_info(),
        "threads": f"{choice.value} ({choice.reason})",
        "model store": [str(folder()), *_stored_models()],
        "devices": list(_devices()),
        "gpu": [
            gpu_support(),
            "offload is written for Metal and CUDA, and was never run by its developers",
        ],
        "known problems": problems() or ["none found"],
    }


def _stored_models() -> Iterator[str]:
    for name, manifest in manifests().items():
        trial = manifest.checked
        word = trial.word if trial else "not checked: models check"
        yield f"{name}: {manifest.bytes / 1e6:,.0f} MB, {word}"
    yield from (error.message for error in unreadable())


def _devices() -> Iterator[str]:
    from t2local.llm.machine import devices

    for device in devices():
        size = f"{device.total_bytes / 2**30:.1f} GiB"
        yield f"{device.name} ({device.kind}): {device.description}, {size}"


def _hash(file: ModelFile) -> str:
    hashes = {entry.sha256 for entry in entries().values()}
    hashes |= {part.sha256 for manifest in manifests().values() for part in manifest.files}
    if file.sha256 in hashes:
        return f"sha256 {file.sha256}, as expected"
    return f"sha256 {file.sha256}, not in the catalogue"


def _decode(model: Model) -> str:
    """Write one row of two numbers, by the same path as every row, and say how long it took."""
    prompt = model.prompt(["[1,2][3,4]"])
    # The row begins with the last token of the prompt: a request needs one token to go on from.
    segment = Segment(tuple(prompt[-1:]), Grammar(_TWO_DIGITS, model.tokenizer))
    request = Request((segment,), RowStream(1, stream=Stream.SELF_TEST))
    began = time.perf_counter()
    with Decoder(
        model, slots=1, prefix_tokens=len(prompt), max_row_tokens=_MAX_ROW_TOKENS
    ) as decoder:
        decoder.prefill(prompt[:-1])
        _, completion = next(decoder.complete([request]))
    if completion.failure:
        raise ModelError(
            "The model loads and does not decode.",
            faults=[completion.failure],
            next_step="pip install --force-reinstall --no-binary llama-cpp-python llama-cpp-python",
        )
    return f"two numbers under a grammar: ok, {time.perf_counter() - began:.2f} s"

"""Whether a model has all that a run relies on, found by trying it: ``models check``.

Each property is tried on the file itself, by the same path as every row. What does not hold is said
in plain words; nothing here changes how a model is used.
"""

import json
import time
from contextlib import closing
from dataclasses import asdict, dataclass

import numpy as np

from t2local.errors import DecodeError, ResourceError
from t2local.llm.backbone import Backbone
from t2local.llm.catalog import memory_need
from t2local.llm.checks import open_apart
from t2local.llm.decoder import Decoder
from t2local.llm.gguf import parts
from t2local.llm.grammar import Grammar
from t2local.llm.machine import fits
from t2local.llm.manifest import Trial, manifests, now, record
from t2local.llm.model import LogitArray, TokenArray
from t2local.llm.requests import Completion, Request, Segment
from t2local.llm.sampling import RowStream
from t2local.llm.store import ModelFile, find
from t2local.stats.streams import Stream
from t2local.system.environment import environment
from t2local.system.json_text import JsonObject

#: Texts whose tokens must have the same bytes: blanks, line breaks, marks, HTML, U+2581, emoji,
#: letters beside marks that they combine with, right to left.
_TEXTS = (
    " ",
    "  two  blanks ",
    "line\nbreak\r\n\ttab",
    "<b>low</b>",
    "H<sub>2</sub>O",
    "<think>no</think>",
    "<|im_start|>user",
    "[INST] x [/INST]",
    "a\u2581b \u2581\u2581",
    "71;F;28,1;;yes",
    "\u00e9e\u0301\u00e4\u00df\u0153",
    "\u6d4b\u8bd5",
    "\u0645\u0631\u062d\u0628\u0627",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467",
)
#: Rows that share a prompt may differ from rows that do not by this much of the noise of the model:
#: what the same tokens give in one decode and in two, as kernels for long input round otherwise.
#: Starter and Qwen 0.5B: 0.5; with the last token of the prompt twice 1.8 and 3.4.
_NOISE = 1.25
#: Beside that, this share of the spread of the logits: the cache is kept in 16 bits.
_LEAST_NOISE = 0.01
#: Seconds of writing after which no more rows are begun, and after which all writing stops.
_SECONDS, _MOST_SECONDS = 3.0, 20.0
#: Tokens of a row of the trial, with room to spare.
_ROW_TOKENS = 96
#: What the trial writes: a number, a level with marks, a number with a decimal.
_LEVELS = ("<b>low</b>", "mid \u2581", "H<sub>2</sub>O")
_EXAMPLES = (
    '["71","<b>low</b>","28.1"]\n["64","mid \u2581","25.9"]\n["58","H<sub>2</sub>O","31.0"]\n'
)


@dataclass(frozen=True)
class Finding:
    """One property of a model: whether it holds, and what it is or what does not hold."""

    name: str
    holds: bool
    detail: str


@dataclass(frozen=True)
class Speed:
    """What was measured on this machine: seconds to load the model, rows and tokens a second."""

    load_seconds: float
    rows_per_second: float
    tokens_per_second: float


@dataclass(frozen=True)
class ModelCheck:
    """All findings about one file; ``speed`` is none where it came to no trial."""

    file: ModelFile
    findings: tuple[Finding, ...]
    speed: Speed | None

    @property
    def faults(self) -> list[str]:
        """What does not hold, one line for each."""
        return [f"{f.name}: {f.detail}" for f in self.findings if not f.holds]

    @property
    def next_step(self) -> str:
        """What to do where something does not hold."""
        names = {f.name for f in self.findings if not f.holds}
        if names == {"chat format"}:
            return f"python -m t2local models add '{self.file.path}' --chat NAME, or --chat plain"
        if names == {"memory"}:
            return "close other programs, or choose a smaller one: python -m t2local models list"
        return "choose another model: python -m t2local models list"


def check_model(name_or_path: str) -> ModelCheck:
    """Try a model of the store or the catalogue, or a file.

    **Raises** `ModelError` where it cannot be opened at all: no such file, another hash, no GGUF,
    no vocabulary, a chat template that cannot be used, no text generator.
    """
    file = find(name_or_path)
    opened = open_apart(file.path)
    findings = [
        Finding("file", True, f"{opened.header.architecture}, sha256 {file.sha256}"),
        Finding("opening", True, f"in a process of its own, by llama.cpp {opened.opened_by}"),
    ]
    memory = _memory(file)
    if not memory.holds:  # loading it would take the memory of all other programs
        return ModelCheck(file, (*findings, memory), None)
    began = time.perf_counter()
    with closing(Backbone(file)) as model:
        load_seconds = time.perf_counter() - began
        findings += [_vocabulary(model), _chat(file, model)]
        sharing, speed, writing = _trial(model, load_seconds)
        findings += [sharing, _output_layer(model), memory, writing]
    return ModelCheck(file, tuple(findings), speed)


def keep(result: ModelCheck) -> bool:
    """Write the result into the manifest of the model.

    **Returns** whether it is there: the store may have no such model, or may be for reading only.
    """
    manifest = manifests().get(result.file.name)
    if manifest is None or manifest.files[0].sha256 != result.file.sha256:
        return False
    packages = environment().packages
    trial = Trial(
        date=now(),
        t2local=packages["t2local"],
        llama_cpp_python=packages["llama-cpp-python"],
        faults=tuple(result.faults),
        speed=result.speed and asdict(result.speed),
    )
    try:
        record(manifest.model_copy(update={"checked": trial}))
    except ResourceError:
        return False
    return True


def _memory(file: ModelFile) -> Finding:
    """Whether weights and cache fit the memory that is free now."""
    n_bytes = sum(part.stat().st_size for part in parts(file.path))
    fit = fits(memory_need(n_bytes, file.kv_bytes_per_token))
    detail = (
        f"{n_bytes / 1e6:,.0f} MB of weights, {file.kv_bytes_per_token:,} bytes of cache a token; "
        f"{fit.reason}"
    )
    return Finding("memory", bool(fit.value), detail)


def _vocabulary(model: Backbone) -> Finding:
    """Texts come back as they were, and the names of control tokens are text in data."""
    texts = [*_TEXTS, *model.reserved.values()]
    faults = [fault for text in texts if (fault := _text_fault(model, text))]
    if not faults:
        detail = (
            f"{model.n_vocab:,} tokens; {len(texts)} texts come back byte by byte, "
            f"{len(model.reserved)} of them names of control tokens"
        )
        return Finding("vocabulary", True, detail)
    return Finding("vocabulary", False, f"{faults[0]} ({len(faults)} of {len(texts)} texts)")


def _text_fault(model: Backbone, text: str) -> str:
    """What is wrong with the tokens of a text; as JSON, as it may control a terminal."""
    try:
        tokens = model.tokenize(text)
    except DecodeError as error:
        return error.message.removesuffix(".")
    if any(token in model.reserved for token in tokens):
        return f"the text {json.dumps(text)} gives a control token"
    if model.tokenizer.decode_bytes(tokens) != text.encode():
        return f"the text {json.dumps(text)} does not come back"
    return ""


def _chat(file: ModelFile, model: Backbone) -> Finding:
    """The texts around a prompt; marks in them must be control tokens of this model."""
    chat = file.chat
    texts = f"{json.dumps(chat.opening)} before a prompt, {json.dumps(chat.closing)} after it"
    if not chat.opening + chat.closing:
        texts = "no text around a prompt"
    detail = f"{chat.name} ({chat.reason}): {texts}"
    marks = model.ordinary_marks()
    if not marks:
        return Finding("chat format", True, detail)
    listed = json.dumps(" ".join(marks))
    return Finding(
        "chat format", False, f"{listed} is ordinary text to this model, no control token; {detail}"
    )


def _output_layer(model: Backbone) -> Finding:
    """It holds either way: all tokens are slower, and not wrong."""
    choice = next(d for d in model.decisions() if d.what == "output layer")
    return Finding("output layer", True, f"{choice.value} ({choice.reason})")


def _trial(model: Backbone, load_seconds: float) -> tuple[Finding, Speed | None, Finding]:
    """Rows that are told and rows that are written; a failure of llama.cpp is a finding."""
    try:
        sharing = _sharing(model)
    except DecodeError as error:
        sharing = Finding("prefix sharing", False, error.message)
    try:
        return sharing, *_speed(model, load_seconds)
    except DecodeError as error:
        return sharing, None, Finding("writing", False, error.message)


def _sharing(model: Backbone) -> Finding:
    """Rows that share a prompt against the same tokens decoded alone."""
    prompt = model.prompt([_EXAMPLES])
    prefix = prompt[:-1]
    requests = _given_rows(model, prompt)
    with Decoder(
        model,
        slots=4,  # fewer than rows, so that their places are used again
        prefix_tokens=len(prompt),
        max_row_tokens=_ROW_TOKENS,
    ) as decoder:
        decoder.prefill(prefix)
        completions = dict(decoder.complete(requests))
    shares, noises = [], []
    for row, request in enumerate(requests):
        first_logits = completions[row].first_logits
        if first_logits is None:
            return Finding("prefix sharing", False, f"a row failed: {completions[row].failure}")
        allowed, shared = first_logits
        own = [token for segment in request.segments for token in segment.opening]
        alone = _logits_alone(model, [prefix, own], allowed)
        noises.append(_difference(alone, _logits_alone(model, [prefix + own], allowed)))
        shares.append(_difference(alone, shared))
    spread = _logits_alone(model, [prefix], slice(None)).std()
    difference, noise = (float(np.sqrt(np.mean(d)) / spread) for d in (shares, noises))
    detail = (
        f"the logits of {len(requests)} rows after a shared prompt of {len(prompt)} tokens are off "
        f"by {difference:.3f} of their spread, where the noise of this model is {noise:.3f}"
    )
    return Finding("prefix sharing", difference <= max(_LEAST_NOISE, _NOISE * noise), detail)


def _given_rows(model: Backbone, prompt: list[int]) -> list[Request]:
    """Rows of which all tokens are known before a choice, whose logits are kept."""
    choice = Grammar({"type": "integer", "minimum": 0, "maximum": 99}, model.tokenizer)
    number = Segment(tuple(model.tokenize(",")), choice, sees=(0,), keep_logits=True)
    given = [
        Segment(tuple(prompt[-1:]), Grammar({"const": text}, model.tokenizer)) for text in _TEXTS
    ]
    # JSON has two ways to write a line break: the tokens of such a text are not known.
    given = [segment for segment in given if segment.grammar.start().is_stopped()]
    return [Request((segment, number), _stream(row)) for row, segment in enumerate(given)]


def _difference(one: LogitArray, other: LogitArray) -> float:
    """The largest square difference; logits mean something up to a constant only."""
    difference = (one - one.mean()) - (other - other.mean())
    return float(np.square(difference).max())


def _logits_alone(
    model: Backbone, parts_of_row: list[list[int]], wanted: TokenArray | slice
) -> LogitArray:
    """Logits after some tokens, decoded part by part in a context that holds nothing else."""
    n_tokens = sum(map(len, parts_of_row))
    start = 0
    with closing(model.context(n_tokens, 1)) as context:
        for tokens in parts_of_row:
            positions = np.arange(start, start + len(tokens), dtype=np.int32)
            start += len(tokens)
            logits = context.decode(
                np.array(tokens, dtype=np.int32),
                positions,
                np.zeros(len(tokens), dtype=np.int32),
                positions == n_tokens - 1,
                full=isinstance(wanted, slice),
            )
        return np.array(logits[0, wanted])


def _speed(model: Backbone, load_seconds: float) -> tuple[Speed | None, Finding]:
    """Rows under a small grammar, for some seconds; each must be a row of that grammar."""
    prompt = model.prompt([_EXAMPLES])
    segment = Segment(tuple(prompt[-1:]), Grammar(_row_schema(), model.tokenizer))
    slots = model.slots(0, _ROW_TOKENS).value
    with Decoder(
        model, slots=slots, prefix_tokens=len(prompt), max_row_tokens=_ROW_TOKENS
    ) as decoder:
        decoder.prefill(prompt[:-1])
        began = time.perf_counter()
        completions: list[Completion] = []
        while time.perf_counter() < began + _SECONDS:
            first = len(completions)
            requests = [Request((segment,), _stream(first + row)) for row in range(slots)]
            rows = decoder.complete(requests, until=began + _MOST_SECONDS)
            completions += [completion for _, completion in rows]
        seconds = time.perf_counter() - began
        n_tokens = decoder.counters.row_tokens
    if not completions:
        slow = f"no row was complete after {seconds:.0f} s, at {n_tokens / seconds:.1f} tokens/s"
        return None, Finding("writing", False, slow)
    failures = [completion.failure for completion in completions if completion.failure]
    levels = {json.loads(c.texts[0])[1] for c in completions if not c.failure}
    if failures or not levels <= set(_LEVELS):
        reason = next(iter(failures), "a level that the grammar does not have")
        return None, Finding("writing", False, f"{len(failures)} rows failed: {reason}")
    speed = Speed(load_seconds, len(completions) / seconds, n_tokens / seconds)
    detail = (
        f"{speed.rows_per_second:.1f} rows/s, {speed.tokens_per_second:.0f} tokens/s, {slots} rows "
        f"side by side ({len(completions)} rows in {seconds:.1f} s); loaded in {load_seconds:.1f} s"
    )
    return speed, Finding("writing", True, detail)


def _row_schema() -> JsonObject:
    """A row of the trial: a number, a level, a number with a decimal."""
    cells: list[JsonObject] = [
        {"type": "string", "pattern": "^[1-9][0-9]$"},
        {"type": "string", "enum": list(_LEVELS)},
        {"type": "string", "pattern": "^[1-9][0-9][.][0-9]$"},
    ]
    n_cells = len(cells)
    return {
        "type": "array",
        "prefixItems": cells,
        "items": False,
        "minItems": n_cells,
        "maxItems": n_cells,
    }


def _stream(row: int) -> RowStream:
    return RowStream(1, row=row, stream=Stream.SELF_TEST)

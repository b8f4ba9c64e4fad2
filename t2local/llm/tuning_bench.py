"""What is fastest for a model on this machine, by measuring: ``doctor --bench``.

A block of short rows is written by the same decoder as every row, with the settings so far and with
another one, in turns. Machines are noisy, so another setting is taken only when it wins nearly all
pairs, and clearly. What changes nothing keeps the rows of earlier runs repeatable.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from t2local.errors import ResourceError
from t2local.events import Decision
from t2local.llm.backbone import Backbone
from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar
from t2local.llm.machine import computing_seconds, cpus, free_memory
from t2local.llm.model import Logits
from t2local.llm.requests import Request, Segment
from t2local.llm.sampling import RowStream
from t2local.llm.tuning_memory import MAX_SLOTS, Comparison, Tuning
from t2local.stats.streams import Stream

#: Rows of a block, as in a run (`team.block_rows`): the last ones of a block leave slots empty.
_ROWS = 100
#: Tokens of the prompt and numbers of a row: the largest that takes `_BLOCK_SECONDS`.
_SIZES = ((256, 1), (512, 2), (1024, 4))
_BLOCK_SECONDS = 3.0
#: The same for a wide table.
_LONG = (3000, 4)
#: Tokens that a row of a table takes, to which the shorter rows of a block are scaled.
_ROW_TOKENS = 24
#: A setting is taken when the median of its pairs is above this, and all pairs but one above 1.
_CLEARLY_FASTER = 1.05
_PAIRS = 5
#: Seconds after which no new pair is begun; for a slow model the time of so many blocks.
_SECONDS, _BLOCKS = 90, 40
#: The cache is compared with this prompt, so many steps, and no more sequences than these.
_CACHE_PROMPT, _CACHE_STEPS, _CACHE_SEQUENCES, _CACHE_PAIRS = 512, 16, 32, 3


#: Share of the cores above which other programs would decide what is fastest.
_BUSY = 0.1


class _Others:
    """What other programs compute meanwhile on the cores of this process."""

    def __init__(self) -> None:
        self._began = self._now()

    def check(self) -> None:
        """**Raises** `ResourceError` when it is so much that they would decide what is fastest."""
        wall, own, every = (
            now - before for now, before in zip(self._now(), self._began, strict=True)
        )
        share = (every - own) / (wall * len(cpus()))
        if share > _BUSY:
            raise ResourceError(
                f"Other programs used {share:.0%} of the cores meanwhile; nothing is remembered.",
                next_step="run this again when nothing else computes: python -m t2local doctor "
                "--bench",
            )

    def _now(self) -> tuple[float, float, float]:
        return time.perf_counter(), time.process_time(), computing_seconds()


@dataclass(frozen=True)
class Trial:
    """Settings to write a block with."""

    threads: int
    slots: int
    flash_attention: str


@dataclass(frozen=True)
class Block:
    """A block of rows to write: tokens of its prompt, and its requests."""

    prompt: tuple[int, ...]
    requests: tuple[Request, ...]
    row_tokens: int

    @classmethod
    def of(cls, model: Backbone, n_prompt: int, n_numbers: int) -> "Block":
        """A block after a prompt of ``n_prompt`` tokens, in rows of ``n_numbers`` numbers."""
        n_prompt = min(n_prompt, model.context_length // 2)
        text = "".join(f"[{i},{i * 7 % 100}]" for i in range(10, 10 + n_prompt))
        schema = {
            "type": "array",
            "prefixItems": [{"type": "integer", "minimum": 0, "maximum": 99}] * n_numbers,
            "items": False,
            "minItems": n_numbers,
        }
        segment = Segment((), Grammar(schema, model.tokenizer))
        requests = tuple(
            Request((segment,), RowStream(1, row=row, stream=Stream.REHEARSAL_TOKENS))
            for row in range(_ROWS)
        )
        # A digit, a comma or a bracket may be a token, and a byte is one at most.
        return cls(tuple(model.tokenize(text)[:n_prompt]), requests, 3 * n_numbers + 2)

    def seconds(self, model: Backbone, trial: Trial) -> float:
        """Seconds of its prompt and of rows of usual length, without opening the context."""
        model.threads = Decision("threads", trial.threads, "tried")
        model.flash_attention = Decision("flash attention", trial.flash_attention, "tried")
        with Decoder(
            model,
            slots=trial.slots,
            prefix_tokens=len(self.prompt),
            max_row_tokens=self.row_tokens,
        ) as decoder:
            began = time.perf_counter()
            decoder.prefill(self.prompt)
            prompt_seconds = time.perf_counter() - began
            began = time.perf_counter()
            for _ in decoder.complete(self.requests):
                pass
            row_seconds = time.perf_counter() - began
            tokens_a_row = decoder.counters.row_tokens / len(self.requests)
            return prompt_seconds + row_seconds * _ROW_TOKENS / tokens_a_row


def measure(model: Backbone, tell: Callable[[str], None]) -> Tuning:
    """Measure for a minute or two; longer for a model of which a block takes long.

    **Parameters:**

    * **model**: loaded without a tuning; its settings are changed meanwhile.
    * **tell**: takes a line about each setting that was measured.

    **Raises** `ResourceError` when other programs compute meanwhile.
    """
    others = _Others()
    slots = model.slots(0, _SIZES[-1][0]).value
    rule = best = Trial(model.threads.value, slots, model.flash_attention.value)
    block, seconds = _sized_block(model, rule)
    others.check()
    deadline = time.perf_counter() + max(_SECONDS, _BLOCKS * seconds)
    tell(f"a block of short rows takes {seconds:.1f} s; up to {_PAIRS} pairs for each setting")
    comparisons = []
    for setting, value in _candidates(model, rule):
        trial = replace(best, **{setting: value})  # type: ignore[arg-type]
        what = f"{setting.replace('_', ' ')} {value} instead of {getattr(best, setting)}"
        comparison = _compare(what, model, block, best, trial, deadline)
        if comparison.taken and setting == "flash_attention":
            # Which way is faster turns with the length of the prompt: it must be so with both.
            comparisons.append(comparison.model_copy(update={"taken": False}))
            tell(str(comparisons[-1]))
            what = f"{what}, long prompt"
            comparison = _compare(what, model, Block.of(model, *_LONG), best, trial, deadline)
        comparisons.append(comparison)
        tell(str(comparison))
        if comparison.taken:
            best = trial
    for comparison in _compare_caches(model, best, deadline):
        comparisons.append(comparison)
        tell(str(comparison))
    others.check()
    changes = {name: value for name, value in vars(best).items() if value != getattr(rule, name)}
    today = datetime.now(UTC).date().isoformat()
    return Tuning(date=today, comparisons=tuple(comparisons), **changes)


def _sized_block(model: Backbone, rule: Trial) -> tuple[Block, float]:
    """The largest block that is measured fast enough, and the seconds that it takes."""
    for size in _SIZES:
        block = Block.of(model, *size)
        block.seconds(model, rule)  # parts of the grammars are compiled when they are met
        began = time.perf_counter()
        block.seconds(model, rule)
        seconds = time.perf_counter() - began
        # The next size has twice the tokens.
        if 2 * seconds > _BLOCK_SECONDS:
            break
    return block, seconds


def _candidates(model: Backbone, rule: Trial) -> Iterator[tuple[str, int | str]]:
    """Settings beside those of the rules: threads first, as they may change most."""
    if not model.layers_on_gpu.value:
        counts = {rule.threads // 2, rule.threads * 3 // 4, len(cpus())} - {0, rule.threads}
        yield from (("threads", count) for count in sorted(counts, reverse=True))
    yield from (("slots", n) for n in (rule.slots // 2, 2 * rule.slots) if 0 < n <= MAX_SLOTS)
    yield "flash_attention", {"off": "on"}.get(rule.flash_attention, "off")


def _compare(
    what: str, model: Backbone, block: Block, usual: Trial, other: Trial, deadline: float
) -> Comparison:
    """Write the block with both settings in turns, until one cannot win any more."""
    ratios: list[float] = []
    while len(ratios) < _PAIRS and time.perf_counter() < deadline and _may_win(ratios):
        order = [usual, other]
        if len(ratios) % 2:  # whoever comes second may find a warmer or a slower machine
            order.reverse()
        seconds = {trial: block.seconds(model, trial) for trial in order}
        ratios.append(seconds[usual] / seconds[other])
    taken = len(ratios) == _PAIRS and _may_win(ratios)
    return Comparison(what=what, speeds=tuple(ratios), taken=taken)


def _may_win(ratios: Sequence[float]) -> bool:
    """Whether pairs to come could still show that the other setting is clearly faster."""
    n_unclear = sum(ratio <= _CLEARLY_FASTER for ratio in ratios)
    n_slower = sum(ratio <= 1 for ratio in ratios)
    return n_unclear <= _PAIRS // 2 and n_slower <= 1


def _compare_caches(model: Backbone, best: Trial, deadline: float) -> Iterator[Comparison]:
    """A cache for each row beside the one cache that rows share, at its best: equal steps.

    It is measured and never taken. Rows get different numbers of tokens in a step, for which
    llama.cpp would run the model several times with such a cache, and each row would hold a copy
    of the prompt.
    """
    tokens_of_a_row = _CACHE_PROMPT + _CACHE_STEPS
    n_fitting = free_memory() // 4 // max(1, tokens_of_a_row * model.kv_bytes_per_token)
    n_rows = min(best.slots, _CACHE_SEQUENCES, n_fitting or 1)
    if not model.can_rewind or tokens_of_a_row > model.context_length:
        return
    model.threads = Decision("threads", best.threads, "tried")
    model.flash_attention = Decision("flash attention", best.flash_attention, "tried")
    pairs: list[tuple[float, float]] = []
    while len(pairs) < _CACHE_PAIRS and time.perf_counter() < deadline:
        shared = cache_seconds(model, n_rows, unified=True)
        split = cache_seconds(model, n_rows, unified=False)
        pairs.append((shared[0] / split[0], shared[1] / split[1]))
    for part, ratios in zip(("prompt", "rows"), zip(*pairs, strict=True), strict=False):
        what = f"a cache for each row instead of one for all, {part}"
        yield Comparison(what=what, speeds=ratios)


def cache_seconds(model: Backbone, n_rows: int, *, unified: bool) -> tuple[float, float]:
    """Seconds of a prompt, and of rows after it that each get one token a step."""
    model.unified_cache = unified
    n_tokens = _CACHE_PROMPT + _CACHE_STEPS
    if unified:
        n_tokens = _CACHE_PROMPT + n_rows * _CACHE_STEPS
    try:
        context = model.context(n_tokens, n_rows + 1)
    finally:
        model.unified_cache = True
    tokens = np.array(model.tokenize("[12,34] " * _CACHE_PROMPT)[:_CACHE_PROMPT], dtype=np.int32)
    positions = np.arange(_CACHE_PROMPT, dtype=np.int32)
    last = positions == _CACHE_PROMPT - 1
    rows = np.arange(1, n_rows + 1, dtype=np.int32)
    with closing(context):
        began = time.perf_counter()
        _read(context.decode(tokens, positions, np.zeros_like(tokens), last))
        prompt_seconds = time.perf_counter() - began
        began = time.perf_counter()
        for row in rows:
            context.branch(0, int(row))
        for step in range(_CACHE_STEPS):
            token = np.full_like(rows, tokens[step])
            outputs = np.ones(n_rows, dtype=np.bool_)
            _read(context.decode(token, np.full_like(rows, _CACHE_PROMPT + step), rows, outputs))
        return prompt_seconds, time.perf_counter() - began


def _read(logits: Logits) -> None:
    """Wait for a decode: a GPU goes on by itself until its result is read."""
    logits[0, slice(0, 1)]

"""The assembly line: component workers and the label worker write blocks of rows.

All workers share one prefix, which is decoded once for each set of examples: the members of the team, what each writes, and example rows in the very form in
which new rows are written, station by station: ``A[71,"F"]B[28.1,3]C[1]``. With conditioning ``row`` a row moves along
the stations and sees all that is written of it; with ``parents`` each worker starts anew after the stations of its parents.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from t2local.llm.decoder import Counters, Decoder, Model, Request, Station
from t2local.llm.grammar import Grammar
from t2local.llm.sampling import Stream
from t2local.settings import Settings
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.team.plan import Component, Plan
from t2local.team.prompts import render
from t2local.team.rows import array, brief, longest, parse, records, schema


@dataclass(frozen=True)
class Block:
    """What the team wrote at one go."""

    number: int
    rows: pd.DataFrame  # values, one row each, in the order of their numbers
    failed: int  # rows whose decoding failed at every attempt
    prompt_sha256: str  # of the shared prefix's tokens
    interrupted: bool  # Ctrl-C came; the rows that were complete are here


@dataclass(frozen=True)
class _Worker:
    """A component at its station."""

    component: Component
    features: tuple[Feature, ...]
    mark: str
    mark_tokens: tuple[int, ...]
    grammar: Grammar
    position: int


@dataclass(frozen=True)
class _Task:
    """What one sequence does: pass the stations that are given, write at the others."""

    given: tuple[_Worker, ...]
    writes: tuple[_Worker, ...]


class AssemblyLine:
    """The team of one run, ready to write; a context manager, because it holds a context of the model.

    **Parameters:**

    * **real**: frame of values (n, d), from which the examples are drawn.
    * **seed**: with the numbers of block and row it decides every random number, and which examples are shown.
    """

    def __init__(self, model: Model, dictionary: FeatureDictionary, plan: Plan, real: pd.DataFrame, settings: Settings, seed: int) -> None:
        self._model, self._dictionary, self._settings, self._seed = model, dictionary, settings, seed
        line = plan.line()
        self._workers = [self._worker(component, position) for position, component in enumerate(line)]
        by_role = {worker.component.role: worker for worker in self._workers}
        if settings.team.conditioning == "row":
            self._passes = [[_Task((), tuple(self._workers))]]
        else:
            self._passes = [[self._parents_task(by_role[c.role], by_role) for c in generation] for generation in plan.generations()]
        self._head = render("team.j2", description=dictionary.description, stations=[self._station_facts(worker) for worker in self._workers])
        self._records = records(real)
        self._examples = min(settings.team.examples, len(real))
        self._written, self._example_set, self._prompt_sha256 = 0, -1, ""
        self._decoder = Decoder(
            model,
            slots=settings.decoder.slots,
            prefix_cells=self._longest_prefix(),
            row_cells=sum(longest(worker.features) + len(worker.mark_tokens) for worker in self._workers),
            temperature=settings.team.temperature,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._decoder.__exit__()

    @property
    def counters(self) -> Counters:
        """Tokens and seconds so far."""
        return self._decoder.counters

    def write(self, number: int, rows: int, on_row: Callable[[], None] = lambda: None) -> Block:
        """Write one block of rows; Ctrl-C ends it early with the rows that are complete. ``on_row`` is called after each row."""
        texts: list[dict[str, str]] = [{} for _ in range(rows)]
        interrupted = False
        try:
            self._show_examples()
            for tasks in self._passes:
                self._write_pass(number, tasks, texts, on_row)
        except KeyboardInterrupt:
            interrupted = True
        complete = [row for row in texts if len(row) == len(self._workers)]
        values = [{name: value for w in self._workers for name, value in parse(w.features, row[w.component.role]).items()} for row in complete]
        frame = pd.DataFrame(values, columns=self._dictionary.names, dtype=object)
        typed = pd.DataFrame({f.name: f.values(frame[f.name]) for f in self._dictionary.features})
        self._written += rows
        return Block(number, typed, 0 if interrupted else rows - len(complete), self._prompt_sha256, interrupted)

    def _write_pass(self, block: int, tasks: Sequence[_Task], texts: list[dict[str, str]], on_row: Callable[[], None]) -> None:
        """Write the tasks of one generation for every row that has all it needs; try failed ones again, within bounds."""
        jobs = [(row, task) for row in range(len(texts)) for task in tasks if all(w.component.role in texts[row] for w in task.given)]
        for attempt in range(self._settings.team.attempts):
            requests = [self._request(block, row, task, attempt, texts[row]) for row, task in jobs]
            failed = []
            for index, completion in self._decoder.complete(requests):
                row, task = jobs[index]
                if completion.failure:
                    failed.append((row, task))
                else:
                    texts[row] |= {w.component.role: text for w, text in zip(task.writes, completion.texts, strict=True)}
                    if len(texts[row]) == len(self._workers):
                        on_row()
            jobs = sorted(failed, key=lambda job: (job[0], job[1].writes[0].position))
            if not jobs:
                return

    def _request(self, block: int, row: int, task: _Task, attempt: int, written: dict[str, str]) -> Request:
        given = [token for w in task.given for token in (*w.mark_tokens, *self._model.tokenize(written[w.component.role]))]
        first, *others = [Station(worker.mark_tokens, worker.grammar) for worker in task.writes]
        stations = (Station((*given, *first.given), first.grammar), *others)
        return Request(stations, Stream(self._seed, block, row, task.writes[0].position, attempt))

    def _worker(self, component: Component, position: int) -> _Worker:
        features = tuple(self._dictionary[name] for name in component.features)
        mark = _mark(position)
        grammar = Grammar(schema(features), self._model.tokenizer)
        return _Worker(component, features, mark, tuple(self._model.tokenize(mark)), grammar, position)

    def _parents_task(self, worker: _Worker, by_role: dict[str, _Worker]) -> _Task:
        parents = sorted((by_role[role] for role in worker.component.parents), key=lambda parent: parent.position)
        return _Task(tuple(parents), (worker,))

    def _station_facts(self, worker: _Worker) -> dict[str, object]:
        return {"mark": worker.mark, "role": worker.component.role, "briefs": [brief(feature) for feature in worker.features]}

    def _show_examples(self) -> None:
        """Decode the prompt: the team, then example rows, drawn anew by seed when a set has served its rows."""
        number = self._written // self._settings.team.examples_for
        if number == self._example_set:
            return
        chosen = np.random.default_rng([self._seed, number]).choice(len(self._records), self._examples, replace=False)
        prefix = self._model.prompt([self._head, *(part for index in chosen for part in self._example(int(index)))])
        self._decoder.prefill(prefix)
        self._example_set, self._prompt_sha256 = number, hashlib.sha256(np.array(prefix, dtype="<i4").tobytes()).hexdigest()

    def _example(self, index: int) -> list[str]:
        """An example row in parts that are split into tokens one by one, as a row that is written is."""
        record = self._records[index]
        parts = [part for worker in self._workers for part in (worker.mark, array(worker.features, record))]
        return [*parts, "\n"]

    def _longest_prefix(self) -> int:
        """The tokens of the longest prompt that any choice of examples can give."""
        lengths = sorted((sum(len(self._model.tokenize(part)) for part in self._example(i)) for i in range(len(self._records))), reverse=True)
        return len(self._model.prompt([self._head])) + sum(lengths[: self._examples])


def _mark(position: int) -> str:
    """A, B, C ... Z, AA, AB: one letter, one token, for any plan that a person would make."""
    letters = ""
    while position >= 0:
        letters = chr(ord("A") + position % 26) + letters
        position = position // 26 - 1
    return letters

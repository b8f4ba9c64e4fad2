"""The assembly line: component workers and the label worker write blocks of rows.

All workers share one prefix, which is decoded once for each set of examples: the members of the team, what each writes, and
example rows in the very form in which new rows are written. With conditioning ``row`` each worker sees all that is written
of its row: the row is one array, ``[71,"F",28.1,3,1]``, and the workers' columns follow each other in the order of the line.
With ``parents`` a worker sees the parts of its parents only: ``A[71,"F"]B[28.1,3]C[1]``, each part with the mark of its worker.
(One array costs 15 % fewer tokens than marked parts, and held-out real rows are as likely in it: bench/decoder.py, issue 3.)
"""

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

from t2local.errors import DecodeError
from t2local.llm.decoder import Completion, Counters, Decoder, Request, Segment, common_length
from t2local.llm.grammar import Grammar
from t2local.llm.model import Model
from t2local.llm.sampling import RowStream
from t2local.settings import Settings
from t2local.stats.densities import ChowLiuTree, IndependentColumns
from t2local.stats.ensemble import encode_labels
from t2local.stats.streams import Stream, generator
from t2local.system.interrupts import deferred
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.team.aggregates import aggregates
from t2local.team.cell_calibration import MOST_SCORED, CellCalibration, MixtureGate, by_cell
from t2local.team.conditions import Conditions
from t2local.team.label_calibration import (
    N_CALIBRATION_PROMPTS,
    LabelCalibration,
    Labeller,
    calibration_folds,
    calibration_rows,
    level_log_probabilities,
)
from t2local.team.plan import Component, Plan
from t2local.team.prompts import render
from t2local.team.rows import Value, array, brief, cell_ends, longest, parse, records, schema

#: The block of rows that are written to measure their speed; no block of a run has this number.
_REHEARSAL = 2**28 - 2
#: The block of the label worker's opinions of real rows.
_OPINIONS = 2**28 - 3
#: Real rows whose lengths stand for those that will be written.
_LOOKED_AT = 20
#: Room for prompts and rows that are longer than those that were looked at.
_SLACK = 1.25


@dataclass(frozen=True)
class Block:
    """What the team wrote at one go."""

    number: int
    rows: pd.DataFrame  # values, one row each, in the order of their numbers
    failed: int  # rows whose decoding failed at every attempt
    prompt_sha256: str  # of the shared prefix's tokens
    interrupted: bool  # Ctrl-C came; the rows that were complete are here


@dataclass(frozen=True)
class Expected:
    """What the first prompt and rows like the real ones take, in tokens: a forecast for the size of the context and for ``--dry-run``."""

    prefix: int
    row: float  # all that is decoded for one row, on average
    longest_row: int  # the most that one row holds in the cache


@dataclass(frozen=True)
class Forecast:
    """What writing rows will take.

    Tokens of the prompt, of which ``stable`` are decoded once a run and the others once for each of ``sets`` sets of examples;
    tokens of a row; tokens per second for both, measured; size of the context in tokens and bytes. The label worker is ``asked``
    about so many real rows first, with two prompts.
    """

    rows: int
    sets: int
    asked: int
    prompt: int
    stable: int
    row: float
    prompt_speed: float
    row_speed: float
    context: int
    context_bytes: int

    def seconds(self, rows: int) -> float:
        """Seconds of writing some of the rows."""
        prompts = math.ceil(self.sets * rows / self.rows) + (
            N_CALIBRATION_PROMPTS if self.asked else 0
        )
        return (self.stable + prompts * (self.prompt - self.stable)) / self.prompt_speed + (
            rows + self.asked
        ) * self.row / self.row_speed


@dataclass(frozen=True)
class _Part:
    """What is written of a row at one go: the columns of all workers, or those of one."""

    features: tuple[Feature, ...]
    mark: str
    segment: Segment


class AssemblyLine:
    """The team of one run, ready to write; a context manager, because it holds a context of the model.

    **Parameters:**

    * **real**: frame of values (n, d), from which the examples are drawn.
    * **seed**: with the numbers of block and row it decides every random number, and which examples are shown.
    """

    def __init__(
        self,
        model: Model,
        dictionary: FeatureDictionary,
        plan: Plan,
        real: pd.DataFrame,
        settings: Settings,
        seed: int,
        conditions: Conditions | None = None,
    ) -> None:
        self._model, self._dictionary, self._settings, self._seed = (
            model,
            dictionary,
            settings,
            seed,
        )
        self._conditions = conditions or Conditions(dictionary.target)
        line = self._conditions.line(plan.line())
        self._examples = min(settings.team.examples, len(real))
        self.label_policy = self._policy()
        self._parts = self._divide(line)
        self._labeller = (
            Labeller(real, dictionary, seed)
            if self.label_policy in ("calibrated", "classifier")
            else None
        )
        self._first = {
            label: self._part(line[0].features, self._parts[0].mark, (), label=label).segment
            for label in self._conditions.shares
        }
        self._segments = tuple(part.segment for part in self._parts)
        told = {} if self._examples else aggregates(real, dictionary)
        segments = [self._facts(component, i, told) for i, component in enumerate(line)]
        #: Which cells are not the workers' to write; none: all are.
        self.mixture_gate: MixtureGate | None = None
        self._real = real
        self._head = render(
            "team.j2",
            description=dictionary.description,
            segments=segments,
            order=self._order() if told else "",
        )
        self._records, self._classes = (
            records(real),
            real[dictionary.target].to_numpy()
            if dictionary.classification
            else np.zeros(len(real)),
        )
        self._opening = model.prompt([self._head])
        self._prompt_sha256 = ""
        self.expected = self._expect()
        self.slots = model.slots(
            settings.decoder.slots, math.ceil(self.expected.longest_row * _SLACK)
        )
        self._decoder = Decoder(
            model,
            slots=self.slots.value,
            prefix_cells=math.ceil(self.expected.prefix * _SLACK),
            row_cells=sum(longest(part.features) + len(part.segment.given) for part in self._parts),
            usual_cells=math.ceil(self.expected.longest_row * _SLACK),
            temperature=settings.team.temperature,
            branches=1 if settings.team.conditioning == "row" else 2,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._decoder.__exit__()

    @property
    def counters(self) -> Counters:
        """Tokens and seconds so far."""
        return self._decoder.counters

    def write(
        self,
        number: int,
        rows: int,
        first: int,
        on_row: Callable[[], None] = lambda: None,
        labels: Sequence[str] | None = None,
    ) -> Block:
        """Write one block of rows; Ctrl-C ends it early with the rows that are complete.

        **Parameters:**

        * **number**: of the block; **first**: how many rows were written before it, which chooses its examples.
        * **on_row**: called after each row.
        * **labels**: the label of each row, where shares of them are asked for.
        """
        begins = [self._first[label] for label in labels] if labels else [self._segments[0]] * rows
        done: dict[int, Completion] = {}
        interrupted, examples = False, first // self._settings.team.examples_for
        try:
            for attempt in range(self._settings.team.attempts):
                self._write(number, attempt, begins, examples, done, on_row)
        except KeyboardInterrupt:
            interrupted = True
        with deferred() as ctrl_c:
            typed = self._typed(number, [done[row] for row in sorted(done)])
        interrupted |= bool(ctrl_c)
        return Block(
            number, typed, 0 if interrupted else rows - len(done), self._prompt_sha256, interrupted
        )

    def _typed(self, number: int, complete: list[Completion]) -> pd.DataFrame:
        """The values of a block's complete rows, with the labels that the label worker and the ensemble give them together."""
        frame = pd.DataFrame(
            [self._values(completion.texts) for completion in complete],
            columns=self._dictionary.names,
            dtype=object,
        )
        typed = pd.DataFrame({f.name: f.values(frame[f.name]) for f in self._dictionary.features})
        if self._labeller:
            draw = (
                generator(self._seed, Stream.DRAWN_LABELS, number)
                if self._settings.team.label_choice == "drawn"
                else None
            )
            said = (
                [self._opinion(completion) for completion in complete]
                if self.label_policy == "calibrated"
                else None
            )
            typed[self._dictionary.target] = self._labeller.label(
                typed, np.array(said) if said else None, draw
            )
        return typed

    def examine(self) -> tuple[LabelCalibration | None, CellCalibration | None]:
        """Put real rows to the team that its examples do not show: how far the label worker's word counts, and what the feature workers know of the cells.

        **Returns** none for what cannot be measured: labels that nobody weighs, cells where some are given, anything without examples.
        """
        cells = None
        for attempt in range(self._settings.team.attempts):
            try:
                cells = self._question_team() if self._examples else None
                break
            except DecodeError:
                if attempt + 1 == self._settings.team.attempts:
                    raise
        if cells and self._settings.team.cells == "calibrated":
            # A cell that a rule binds to others is its worker's: the tree knows nothing of rules.
            bound = set().union(*(rule.names for rule in self._dictionary.parsed_rules().values()))
            self.mixture_gate = MixtureGate(
                self._tree(self._real),
                {name: weight for name, weight in cells.weights.items() if name not in bound},
            )
        return self._labeller.skill if self._labeller else None, cells

    def _question_team(self) -> CellCalibration | None:
        """Each half of the folds, with examples from the other: opinions of labels, and likelihoods of cells."""
        labels = encode_labels(
            self._real[self._dictionary.target], self._dictionary[self._dictionary.target]
        )
        folds, asked = (
            calibration_folds(labels, self._seed),
            calibration_rows(len(labels), self._seed),
        )
        folds = folds % N_CALIBRATION_PROMPTS
        scored = (
            set()
            if self._conditions.given
            else set(
                generator(self._seed, Stream.CALIBRATION_SCORED)
                .permutation(asked)[:MOST_SCORED]
                .tolist()
            )
        )
        said, cells, alone, tied = (
            dict[int, list[float]](),
            dict[int, dict[str, float]](),
            list[pd.DataFrame](),
            list[pd.DataFrame](),
        )
        weigh = self.label_policy == "calibrated"
        self._prompt_sha256 = ""
        for fold in np.unique(folds[asked]):
            others = np.flatnonzero(folds != fold)
            shown = (
                generator(self._seed, Stream.CALIBRATION_EXAMPLES, int(fold))
                .permutation(others)
                .tolist()
            )
            prompt = self._prompt(shown[: self._examples])
            self._decoder.prefill(prompt, common_length(prompt, self._opening))
            rows = [row for row in asked[folds[asked] == fold].tolist() if weigh or row in scored]
            requests = [self._examination(row, scored=row in scored) for row in rows]
            for index, completion in self._decoder.complete(requests):
                if weigh:
                    said[rows[index]] = self._opinion(completion)
                if rows[index] in scored and not completion.failure:
                    cells[rows[index]] = self._cells(rows[index], completion)
            values = self._real.iloc[rows].set_axis(rows)
            alone.append(
                IndependentColumns(
                    self._dictionary.features, self._real.iloc[others]
                ).log_probability(values)
            )
            tied.append(self._tree(self._real.iloc[others]).log_probability(values))
        if weigh and self._labeller:
            self._labeller.learn(np.array([said[row] for row in asked.tolist()]))
        worker = pd.DataFrame.from_dict(cells, orient="index")
        return (
            CellCalibration(
                worker,
                *(pd.concat(parts).loc[worker.index, worker.columns] for parts in (tied, alone)),
            )
            if len(worker)
            else None
        )

    def _tree(self, real: pd.DataFrame) -> ChowLiuTree:
        """The tree of the columns, in the order in which they are written."""
        return ChowLiuTree(
            [f for part in self._parts for f in part.features if f.name != self._dictionary.target],
            real,
            self._seed,
        )

    def _examination(self, row: int, *, scored: bool) -> Request:
        """A real row, of which the label worker is asked the label; if ``scored``, every other cell is weighed on the way."""
        stream = RowStream(self._seed, row=row, stream=Stream.CALIBRATION_TOKENS)
        if not scored:
            return Request((self._question(row),), stream)
        told = self._parts[: -1 if self.label_policy == "calibrated" else None]
        return Request(
            self._segments,
            stream,
            tuple(array(part.features, self._records[row]).encode() for part in told),
        )

    def _cells(self, row: int, completion: Completion) -> dict[str, float]:
        """Log-likelihood of each cell of a real row that was told, the label left out."""
        sums: dict[str, float] = {}
        for part, weights in zip(self._parts, completion.token_logprobs, strict=False):
            sums |= zip(
                [f.name for f in part.features],
                by_cell(cell_ends(part.features, self._records[row]), weights),
                strict=True,
            )
        return {name: sums[name] for name in self._dictionary.inputs}

    def _question(self, index: int) -> Segment:
        """The label segment of a real row."""
        part = self._parts[-1]
        texts = [
            text
            for seen in part.segment.sees
            for text in (
                self._parts[seen].mark,
                array(self._parts[seen].features, self._records[index]),
            )
        ]
        given = [token for text in (*texts, part.mark) for token in self._model.tokenize(text)]
        return replace(part.segment, given=tuple(given), sees=())

    def _opinion(self, completion: Completion) -> list[float]:
        """What the label worker says: log-probabilities of the levels, or its number; nothing known where it failed."""
        target, label = self._parts[-1].features[0], self._parts[-1]
        if target.numeric:
            if completion.failure:
                return [float(np.mean(target.bounds))]
            return [float(parse(label.features, completion.texts[-1])[target.name])]  # type: ignore[arg-type]
        if completion.first_logits is None:
            return [-math.log(len(target.levels))] * len(target.levels)
        tokens, scores = completion.first_logits
        decode = self._model.tokenizer.decode_bytes
        begun = len(decode(list(label.segment.grammar.forced)))
        rests = [
            array(label.features, {target.name: level}).encode()[begun:] for level in target.levels
        ]
        return level_log_probabilities(
            rests, [decode([token]) for token in tokens.tolist()], scores.astype(np.float64)
        ).tolist()

    def _policy(self) -> str:
        """Whose word counts for the labels; the label worker's cannot be weighed without showing it real rows."""
        if self._dictionary.target in self._conditions.given:
            return "given"
        chosen = self._settings.team.labels
        return "classifier" if chosen == "calibrated" and not self._examples else chosen

    def _divide(self, line: Sequence[Component]) -> list[_Part]:
        """The parts of a row: what is given, then all columns together or each worker's; the label apart where it is weighed, if anybody is asked."""
        policy, by_row = self.label_policy, self._settings.team.conditioning == "row"
        label = () if policy == "given" else (len(line) - 1,)
        given = (0,) if self._conditions.given else ()
        asked = label if policy != "classifier" else ()
        if by_row and policy == "worker":
            groups = [given, tuple(range(len(given), len(line)))]
        elif by_row:
            groups = [given, tuple(range(len(given), len(line) - len(label))), asked]
        else:
            groups = [(place,) for place in range(len(line)) if place not in label or asked]
        parts: list[_Part] = []
        for group in filter(None, groups):
            sees = tuple(range(len(parts))) if by_row else _parents(line, group[0])
            names = [name for place in group for name in line[place].features]
            parts.append(
                self._part(
                    names,
                    "" if by_row else _mark(group[0]),
                    sees,
                    scored=group == label and policy == "calibrated",
                )
            )
        return parts

    def _write(
        self,
        block: int,
        attempt: int,
        begins: Sequence[Segment],
        examples: int,
        done: dict[int, Completion],
        on_row: Callable[[], None],
    ) -> None:
        """Write the rows that are missing; a decode that goes wrong ends this attempt, and the last one with an error."""
        if not (missing := [row for row in range(len(begins)) if row not in done]):
            return
        try:
            self._show_examples(examples)
            requests = [
                Request(
                    self._tossed((begins[row], *self._segments[1:]), block, row, attempt),
                    RowStream(self._seed, block, row, attempt),
                )
                for row in missing
            ]
            for index, completion in self._decoder.complete(requests):
                if not completion.failure:
                    done[missing[index]] = completion
                    on_row()
        except DecodeError:
            self._prompt_sha256 = ""
            if attempt + 1 == self._settings.team.attempts:
                raise

    def _tossed(
        self, segments: tuple[Segment, ...], block: int, row: int, attempt: int
    ) -> tuple[Segment, ...]:
        """The segments of a row, with the cells that the model of the columns gives."""
        if self.mixture_gate is None:
            return segments
        given, result = (
            self.mixture_gate.sample(
                generator(self._seed, Stream.ROW_MIXTURE, block, row, attempt)
            ),
            [],
        )
        for part, segment in zip(self._parts, segments, strict=True):
            cells = {f.name: given[f.name] for f in part.features if f.name in given}
            result.append(
                replace(
                    segment, grammar=Grammar(schema(part.features, cells), self._model.tokenizer)
                )
                if cells
                else segment
            )
        return tuple(result)

    def _values(self, texts: Sequence[str]) -> dict[str, Value]:
        """The cells of a row from the texts of its parts."""
        return {
            name: value
            for part, text in zip(self._parts, texts, strict=True)
            for name, value in parse(part.features, text).items()
        }

    def forecast(self, rows: int, seconds: float = 2.0) -> Forecast:
        """Measure for some seconds, first with the prompt and then with rows, which are thrown away."""
        prompt = self._prompt(self._chosen(0))
        stable = common_length(prompt, self._opening)
        prompt_speed = self._prompt_speed(prompt, seconds / 2)
        # The first steps are slower than all others: parts of the grammars are compiled when they are met.
        for share in (0.3, 0.7):
            began, before = time.perf_counter(), self.counters.rows
            requests = [
                Request(
                    self._segments, RowStream(self._seed, row=row, stream=Stream.REHEARSAL_TOKENS)
                )
                for row in range(10_000)
            ]
            list(self._decoder.complete(requests, until=began + share * seconds / 2))
            row_speed = (self.counters.rows - before) / (time.perf_counter() - began)
        sets, cells = math.ceil(rows / self._settings.team.examples_for), self.counters.cells
        examined = (
            min(MOST_SCORED, len(self._records))
            if self._examples and not self._conditions.given
            else 0
        )
        asked = (
            len(self._labeller.asked)
            if self._labeller and self.label_policy == "calibrated"
            else examined
        )
        size = cells * self._model.cell_bytes
        return Forecast(
            rows,
            sets,
            asked,
            len(prompt),
            stable,
            self.expected.row,
            prompt_speed,
            row_speed,
            cells,
            size,
        )

    def _prompt_speed(self, prompt: Sequence[int], seconds: float) -> float:
        """Tokens per second of the beginning of a prompt, as much of it as there is time for."""
        size, began = 32, time.perf_counter()
        while True:
            last = time.perf_counter()
            self._decoder.prefill(prompt[:size])
            now = time.perf_counter()
            if size >= len(prompt) or now - began > seconds:
                return min(size, len(prompt)) / (now - last)
            size *= 2

    def _part(
        self,
        names: Sequence[str],
        mark: str,
        sees: tuple[int, ...],
        *,
        scored: bool = False,
        label: str = "",
    ) -> _Part:
        """A part under a grammar of its features, those that are given restricted to what was asked for."""
        features = tuple(self._dictionary[name] for name in names)
        restricted = dict(self._conditions.restricted)
        if label:
            restricted[self._dictionary.target] = self._dictionary[
                self._dictionary.target
            ].model_copy(update={"type": "category", "levels": (label,)})
        grammar = Grammar(
            schema([restricted.get(f.name, f) for f in features]), self._model.tokenizer
        )
        return _Part(
            features, mark, Segment(tuple(self._model.tokenize(mark)), grammar, sees, scored)
        )

    def _facts(
        self, component: Component, position: int, told: Mapping[str, str]
    ) -> dict[str, object]:
        briefs = [brief(self._dictionary[name], told.get(name, "")) for name in component.features]
        return {"mark": _mark(position), "role": component.role, "briefs": briefs}

    def _order(self) -> str:
        """The form of a row, for a prompt that shows none."""
        return "".join(
            f"{part.mark}[{','.join(feature.name for feature in part.features)}]"
            for part in self._parts
        )

    def _show_examples(self, number: int) -> None:
        """Decode the prompt of a set of examples: the team, which stays as it is, then real rows."""
        prompt = self._prompt(self._chosen(number))
        digest = hashlib.sha256(np.array(prompt, dtype="<i4").tobytes()).hexdigest()
        if digest != self._prompt_sha256:
            self._decoder.prefill(prompt, common_length(prompt, self._opening))
            self._prompt_sha256 = digest

    def _chosen(self, number: int) -> list[int]:
        """The examples of a set, drawn by seed and number of the set: each class by its share, and a rare one always."""
        rng = generator(self._seed, Stream.EXAMPLES, number)
        order = rng.permutation(len(self._records))
        # A row's rank in its class, over the size of the class: the first k by that are a stratified draw.
        series = pd.Series(self._classes[order])
        rank = (
            series.groupby(series).cumcount()
            + rng.random(len(order)) * (series.groupby(series).cumcount() > 0)
        ) / series.map(series.value_counts())
        return rng.permutation(
            order[np.argsort(rank.to_numpy(), kind="stable")][: self._examples]
        ).tolist()

    def _prompt(self, chosen: Sequence[int]) -> list[int]:
        """The team, then example rows."""
        return self._model.prompt(
            [self._head, *(part for index in chosen for part in self._example(int(index)))]
        )

    def _example(self, index: int) -> list[str]:
        """An example row in texts that are split into tokens one by one, as a row that is written is."""
        record = self._records[index]
        return [
            *(text for part in self._parts for text in (part.mark, array(part.features, record))),
            "\n",
        ]

    def _expect(self) -> Expected:
        """Tokens of the first prompt, and of rows like its examples: what a worker does not see is taken back, what it sees again is decoded again."""
        examples = [
            self._example(index)[:-1] for index in range(min(_LOOKED_AT, len(self._records)))
        ]
        tokens = np.array(
            [[len(self._model.tokenize(text)) for text in example] for example in examples]
        )
        sizes = tokens[:, ::2] + tokens[:, 1::2]  # (examples, parts): a mark and an array each
        decoded, longest_row, now, other = 0.0, 0, tuple[int, ...](), tuple[int, ...]()
        for number, part in enumerate(self._parts):
            sequence = (*part.segment.sees, number)
            if common_length(now, sequence) < len(now):
                now, other = other, now
            kept = max(common_length(held, sequence) for held in (now, other))
            decoded += sizes[:, sequence[kept:]].sum(axis=1).mean()
            longest_row = max(longest_row, int(sizes[:, [*sequence, *other]].sum(axis=1).max()))
            now = sequence
        return Expected(len(self._prompt(self._chosen(0))), decoded, longest_row)


def _parents(line: Sequence[Component], position: int) -> tuple[int, ...]:
    """The places of a component's parents on the line."""
    return tuple(
        place for place, other in enumerate(line[:position]) if other.role in line[position].parents
    )


def _mark(position: int) -> str:
    """A, B, C ... Z, AA, AB: one letter, one token, for any plan that a person would make."""
    letters = ""
    while position >= 0:
        letters = chr(ord("A") + position % 26) + letters
        position = position // 26 - 1
    return letters

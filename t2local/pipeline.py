"""The story of a run, read top-down: read -> describe -> plan -> (assemble -> trim)* -> finish.

Nothing here prints: what happens is told in events to ``on_event``, and `t2local.cli` renders them.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from t2local.errors import DictionaryError, InputError, PlanError, UsageError
from t2local.ledger import Clock, Ledger, manifest_of, report_of
from t2local.llm.decoder import Model
from t2local.runs import RunFolder
from t2local.settings import Settings
from t2local.tables.describe import describe as guess_dictionary
from t2local.tables.dictionary import FeatureDictionary, read_dictionary
from t2local.tables.files import Table, from_frame, read_table
from t2local.team.manager import propose
from t2local.team.plan import Plan, from_data, read_plan
from t2local.team.workers import AssemblyLine, Block
from t2local.trim.inspector import Inspector
from t2local.trim.verdict import Verdict


@dataclass(frozen=True)
class Decided:
    """A decision made for the user, with its reason."""

    what: str
    value: str
    reason: str


@dataclass(frozen=True)
class Progress:
    """Where the run is: rows written, kept and rejected by stage, tokens per second, and seconds left (a guess)."""

    wanted: int
    written: int
    kept: int
    rejected_by: dict[str, int]
    tokens_per_second: float
    seconds_left: float | None


@dataclass(frozen=True)
class Noticed:
    """Something in the input that the user should know; it never holds a cell's value."""

    message: str


Event = Decided | Noticed | Progress
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener of a caller who does not listen."""


@dataclass(frozen=True)
class Result:
    """What a run made.

    * ``synthetic``: the kept rows, in the columns and types of the input.
    * ``rejected``: the other rows, each with its ``stage`` and ``reason``.
    * ``augmented``: the real rows followed by the kept ones.
    * ``report``: the figures, as in report.json.
    """

    synthetic: pd.DataFrame
    rejected: pd.DataFrame
    augmented: pd.DataFrame
    report: dict[str, Any]
    dictionary: FeatureDictionary
    plan: Plan
    manifest: dict[str, Any] = field(repr=False)


def generate(
    data: pd.DataFrame | Path | str,
    *,
    target: str | None = None,
    rows: int = 200,
    dictionary: FeatureDictionary | Path | str | None = None,
    plan: Plan | Path | str = "manager",
    model: Model | str | None = None,
    seed: int = 1,
    batch_size: int = 10,
    max_batches: int | None = None,
    preset: str = "default",
    settings: Settings | Mapping[str, Any] | None = None,
    out: Path | str | None = None,
    on_event: Listener = ignore,
) -> Result:
    """Write synthetic rows for a small table, and keep those that pass the quality stages.

    **Parameters:**

    * **data**: a DataFrame, or the path of a CSV file.
    * **target**: the column to predict; else one named like a label, else the last one.
    * **rows**: rows wanted; fewer are given when ``max_batches`` batches do not have them.
    * **dictionary**: a `FeatureDictionary` or its file; else it is guessed, and each guess says why.
    * **plan**: ``"manager"`` (asked of the model), ``"data"``, a `Plan`, or its file.
    * **model**: a name of the catalogue, a GGUF file, or a loaded model; the starter model by default.
    * **seed**: 1 or more; the same seed on the same machine gives the same bytes.
    * **batch_size**, **max_batches**: rows judged together, and how many batches may be tried.
    * **settings**: a `Settings`, or names and values over those of ``preset``: ``{"trim.kappa": 0.3}``.
    * **out**: folder to write into; none: nothing is written.
    * **on_event**: called with `Decided`, `Noticed` and `Progress`.

    **Raises** a `T2LocalError` that names what to do next. A run whose rows all failed returns with an empty ``synthetic``.
    """
    clock = Clock()
    chosen_settings = settings if isinstance(settings, Settings) else Settings.load(settings, preset)
    _check_numbers(rows=rows, seed=seed, batch_size=batch_size, max_batches=max_batches)
    folder = RunFolder(Path(out)) if out else None
    table = read(data)
    known = understand(table, target, dictionary, chosen_settings, on_event)
    real = known.values(table.cells)
    if isinstance(plan, Path | str) and plan not in ("manager", "data"):
        plan = read_plan(_text(Path(plan), PlanError), Path(plan).name, known)
    loaded = load(model, chosen_settings, on_event)
    clock.lap("load")
    team = make_plan(plan, real, known, loaded, chosen_settings, seed, on_event)
    clock.lap("plan")
    if folder:
        folder.start(known, team.to_yaml())
    inspector = Inspector(real, known, chosen_settings.trim, seed)
    clock.lap("trim")
    ledger = Ledger(rows, batch_size, max_batches or chosen_settings.trim.patience * math.ceil(rows / batch_size))
    with AssemblyLine(loaded, known, team, real, chosen_settings, seed) as line:
        while not ledger.done:
            block = assemble(line, ledger, chosen_settings, clock, on_event)
            clock.lap("assembly")
            trim(block, ledger, inspector, seed, folder)
            clock.lap("trim")
            on_event(_progress(line, ledger, ledger.generated, clock))
        counters = line.counters
    report = report_of(ledger, counters, clock, team, loaded, seed)
    manifest = manifest_of(
        table, chosen_settings, known, loaded, clock, {"rows": rows, "seed": seed, "batch_size": batch_size, "max_batches": ledger.max_batches}
    )
    return finish(table, known, team, ledger, report, manifest, folder, data if isinstance(data, pd.DataFrame) else None)


def read(data: pd.DataFrame | Path | str) -> Table:
    """The table in a DataFrame or a CSV file."""
    return from_frame(data) if isinstance(data, pd.DataFrame) else read_table(data)


def describe(data: pd.DataFrame | Path | str, *, target: str | None = None, settings: Settings | None = None) -> FeatureDictionary:
    """Guess the feature dictionary of a table; each guess says why."""
    table = read(data)
    return guess_dictionary(table.cells, target=target, settings=(settings or Settings()).table, source=table.source)


def plan(
    data: pd.DataFrame | Path | str,
    *,
    target: str | None = None,
    dictionary: FeatureDictionary | Path | str | None = None,
    source: str = "manager",
    model: Model | str | None = None,
    seed: int = 1,
    settings: Settings | None = None,
    on_event: Listener = ignore,
) -> tuple[Plan, dict[tuple[str, str], float]]:
    """The plan for a table, and how strongly the real rows tie each component to each of its parents (0 to 1)."""
    settings = settings or Settings()
    table = read(data)
    known = understand(table, target, dictionary, settings, on_event)
    real = known.values(table.cells)
    loaded = load(model, settings, on_event) if source == "manager" else None
    team = make_plan(source, real, known, loaded, settings, seed, on_event)
    return team, team.ties(real, known)


def understand(table: Table, target: str | None, given: FeatureDictionary | Path | str | None, settings: Settings, on_event: Listener) -> FeatureDictionary:
    """The dictionary of a run: the given one or a guess, checked against every cell of the table."""
    if given is None:
        blank = [f"{table.source}, column {position}: {name!r}" for position, name in enumerate(table.cells, 1) if table.cells[name].isna().all()]
        if blank:
            command = f"python -m t2local describe {table.source} -o dictionary.yaml"
            next_step = f"remove these columns, or leave them out: '{command}', then pass --dictionary dictionary.yaml"
            raise InputError("Some columns have nothing but blanks.", faults=blank, next_step=next_step)
        known = guess_dictionary(table.cells, target=target, settings=settings.table, source=table.source)
    else:
        known = given if isinstance(given, FeatureDictionary) else read_dictionary(_text(Path(given), DictionaryError), Path(given).name)
        if target and target not in known.names:
            raise UsageError(f"The dictionary has no feature {target!r}.", next_step=f"pass one of: {', '.join(known.names)}")
        known = known.model_copy(update={"target": target or known.target})
    for warning in known.check_table(table.cells, table.lines, table.source):
        on_event(Noticed(warning))
    on_event(Decided("target", known.target, known.target_reason or "from the dictionary"))
    for column in known.left_out:
        on_event(Decided("left out", column.name, column.reason))
    return known


def load(model: Model | str | None, settings: Settings, on_event: Listener) -> Model:
    """The model of a name or a file, hashed before it is parsed; a loaded model is taken as it is."""
    if model is not None and not isinstance(model, str):
        return model
    from t2local.llm.catalog import find

    file = find(model)
    from t2local.llm.backbone import Backbone  # only now: llama.cpp is not even imported for a file that was altered

    on_event(Decided("model", file.name, f"{'asked for' if model else 'the default'}; licence: {file.licence}"))
    backbone = Backbone(file, threads=settings.decoder.threads)
    for what, decision in backbone.decisions().items():
        on_event(Decided(what, str(decision.value), decision.reason))
    return backbone


def make_plan(
    wanted: Plan | Path | str, real: pd.DataFrame, known: FeatureDictionary, model: Model | None, settings: Settings, seed: int, on_event: Listener
) -> Plan:
    """The plan that is given, that the data suggest, or that the manager writes."""
    if isinstance(wanted, Plan):
        if faults := wanted.check(known):
            raise PlanError("The plan does not fit the table:", faults=faults, next_step="python -m t2local plan data.csv -o plan.yaml")
        team = wanted
    elif wanted == "manager" and model is not None:
        team = propose(real, known, model, seed=seed, temperature=settings.team.temperature, attempts=settings.team.attempts)
    else:
        team = from_data(real, known)
    on_event(Decided("plan", " -> ".join(component.role for component in team.line()), f"from the {team.source}"))
    return team


def assemble(line: AssemblyLine, ledger: Ledger, settings: Settings, clock: Clock, on_event: Listener) -> Block:
    """Let the team write the next block of rows."""
    written = itertools.count(ledger.generated + 1)
    return line.write(ledger.blocks, ledger.next_block(settings.team.block_rows), lambda: on_event(_progress(line, ledger, next(written), clock)))


def trim(block: Block, ledger: Ledger, inspector: Inspector, seed: int, folder: RunFolder | None) -> None:
    """Judge a block batch by batch, until the wanted rows are kept; every row gets its verdict."""
    for start in range(0, len(block.rows), ledger.batch_size):
        rows = block.rows.iloc[start : start + ledger.batch_size].reset_index(drop=True)
        verdict = inspector.judge(rows) if ledger.kept < ledger.wanted else Verdict(len(rows))
        surplus = np.cumsum(verdict.kept) > ledger.wanted - ledger.kept
        verdict.reject(surplus, "surplus", "the wanted rows were already there")
        entry = ledger.add(rows, verdict, {"block": block.number, "seed": seed, "prompt_sha256": block.prompt_sha256})
        if folder:
            folder.note(entry)
    ledger.blocks += 1
    ledger.failed += block.failed
    ledger.interrupted = block.interrupted


def finish(
    table: Table,
    known: FeatureDictionary,
    team: Plan,
    ledger: Ledger,
    report: dict[str, Any],
    manifest: dict[str, Any],
    folder: RunFolder | None,
    frame: pd.DataFrame | None,
) -> Result:
    """Put the rows together in the types of the input, and write the files."""
    kept, rejected = ledger.rows(known)
    if folder:
        folder.finish(table, known, kept, rejected, report, manifest)
    synthetic, real = known.native(kept), known.native(known.values(table.cells))
    if frame is not None:
        real = frame[known.names].reset_index(drop=True)
        synthetic = synthetic.astype({name: dtype for name, dtype in real.dtypes.items() if not synthetic[name].isna().any() or dtype.kind in "fO"})
    native = pd.concat([rejected.iloc[:, :2], known.native(rejected.iloc[:, 2:])], axis=1)
    augmented = pd.concat([real, synthetic], ignore_index=True)
    return Result(synthetic, native, augmented, report, known, team, manifest)


def _progress(line: AssemblyLine, ledger: Ledger, written: int, clock: Clock) -> Progress:
    seconds = clock.assembling
    acceptance = ledger.kept / ledger.generated if ledger.generated else 1.0
    missing = min((ledger.wanted - ledger.kept) / max(acceptance, 0.1), ledger.max_batches * ledger.batch_size - ledger.generated)
    to_write = max(0.0, missing - (written - ledger.generated))
    left = to_write * seconds / written if written and seconds else None
    speed = (line.counters.prefix + line.counters.rows) / seconds if seconds else 0.0
    return Progress(ledger.wanted, written, ledger.kept, dict(ledger.rejected_by), speed, left)


def _check_numbers(**numbers: int | None) -> None:
    faults = [f"{name}: must be 1 or more" for name, number in numbers.items() if number is not None and number < 1]
    if faults:
        raise UsageError("Some numbers cannot be used:", faults=faults, next_step="python -m t2local generate --help")


def _text(path: Path, error: type[InputError]) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise error(f"There is no file {path}.", next_step="check the path") from None
    except (UnicodeDecodeError, OSError):
        raise error(f"{path} cannot be read as UTF-8 text.", next_step="check that it is the right file") from None

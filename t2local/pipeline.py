"""The story of a run, read top-down: read -> describe -> plan -> (assemble -> trim)* -> finish.

Nothing here prints: what happens is told in events to ``on_event``, and `t2local.cli` renders them.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from t2local.errors import DecodeError, DictionaryError, InputError, PlanError, UsageError
from t2local.events import Decision, Event, Listener, Notice, Progress, ignore
from t2local.llm.decoder import Counters
from t2local.llm.model import Model
from t2local.run.folder import RunFolder
from t2local.run.ledger import Clock, Ledger, manifest_of, report_of
from t2local.settings import Settings
from t2local.stats.streams import Stream, generator
from t2local.system.interrupts import deferred
from t2local.system.json_text import as_json, to_json
from t2local.tables.codebook import read_codebook_file
from t2local.tables.delivery import deliver
from t2local.tables.describe import describe as guess_dictionary
from t2local.tables.dictionary import FeatureDictionary, read_dictionary
from t2local.tables.files import Table, from_frame
from t2local.tables.reading import read_table, read_text
from t2local.team.calibration import Calibration, calibrate
from t2local.team.cell_calibration import CellCalibration
from t2local.team.conditions import Conditions, draw_labels, read_conditions
from t2local.team.drawing import Drawing
from t2local.team.label_calibration import LabelCalibration
from t2local.team.manager import propose
from t2local.team.plan import Plan, from_data, read_plan
from t2local.team.team import Team
from t2local.team.texts import write_texts
from t2local.team.writer import Block, BlockRequest, RowWriter
from t2local.trim.benefit import benefit
from t2local.trim.inspector import Inspector
from t2local.trim.verdict import Verdict, with_notes

#: A label that is not asked for is still known to the model that judges, at this share of the largest weight.
_LEAST_WEIGHT = 0.05


@dataclass(frozen=True)
class Result:
    """What a run made.

    * ``synthetic``: the kept rows, in the columns and types of the input.
    * ``rejected``: the other rows, each with its number among all (``row``), ``stage``, ``reason``, ``figure`` and ``threshold``.
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
    manager_model: Model | str | None = None,
    where: Sequence[str] = (),
    balance: str | Mapping[str, float] | None = None,
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

    * **data**: a DataFrame, or the path of a CSV file; **target**: the column to predict, else one named like a label.
    * **rows**: rows wanted; fewer are given when ``max_batches`` batches of ``batch_size`` do not have them.
    * **dictionary**, **plan**: objects or files; else a guess, and ``"manager"`` (asked of the model) or ``"data"``.
    * **model**: a name of the catalogue, a GGUF file, or a loaded model; the starter model by default. **manager_model**: another one for the plan.
    * **where**: what the rows are to be, ``["sex=F", "age>=65"]``; **balance**: shares of the labels, ``"uniform"`` or ``{"yes": 0.3, "no": 0.7}``.
    * **seed**: 1 or more; same seed, same bytes on the same machine. **settings**: `Settings`, or names and values over those of ``preset``.
    * **out**: folder to write into; none: nothing is written. **on_event** hears `Decision`, `Notice` and `Progress`.

    **Raises** a `T2LocalError` that names what to do next. A run whose rows all failed returns with an empty ``synthetic``.
    """
    check_numbers(rows=rows, seed=seed, batch_size=batch_size, max_batches=max_batches)
    chosen = settings if isinstance(settings, Settings) else Settings.load(settings, preset)
    run = Run(
        chosen,
        seed,
        Ledger(
            rows, batch_size, max_batches or chosen.trim.patience * math.ceil(rows / batch_size)
        ),
        on_event,
    )
    folder = RunFolder(Path(out)) if out else None
    real = ask_other_manager(
        run, prepare(run, data, target, dictionary, plan, where, balance), manager_model
    )
    with load(model, run) as loaded:
        return work(run, real, loaded, folder)


@dataclass
class Run:
    """What the steps of a run share: what was asked for, who listens, and what was decided and counted so far."""

    settings: Settings
    seed: int
    ledger: Ledger
    listener: Listener
    clock: Clock = field(default_factory=Clock)
    decisions: list[Decision] = field(default_factory=list)
    skill: LabelCalibration | None = None  # of the label worker, once it is measured
    cells: CellCalibration | None = None  # of the feature workers
    label_policy: str = ""
    measuring: int = 0  # tokens that the questions about real rows took
    manager: dict[str, str] | None = (
        None  # the model that made the plan, where it is not the workers'
    )

    def tell(self, event: Event) -> None:
        """Pass an event on; decisions are also kept for the manifest."""
        if isinstance(event, Decision):
            self.decisions.append(event)
        self.listener(event)


@dataclass(frozen=True)
class Prepared:
    """The input of a run, understood: nothing of it needs a model."""

    table: Table
    frame: pd.DataFrame | None  # the caller's own, when it was one
    known: FeatureDictionary
    values: pd.DataFrame  # the real rows
    plan: Plan | str  # a plan, or who makes it
    conditions: Conditions  # what the rows are to be
    known_text: str = ""  # the dictionary's own file, comments and all, where there is one


def prepare(
    run: Run,
    data: pd.DataFrame | Path | str,
    target: str | None,
    dictionary: FeatureDictionary | Path | str | None,
    plan: Plan | Path | str,
    where: Sequence[str] = (),
    balance: str | Mapping[str, float] | None = None,
) -> Prepared:
    """Read and check all that was given, before a model is loaded or a file is written."""
    table = read(data)
    for decision in table.decisions:
        run.tell(decision)
    known = understand(run, table, target, dictionary)
    if not isinstance(plan, Plan) and plan not in ("manager", "data"):
        plan = read_plan(read_text(Path(plan), PlanError), Path(plan).name, known)
    elif isinstance(plan, Plan) and (faults := plan.check(known)):
        raise PlanError(
            "The plan does not fit the table:",
            faults=faults,
            next_step="python -m t2local plan data.csv -o plan.yaml",
        )
    # A column that says "missing" by a number of its own, and in no other way, says it so again.
    codes = {
        feature.name: feature.missing_values[0]
        for feature in known.features
        if feature.missing_values
    }
    table = replace(table, missing={**codes, **table.missing})
    frame = data if isinstance(data, pd.DataFrame) else None
    own = (
        read_text(Path(dictionary), DictionaryError)
        if isinstance(dictionary, str | Path) and target is None
        else ""
    )
    return Prepared(
        table,
        frame,
        known,
        known.values(table.cells),
        plan if isinstance(plan, Plan) else str(plan),
        read_conditions(known, where, balance),
        own,
    )


def work(run: Run, real: Prepared, model: Model, folder: RunFolder | None) -> Result:
    """Plan, then write and judge blocks of rows until the wanted ones are kept; what is there is delivered whatever happens."""
    run.clock.lap("load")
    team = make_plan(run, real, model)
    run.clock.lap("plan")
    if folder:
        folder.start()
    inspector = inspector_of(run, real)
    run.ledger.quotas, run.ledger.target = (
        real.conditions.quotas(run.ledger.wanted),
        real.known.target,
    )
    run.clock.lap("trim")
    with Team(
        model, real.known, team, real.values, run.settings, run.seed, real.conditions
    ) as line:
        run.tell(line.slots)
        try:
            writer = RowWriter(line, weigh(run, line))
            while not run.ledger.done:
                block = assemble(run, line, writer)
                with deferred() as ctrl_c:
                    trim(run, block, inspector, folder)
                run.ledger.interrupted |= bool(ctrl_c)
                run.tell(_progress(run, line, run.ledger.generated))
        except KeyboardInterrupt:
            run.ledger.interrupted = True
        except DecodeError:
            finish(run, real, team, model, line.counters, folder)
            raise
        with deferred():
            return finish(run, real, team, model, line.counters, folder)


def read(data: pd.DataFrame | Path | str) -> Table:
    """The table in a DataFrame or a CSV file."""
    return from_frame(data) if isinstance(data, pd.DataFrame) else read_table(data)


def describe(
    data: pd.DataFrame | Path | str,
    *,
    target: str | None = None,
    codebook: Path | str | None = None,
    settings: Settings | None = None,
    on_event: Listener = ignore,
) -> FeatureDictionary:
    """Guess the feature dictionary of a table; each guess says why. A codebook (REDCap, OMOP, Table Schema) comes before guesses."""
    table = read(data)
    for decision in table.decisions:
        on_event(decision)
    guess = guess_dictionary(
        table.cells, target=target, settings=(settings or Settings()).table, source=table.source
    )
    if codebook is None:
        return guess
    book = read_codebook_file(Path(codebook))
    known = book.apply(guess, table.cells)
    for message in book.notes:
        on_event(Notice(message))
    return known


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
) -> Drawing:
    """The plan for a table (``.plan``), and how strongly the real rows tie its components (``.ties``, 0 to 1); ``.text()`` and ``.mermaid()`` draw it."""
    run = Run(settings or Settings(), seed, Ledger(0, 1, 0), on_event)
    real = prepare(run, data, target, dictionary, source)
    if source == "manager":
        with load(model, run) as loaded:
            team = make_plan(run, real, loaded)
    else:
        team = make_plan(run, real, None)
    return Drawing.of(team, real.values, real.known)


def understand(
    run: Run, table: Table, target: str | None, given: FeatureDictionary | Path | str | None
) -> FeatureDictionary:
    """The dictionary of a run: the given one or a guess, checked against every cell of the table."""
    if given is None:
        _refuse_blank_columns(table)
        known = guess_dictionary(
            table.cells, target=target, settings=run.settings.table, source=table.source
        )
    else:
        known = (
            given
            if isinstance(given, FeatureDictionary)
            else read_dictionary(read_text(Path(given), DictionaryError), Path(given).name)
        )
        if target and target not in known.names:
            raise UsageError(
                f"The dictionary has no feature {target!r}.",
                next_step=f"pass one of: {', '.join(known.names)}",
            )
        known = known.model_copy(update={"target": target or known.target})
    for warning in known.check_table(table.cells, table.lines, table.source):
        run.tell(Notice(warning))
    run.tell(Decision("target", known.target, known.target_reason or "from the dictionary"))
    for column in known.left_out:
        run.tell(Decision("left out", column.name, column.reason))
    return known


@contextmanager
def load(model: Model | str | None, run: Run, what: str = "model") -> Iterator[Model]:
    """The model of a name or a file, hashed before it is parsed, and freed at the end; a loaded model is the caller's."""
    if model is not None and not isinstance(model, str):
        yield model
        return
    from t2local.llm.store import find

    file = find(model)
    from t2local.llm.backbone import (
        Backbone,  # only now: llama.cpp is not even imported for a file that was altered
    )

    run.tell(
        Decision(
            what, file.name, f"{'asked for' if model else 'the default'}; licence: {file.licence}"
        )
    )
    with closing(Backbone(file, threads=run.settings.decoder.threads)) as backbone:
        for decision in backbone.decisions():
            run.tell(decision)
        yield backbone


def inspector_of(run: Run, real: Prepared) -> Inspector:
    """Who judges the batches of this run."""
    return Inspector(
        real.values,
        real.known,
        run.settings.trim,
        run.seed,
        wanted_weights(real),
        real.conditions.matches_conditions(real.values),
    )


def wanted_weights(real: Prepared) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What each real row counts for, shape (n,), mean 1: its label's share among the wanted rows over that among the real ones."""
    labels = real.values[real.known.target]
    if not real.conditions.shares:
        return np.ones(len(labels))
    weights = (
        labels.map(real.conditions.shares).fillna(0.0) / labels.map(labels.value_counts())
    ).to_numpy(dtype=np.float64)
    weights = np.maximum(weights, _LEAST_WEIGHT * weights.max())
    return weights / weights.mean()


def ask_other_manager(run: Run, real: Prepared, manager: Model | str | None) -> Prepared:
    """Have the plan made by a model of its own, if one is named; it is freed before the workers' model is loaded: one is in memory at a time."""
    if manager is None:
        return real
    if real.plan != "manager":
        raise UsageError(
            "A manager model was named, and the plan is not the manager's.",
            next_step="leave out --manager-model, or --plan",
        )
    with load(manager, run, "manager model") as loaded:
        run.manager = {"name": loaded.name, "sha256": loaded.sha256}
        return replace(real, plan=_ask_manager(run, real, loaded))


def make_plan(run: Run, real: Prepared, model: Model | None) -> Plan:
    """The plan that was given, that the manager writes, or that the data suggest."""
    if isinstance(real.plan, Plan):
        team = real.plan
    elif real.plan == "manager" and model is not None:
        team = _ask_manager(run, real, model)
    else:
        team = from_data(real.values, real.known)
    run.tell(
        Decision(
            "plan",
            " -> ".join(component.role for component in team.line()),
            f"from the {team.source}",
        )
    )
    return team


def _ask_manager(run: Run, real: Prepared, model: Model) -> Plan:
    chosen = run.settings.team
    return propose(
        real.values,
        real.known,
        model,
        seed=run.seed,
        temperature=chosen.temperature,
        attempts=chosen.attempts,
        show=chosen.examples > 0,
    ).plan


def weigh(run: Run, line: Team) -> Calibration:
    """Measure on real rows how far the label worker's word can be trusted."""
    calibration = calibrate(line)
    run.label_policy = line.label_policy
    run.skill, run.cells = calibration.labels, calibration.cells
    if run.skill:
        told = f"{run.skill.worker_weight:.2f} of the label worker, {run.skill.ensemble_weight:.2f} of a model trained on the real rows"
        run.tell(
            Decision(
                "labels",
                told,
                f"measured on {run.skill.rows} real rows that neither had seen"
                if run.skill.worker_loss is not None
                else "nobody is asked",
            )
        )
    if run.cells and run.settings.team.cells == "calibrated":
        told = f"{np.mean(list(run.cells.weights.values())):.0%} by the workers, the others by a tree of the columns"
        run.tell(
            Decision(
                "cells",
                told,
                f"measured on {len(run.cells.worker)} real rows that neither had seen",
            )
        )
    run.measuring = line.counters.prefix + line.counters.rows
    run.clock.lap("labels")
    return calibration


def assemble(run: Run, line: Team, writer: RowWriter) -> Block:
    """Let the team write the next block of rows."""
    written = itertools.count(run.ledger.generated + 1)
    most = run.ledger.next_block(run.settings.team.block_rows)
    rng = generator(run.seed, Stream.WANTED_LABELS, run.ledger.blocks)
    labels = draw_labels(run.ledger.missing_labels, most, rng) if run.ledger.quotas else None
    block = writer.write(
        BlockRequest(run.ledger.blocks, most, run.ledger.tried, labels),
        lambda: run.tell(_progress(run, line, next(written))),
    )
    run.clock.lap("assembly")
    return block


def trim(run: Run, block: Block, inspector: Inspector, folder: RunFolder | None) -> None:
    """Judge a block batch by batch, until the wanted rows are kept; every row gets its verdict."""
    ledger = run.ledger
    batches = [
        block.rows.iloc[start : start + ledger.batch_size].reset_index(drop=True)
        for start in range(0, len(block.rows), ledger.batch_size)
    ]
    if not ledger.blocks:
        inspector.tune(batches)
    for rows in batches:
        verdict = inspector.judge(rows) if ledger.kept < ledger.wanted else Verdict(len(rows))
        verdict.reject(
            ledger.surplus(rows, verdict), "surplus", "the wanted rows were already there"
        )
        entry = ledger.add(
            rows,
            verdict,
            {"block": block.number, "seed": run.seed, "prompt_sha256": block.prompt_sha256},
        )
        if folder:
            folder.note(entry)
    ledger.end_block(block.failed, interrupted=block.interrupted)
    run.clock.lap("trim")


def finish(
    run: Run, real: Prepared, team: Plan, model: Model, counters: Counters, folder: RunFolder | None
) -> Result:
    """Put the rows together in the types of the input, and write the files."""
    kept, notes, rejected = run.ledger.rows(real.known)
    taught = run.skill.ensemble_weight if run.skill else 0.0
    found = (
        benefit(real.values, kept, real.known, run.seed, wanted_weights(real), taught)
        if len(kept)
        else None
    )
    run.clock.lap("benefit")
    report = report_of(run.ledger, counters, run.clock, team, model, run.seed, found)
    report["labels"] = {
        "policy": run.label_policy,
        **(vars(run.skill) if run.skill else {}),
        "shares": label_shares(run, real, kept),
    }
    report["tokens"]["measuring"] = run.measuring
    report["cells"] = {
        "policy": run.settings.team.cells,
        **(to_json(run.cells.summary(team.line())) if run.cells else {}),
    }
    report["manager"] = run.manager or (report["model"] if team.source == "manager" else None)
    report["given"] = {
        "features": list(real.conditions.given),
        "rows of each label": run.ledger.quotas,
    }
    decisions = [vars(decision) for decision in run.decisions]
    asked = {
        "model": report["model"],
        "manager": report["manager"],
        "seed": run.seed,
        "decisions": decisions,
    }
    manifest = manifest_of(run.ledger, real.table, run.settings, real.known, run.clock, asked)
    ready = deliver(
        real.known, real.table, real.frame, kept, texts_of(run, real, model, kept), run.seed
    )
    if folder:
        dictionary = real.known_text or real.known.to_yaml()
        texts = {
            "dictionary.yaml": dictionary,
            "plan.yaml": team.to_yaml(),
            "report.json": as_json(report),
            "manifest.json": as_json(manifest),
        }
        folder.finish(real.table, ready.cells, with_notes(notes, real.known.cells(rejected)), texts)
    return Result(
        ready.synthetic,
        with_notes(notes, real.known.native(rejected)),
        ready.augmented,
        report,
        real.known,
        team,
        manifest,
    )


def texts_of(
    run: Run, real: Prepared, model: Model, kept: pd.DataFrame
) -> dict[str, list[str | None]]:
    """Short texts for the kept rows, where the dictionary asks for some."""
    columns = [out for out in real.known.left_out if out.make == "text"]
    if not columns or kept.empty or run.ledger.interrupted:
        return {}
    try:
        return write_texts(model, real.known, columns, kept, run.settings, run.seed).columns
    except DecodeError as error:
        run.tell(Notice(f"the texts were not written: {error}"))
        return {}


def label_shares(run: Run, real: Prepared, kept: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The share of each class among the real and the kept rows; a class that got lost on the way is said."""
    if not real.known.classification or kept.empty:
        return {}
    shares = {
        name: rows[real.known.target].value_counts(normalize=True)
        for name, rows in (("real", real.values), ("kept", kept))
    }
    lost = len(set(shares["real"].index) - set(shares["kept"].index))
    if lost and not real.conditions.given:
        run.tell(
            Notice(
                f"{lost} of the classes of {real.known.target} are in no kept row; --balance uniform asks for them"
            )
        )
    return {
        name: {str(label): float(share) for label, share in found.items()}
        for name, found in shares.items()
    }


def _progress(run: Run, line: Team, written: int) -> Progress:
    ledger, seconds = run.ledger, run.clock.assembling
    left = ledger.rows_left(written) * seconds / written if written and seconds else None
    speed = (line.counters.prefix + line.counters.rows) / seconds if seconds else 0.0
    return Progress(ledger.wanted, written, ledger.kept, dict(ledger.rejected_by), speed, left)


def _refuse_blank_columns(table: Table) -> None:
    blank = [
        f"{table.source}, column {position}: {name!r}"
        for position, name in enumerate(table.cells, 1)
        if table.cells[name].isna().all()
    ]
    if blank:
        command = f"python -m t2local describe {table.source} -o dictionary.yaml"
        next_step = f"remove these columns, or leave them out: '{command}', then pass --dictionary dictionary.yaml"
        raise InputError("Some columns have nothing but blanks.", faults=blank, next_step=next_step)


def check_numbers(**numbers: int | None) -> None:
    """**Raises** `UsageError` for numbers below 1."""
    faults = [
        f"{name}: must be 1 or more"
        for name, number in numbers.items()
        if number is not None and number < 1
    ]
    if faults:
        raise UsageError(
            "Some numbers cannot be used:",
            faults=faults,
            next_step="python -m t2local generate --help",
        )

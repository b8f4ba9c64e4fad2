"""The story of a run, read top-down: read -> plan -> calibrate -> (assemble -> trim)* -> finish.

Nothing here prints: what happens is told in events to ``on_event``, and `t2local.cli` renders them.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from t2local.errors import DecodeError
from t2local.events import Decision, Listener, Notice, ignore
from t2local.llm.model import Model
from t2local.run.fingerprint import check_machine, fingerprint_of
from t2local.run.folder import RunFolder
from t2local.run.inputs import (
    DictionarySource,
    Inputs,
    KnowledgeSource,
    Run,
    TableSource,
    WhereSource,
    new_run,
    rare_level_notices,
    read,
    read_inputs,
    understand,
)
from t2local.run.judging import Judge, judge_of
from t2local.run.ledger import BatchEntry
from t2local.run.measure import measure
from t2local.run.models import (
    ModelIdentity,
    ModelSource,
    RunPlan,
    load,
    load_workers,
    make_plan,
    plan_by_another_model,
    with_own_beliefs,
)
from t2local.run.pictures import pictures_of
from t2local.run.progress import RowProgress
from t2local.run.progress_bar import listening
from t2local.run.report import TeamFacts, report_of
from t2local.run.result import Result, hand_over
from t2local.run.resumption import ResumableScorer
from t2local.run.texts import texts_for
from t2local.run.wanted_rows import want_rows
from t2local.run.writers import writer_of
from t2local.settings import Settings, SettingsSource
from t2local.stats.streams import Stream, generator
from t2local.system.interrupts import SecondInterrupt, deferred
from t2local.tables.belief_file import Knowledge, check_positive
from t2local.tables.codebook_file import read_codebook_file
from t2local.tables.describe import describe as guess_dictionary
from t2local.tables.dictionary import FeatureDictionary
from t2local.team.beliefs import ask as ask_model
from t2local.team.calibration import MAX_ASKED, Calibration, asks, calibrate, most_asked
from t2local.team.conditions import draw_labels
from t2local.team.drawing import Drawing
from t2local.team.plan import Plan
from t2local.team.scoring import RowScorer
from t2local.team.team import Team
from t2local.team.writer import Block, BlockRequest, Writer


def describe(
    data: TableSource,
    *,
    target: str | None = None,
    codebook: Path | str | None = None,
    settings: SettingsSource | None = None,
    on_event: Listener = ignore,
) -> FeatureDictionary:
    """Guess the feature dictionary of a table; each guess says why.

    A codebook (REDCap, OMOP, Table Schema, FHIR) comes before guesses.
    """
    table_settings = Settings.of(settings).table
    table = read(data, table_settings)
    for decision in table.decisions:
        on_event(decision)
    guess = guess_dictionary(
        table.cells,
        target=target,
        settings=table_settings,
        source=table.source,
        other_cells=table.other_cells,
    )
    dictionary = guess
    if codebook is not None:
        book = read_codebook_file(Path(codebook))
        dictionary = book.apply(guess, table.cells, table_settings.min_count)
        for message in book.notes:
            on_event(Notice(message))
    for message in rare_level_notices(dictionary, table, table_settings):
        on_event(Notice(message))
    return dictionary


def plan(
    data: TableSource,
    *,
    target: str | None = None,
    dictionary: DictionarySource | None = None,
    source: Literal["manager", "data"] = "manager",
    model: ModelSource | None = None,
    seed: int = 1,
    settings: SettingsSource | None = None,
    on_event: Listener = ignore,
) -> Drawing:
    """The plan for a table (``.plan``); ``.text()`` and ``.mermaid()`` draw it.

    ``.associations`` says how strongly its components are associated in the real rows, 0 to 1.
    """
    run = new_run(Settings.of(settings), seed, 1, on_event)
    inputs = read_inputs(run, data, target, dictionary, source)
    if source == "manager":
        with load(model, run) as loaded:
            run_plan = make_plan(run, inputs, loaded)
    else:
        run_plan = make_plan(run, inputs, None)
    return Drawing.of(run_plan.plan, inputs.values, inputs.dictionary)


def ask(
    data: TableSource,
    *,
    target: str | None = None,
    dictionary: DictionarySource | None = None,
    model: ModelSource | None = None,
    settings: SettingsSource | None = None,
    on_event: Listener = ignore,
) -> Knowledge:
    """What a model believes of the columns of a table; it sees names and levels, and no row.

    **Raises** `DictionaryError` where a target of many classes does not say which one is meant.
    """
    run = new_run(Settings.of(settings), 1, 1, on_event)
    _, agreed = understand(run, read(data, run.settings.table), target, dictionary)
    check_positive(agreed)
    with load(model, run) as loaded:
        return ask_model(loaded, agreed, run.settings.decoder)


def generate(
    data: TableSource,
    *,
    target: str | None = None,
    rows: int | None = None,
    dictionary: DictionarySource | None = None,
    knowledge: KnowledgeSource | None = None,
    plan: Plan | Path | str = "manager",
    model: ModelSource | None = None,
    manager_model: ModelSource | None = None,
    where: WhereSource = (),
    balance: str | Mapping[str, float] | None = None,
    seed: int = 1,
    batch_size: int = 10,
    max_batches: int | None = None,
    preset: str = "default",
    settings: SettingsSource | None = None,
    out: Path | str | None = None,
    replace: bool = False,
    resume: bool = False,
    client: Any = None,
    on_event: Listener = ignore,
    progress: bool = False,
) -> Result:
    """Write synthetic rows for a small table, and keep those that pass the quality stages.

    * **Raises** a `T2LocalError` that names what to do next. That no row is kept is no error.
    * **data**: a DataFrame or a file; **target**: what to predict, or ``none``; **rows**: wanted.
    * **dictionary**, **knowledge**, **plan**, **model**, **manager_model**: objects, files, names.
    * **where**: ``["sex=F", "age>=65"]`` or a dict; **balance**: ``"uniform"`` or a dict of shares.
    * **settings**: `Settings`, or names and values over ``preset``; **on_event** hears all events.
    * **out**: folder; **replace** a result in it, or **resume** its run; **seed**: 1 or more.
    * **client**: of dask (docs/howto/many-machines.md); **progress**: whether tqdm shows a bar.
    """
    with listening(on_event, progress=progress) as listener:
        run = new_run(Settings.of(settings, preset), seed, batch_size, listener, client)
        folder = RunFolder(Path(out), replace=replace, resume=resume) if out else None
        inputs = read_inputs(run, data, target, dictionary, plan, where, balance, knowledge)
        want_rows(run, inputs, rows, max_batches)
        return plan_and_write(run, inputs, model, manager_model, folder)


def plan_and_write(
    run: Run,
    inputs: Inputs,
    model: ModelSource | None,
    manager_model: ModelSource | None,
    folder: RunFolder | None,
) -> Result:
    """Make the plan, then write and judge the rows; one model is in memory at a time."""
    with folder or nullcontext():
        run = begin(run, inputs, model, manager_model, folder)
        run_plan = plan_by_another_model(run, inputs, manager_model)
        with load_workers(model, run) as loaded:
            expect(run, inputs, loaded)
            run_plan = run_plan or make_plan(run, inputs, loaded)
            inputs = with_own_beliefs(run, inputs, loaded)
            return write_and_trim(run, inputs, run_plan, loaded, folder)


def expect(run: Run, inputs: Inputs, model: Model) -> None:
    """Guess what the run takes: the model is known, and how many rows are to be written."""
    from t2local.llm.machine import cpus  # it imports llama.cpp

    ledger = run.ledger
    run.remaining.expect(
        len(inputs.dictionary.names) * model.weight_bytes,
        len(cpus()),
        max(ledger.wanted, ledger.candidates),
        plans=inputs.plan == "manager",
        fits=inputs.dictionary.target is not None,
    )


def begin(
    run: Run,
    inputs: Inputs,
    model: ModelSource | None,
    manager_model: ModelSource | None,
    folder: RunFolder | None,
) -> Run:
    """The run with what is on disk of it: a part of it, where it did not come to its end."""
    if folder is None:
        return run
    manager = manager_model and ModelIdentity.find(manager_model)
    fingerprint = fingerprint_of(run, inputs, ModelIdentity.find(model), manager or None)
    checkpoint = folder.start(fingerprint)
    if not checkpoint.empty:
        run.tell(Notice(f"{checkpoint.rows} rows of the earlier run are taken over"))
    return replace(run, checkpoint=checkpoint)


def write_and_trim(
    run: Run, inputs: Inputs, run_plan: RunPlan, model: Model, folder: RunFolder | None
) -> Result:
    """Write and judge blocks of rows until the wanted ones are kept.

    What is there is delivered whatever happens: after Ctrl-C, and when the model fails.
    """
    ledger = run.ledger
    judge = judge_of(run, inputs)
    ledger.clock.lap("trim")
    with team_of(run, inputs, run_plan.plan, model) as team:
        check_machine(run)
        ledger.tokens["rows"] = team.counters
        identity = ModelIdentity.of(model)
        facts = TeamFacts(run_plan.plan, run_plan.manager, identity, team.label_policy)
        try:
            facts = replace(facts, calibration=calibrate_team(run, team))
            writer = writer_of(run, inputs, run_plan.plan, team, facts.calibration)
            progress = RowProgress(run, team)
            run.enter("writing")
            while not ledger.done:
                block = assemble(run, writer, progress.tell)
                with deferred() as ctrl_c:
                    trim(run, block, judge, folder)
                ledger.interrupted |= bool(ctrl_c)
                progress.tell(ledger.generated)
        except SecondInterrupt:
            raise
        except KeyboardInterrupt:
            ledger.interrupted = True
        except DecodeError:
            finish(run, inputs, facts, model, judge, folder)
            raise
        # Who has asked once to stop is not put off a second time.
        with nullcontext() if ledger.interrupted else deferred():
            return finish(run, inputs, facts, model, judge, folder)


def team_of(run: Run, inputs: Inputs, plan: Plan, model: Model) -> Team:
    """The team of a run; what it shows and is asked depends on the seed with which it is fitted."""
    team = Team(
        model,
        inputs.dictionary,
        plan,
        inputs.values,
        run.settings,
        run.fit_seed or run.seed,
        inputs.conditions,
    )
    run.tell(team.slots)
    run.ledger.clock.lap("assembly")
    return team


def calibrate_team(run: Run, team: Team) -> Calibration:
    """Measure on real rows how far the team's word can be trusted."""
    # For samples of any size the team is asked all that it may be asked.
    n_rows = MAX_ASKED if run.fit_seed else run.ledger.wanted
    if asks(team):
        run.remaining.rows_asked = min(most_asked(n_rows), len(team.real))
    run.enter("training")
    scorer = ResumableScorer(RowScorer(team), run, team.counters)
    calibration = calibrate(team, n_rows, scorer)
    labels, cells = calibration.labels, calibration.cells
    if labels:
        weights = (
            f"the language model is believed by {labels.worker_weight:.2f}, models of the real "
            f"rows by {labels.ensemble_weight:.2f} (1: as they say it)"
        )
        reason = "nobody is asked; --set team.labels"
        if labels.worker_loss is not None:
            reason = f"measured on {labels.rows} real rows that neither had seen; --set team.labels"
        run.tell(Decision("labels", weights, reason))
    if cells and run.settings.team.cells == "calibrated":
        mean = sum(cells.weights.values()) / len(cells.weights)
        share = f"{mean:.0%} by the language model, the others by models of the columns"
        n_asked = len(cells.worker)
        reason = f"measured on {n_asked} real rows that neither had seen; --set team.cells"
        run.tell(Decision("cells", share, reason))
    decoded = team.counters + run.ledger.earlier_tokens
    run.ledger.calibration_tokens = decoded.decoded_tokens
    run.ledger.clock.lap("calibration")
    return calibration


def assemble(run: Run, writer: Writer, on_row: Callable[[int], None]) -> Block:
    """Let the team write the next block of rows; who listens hears how many there are."""
    ledger = run.ledger
    numbers = itertools.count(ledger.generated + 1)
    n_rows = ledger.next_block(run.settings.team.block_rows)
    labels = None
    if ledger.quotas:
        rng = generator(run.seed, Stream.WANTED_LABELS, ledger.blocks)
        labels = draw_labels(ledger.missing_labels, n_rows, rng)
    block = writer.write(
        BlockRequest(ledger.blocks, n_rows, ledger.tried, labels),
        lambda: on_row(next(numbers)),
    )
    ledger.clock.lap("assembly")
    return block


def trim(run: Run, block: Block, judge: Judge, folder: RunFolder | None) -> None:
    """Judge a block, and say in the journal what was judged; in a long run it may wait."""
    _note(run, judge.add(block), folder)


def _note(run: Run, entries: Sequence[BatchEntry], folder: RunFolder | None) -> None:
    for entry in entries:
        if folder:
            folder.note(entry)
    run.ledger.clock.lap("trim")


def finish(
    run: Run,
    inputs: Inputs,
    facts: TeamFacts,
    model: Model,
    judge: Judge,
    folder: RunFolder | None,
) -> Result:
    """Judge what still waits, measure the kept rows, write their texts, report, and hand over."""
    _note(run, judge.rest(), folder)
    run.enter("measuring")
    rows = run.ledger.rows(inputs.dictionary)
    texts = texts_for(run, inputs, model, rows.kept)
    matches, weights = inputs.matches(), inputs.row_weights()
    pictures = pictures_of(inputs.values[matches], rows, inputs.dictionary, weights[matches])
    measured = measure(run, inputs, facts.calibration, rows.kept)
    report = report_of(run, inputs, facts, measured, pictures)
    return hand_over(run, inputs, facts, rows, texts, report, folder)

"""What a run would take, from two seconds of writing: ``generate --dry-run``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from t2local.events import Listener, ignore
from t2local.llm.model import Model
from t2local.run.inputs import (
    DictionarySource,
    Inputs,
    KnowledgeSource,
    Run,
    TableSource,
    new_run,
    read_inputs,
)
from t2local.run.judging import inspector_for
from t2local.run.models import ModelSource, load_workers, make_plan, plan_by_another_model
from t2local.run.wanted_rows import want_rows
from t2local.settings import Settings
from t2local.team.plan import Plan
from t2local.team.rehearsal import Rehearsal, rehearse
from t2local.team.team import Team
from t2local.trim.benefit import benefit


@dataclass(frozen=True)
class Forecast:
    """What a run would take.

    * ``rows``: wanted, and ``rows_at_most``: written if batches are refused as long as is allowed.
    * Tokens: ``prompt``, of which ``stable`` are decoded once; ``row``; ``context``.
    * Bytes: ``context_bytes``, ``weight_bytes``.
    * Tokens per second: ``prompt_speed``, ``row_speed``.
    * Seconds as measured: ``load``, ``plan``, ``judging``; in all if no batch is refused:
      ``seconds``, and for ``rows_at_most`` rows: ``seconds_at_most``.
    """

    rows: int
    rows_at_most: int
    example_sets: int
    calibration_rows: int
    prompt: int
    stable: int
    row: float
    prompt_speed: float
    row_speed: float
    context: int
    context_bytes: int
    weight_bytes: int
    load: float
    plan: float
    judging: float
    seconds: float
    seconds_at_most: float


def forecast(
    data: TableSource,
    *,
    target: str | None = None,
    rows: int | None = None,
    dictionary: DictionarySource | None = None,
    knowledge: KnowledgeSource | None = None,
    plan: Plan | Path | str = "manager",
    model: ModelSource | None = None,
    manager_model: ModelSource | None = None,
    where: Sequence[str] = (),
    balance: str | Mapping[str, float] | None = None,
    seed: int = 1,
    batch_size: int = 10,
    max_batches: int | None = None,
    settings: Settings | None = None,
    on_event: Listener = ignore,
) -> Forecast:
    """What `t2local.generate` would take with these arguments; nothing is written."""
    run = new_run(settings or Settings(), seed, batch_size, on_event)
    inputs = read_inputs(run, data, target, dictionary, plan, where, balance, knowledge)
    want_rows(run, inputs, rows, max_batches)
    run_plan = plan_by_another_model(run, inputs, manager_model)
    with load_workers(model, run) as loaded:
        run_plan = run_plan or make_plan(run, inputs, loaded)
        rehearsal = _rehearse(run, inputs, run_plan.plan, loaded)
        _time_judging(run, inputs)
        return _forecast(run, rehearsal, loaded.weight_bytes)


def _rehearse(run: Run, inputs: Inputs, plan: Plan, model: Model) -> Rehearsal:
    """Write for two seconds."""
    rows = run.ledger.max_batches * run.ledger.batch_size
    dictionary, values = inputs.dictionary, inputs.values
    with Team(model, dictionary, plan, values, run.settings, run.seed, inputs.conditions) as team:
        rehearsal = rehearse(team, rows, run.ledger.wanted)
    run.ledger.clock.lap("rehearsal")
    return rehearsal


def _time_judging(run: Run, inputs: Inputs) -> None:
    """Judge labels and make the verdict; real rows take as long as those that will be kept."""
    inspector = inspector_for(run, inputs)
    kept = inputs.values.head(run.ledger.wanted)
    if inputs.dictionary.target is not None:
        _ = inspector.state.reference.fold  # it is fitted when it is asked for
        benefit(inputs.values, kept, inputs.dictionary, run.seed, ensemble_label_share=1.0)
    run.ledger.clock.lap("judging")


def _forecast(run: Run, rehearsal: Rehearsal, weight_bytes: int) -> Forecast:
    ledger, seconds = run.ledger, run.ledger.clock.seconds
    before = seconds["load"] + seconds["plan"] + seconds["judging"]
    written = min(rehearsal.rows, _rows_to_write(run))
    return Forecast(
        rows=ledger.wanted,
        rows_at_most=rehearsal.rows,
        example_sets=rehearsal.example_sets,
        calibration_rows=rehearsal.calibration_rows,
        prompt=rehearsal.prompt,
        stable=rehearsal.stable,
        row=rehearsal.row,
        prompt_speed=rehearsal.prompt_speed,
        row_speed=rehearsal.row_speed,
        context=rehearsal.context,
        context_bytes=rehearsal.context_bytes,
        weight_bytes=weight_bytes,
        load=seconds["load"],
        plan=seconds["plan"],
        judging=seconds["judging"],
        seconds=before + rehearsal.seconds(written),
        seconds_at_most=before + rehearsal.seconds(rehearsal.rows),
    )


def _rows_to_write(run: Run) -> int:
    """How many rows are written if no source and no batch is refused."""
    ledger, settings = run.ledger, run.settings.trim
    if settings.gate == "source":
        return max(ledger.wanted, ledger.candidates)
    # Each accepted batch loses its worst rows, so a few more have to be written.
    return math.ceil(ledger.wanted / max(1 - settings.worst_share, 1 / ledger.wanted))

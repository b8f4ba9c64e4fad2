"""What a run would take, from two seconds of writing: ``generate --dry-run``."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from t2local.events import Listener, ignore
from t2local.llm.model import Model
from t2local.pipeline import (
    Run,
    ask_other_manager,
    check_numbers,
    inspector_of,
    load,
    make_plan,
    prepare,
)
from t2local.run.ledger import Ledger
from t2local.settings import Settings
from t2local.tables.dictionary import FeatureDictionary
from t2local.team.plan import Plan
from t2local.team.rehearsal import rehearse
from t2local.team.team import Team
from t2local.trim.benefit import benefit


def forecast(
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
    settings: Settings | None = None,
    on_event: Listener = ignore,
) -> dict[str, float]:
    """What `generate` would take, from two seconds of writing; nothing is written.

    **Returns** tokens (``prompt``, ``row``, ``context``), bytes (``context_bytes``, ``weight_bytes``), tokens per second (``prompt_speed``,
    ``row_speed``), seconds as measured (``load``, ``plan``, ``judging``), in all if no batch is refused (``seconds``), and for ``rows_at_most`` rows.
    """
    check_numbers(rows=rows, seed=seed, batch_size=batch_size, max_batches=max_batches)
    run = Run(settings or Settings(), seed, Ledger(rows, batch_size, max_batches or 0), on_event)
    real = ask_other_manager(
        run, prepare(run, data, target, dictionary, plan, where, balance), manager_model
    )
    most = (max_batches or run.settings.trim.patience * math.ceil(rows / batch_size)) * batch_size
    with load(model, run) as loaded:
        run.clock.lap("load")
        team = make_plan(run, real, loaded)
        run.clock.lap("plan")
        with Team(
            loaded, real.known, team, real.values, run.settings, seed, real.conditions
        ) as line:
            found = rehearse(line, most)
        run.clock.lap("forecast")
        inspector_of(run, real)
        benefit(
            real.values, real.values.head(rows), real.known, seed, taught=1.0
        )  # real rows take as long as those that will be kept
        run.clock.lap("judging")
        written = min(most, math.ceil(rows / max(1 - run.settings.trim.worst_share, 1 / most)))
        before = {part: run.clock.seconds[part] for part in ("load", "plan", "judging")}
        sums = {
            name: sum(before.values()) + found.seconds(number)
            for name, number in (("seconds", written), ("seconds_at_most", most))
        }
        return {
            **vars(found),
            **before,
            **sums,
            "rows": rows,
            "rows_at_most": most,
            "weight_bytes": loaded.weight_bytes,
        }

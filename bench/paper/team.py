"""Our own methods: the team, the team with each stage, paper mode, the default.

And the ablations that decide our defaults.
"""

from typing import Any

import pandas as pd

import t2local
from bench.paper.prompting import Written
from bench.paper.studies import Task
from t2local.errors import T2LocalError
from t2local.llm.backbone import Backbone
from t2local.tables.files import cells_of
from t2local.team.plan import Plan, plan_of_roles
from t2local.team.rows import array, records


def shares(task: Task) -> dict[str, float]:
    """The shares of the labels in D_ori."""
    counts = task.real[task.dictionary.target].value_counts(normalize=True)
    return {str(label): float(share) for label, share in counts.items()}


def single(task: Task) -> Plan:
    """One worker for all features: a single LLM instead of a team."""
    return plan_of_roles([("Features", task.dictionary.inputs, ())], task.dictionary, "data")


#: What `t2local.generate` is run with instead of its defaults: the choices that decide them, on
#: seeds 0-9.
ABLATIONS: dict[str, dict[str, Any]] = {
    "labels: worker": {"settings": {"team.labels": "worker"}},
    "labels: classifier": {"settings": {"team.labels": "classifier"}},
    "labels: drawn": {"settings": {"team.label_choice": "drawn"}},
    "cells: worker": {"settings": {"team.cells": "worker"}},
    "conditioning: parents": {"settings": {"team.conditioning": "parents"}},
    "examples: 0": {"settings": {"team.examples": 0}},
    "examples: 10": {"settings": {"team.examples": 10}},
    "examples: 40": {"settings": {"team.examples": 40}},
    "temperature: 0.7": {"settings": {"team.temperature": 0.7}},
    "plan: data": {"plan": "data"},
    "plan: one component": {"plan": single},
    "label first": {"balance": shares},
    "label first and balanced": {"balance": "uniform"},
    "gate: ig_refit": {"settings": {"trim.gate": "ig_refit"}},
    "judge: several": {"settings": {"trim.model": "several"}},
    "worst share: 0": {"settings": {"trim.worst_share": 0.0}},
    "worst share: 0.3": {"settings": {"trim.worst_share": 0.3}},
}


#: Teams with fewer stages, and the stages whose rejected rows they leave out.
STAGES: dict[str, tuple[str, ...]] = {
    "team alone": (),
    "team + sanity": ("sanity",),
    "team + sanity + cost": ("sanity", "cost"),
}


def generate(task: Task, model: Backbone, **options: Any) -> t2local.Result:
    """One call of `t2local.generate`; the dictionary's ranges are those of the whole table."""
    options["settings"] = {"table.widen": 0.0, **options.get("settings", {})}
    return t2local.generate(
        task.real,
        dictionary=task.dictionary,
        rows=task.rows,
        seed=task.seed + 1,
        model=model,
        **options,
    )


def run(task: Task, model: Backbone, **options: Any) -> tuple[pd.DataFrame, pd.Series, Written]:
    """All rows of one run in the order of writing, the stage that rejected each, and those kept.

    The stage of a kept row is blank.
    """
    result = generate(task, model, **options)
    names = task.dictionary.names
    rejected = result.rejected.set_index("row")
    numbers = set(range(1, len(rejected) + len(result.synthetic) + 1)) - set(rejected.index)
    kept = result.synthetic[names].set_axis(sorted(numbers)).assign(_stage="")
    parts = [kept, rejected[names].assign(_stage=rejected["stage"])]
    every = pd.concat([part for part in parts if len(part)]).sort_index()
    # Rows are delivered in the types of the input: they are read as the input was.
    rows = task.dictionary.values(cells_of(every[names]))
    stage = every["_stage"].reset_index(drop=True)
    tokens = result.report["tokens"]
    own = rows[stage == ""].reset_index(drop=True)
    return rows, stage, Written(own, tokens["prefix"], tokens["rows"])


def stages(task: Task, model: Backbone, manager: str | None = None) -> dict[str, Written]:
    """The default run, and what it would have been with fewer stages.

    They are the same rows in the same order.
    """
    rows, stage, written = run(task, model, manager_model=manager)
    methods = {"ours": written}
    for name, rejecting in STAGES.items():
        some = rows[~stage.isin(rejecting)].head(task.rows).reset_index(drop=True)
        methods[name] = Written(some, written.prompt, written.text)
    return methods


def to_share(task: Task, model: Backbone) -> Written:
    """Rows that are to look like the table, where those of `stages` are for training."""
    return run(task, model, settings={"trim.purpose": "share"})[2]


def parts(task: Task, model: Backbone) -> list[dict[str, Any]]:
    """Tokens in and out and seconds of a default run, by what they were for.

    The workers' cells of a row stand in one array, decoded at one go: tokens are those of a
    worker's cells alone, seconds those of the assembly line (its prompts included) shared out by
    them.
    """
    result = generate(task, model)
    names = task.dictionary.names
    every = pd.concat([result.synthetic, result.rejected])[names]
    rows = records(task.dictionary.values(cells_of(every)))
    workers = [
        [task.dictionary[name] for name in component.features] for component in result.plan.line()
    ]
    n_tokens = [
        sum(len(model.tokenize(array(features, row)[1:])) for row in rows) for features in workers
    ]
    tokens, seconds = result.report["tokens"], result.report["seconds"]
    seconds_a_token = seconds["assembly"] / sum(n_tokens)
    return [
        _part("the manager's plan", None, None, seconds["plan"]),
        _part("questions about real rows", tokens["calibration"], 0, seconds["calibration"]),
        *(
            _part(
                f"worker {number}: {', '.join(feature.name for feature in features)}",
                0,
                n_tokens[number - 1],
                seconds_a_token * n_tokens[number - 1],
            )
            for number, features in enumerate(workers, 1)
        ),
        _part("the workers' prompts", tokens["prefix"], 0, 0),
        _part("trimming", 0, 0, seconds["trim"]),
        _part("the verdict", 0, 0, seconds["benefit"]),
    ]


def _part(name: str, n_in: int | None, n_out: int | None, seconds: float) -> dict[str, Any]:
    return {"part": name, "in": n_in, "out": n_out, "seconds": round(seconds, 1)}


def paper_mode(task: Task, model: Backbone) -> dict[str, Written]:
    """The paper's choices of everything, with the number of batches fixed."""
    try:
        return {"paper mode": run(task, model, preset="paper", settings={})[2]}
    except T2LocalError as error:
        raise RuntimeError(error.message) from error


def ablation(task: Task, model: Backbone, name: str) -> dict[str, Written]:
    """The default run with one choice made otherwise."""
    options = dict(ABLATIONS[name])
    for key, value in options.items():
        if callable(value):  # it depends on D_ori
            options[key] = value(task)
    return {name: run(task, model, **options)[2]}

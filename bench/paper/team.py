"""Our own methods: the team, the team with each stage, paper mode, the default; and the ablations that decide our defaults."""

from typing import Any

import pandas as pd

import t2local
from bench.paper.prompting import Written
from bench.paper.studies import Task
from t2local.errors import T2LocalError
from t2local.llm.backbone import Backbone
from t2local.tables.files import cells_of
from t2local.team.plan import Plan, with_label
from t2local.team.rows import array, records


def shares(task: Task) -> dict[str, float]:
    """The shares of the labels in D_ori."""
    return {
        str(label): float(share)
        for label, share in task.real[task.dictionary.target].value_counts(normalize=True).items()
    }


def single(task: Task) -> Plan:
    """One worker for all features: a single LLM instead of a team."""
    return with_label([("Features", task.dictionary.inputs, ())], task.dictionary, "data")


#: What is asked of `t2local.generate` beyond its defaults: the choices that decide them, on seeds 0-9.
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


def run(task: Task, model: Backbone, **options: Any) -> tuple[pd.DataFrame, pd.DataFrame, Written]:
    """One call of `t2local.generate`: all rows in the order of writing, with the stage that rejected them (blank: kept)."""
    options["settings"] = {"table.widen": 0.0, **options.get("settings", {})}
    done = t2local.generate(
        task.real,
        dictionary=task.dictionary,
        rows=task.rows,
        seed=task.seed + 1,
        model=model,
        **options,
    )
    rejected = done.rejected.set_index("row")
    names = task.dictionary.names
    numbers = [
        number
        for number in range(1, len(rejected) + len(done.synthetic) + 1)
        if number not in rejected.index
    ]
    kept = done.synthetic[names].set_axis(numbers).assign(_stage="")
    parts = [part for part in (kept, rejected[names].assign(_stage=rejected["stage"])) if len(part)]
    every = pd.concat(parts).sort_index()
    tokens, rows = (
        done.report["tokens"],
        task.dictionary.values(cells_of(every[names])),
    )  # delivered in the types of the input
    stage = every["_stage"].reset_index(drop=True)
    return (
        rows,
        stage,
        Written(rows[stage == ""].reset_index(drop=True), tokens["prefix"], tokens["rows"]),
    )


def stages(task: Task, model: Backbone, manager: str | None = None) -> dict[str, Written]:
    """The default run, and what it would have been with fewer stages: the same rows in the same order."""
    rows, stage, written = run(task, model, manager_model=manager)
    found = {"ours": written}
    for name, refused in {
        "team alone": (),
        "team + sanity": ("sanity",),
        "team + sanity + cost": ("sanity", "cost"),
    }.items():
        some = rows[~stage.isin(refused)].head(task.rows).reset_index(drop=True)
        found[name] = Written(some, written.prompt, written.text)
    return found


def parts(task: Task, model: Backbone) -> list[dict[str, Any]]:
    """Tokens in and out and seconds of a default run, by what they were for.

    The workers' cells of a row stand in one array, decoded at one go: tokens are those of a worker's cells alone, seconds those of
    the assembly line (its prompts included) shared out by them.
    """
    done = t2local.generate(
        task.real,
        dictionary=task.dictionary,
        rows=task.rows,
        seed=task.seed + 1,
        model=model,
        settings={"table.widen": 0.0},
    )
    tokens, seconds = done.report["tokens"], done.report["seconds"]
    rows = records(
        task.dictionary.values(
            cells_of(pd.concat([done.synthetic, done.rejected])[task.dictionary.names])
        )
    )
    features = {
        component.role: [task.dictionary[name] for name in component.features]
        for component in done.plan.line()
    }
    written = {
        role: sum(len(model.tokenize(array(own, row)[1:])) for row in rows)
        for role, own in features.items()
    }
    every = sum(written.values())
    named = [
        ("the manager's plan", None, None, seconds["plan"]),
        ("questions about real rows", tokens["measuring"], 0, seconds["labels"]),
        *(
            (
                f"worker {number}: {', '.join(f.name for f in own)}",
                0,
                written[role],
                seconds["assembly"] * written[role] / every,
            )
            for number, (role, own) in enumerate(features.items(), 1)
        ),
        ("the workers' prompts", tokens["prefix"], 0, 0),
        ("trimming", 0, 0, seconds["trim"]),
        ("the verdict", 0, 0, seconds["benefit"]),
    ]
    return [
        {"part": name, "in": read, "out": wrote, "seconds": round(took, 1)}
        for name, read, wrote, took in named
    ]


def paper_mode(task: Task, model: Backbone) -> dict[str, Written]:
    """The paper's choices of everything, with the number of batches fixed."""
    try:
        return {"paper mode": run(task, model, preset="paper", settings={})[2]}
    except T2LocalError as error:
        raise RuntimeError(error.message) from error


def ablation(task: Task, model: Backbone, name: str) -> dict[str, Written]:
    """The default run with one choice made otherwise."""
    options = {
        key: value(task) if callable(value) else value for key, value in ABLATIONS[name].items()
    }
    return {name: run(task, model, **options)[2]}

"""Planted knowledge: how much of what a model knows reaches a user's models (docs/results.md).

An oracle that has seen a whole population stands for the language model, with doses of knowledge
from 0 to 1; all else is the product's own. A cell is a table, a number of real rows and a seed. A
line of results is one arm of one cell: the AUC of four models on real and added rows, less that on
the real rows alone. What stands in the file is not run again.

    python -m bench.knowledge run --group choose --seeds 0-9 --n 30
    python -m bench.knowledge table --group choose
"""

import argparse
import json
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from bench.knowledge.arms import Added, Cell, arms, model_arms
from bench.knowledge.oracle import Oracle
from bench.knowledge.tables import GROUPS, Unavailable, ensemble_skill, table
from bench.paper.table import cut_torn_line, markdown_table, read, seeds
from bench.tables import interval
from t2local.evaluate.utility import downstream
from t2local.llm.backbone import Backbone
from t2local.llm.store import find
from t2local.team.plan import from_data

RESULTS = Path(__file__).parent / "results"
#: Rows that are added for each real row.
TIMES = (2, 10)
DOSES = (1.0, 0.75, 0.5, 0.25, 0.0)


@cache
def oracle_of(name: str) -> Oracle:
    """The oracle of a table: one serves all seeds."""
    own = table(name)
    plan = from_data(own.population, own.dictionary)
    order = [name for part in plan.line() for name in part.features]
    order = [name for name in order if name != own.dictionary.target]
    return Oracle.fit(own.population, own.dictionary, order, seed=1)


def score(cell: Cell, added: pd.DataFrame) -> float:
    """Mean AUC (a number: R²) in percent of four models on real and added rows."""
    dictionary = cell.table.dictionary
    train = pd.concat([cell.real, added], ignore_index=True)[dictionary.names]
    found = downstream(dictionary, train, cell.table.test, cell.seed, scale=cell.real)
    return found["auc" if dictionary.classification else "r2"]


def lines(
    name: str, n: int, seed: int, done: set[str], only: str, model: Backbone | None
) -> Iterator[dict[str, Any]]:
    """The arms of a cell that are not done yet: those of a model, or those of the oracle."""
    own = table(name)
    real = own.sample(n, seed)
    head = {"table": name, "group": own.group, "n": n, "seed": seed}
    base: float | None = None
    for times in TIMES if model is None else TIMES[-1:]:
        if model is None:
            cell = Cell(own, oracle_of(name), real, seed, times * n)
            named = arms(cell, DOSES)
        else:
            cell = Cell(own, None, real, seed, times * n)
            named = model_arms(cell, model)
        for arm, make in named.items():
            key = f"{arm} x{times}"
            if key in done or only not in arm:
                continue
            if base is None:
                base = score(cell, real.head(0))
                if "D_ori" not in done:
                    yield {**head, "arm": "D_ori", "times": 0, "auc": base, "change": 0.0}
                    skill = ensemble_skill(own, real, seed)
                    yield {
                        **head,
                        "arm": "ensemble",
                        "times": 0,
                        "auc": skill,
                        "change": skill - base,
                    }
            began = time.perf_counter()
            added: Added = make()
            auc = score(cell, added.rows) if len(added.rows) else base
            yield {
                **head,
                "arm": arm,
                "times": times,
                "rows": len(added.rows),
                "auc": auc,
                "change": auc - base,
                "shares": added.rows[own.dictionary.target].value_counts(normalize=True).to_dict()
                if own.dictionary.classification
                else {},
                "seconds": time.perf_counter() - began,
                **added.figures,
            }


def run(
    group: str, ns: list[int], which: range, only: str, out: Path, model: Backbone | None
) -> None:
    """Append the cells that are not there yet, line by line."""
    cut_torn_line(out)
    there = pd.DataFrame(read(out) or [{"table": "", "n": 0, "seed": -1, "arm": "", "times": 0}])
    for n in ns:
        for seed in which:
            for source in GROUPS[group]:
                own = there[
                    (there["table"] == source.name) & (there["n"] == n) & (there["seed"] == seed)
                ]
                done = {
                    f"{arm} x{times}" for arm, times in zip(own["arm"], own["times"], strict=True)
                }
                done |= set(own["arm"])
                try:
                    for line in lines(source.name, n, seed, done, only, model):
                        with out.open("a", encoding="utf-8") as file:
                            file.write(json.dumps(line) + "\n")
                    print(
                        f"{source.name} n={n} seed={seed} {time.strftime('%H:%M:%S')}", flush=True
                    )
                except Unavailable as reason:
                    print(f"{source.name} n={n} is left out: {reason}", flush=True)


def markdown(results: pd.DataFrame) -> str:
    """By n and times: the mean change of each arm over the tables, its interval, and each table."""
    parts = []
    for (n, times), own in results[results["arm"] != "D_ori"].groupby(["n", "times"]):
        tables = list(dict.fromkeys(own["table"]))
        rows = []
        for arm in dict.fromkeys(own["arm"]):
            of_arm = own[own["arm"] == arm]
            means = of_arm.groupby("table")["change"].mean()
            by_seed = of_arm.groupby("seed")["change"].mean()
            half = interval(by_seed.to_numpy())[1] if len(by_seed) > 1 else float("nan")
            cells = [f"{means[name]:+.1f}" if name in means else "-" for name in tables]
            rows.append([arm, f"{means.mean():+.2f} ± {half:.2f}", *cells, str(len(of_arm))])
        title = f"n = {n}, {times} n rows"
        parts.append(f"{title}\n\n" + markdown_table(["arm", "mean", *tables, "cells"], rows))
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["run", "table"])
    parser.add_argument("--group", default="choose", choices=list(GROUPS))
    parser.add_argument("--seeds", type=seeds, default=range(10))
    parser.add_argument("--n", type=int, nargs="+", default=[30])
    parser.add_argument("--only", default="", help="arms whose name has this text")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--model", help="a real model instead of the oracle, such as starter")
    options = parser.parse_args()
    ending = f"_{options.model}" if options.model else ""
    out = options.out or RESULTS / f"{options.group}{ending}.jsonl"
    if options.command == "run":
        model = None
        if options.model:
            file = None if options.model == "starter" else options.model
            model = Backbone(find(file))
        run(options.group, options.n, options.seeds, options.only, out, model)
    else:
        print(markdown(pd.DataFrame(read(out))))


if __name__ == "__main__":
    main()

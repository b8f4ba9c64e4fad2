"""A rare outcome: are its cases kept, and are they like real ones?

Of a table 10 real rows with the outcome and 190 without are known; 2,000 rows are added, by the
oracle (bench/knowledge/oracle.py) or by a real model. Reported: the cases among them, and the mean
and the deviation of a number (an age) of all rows and of the cases, beside those of all rows that
the oracle has learnt from, of the same shares.

    python -m bench.knowledge.rare [--seeds 0-9] [--table flchain] [--model starter]
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from bench.knowledge.__main__ import RESULTS, oracle_of, score
from bench.knowledge.arms import Cell, generated, product
from bench.knowledge.tables import Table, table
from bench.paper.table import cut_torn_line, markdown_table, read, seeds
from t2local.llm.backbone import Backbone
from t2local.llm.store import find

CASES, OTHERS, ADDED = 10, 190, 2000
DOSES = (1.0, 0.5, 0.0)
#: The number that is looked at, by table.
AGE = {
    "flchain": "age_years",
    "nafld": "age_years",
    "titanic": "age_years",
    "mgus2": "age_at_diagnosis",
}


def real_rows(own: Table, seed: int) -> pd.DataFrame:
    """Rows of the pool with the rarest class in a twentieth."""
    target = own.dictionary.target
    pool = own.values.iloc[own.pool_rows]
    rare = pool[target] == pool[target].value_counts().index[-1]
    parts = [(pool[rare], CASES), (pool[~rare], OTHERS)]
    return pd.concat([rows.sample(size, random_state=seed) for rows, size in parts])


def moments(rows: pd.DataFrame, cases: pd.Series, age: str) -> dict[str, float]:
    """Means and deviations of the age, of the cases and of all rows with a twentieth of cases."""
    of_cases, of_others = rows[age][cases], rows[age][~cases]
    share = CASES / (CASES + OTHERS)
    return {
        "cases": int(cases.sum()),
        "mean": share * of_cases.mean() + (1 - share) * of_others.mean(),
        "case_mean": of_cases.mean(),
        "case_deviation": of_cases.std(),
    }


def lines(name: str, seed: int, done: set[str], model: Backbone | None) -> Iterator[dict[str, Any]]:
    """One line for the truth, and one for each dose or for the model."""
    own, age = table(name), AGE[name]
    target = own.dictionary.target
    real = real_rows(own, seed)
    rarest = real[target].value_counts().index[-1]
    cell = Cell(own, oracle_of(name), real, seed, ADDED)
    base = score(cell, real.head(0))
    arms: dict[str, Any] = {"population": lambda: own.population, "real": lambda: real}
    if model is None:
        for dose in DOSES:
            view = cell.oracle.with_dose(dose)
            arms[f"dose {dose:g}"] = lambda view=view: product(cell, view).rows
    else:
        arms[model.name] = lambda: generated(cell, model).rows
    for arm, make in arms.items():
        if arm in done:
            continue
        rows = make()
        change = score(cell, rows) - base if arm not in ("population", "real") else None
        figures = moments(rows, rows[target] == rarest, age)
        yield {"table": name, "seed": seed, "arm": arm, "rows": len(rows), **figures} | {
            "change": change
        }


def markdown(results: pd.DataFrame) -> str:
    """Means over the seeds, and the fewest cases."""
    rows = []
    for (name, arm), own in results.groupby(["table", "arm"], sort=False):
        mean = own[["mean", "case_mean", "case_deviation", "change"]].mean()
        ages = [f"{mean[key]:.1f}" for key in ("mean", "case_mean", "case_deviation")]
        n_cases = own["cases"]
        counts = f"{n_cases.mean():.0f} of {own['rows'].mean():.0f}, least {n_cases.min()}"
        gain = "" if pd.isna(mean["change"]) else f"{mean['change']:+.1f}"
        rows.append([name, arm, counts, *ages, gain, str(len(own))])
    head = ["table", "rows", "cases", "mean age", "of cases", "deviation", "AUC", "seeds"]
    return markdown_table(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=seeds, default=range(10))
    parser.add_argument("--table", default="flchain", choices=list(AGE))
    parser.add_argument("--out", type=Path, default=RESULTS / "rare.jsonl")
    parser.add_argument("--model", help="a real model instead of the oracle, such as starter")
    options = parser.parse_args()
    model = None
    if options.model:
        model = Backbone(find(None if options.model == "starter" else options.model))
    cut_torn_line(options.out)
    for seed in options.seeds:
        there = read(options.out)
        own = [line for line in there if (line["table"], line["seed"]) == (options.table, seed)]
        for line in lines(options.table, seed, {line["arm"] for line in own}, model):
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
    print(markdown(pd.DataFrame(read(options.out))))


if __name__ == "__main__":
    main()

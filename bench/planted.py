"""Planted batches: what each gate accepts when it is clear what a batch is worth (issue 4).

The Diabetes simulator (8 independent features, a logistic label) gives real rows and batches of 10:
from the true distribution, with random labels, with flipped labels, one row repeated, and twice as
wide. The second table has half of the batches bad, and the AUC of a logistic regression on the real
rows, on those with all batches, and on those with the kept rows.

python -m bench.planted [--seeds 100-109] [--out bench/results/planted.json]
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.streams import Planted, table_rows
from bench.tables import interval
from t2local.settings import Settings
from t2local.system.environment import environment
from t2local.system.json_text import to_json
from t2local.tables.describe import describe
from t2local.tables.files import from_frame
from t2local.trim.inspector import Inspector

#: Name, mean, standard deviation and coefficient of each feature, and the decimals that a table
#: would show.
FEATURES = [
    ("HbA1c", 5.7, 0.5, 0.3, 2),
    ("FastingGlucose", 100, 15, 0.0075, 0),
    ("Age", 50, 12, -0.01, 0),
    ("BMI", 25, 4, 0.05, 1),
    ("BloodPressure", 120, 15, 0.04, 0),
    ("Cholesterol", 200, 40, -0.03, 0),
    ("Insulin", 85, 45, -0.02, 0),
    ("PhysicalActivity", 3, 1, -0.1, 1),
]
NAMES, MEAN, SD, COEFFICIENT, DECIMALS = (
    np.array(column) for column in zip(*FEATURES, strict=True)
)
#: The gates that judge batch by batch; the default judges all rows as one source.
GATES = {
    "utility": {"trim.gate": "utility"},
    "utility without the test of labels": {
        "trim.gate": "utility",
        "trim.significance_level": 1,
    },
    "paper (ig_refit)": {"trim.gate": "ig_refit"},
    "ig_plugin": {"trim.gate": "ig_plugin"},
    "predictive_entropy": {"trim.gate": "predictive_entropy"},
}
KINDS = (
    "true",
    "random labels",
    "flipped labels",
    "one row repeated",
    "one row with noise",
    "twice as wide",
)
ROWS = 10


def simulate(rows: int, rule: str, rng: np.random.Generator, spread: float = 1.0) -> pd.DataFrame:
    """Rows of the simulator.

    The label is 1 with its probability (``bernoulli``), or where that is above a half
    (``threshold``).
    """
    x = (
        np.round(rng.normal(MEAN, spread * SD, (rows, len(NAMES))) * 10.0**DECIMALS)
        / 10.0**DECIMALS
    )
    p = 1 / (1 + np.exp(-(x @ COEFFICIENT + rng.normal(0, 0.2, rows))))
    label = rng.random(rows) < p if rule == "bernoulli" else p > 0.5
    return pd.DataFrame(x, columns=NAMES).assign(Outcome=np.where(label, "1", "0"))


def planted(kind: str, rule: str, rng: np.random.Generator) -> pd.DataFrame:
    """A batch of a kind."""
    rows = simulate(ROWS, rule, rng, spread=2.0 if kind == "twice as wide" else 1.0)
    if kind == "random labels":
        return rows.assign(Outcome=rng.choice(["0", "1"], ROWS))
    if kind == "flipped labels":
        return rows.assign(Outcome=rows["Outcome"].map({"0": "1", "1": "0"}))
    if kind.startswith("one row"):
        rows = rows.iloc[np.zeros(ROWS, dtype=int)].reset_index(drop=True)
        if kind == "one row with noise":
            rows[NAMES] += rng.normal(0, 0.05 * SD, (ROWS, len(NAMES)))
    return rows


def real_rows(n: int, rule: str, rng: np.random.Generator) -> pd.DataFrame:
    """Real rows with at least two of each class."""
    while True:
        rows = simulate(n, rule, rng)
        if rows["Outcome"].value_counts().reindex(["0", "1"], fill_value=0).min() >= 2:
            return rows


def inspector(real: pd.DataFrame, values: dict[str, Any], seed: int) -> Inspector:
    cells = from_frame(real).cells
    known = describe(cells, target="Outcome")
    return Inspector(known.values(cells), known, Settings.load(values).trim, seed)


def acceptance(
    gate: dict[str, Any], n: int, rule: str, seeds: range, each: int
) -> dict[str, float]:
    """Share of the batches of each kind that a gate accepts.

    They come to it as they stand: no stage before it, none after.
    """
    accepted = {kind: list[bool]() for kind in KINDS}
    for seed in seeds:
        rng = table_rows(seed, n, Planted.ACCEPTANCE)
        judge = inspector(real_rows(n, rule, rng), gate, seed)
        for _ in range(each):
            for kind in KINDS:
                accepted[kind].append(not judge.gate(planted(kind, rule, rng)).reason)
    return {kind: float(np.mean(found)) for kind, found in accepted.items()}


def half_bad(
    gate: dict[str, Any], n: int, rule: str, seeds: range, each: int
) -> dict[str, tuple[float, float]]:
    """AUC (in %, mean and 95 % half-width over runs) when half of 10 batches are bad.

    They go through all stages.
    """
    found = {
        "real rows": list[float](),
        "all batches": list[float](),
        "kept rows": list[float](),
        "good batches": list[float](),
    }
    for seed in seeds:
        rng = table_rows(seed, n, Planted.HALF_BAD)
        for _ in range(each):
            real, test = real_rows(n, rule, rng), simulate(2000, rule, rng)
            judge = inspector(real, gate, seed)
            kinds = rng.permutation(
                ["true"] * 5
                + ["random labels"] * 2
                + ["flipped labels"] * 2
                + ["one row with noise"]
            )
            batches = [planted(kind, rule, rng) for kind in kinds]
            kept = [batch[judge.judge(batch).kept] for batch in batches]
            good = [batch for batch, kind in zip(batches, kinds, strict=True) if kind == "true"]
            for name, more in {
                "real rows": [],
                "all batches": batches,
                "kept rows": kept,
                "good batches": good,
            }.items():
                found[name].append(auc(pd.concat([real, *more]), test))
    after = np.subtract(found["kept rows"], found["real rows"])
    return {
        **{name: interval(values) for name, values in found.items()},
        "kept rows - real rows": interval(after),
    }


def auc(train: pd.DataFrame, test: pd.DataFrame) -> float:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(
        train[NAMES], train["Outcome"]
    )
    return 100 * float(
        roc_auc_score(test["Outcome"] == "1", model.predict_proba(test[NAMES])[:, 1])
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="100-109", help="first and last; 0-9 for development")
    parser.add_argument("--each", type=int, default=20, help="batches of a kind for each seed")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    first, last = map(int, asked.seeds.split("-"))
    seeds, began = range(first, last + 1), time.perf_counter()
    result: dict[str, Any] = {
        "environment": to_json(environment()),
        "seeds": asked.seeds,
        "batches of a kind": asked.each * len(seeds),
    }
    for rule in ("bernoulli", "threshold"):
        for n in (30, 100):
            print(
                f"\n{rule} labels, {n} real rows: share of batches accepted\n{'':<36}"
                + "".join(f"{kind:>20}" for kind in KINDS),
                flush=True,
            )
            for name, gate in GATES.items():
                shares = acceptance(gate, n, rule, seeds, asked.each)
                result[f"accepted, {rule}, {n}, {name}"] = shares
                print(
                    f"{name:<36}" + "".join(f"{100 * share:>18.1f} %" for share in shares.values()),
                    flush=True,
                )
    for rule in ("bernoulli", "threshold"):
        for n in (30, 100):
            print(f"\n{rule} labels, {n} real rows, 5 of 10 batches bad: AUC in %", flush=True)
            for name in ("utility", "utility without the test of labels", "paper (ig_refit)"):
                figures = half_bad(GATES[name], n, rule, seeds, max(1, asked.each // 4))
                result[f"half bad, {rule}, {n}, {name}"] = figures
                print(
                    f"{name:<36}"
                    + "   ".join(
                        f"{what} {mean:.2f} ± {half:.2f}" for what, (mean, half) in figures.items()
                    ),
                    flush=True,
                )
    result["seconds"] = time.perf_counter() - began
    if asked.out:
        asked.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

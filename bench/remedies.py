"""What lowers the risk that rows give somebody away, and what does it cost? (docs/privacy.md)

For each table and seed ``n`` real rows, as many held-out ones, and ``n`` rows of a run with
``--purpose share`` that sees the real rows and no codebook. What could be done, each held against
the defaults on the same real rows:

* `SETTINGS`: a run with other settings, or with half as many rows.
* Prototypes that no setting does: ``numbers moved``, those of the defaults' rows by 2 or 10 % of
  the standard deviation of their column (what perturbed digits would do); ``independent columns``,
  each column drawn alone from its smoothed distribution (less than any aggregate tells).
* ``other real rows``: rows that nobody has seen, which give nobody away.

Attacks are those of `t2local.evaluate.privacy_report` with the held-out rows, the price is that of
`bench.beside`. ``worker``: the mean share of the cells that the model writes; the model of the
columns writes the rest. Results stand line by line in the file, and what is done is not done again.
Seeds 0-9 are for development.

python -m bench.remedies [--group choose] [--seeds 0-1] [--n 100] [--arms defaults,...]
    [--model starter] [--out FILE] [--report]
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import t2local
from bench.beside import Made, Model, Task, allowed, figures
from bench.beside_others import cpu_seconds
from bench.beside_report import shown
from bench.knowledge.tables import GROUPS, Unavailable, table
from bench.paper.table import cut_torn_line, markdown_table, read, seeds
from bench.streams import Stream, generator
from t2local.errors import NothingKept
from t2local.llm.backbone import Backbone
from t2local.llm.scripted import ScriptedModel
from t2local.llm.store import find
from t2local.stats.densities import IndependentColumns

DEFAULTS = "defaults"
#: Over the defaults; ``rows``: for each real one.
SETTINGS: dict[str, dict[str, Any]] = {
    DEFAULTS: {},
    "no examples": {"team.examples": 0},
    "temperature 0.7": {"team.temperature": 0.7},
    "temperature 1.3": {"team.temperature": 1.3},
    "1 candidate": {"trim.candidates": 1},
    "min count 11": {"table.min_count": 11},
    "half the rows": {"rows": 0.5},
    "half the rows and 1 candidate": {"rows": 0.5, "trim.candidates": 1},
}
#: What tells a line from all others.
KEY = ("table", "n", "seed", "model", "arm")
#: Figures with their digits: of the attacks, then of the price.
FIGURES = {
    "density ratio": 1,
    "string distance": 1,
    "near": 1,
    "spearman": 3,
    "c2st": 1,
    "marginals": 1,
}


@dataclass(frozen=True)
class Sample:
    """Real rows of a table, and the model that writes rows for them."""

    task: Task
    model: Model

    @cached_property
    def defaults(self) -> Made:
        """The rows of the defaults."""
        return self.run({})

    def made(self, arm: str) -> Made:
        """The rows of an arm. **Raises** `NothingKept` where a run kept none."""
        if arm == DEFAULTS:
            return self.defaults
        if arm in SETTINGS:
            return self.run(SETTINGS[arm])
        return Made(PROTOTYPES[arm](self), {})

    def run(self, settings: dict[str, Any]) -> Made:
        """What a run keeps."""
        own, real = self.task.table.dictionary, self.task.real
        values = {"trim.purpose": "share", **settings}
        began = cpu_seconds()
        result = t2local.generate(
            own.native(real),
            target=own.target,
            rows=round(values.pop("rows", 1) * len(real)),
            seed=self.task.seed + 1,
            model=self.model,
            settings=values,
        )
        told = {"seconds": round(cpu_seconds() - began, 2)}
        if weights := result.report["cells"]["weights"]:
            told["worker"] = round(float(np.mean([*weights.values()])), 3)
        return Made(allowed(self.task.table, result.synthetic), told)

    def rng(self, prototype: int) -> np.random.Generator:
        return generator(self.task.seed, Stream.REMEDIES, self.task.table.number, prototype)


def moved(sample: Sample, share: float) -> pd.DataFrame:
    """The rows of the defaults with normal noise on the numbers."""
    rows, rng = sample.defaults.rows.copy(), sample.rng(0)
    for feature in sample.task.table.dictionary.features:
        if feature.numeric:
            width = share * sample.task.real[feature.name].std()
            numbers = rows[feature.name] + rng.normal(0, width, len(rows))
            rows[feature.name] = numbers.round(feature.decimals).clip(*feature.bounds)
    return rows


def independent(sample: Sample) -> pd.DataFrame:
    """Rows of columns that have nothing to do with each other."""
    columns = IndependentColumns(sample.task.table.dictionary.features, sample.task.real)
    return columns.rows(sample.rng(1).random((len(sample.task.real), columns.n_uniforms)))


PROTOTYPES: dict[str, Callable[[Sample], pd.DataFrame]] = {
    "numbers moved 2 %": partial(moved, share=0.02),
    "numbers moved 10 %": partial(moved, share=0.1),
    "independent columns": independent,
    "other real rows": lambda sample: sample.task.part(sample.task.others, "share"),
}
ARMS = (*SETTINGS, *PROTOTYPES)


def measured(sample: Sample, arm: str) -> dict[str, Any]:
    """The figures of an arm."""
    try:
        made = sample.made(arm)
    except NothingKept as failure:
        return {"error": str(failure)}
    return {"rows": len(made.rows), **made.told, **figures(sample.task, "share", made.rows)}


def run(names: list[str], which: range, n: int, arms: list[str], model: Model, out: Path) -> None:
    """Append what is not there yet, sample by sample."""
    cut_torn_line(out)
    done = {
        tuple(line[key] for key in ("table", "n", "seed", "model", "arm")) for line in read(out)
    }
    for seed, name in ((seed, name) for seed in which for name in names):
        try:
            sample = Sample(Task.of(table(name), n, seed), model)
        except Unavailable as reason:
            print(f"left out: {name} ({reason})")
            continue
        head = {"table": name, "n": n, "seed": seed, "model": model.name}
        for arm in arms:
            if (*head.values(), arm) not in done:
                line = {**head, "arm": arm, **measured(sample, arm)}
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                print(*head.values(), arm, flush=True)


def report(lines: list[dict[str, Any]]) -> str:
    """For each model its arms: the figures of the defaults, and what the others change."""
    results = pd.DataFrame([{**dict.fromkeys(FIGURES), **line} for line in lines])
    parts = []
    for (model, n), own in results.groupby(["model", "n"], sort=False):
        parts += [f"{model}, n = {n}", arms_table(own.set_index(["arm", "table", "seed"]))]
    return "\n\n".join(parts)


def arms_table(results: pd.DataFrame) -> str:
    """Means with 95 % intervals over samples; changes are paired by sample."""
    defaults = results.loc[DEFAULTS, [*FIGURES]].astype(float)
    rows = []
    for arm in dict.fromkeys(results.index.get_level_values("arm")):
        own = results.loc[arm]
        values, sign = own[[*FIGURES]].astype(float), ""
        if arm != DEFAULTS:
            values, sign = values - defaults, "+"
        leaks = f"{(own['finding'] == 'leak').sum()} of {own['finding'].notna().sum()}"
        cells = [shown(values[name], digits, sign) for name, digits in FIGURES.items()]
        rows.append([arm, leaks, *cells])
    return markdown_table(["", "leak", *FIGURES], rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--group", default="choose", choices=list(GROUPS))
    parser.add_argument("--seeds", type=seeds, default=range(2))
    parser.add_argument("--n", type=int, default=100, help="real rows, and rows that are wanted")
    parser.add_argument("--arms", default=",".join(ARMS), help="comma-separated")
    parser.add_argument("--model", default="starter", help="name or file; or scripted")
    folder = Path(__file__).parent / "results"
    parser.add_argument("--out", type=Path, default=folder / "remedies.jsonl")
    parser.add_argument("--report", action="store_true", help="print what there is, run nothing")
    options = parser.parse_args()
    if not options.report:
        model: Model = ScriptedModel()
        if options.model != "scripted":
            model = Backbone(find(options.model))
        names = [source.name for source in GROUPS[options.group]]
        run(names, options.seeds, options.n, options.arms.split(","), model, options.out)
    print(report(read(options.out)))


if __name__ == "__main__":
    main()

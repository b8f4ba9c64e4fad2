"""The same tables through t2local and through other generators (docs/beside.md).

Of three tables and each seed ``n`` real rows. Each generator gives ``n`` rows to pass on
(``share``; t2local with ``--purpose share``) and ``10 n`` to train models with (``train``).

* Fidelity, of the rows to pass on: the error of the Spearman correlations against the test rows and
  the C2ST of `bench.fidelity`; ``marginals``: the mean total variation distance of the columns from
  the test rows, in percent, over the parts in which a report draws them.
* Usefulness, of the rows to train with: the mean AUC of four models on the test rows, trained on
  real and added rows.
* Privacy: what the attacks of `t2local.evaluate.privacy_report` find, with as many held-out rows.
* Seconds of CPU time, of all processes, without the reading of libraries and of the model's file.
  Another generator is fitted once for both kinds of rows, and all of its time is told for each.

``real rows``: the real rows themselves, or none added. ``other real rows``: rows of the table that
nobody has seen: what a perfect generator would give. ``ensemble``: t2local's ensemble on the real
rows alone.

The others are run in the interpreter that ``--python`` names (`bench/beside_others.py`); numbers
that they write are rounded and kept in the range of the column. Results stand line by line in the
file, and what is done is not done again. Seeds 0-9 of the tables to choose by are for development.

python -m bench.beside [--group report] [--seeds 100-102] [--arms ours,...] [--python PYTHON]
    [--model starter] [--out FILE] [--report]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench import beside_others
from bench.beside_others import cpu_seconds
from bench.beside_report import report
from bench.fidelity import error, model_of, told_apart
from bench.knowledge.__main__ import score
from bench.knowledge.arms import Cell, generated
from bench.knowledge.tables import GROUPS, Table, Unavailable, ensemble_skill, table
from bench.paper.table import cut_torn_line, read, seeds
from t2local.errors import NothingKept
from t2local.evaluate.marginals import marginals
from t2local.evaluate.privacy_report import privacy_report
from t2local.evaluate.table_pair import TablePair
from t2local.llm.backbone import Backbone
from t2local.llm.scripted import ScriptedModel
from t2local.tables.files import cells_of

#: The first so many tables of a group: nobody chose them.
N_TABLES = 3
#: Rows to train models with, for each real one.
TIMES = 10
#: Rows that are wanted for each purpose, in numbers of real rows.
PURPOSES = {"share": 1, "train": TIMES}
#: What tells a line of the results from the others.
KEY = ("table", "n", "seed", "arm", "purpose")
Model = Backbone | ScriptedModel


@dataclass(frozen=True)
class Task:
    """A sample of a table: n real rows, as many held-out ones, and others that nobody has seen."""

    table: Table
    seed: int
    real: pd.DataFrame
    holdout: pd.DataFrame
    others: pd.DataFrame  # (11 n, d); a small table repeats some at the end

    @classmethod
    def of(cls, own: Table, n: int, seed: int) -> "Task":
        """Draw them; the index of the real rows is 0, 1, ..."""
        real = own.sample(n, seed)
        holdout = own.fresh(n, seed, real).rows
        others = own.fresh((1 + TIMES) * n, seed, pd.concat([real, holdout])).rows
        return cls(own, seed, real.reset_index(drop=True), holdout, others)

    @property
    def key(self) -> tuple[str, int, int]:
        return self.table.name, len(self.real), self.seed

    def cell(self, purpose: str) -> Cell:
        return Cell(self.table, None, self.real, self.seed, PURPOSES[purpose] * len(self.real))

    def part(self, rows: pd.DataFrame, purpose: str) -> pd.DataFrame:
        """Of 11 n rows those of a purpose."""
        n = len(self.real)
        parts = {"share": rows[:n], "train": rows[n:]}
        return parts[purpose].reset_index(drop=True)


@dataclass(frozen=True)
class Made:
    """Rows of a generator as values, and what it told: seconds, version."""

    rows: pd.DataFrame
    told: dict[str, Any]


def ours(task: Task, purpose: str, model: Model) -> Made:
    """`t2local.generate` as a user calls it."""
    began = cpu_seconds()
    added = generated(task.cell(purpose), model, trim__purpose=purpose)
    told = {"seconds": round(cpu_seconds() - began, 2), "verdict": added.figures["verdict"]}
    return Made(added.rows, told)


class Others:
    """The other generators, in an interpreter of their own."""

    def __init__(self, python: str) -> None:
        self._python = python
        self._made: dict[tuple[str, tuple[str, int, int]], Made] = {}

    def made(self, name: str, task: Task, purpose: str) -> Made:
        """Fitted once for both purposes.

        **Raises** `subprocess.CalledProcessError` where the generator ends with an error.
        """
        key = name, task.key
        if key not in self._made:
            self._made[key] = self._run(name, task)
        whole = self._made[key]
        return Made(task.part(whole.rows, purpose), whole.told)

    def _run(self, name: str, task: Task) -> Made:
        dictionary = task.table.dictionary
        numbers = [feature.name for feature in dictionary.features if feature.numeric]
        order = {
            "generator": name,
            "rows": len(task.others),
            "seed": task.seed,
            "target": dictionary.target,
            "numbers": numbers,
            "levels": [name for name in dictionary.names if name not in numbers],
        }
        program = Path(beside_others.__file__)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            dictionary.cells(task.real).to_csv(folder / "real.csv", index=False)
            (folder / "task.json").write_text(json.dumps(order), encoding="utf-8")
            subprocess.run(
                [self._python, str(program), str(folder)],
                check=True,
                capture_output=True,
                text=True,
                cwd=folder,
            )
            frame = pd.read_csv(folder / "synthetic.csv", keep_default_na=False, na_values=[""])
            told = json.loads((folder / "told.json").read_text(encoding="utf-8"))
        return Made(allowed(task.table, frame), told)


def allowed(own: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Written cells as values: numbers rounded and in the range of the column, known levels."""
    frame = frame.copy()
    for feature in own.dictionary.features:
        if feature.numeric:
            numbers = pd.to_numeric(frame[feature.name], errors="coerce").astype(float)
            frame[feature.name] = numbers.round(feature.decimals).clip(*feature.bounds)
    values = own.dictionary.values(cells_of(frame))
    for feature in own.dictionary.features:
        if not feature.numeric:
            column = values[feature.name]
            values[feature.name] = column.where(column.isin(feature.levels), None)
    return values[values[own.dictionary.target].notna()].reset_index(drop=True)


def shares_apart(own: Table, rows: pd.DataFrame) -> float:
    """Mean total variation distance of the columns' parts from the test rows, in percent."""
    found = marginals(own.test, rows, own.dictionary, np.ones(len(own.test)))
    distances = [
        sum(abs(part.real - part.kept) for part in column.parts) / 2
        for column in found
        if column.parts
    ]
    return 100 * float(np.mean(distances))


def privacy(task: Task, rows: pd.DataFrame) -> dict[str, Any]:
    """What the attacks find."""
    own = task.table.dictionary
    pair = TablePair(own, task.real, rows, task.seed + 1)
    found = privacy_report(pair, task.holdout[own.names].reset_index(drop=True))
    if found is None or found.membership is None:
        return {}
    near, member = found.near_copies, found.membership
    return {
        "finding": found.finding,
        "copies": len(near.copies),
        "near": len(near.near),
        "near_expected": round(near.expected, 2),
        "near_p": near.p_value,
        "membership_p": member.p_value,
        **{attack.name: round(100 * attack.auc.value, 2) for attack in member.attacks},
    }


def figures(task: Task, purpose: str, rows: pd.DataFrame) -> dict[str, Any]:
    """All that is measured of some rows."""
    own = task.table
    rows = rows[own.dictionary.names]
    if purpose == "train":
        return {"auc": round(score(task.cell(purpose), rows), 2), **privacy(task, rows)}
    return {
        "spearman": round(error(own, rows), 4),
        "c2st": round(told_apart(own, rows, task.seed), 2),
        "marginals": round(shares_apart(own, rows), 2),
        **privacy(task, rows),
    }


def references(task: Task) -> Iterator[dict[str, Any]]:
    """What needs no generator."""
    skill = round(ensemble_skill(task.table, task.real, task.seed), 2)
    alone = round(score(task.cell("train"), task.real.head(0)), 2)
    yield {"arm": "ensemble", "purpose": "train", "auc": skill}
    yield {"arm": "real rows", "purpose": "train", "auc": alone}
    yield {"arm": "real rows", "purpose": "share", **figures(task, "share", task.real)}
    for purpose in PURPOSES:
        rows = task.part(task.others, purpose)
        yield {"arm": "other real rows", "purpose": purpose, **figures(task, purpose, rows)}


def run(
    names: list[str],
    which: range,
    n: int,
    arms: dict[str, Callable[[Task, str], Made]],
    out: Path,
) -> None:
    """Append what is not there yet; of all samples the rows to pass on come first."""
    cut_torn_line(out)
    done = {tuple(line[name] for name in KEY) for line in read(out)}
    for purpose, seed, name in product(PURPOSES, which, names):
        try:
            task = Task.of(table(name), n, seed)
        except Unavailable as reason:
            print(f"left out: {name} ({reason})")
            continue
        head = {"table": name, "n": n, "seed": seed}
        for line in lines(task, purpose, arms, done):
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**head, **line}) + "\n")
            done.add((*task.key, line["arm"], line["purpose"]))
            print(name, seed, line["arm"], line["purpose"], flush=True)


def lines(
    task: Task,
    purpose: str,
    arms: dict[str, Callable[[Task, str], Made]],
    done: set[tuple[Any, ...]],
) -> Iterator[dict[str, Any]]:
    """What is not done yet of a sample; all references come first."""
    if (*task.key, "other real rows", "train") not in done:
        for line in references(task):
            if (*task.key, line["arm"], line["purpose"]) not in done:
                yield line
    for arm, make in arms.items():
        if (*task.key, arm, purpose) not in done:
            yield {"arm": arm, "purpose": purpose, **measured(task, purpose, make)}


def measured(task: Task, purpose: str, make: Callable[[Task, str], Made]) -> dict[str, Any]:
    try:
        made = make(task, purpose)
    except subprocess.CalledProcessError as failure:
        return {"error": failure.stderr.strip().splitlines()[-1]}
    except NothingKept as failure:
        return {"error": str(failure)}
    return {"rows": len(made.rows), **made.told, **figures(task, purpose, made.rows)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--group", default="report", choices=list(GROUPS))
    parser.add_argument("--seeds", type=seeds, default=range(100, 103))
    parser.add_argument("--n", type=int, default=100, help="real rows")
    parser.add_argument("--arms", help="comma-separated; without it t2local and all others")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the others")
    parser.add_argument("--model", default="starter", help="name or file; or scripted")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/beside.jsonl")
    parser.add_argument("--report", action="store_true", help="print what there is, run nothing")
    options = parser.parse_args()
    if not options.report:
        others = Others(options.python)
        arms: dict[str, Callable[[Task, str], Made]] = {
            name: partial(others.made, name) for name in beside_others.GENERATORS
        }
        own = f"t2local {Path(options.model).stem}"
        chosen = options.arms.split(",") if options.arms else [own, *arms]
        if own in chosen:
            model = model_of(options.model)
            arms[own] = lambda task, purpose: ours(task, purpose, model)
        names = [source.name for source in GROUPS[options.group][:N_TABLES]]
        run(names, options.seeds, options.n, {arm: arms[arm] for arm in chosen}, options.out)
    print(report(read(options.out)))


if __name__ == "__main__":
    main()

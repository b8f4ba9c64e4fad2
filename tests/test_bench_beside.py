"""The bench beside other generators: samples that do not overlap, and every arm measured once."""

import stat
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest

beside = pytest.importorskip("bench.beside", reason="bench/ is not beside the tests")

from bench.beside_report import fidelity_table  # noqa: E402
from bench.knowledge.sources.source import Source  # noqa: E402
from bench.knowledge.tables import of_frame  # noqa: E402
from t2local.llm.scripted import ScriptedModel  # noqa: E402

pytestmark = pytest.mark.usefixtures("fewest_fits")

SOURCE = Source("small", "", "", "y", lambda raw: raw["y"], {}, {})
N = 20
#: Stands for another generator's interpreter: gives the rows of the table again, one broken.
COPIER = """#!{python}
import csv, json, pathlib, sys
folder = pathlib.Path(sys.argv[2])
task = json.loads((folder / "task.json").read_text())
header, *rows = csv.reader((folder / "real.csv").open())
rows = [rows[place % len(rows)] for place in range(task["rows"])]
rows[0] = ["12345.678", *rows[0][1:]]
with (folder / "synthetic.csv").open("w") as file:
    csv.writer(file).writerows([header, *rows])
told = {{"version": task["generator"], "seconds": 3}}
(folder / "told.json").write_text(json.dumps(told))
"""
BROKEN = "#!{python}\nraise SystemExit('there is no such package')\n"


@pytest.fixture
def small(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4000, 240)
    labels = np.where(x + rng.integers(0, 2000, 240) > 3000, "yes", "no")
    frame = pd.DataFrame({"x": x, "z": rng.integers(0, 3000, 240), "y": labels})
    own = of_frame(frame, SOURCE, "choose")
    monkeypatch.setattr(beside, "table", lambda name: own)
    return own


@pytest.fixture
def interpreter(tmp_path):
    def make(program):
        path = tmp_path / "python"
        path.write_text(program.format(python=sys.executable))
        path.chmod(path.stat().st_mode | stat.S_IEXEC)
        return str(path)

    return make


def test_no_held_out_row_is_among_the_real_or_the_other_ones(small):
    task = beside.Task.of(small, N, 0)
    real = set(small.sample(N, 0).index)
    holdout, others = set(task.holdout.index), set(task.others.index)
    assert not holdout & (real | others)
    assert not real & others
    assert not (holdout | others) & set(small.test.index)
    assert [len(task.part(task.others, purpose)) for purpose in ("share", "train")] == [N, 10 * N]


def test_what_another_generator_writes_is_made_possible_or_missing(small):
    rows = pd.DataFrame({"x": [-7.0, 3.6, 9e9], "z": ["4", "?", ""], "y": ["no", "_RARE_", "yes"]})
    values = beside.allowed(small, rows)
    low, high = small.dictionary["x"].bounds
    assert values["x"].tolist() == [low, high]  # a row without a label is no row
    assert values["z"].isna().tolist() == [False, True]
    assert values["y"].tolist() == ["no", "yes"]


def test_a_generator_that_copies_is_found_and_nothing_is_measured_twice(
    small, tmp_path, interpreter
):
    out = tmp_path / "beside.jsonl"
    arms = {"copier": partial(beside.Others(interpreter(COPIER)).made, "copier")}
    beside.run(["small"], range(1), N, arms, out)
    lines = {(line["arm"], line["purpose"]): line for line in beside.read(out)}
    copies, others = lines["copier", "share"], lines["other real rows", "share"]
    assert copies["seconds"] == 3
    assert (copies["finding"], others["finding"]) == ("leak", "none found")
    assert copies["copies"] == N - 1
    assert copies["string distance"] > 90 > others["string distance"]
    assert lines["copier", "train"]["rows"] == 10 * N
    assert lines["real rows", "train"]["auc"] > 60
    before = out.read_text()
    beside.run(["small"], range(1), N, arms, out)
    assert out.read_text() == before
    shown = beside.report(beside.read(out))
    change = lines["copier", "train"]["auc"] - lines["real rows", "train"]["auc"]
    assert f"| copier | {change:+.1f}" in shown


def test_rows_to_pass_on_of_all_samples_come_first(small, tmp_path):
    out = tmp_path / "beside.jsonl"
    arms = {"copier": lambda task, purpose: beside.Made(task.part(task.others, purpose), {})}
    beside.run(["small"], range(2), N, arms, out)
    lines = [line for line in beside.read(out) if line["arm"] == "copier"]
    assert [(line["purpose"], line["seed"]) for line in lines] == [
        *(("share", seed) for seed in range(2)),
        *(("train", seed) for seed in range(2)),
    ]


def test_a_difference_from_ours_is_that_on_the_same_samples():
    """Samples differ by tens of points, and ours lacks the worst of them."""
    head = {"table": "small", "purpose": "share", "spearman": 0.1, "marginals": 5.0}
    ours = [60.0, 80.0, 70.0]
    others = [61.0, 82.0, 73.0, 99.0]
    lines = [
        {**head, "arm": arm, "seed": seed, "c2st": figure}
        for arm, figures in {"t2local starter": ours, "another": others}.items()
        for seed, figure in enumerate(figures)
    ]
    table = fidelity_table(pd.DataFrame(lines).set_index(["table", "seed"]))
    assert "| t2local starter | 0.100 ± 0.000 | 70.0 ± 24.8 |" in table
    assert "| another | 0.100 (+0.000 ± 0.000) | 78.8 (+2.0 ± 2.5) |" in table


def test_a_generator_that_fails_is_said_to(small, tmp_path, interpreter):
    out = tmp_path / "beside.jsonl"
    arms = {"broken": partial(beside.Others(interpreter(BROKEN)).made, "broken")}
    beside.run(["small"], range(1), N, arms, out)
    shown = beside.report(beside.read(out))
    assert "broken: 2 failed, the first with there is no such package" in shown


def test_rows_of_ours_are_measured_as_those_of_others(small):
    task = beside.Task.of(small, N, 0)
    line = beside.measured(task, "share", lambda *what: beside.ours(*what, ScriptedModel()))
    assert line["rows"] == N
    assert line["seconds"] > 0
    assert 50 <= line["c2st"] <= 100
    assert line["marginals"] < beside.shares_apart(small, small.test.assign(x=0.0, z=0.0))

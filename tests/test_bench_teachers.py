"""The bench of teachers: weights and figures by hand, and what is done is not done again."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

teachers = pytest.importorskip("bench.teachers", reason="bench/ is not beside the tests")

from t2local.tables.describe import describe  # noqa: E402
from t2local.tables.files import cells_of  # noqa: E402

RNG = np.random.default_rng(0)


def table(y):
    frame = pd.DataFrame({"x": X, "kind": RNG.choice(["a", "b", "c"], 120), "y": y})
    dictionary = describe(cells_of(frame), target="y")
    strata = np.argsort(np.argsort(y, kind="stable")) // 60
    return teachers.Table("small", dictionary, dictionary.values(cells_of(frame)), strata)


X = RNG.normal(size=120).round(2)
CLASSES = table(np.where(X + RNG.normal(size=120) > 0, "yes", "no"))
NUMBERS = table((3 * X + RNG.normal(size=120)).round(2))


def test_weights_go_to_the_likelier_member_and_stay_equal_where_nothing_tells_them_apart():
    assert teachers.stacked(np.full((3, 40), 0.5)) == pytest.approx(np.full(3, 1 / 3))
    few, many = (teachers.stacked(np.array([[0.9], [0.1]]).repeat(n, axis=1)) for n in (4, 400))
    assert 0.5 < few[0] < 0.85 < many[0] < 1
    assert few.sum() == many.sum() == pytest.approx(1)


@pytest.mark.parametrize("own", [CLASSES, NUMBERS])
def test_combinations_are_means_of_what_members_predict(own):
    sample = teachers.Sample(own, 30, 1)
    forest, trees, extra = (sample.model(name)[0] for name in ("forest", "trees", "extra trees"))
    halves = [sample.member(f"{kind} / 1")[0] for kind in ("forest", "extra trees")]
    assert trees == pytest.approx(np.mean(halves, axis=0))
    both, seconds = sample.model("bayes + forest")
    assert both == pytest.approx((sample.model("bayes")[0] + forest) / 2)
    assert seconds >= sample.member("bayes")[1]
    stack = sample.model("stack of forest + extra trees")[0]
    share = (stack - extra)[0, 0] / (forest - extra)[0, 0]
    assert 0 < share < 1
    assert stack == pytest.approx(share * forest + (1 - share) * extra)


def test_figures_of_classes_are_those_of_a_plain_computation():
    sample = teachers.Sample(CLASSES, 30, 1)
    cell = sample.cell("logistic")
    p = sample.model("logistic")[0][:, 1]
    y = sample.truth
    assert len(y) == 90
    assert cell.loss == pytest.approx(
        -100 * np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), abs=0.1
    )
    pairs = p[y == 1][:, None] - p[y == 0][None, :]
    assert cell.skill == pytest.approx(100 * ((pairs > 0) + 0.5 * (pairs == 0)).mean(), abs=0.01)
    tenths = np.argsort(p, kind="stable").reshape(10, 9)
    gaps = [abs(p[rows].mean() - y[rows].mean()) for rows in tenths]
    assert cell.calibration == pytest.approx(100 * np.mean(gaps), abs=0.1)


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(teachers, "tables", lambda group: iter([CLASSES, NUMBERS]))
    out = tmp_path / "teachers.jsonl"

    def run(models):
        options = ["teachers", "--seeds", "0-1", "--sizes", "20,300", "--out", str(out)]
        monkeypatch.setattr(sys, "argv", [*options, "--models", models])
        teachers.main()
        return [json.loads(line) for line in out.read_text().splitlines()]

    first = run("logistic,logistic + forest")
    again = run("logistic,logistic + forest,naive bayes")
    assert again[: len(first)] == first
    # 300 rows are more than there are; numbers have no naive Bayes.
    assert len(first) == 4 * 2
    assert [cell["model"] for cell in again[len(first) :]] == ["naive bayes"] * 2
    assert "n = 20: logistic + forest" in capsys.readouterr().out

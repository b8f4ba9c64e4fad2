"""The bench of models of the columns: correlations by hand, and what is done is not done again."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

densities = pytest.importorskip("bench.densities", reason="bench/ is not beside the tests")

from bench.knowledge.sources.source import Source  # noqa: E402
from bench.knowledge.tables import of_frame  # noqa: E402

SOURCE = Source("small", "", "", "y", lambda raw: raw["y"], {}, {})


@pytest.fixture
def small(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 40, 120)
    frame = pd.DataFrame(
        {
            "x": x,
            "band": np.where(x + rng.integers(0, 9, 120) > 22, "high", "low"),
            "kind": rng.choice(["a", "b", "c"], 120),
            "y": rng.choice(["no", "yes"], 120),
        }
    )
    table = of_frame(frame, SOURCE, "choose")
    monkeypatch.setattr(densities, "GROUPS", {"choose": (SOURCE,)})
    monkeypatch.setattr(densities, "SIZES", (30,))
    monkeypatch.setattr(densities, "N_WRITTEN", 60)
    monkeypatch.setattr(densities, "table", lambda name: table)
    return table


def test_correlations_are_of_numbers_and_indicators_of_levels(small):
    columns = small.dictionary.input_features
    matrix = densities.correlations(columns, small.values)
    assert matrix.shape == (5, 5)  # x, one of two bands, three kinds
    x = small.values["x"]
    second = (small.values["band"] == small.dictionary["band"].levels[1]).astype(float)
    assert matrix[0, 1] == pytest.approx(x.corr(second, method="spearman"))
    constant = densities.correlations(columns, small.values.head(1))
    assert (constant == 0).all()


def test_what_is_done_is_not_done_again(small, tmp_path, monkeypatch, capsys):
    out = tmp_path / "densities.jsonl"

    def run(models):
        options = [
            "densities",
            "--groups",
            "choose",
            "--seeds",
            "0-1",
            "--out",
            str(out),
            "--models",
            models,
        ]
        monkeypatch.setattr(sys, "argv", options)
        densities.main()
        return [json.loads(line) for line in out.read_text().splitlines()]

    first = run("real rows,tree")
    again = run("real rows,tree,mixture")
    assert again[: len(first)] == first
    assert [cell["model"] for cell in again[len(first) :]] == ["mixture", "mixture"]
    assert {cell["nats"] for cell in again if cell["model"] == "real rows"} == {None}
    assert "mixture" in capsys.readouterr().out


def test_speed_is_that_of_columns_of_all_kinds(monkeypatch, capsys):
    columns, real = densities.made_up(60, 4)
    assert [len(column.levels) for column in columns] == [0, 0, 2, 4]
    assert [int(real[column.name].isna().any()) for column in columns] == [1, 0, 0, 0]
    monkeypatch.setattr(densities, "made_up", lambda *_: (columns, real))
    densities.speed()
    assert len(capsys.readouterr().out.splitlines()) == 5

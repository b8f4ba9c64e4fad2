"""The bench of the product's rows: errors by hand, and every arm on a small table."""

import numpy as np
import pandas as pd
import pytest

fidelity = pytest.importorskip("bench.fidelity", reason="bench/ is not beside the tests")

from bench.knowledge.sources.source import Source  # noqa: E402
from bench.knowledge.tables import of_frame  # noqa: E402
from t2local.llm.scripted import ScriptedModel  # noqa: E402

pytestmark = pytest.mark.usefixtures("fewest_fits")

SOURCE = Source("small", "", "", "y", lambda raw: raw["y"], {}, {})


@pytest.fixture
def small(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 40, 160)
    labels = np.where(x + rng.integers(0, 20, 160) > 30, "yes", "no")
    table = of_frame(pd.DataFrame({"x": x, "z": x // 2, "y": labels}), SOURCE, "choose")
    monkeypatch.setattr(fidelity, "table", lambda name: table)
    monkeypatch.setattr(fidelity, "N_SAMPLES", 10)
    return table


def test_the_error_is_none_for_the_test_rows_and_that_of_unrelated_columns_is_large(small):
    assert fidelity.error(small, small.test) == 0
    rng = np.random.default_rng(1)
    mixed = small.test.apply(lambda column: rng.permutation(column.to_numpy()))
    true = small.test.corr("spearman", numeric_only=True).loc["x", "z"]
    assert true > 0.9
    assert fidelity.error(small, mixed) > 0.4


def test_every_arm_is_measured_once_and_the_report_compares_them(small, tmp_path, capsys):
    out = tmp_path / "fidelity.jsonl"
    fidelity.run([SOURCE], range(2), 30, ScriptedModel(), out)
    lines = fidelity.read(out)
    arms = ["real sample", "real rows", "copula", "columns", "scripted"]
    assert [(line.seed, line.arm) for line in lines] == [(s, arm) for s in (0, 1) for arm in arms]
    sample = lines[0]
    assert 0 < sample.spearman < sample.upper < 0.5
    assert all(50 <= line.c2st <= 100 for line in lines if line.arm != "real sample")
    fidelity.run([SOURCE], range(2), 30, ScriptedModel(), out)
    assert fidelity.read(out) == lines
    fidelity.report(lines)
    shown = capsys.readouterr().out
    assert "choose, n = 30, scripted" in shown
    error = np.mean([line.spearman for line in lines if line.arm == "scripted"])
    assert f"rows {error:.3f}" in shown
    within = error <= np.mean([line.upper for line in lines if line.arm == "real sample"])
    assert f"within the band {int(within)}" in shown

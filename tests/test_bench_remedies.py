"""The bench of settings against attacks: runs with other settings, held against the defaults."""

import numpy as np
import pandas as pd
import pytest

remedies = pytest.importorskip("bench.remedies", reason="bench/ is not beside the tests")

from bench.knowledge.sources.source import Source  # noqa: E402
from bench.knowledge.tables import of_frame  # noqa: E402
from t2local.llm.scripted import ScriptedModel  # noqa: E402

pytestmark = pytest.mark.usefixtures("fewest_fits")

SOURCE = Source("small", "", "", "y", lambda raw: raw["y"], {}, {})
N = 20


@pytest.fixture
def small(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4000, 240)
    labels = np.where(x + rng.integers(0, 2000, 240) > 3000, "yes", "no")
    frame = pd.DataFrame({"x": x, "z": x + rng.integers(0, 900, 240), "y": labels})
    own = of_frame(frame, SOURCE, "choose")
    monkeypatch.setattr(remedies, "table", lambda name: own)


@pytest.mark.usefixtures("small")
def test_each_arm_is_measured_once_and_held_against_the_defaults(tmp_path):
    out = tmp_path / "remedies.jsonl"
    arms = [remedies.DEFAULTS, "no examples", "half the rows", *remedies.PROTOTYPES]
    for _ in range(2):
        remedies.run(["small"], range(2), N, arms, ScriptedModel(), out)
    lines = {(line["seed"], line["arm"]): line for line in remedies.read(out)}
    assert len(lines) == len(out.read_text().splitlines()) == 2 * len(arms)
    for seed in range(2):
        # A model that knows nothing writes all cells where no real row is shown.
        assert lines[seed, "no examples"]["spearman"] > lines[seed, "defaults"]["spearman"]
        assert "worker" not in lines[seed, "no examples"]
        assert lines[seed, "half the rows"]["rows"] == N // 2
    changes = [
        lines[seed, "no examples"]["c2st"] - lines[seed, "defaults"]["c2st"] for seed in range(2)
    ]
    shown = remedies.report([*lines.values()]).splitlines()
    row = next(line for line in shown if line.startswith("| no examples"))
    assert f"| {np.mean(changes):+.1f} ± " in row


@pytest.mark.usefixtures("small")
def test_numbers_are_moved_by_a_share_of_their_deviation():
    sample = remedies.Sample(remedies.Task.of(remedies.table("small"), N, 0), ScriptedModel())
    own, rows = sample.task.table.dictionary, sample.defaults.rows
    for name, share in (("numbers moved 2 %", 0.02), ("numbers moved 10 %", 0.1)):
        moved = sample.made(name).rows
        assert moved["y"].equals(rows["y"])
        for column in ("x", "z"):
            width = share * sample.task.real[column].std()
            assert 0.3 * width < (moved[column] - rows[column]).std() < 2 * width
            assert moved[column].between(*own[column].bounds).all()

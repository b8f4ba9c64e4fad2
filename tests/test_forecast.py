"""What a run would take, said before it."""

import pytest

import t2local
from t2local.llm.scripted import ScriptedModel
from t2local.run.forecast import forecast
from t2local.settings import Settings

pytestmark = pytest.mark.usefixtures("few_trees")

FAST = {"trim.replicates": 50}


@pytest.fixture
def prediction(patients):
    return forecast(
        patients, rows=50, plan="data", model=ScriptedModel(), settings=Settings.load(FAST)
    )


def test_a_dry_run_says_what_a_run_takes_and_writes_nothing(
    prediction, patients, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    result = t2local.generate(
        patients, rows=50, max_batches=5, plan="data", model=ScriptedModel(), settings=FAST
    )
    assert list(tmp_path.iterdir()) == []
    tokens = result.report["tokens"]
    prompts = 1  # the rows that are asked about and the written ones share it
    expected = prediction.stable + prompts * (prediction.prompt - prediction.stable)
    assert expected == pytest.approx(tokens["prefix"], rel=0.05)
    n_rows = 50 + prediction.calibration_rows
    assert prediction.row == pytest.approx(tokens["rows"] / n_rows, rel=0.3)
    assert prediction.context == tokens["context"]


def test_times_add_up_and_more_rows_take_longer(prediction):
    assert prediction.rows == 50
    assert prediction.rows_at_most == 350  # five times the batches of the 63 candidates
    before = prediction.load + prediction.plan + prediction.judging
    assert before < prediction.seconds < prediction.seconds_at_most

"""A worker writes what the process that judges would write, and its faults hold no cell."""

import json

import numpy as np
import pytest

from t2local.errors import ModelError, UsageError
from t2local.events import ignore
from t2local.llm.backbone import Backbone
from t2local.llm.scripted import ScriptedModel
from t2local.llm.store import find
from t2local.run import cluster_job
from t2local.run.cluster_job import error_of, job_of, write_block
from t2local.run.inputs import new_run, read_inputs
from t2local.run.resumption import ResumableScorer, answer_of
from t2local.settings import Settings
from t2local.team.calibration import calibrate
from t2local.team.scoring import RowScorer
from t2local.team.team import Team
from t2local.team.writer import BlockRequest, RowWriter
from tests.tiny import tiny

pytestmark = pytest.mark.usefixtures("few_trees")
SETTINGS = Settings.load({"team.examples": 6, "decoder.threads": 1, "decoder.slots": 8})


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch, tmp_path):
    monkeypatch.setenv("T2LOCAL_HOME", str(tmp_path / "home"))
    yield
    while cluster_job._workplaces:
        cluster_job._workplaces.pop().close()


@pytest.fixture
def started(patients, tmp_path):
    """A run that has asked about real rows: run, inputs, plan, team."""
    model = Backbone(find(str(tiny(tmp_path / "tiny.gguf"))), threads=1)
    run = new_run(SETTINGS, 1, 10, ignore)
    run.ledger.wanted = 30
    run.ledger.want_labels(None, {})
    frame = patients.head(30).assign(ward=["CANARY"] * 15 + ["b"] * 15)
    inputs = read_inputs(run, frame, "outcome", None, "data", ["age>=50"])
    plan = cluster_job.Plan.model_validate(
        {
            "source": "data",
            "components": [
                {"role": "A", "features": inputs.dictionary.inputs, "parents": []},
                {"role": "B", "features": ["outcome"], "parents": ["A"]},
            ],
        }
    )
    arguments = (model, inputs.dictionary, plan, inputs.values, SETTINGS, 1, inputs.conditions)
    with Team(*arguments) as team:
        yield run, inputs, plan, team
    model.close()


def test_a_worker_writes_the_same_block_and_does_not_ask_about_real_rows_again(started):
    run, inputs, plan, team = started
    scorer = ResumableScorer(RowScorer(team), run, team.counters)
    writer = RowWriter(team, calibrate(team, 30, scorer))
    job = job_of(run, inputs, plan, team)
    assert len(json.loads(job)["answers"]) >= 1
    for number in (3, 1):  # out of order
        request = BlockRequest(number, 6, 6 * number)
        reply = json.loads(write_block(job, json.dumps(vars(request))))
        assert reply["answer"] == json.loads(json.dumps(answer_of(writer.write(request))))
        assert reply["tokens"]["row_tokens"] > 0
        assert reply["computes"]["threads"] == "1"
    assert len(cluster_job._workplaces) == 1
    asked = cluster_job._workplaces[0]._team.counters.row_tokens
    assert asked < team.counters.row_tokens  # the team here answered the questions, too


def test_a_machine_without_the_model_or_with_other_versions_is_named(started, tmp_path):
    job = json.loads(job_of(*started))
    request = json.dumps(vars(BlockRequest(0, 2, 0)))
    (tmp_path / "tiny.gguf").rename(tmp_path / "elsewhere.gguf")
    reply = json.loads(write_block(json.dumps(job), request))
    error = error_of(reply)
    assert isinstance(error, ModelError)
    assert str(error).startswith(f"On the machine {reply['worker']}: No model with the SHA-256")
    job["packages"]["numpy"] = "0.1"
    error = error_of(json.loads(write_block(json.dumps(job), request)))
    assert isinstance(error, UsageError)
    assert error.faults == (f"numpy: {np.__version__} there, 0.1 here",)


def test_a_file_of_another_content_at_the_same_place_is_not_taken(started, tmp_path):
    job = job_of(*started)
    tiny(tmp_path / "tiny.gguf", seed=2)
    assert json.loads(write_block(job, "{}"))["kind"] == "ModelError"


def test_a_bug_on_a_worker_says_where_and_no_cell(started, monkeypatch):
    def broken(*arguments):
        raise ValueError("CANARY")

    job = job_of(*started)
    monkeypatch.setattr(cluster_job, "calibrate", broken)
    text = write_block(job, json.dumps(vars(BlockRequest(0, 2, 0))))
    assert "CANARY" not in text
    assert (
        str(error_of(json.loads(text))).split(": ", 1)[1].startswith("ValueError in test_cluster")
    )


def test_a_model_without_a_file_cannot_be_sent(started):
    run, inputs, plan, team = started
    team.model = ScriptedModel()
    with pytest.raises(UsageError, match="it has no file"):
        job_of(run, inputs, plan, team)

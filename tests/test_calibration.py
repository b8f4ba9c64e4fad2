"""The team is asked about real rows that its prompts do not show."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from t2local.errors import DecodeError
from t2local.llm.scripted import ScriptedModel
from t2local.settings import Settings
from t2local.team.calibration import calibrate, rows_to_ask, rows_to_score, uncalibrated
from t2local.team.conditions import read_conditions
from t2local.team.label_calibration import calibration_folds
from t2local.team.plan import from_data
from t2local.team.rows import records
from t2local.team.team import Team
from tests.teams import Stumbling, dictionary_and_values, team_of


@pytest.mark.parametrize("conditioning", ["row", "parents"])
def test_a_worker_that_knows_how_columns_hang_together_beats_independent_columns(conditioning):
    rng = np.random.default_rng(0)
    first = rng.integers(10, 100, 60)
    frame = pd.DataFrame({"a": first, "b": first, "y": rng.choice(["0", "1"], 60)})

    def knows(text):
        """Writes the first number again."""
        row = text.rsplit(b"\n", 1)[-1]
        numbers = row[row.rfind(b"[") + 1 :].split(b",")
        return numbers[0][len(numbers[1]) :] or b"]" if len(numbers) == 2 else b""

    for script, better in ((knows, True), (None, False)):
        chosen = {"conditioning": conditioning, "labels": "worker"}
        with team_of(frame, script, target="y", **chosen) as team:
            cells = calibrate(team).cells
            components = from_data(team.real, team.dictionary).line()
        summary = cells.summary(components)
        if conditioning == "row":
            difference = summary.worker_minus_independent
            assert (difference > 2 * summary.standard_error) == better
        assert np.isclose(
            sum(nats["worker"] for nats in summary.components.values()),
            summary.nats_per_row["worker"],
        )


def test_a_worker_without_skill_is_not_heard_and_one_with_skill_is(patients):
    def knows(text: bytes) -> bytes:
        """Writes whether the age, the first number of the row, is odd: no forest finds that out."""
        row = text.rsplit(b"\n", 1)[-1]
        return (b"1" if int(row[1:3]) % 2 else b"0") if row.endswith(b"][") else b""

    patients = patients[["age", "sex"]].assign(outcome=patients["age"] % 2)
    weights = []
    for script in (knows, None):
        with team_of(patients, script) as team:
            weights.append(calibrate(team).labels.worker_weight)
    assert weights[0] > 0.99
    assert weights[1] < 0.1


def test_the_examples_that_a_worker_sees_hold_no_row_that_it_is_asked_about(patients):
    model = ScriptedModel()
    with team_of(patients, model=model, labels="worker") as team:
        lines = {
            "".join(team.layout.texts(record)): place
            for place, record in enumerate(records(team.real))
        }
        model.prompts.clear()
        calibrate(team)
        labels = team.real["outcome"].to_numpy().astype(float)
        folds = calibration_folds(labels, team.seed) % 2
    shown = [
        {int(folds[lines[text]]) for text in prompt.split("Rows:\n")[1].splitlines()}
        for prompt in model.prompts
    ]
    assert shown == [{1}, {0}]


def test_cells_that_a_rule_binds_are_never_given(patients):
    dictionary, real = dictionary_and_values(patients)
    ruled = type(dictionary).model_validate(
        {**dictionary.model_dump(), "rules": ["weight > 20 or age > 3"]}
    )
    chosen = Settings.load({"team.labels": "worker"})
    with Team(ScriptedModel(), ruled, from_data(real, ruled), real, chosen, 1) as team:
        gate = calibrate(team).gate
    given = [gate.sample(np.random.default_rng(row)) for row in range(60)]
    assert {name for cells in given for name in cells} == {"sex", "smoker", "ward"}


def test_before_the_team_is_asked_the_ensemble_decides_alone(patients):
    with team_of(patients) as team:
        calibration = uncalibrated(team)
        assert team.counters.prefix_tokens == team.counters.row_tokens == 0
    assert calibration.cells is None
    assert calibration.gate is None
    labels = calibration.labels
    assert (labels.worker_weight, labels.ensemble_weight, labels.worker_loss) == (0, 1, None)
    assert labels.combined_loss == labels.ensemble_loss
    with pytest.raises(dataclasses.FrozenInstanceError):
        calibration.gate = None


@pytest.mark.parametrize(
    ("labels", "examples", "n_asked", "n_scored"),
    [
        ("calibrated", 20, 60, 30),
        ("worker", 20, 30, 30),
        ("classifier", 20, 30, 30),
        ("calibrated", 0, 0, 0),
        ("worker", 0, 0, 0),
    ],
)
def test_who_is_asked_about_how_many_rows(patients, labels, examples, n_asked, n_scored):
    model = ScriptedModel()
    with team_of(patients, model=model, labels=labels, examples=examples) as team:
        asked, scored = rows_to_ask(team), rows_to_score(team)
        assert (len(asked), len(scored)) == (n_asked, n_scored)
        assert set(scored) <= set(asked) <= set(range(60))
        if labels == "classifier" or (labels == "calibrated" and not examples):
            return  # forests take a second: the other cases stand for these
        model.prompts.clear()
        calibration = calibrate(team)
    assert len(model.prompts) == (2 if n_asked else 0)
    assert (calibration.labels is not None) == (labels == "calibrated")
    assert (calibration.cells is not None) == (n_scored > 0)
    if calibration.cells is not None:
        assert sorted(calibration.cells.worker.index) == scored.tolist()
        for frame in vars(calibration.cells).values():
            assert frame.index.equals(calibration.cells.worker.index)
            assert list(frame) == team.dictionary.inputs
            assert np.isfinite(frame.to_numpy()).all()


def test_with_given_features_only_labels_are_asked(patients):
    dictionary, real = dictionary_and_values(patients)
    plan = from_data(real, dictionary)
    for where, balance, n_asked in ((["sex=F"], None, 60), ([], "uniform", 0)):
        wanted = read_conditions(dictionary, where, balance)
        with Team(ScriptedModel(), dictionary, plan, real, Settings(), 1, wanted) as team:
            assert len(rows_to_ask(team)) == n_asked
            assert len(rows_to_score(team)) == 0
        model = ScriptedModel()
        chosen = Settings.load({"team.labels": "worker"})
        with Team(model, dictionary, plan, real, chosen, 1, wanted) as team:
            model.prompts.clear()
            calibration = calibrate(team)
        assert model.prompts == []  # no prompt is decoded for nothing
        assert (calibration.cells, calibration.gate) == (None, None)
        # Where shares of labels are asked for, the ensemble says which rows fit which label.
        assert (calibration.pool is not None) == bool(balance)


def test_a_calibration_is_repeated_when_a_decode_goes_wrong(patients):
    with team_of(patients, labels="worker") as team:
        smooth = calibrate(team)
    with team_of(patients, model=Stumbling({1, 20}), labels="worker") as team:
        again = calibrate(team)
        assert team.counters.failed_decodes == 2
    pd.testing.assert_frame_equal(again.cells.worker, smooth.cells.worker)
    with (
        team_of(patients, model=Stumbling(range(9_999)), labels="worker") as team,
        pytest.raises(DecodeError),
    ):
        calibrate(team)


def test_cells_are_the_workers_where_the_setting_says_so(patients):
    with team_of(patients, cells="worker", labels="worker") as team:
        calibration = calibrate(team)
    assert calibration.cells is not None
    assert calibration.gate is None

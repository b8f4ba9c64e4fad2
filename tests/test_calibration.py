"""The team is asked about real rows that its prompts do not show."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from t2local.errors import DecodeError, UsageError
from t2local.llm.scripted import ScriptedModel
from t2local.settings import Settings
from t2local.team.calibration import asks, calibrate, questions, scores_cells, uncalibrated
from t2local.team.conditions import read_conditions
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


@pytest.mark.parametrize(
    ("n", "n_wanted", "n_asked"),
    [
        (60, 60, [40]),
        (60, 35, [35]),
        (60, 1, [30]),
        (25, 60, [12, 13]),
        (12, 60, [6, 6]),
        (2, 9, [1, 1]),
    ],
)
def test_no_prompt_shows_a_row_that_is_asked_about(patients, n, n_wanted, n_asked):
    model = ScriptedModel()
    with team_of(patients.head(n), model=model, labels="worker") as team:
        texts = ["".join(team.layout.texts(record)) for record in records(team.real)]
        asked = questions(team, n_wanted)
        first_prompt = team.prompt.tokens_of_set(0)
    assert [len(question.values) for question in asked] == n_asked
    for question in asked:
        shown = set(bytes(question.prompt).decode().split("Rows:\n")[1].splitlines())
        assert shown
        assert not shown & {texts[place] for place in question.values.index}
    places = [place for question in asked for place in question.values.index]
    assert len(places) == len(set(places))
    # The first rows are written after the same prompt, so it is decoded for both.
    if n >= 40:
        assert asked[-1].prompt == first_prompt


def test_cells_that_a_rule_binds_keep_it_and_come_together(patients):
    patients = patients[(patients["weight"] > 70) | (patients["age"] > 40)].reset_index(drop=True)
    dictionary, real = dictionary_and_values(patients)
    ruled = type(dictionary).model_validate(
        {**dictionary.model_dump(), "rules": ["weight > 70 or age > 40"]}
    )
    chosen = Settings.load({"team.labels": "worker"})
    with Team(ScriptedModel(), ruled, from_data(real, ruled), real, chosen, 1) as team:
        mixture = calibrate(team).cell_mixture
    given = mixture.sample(np.random.default_rng(0).random((60, mixture.n_uniforms)))
    assert all(("weight" in cells) == ("age" in cells) for cells in given)
    together = [cells for cells in given if "age" in cells]
    assert len(together) > 5
    rows = pd.DataFrame(together)
    assert ((rows["weight"] > 70) | rows["weight"].isna() | (rows["age"] > 40)).all()


def test_before_the_team_is_asked_the_ensemble_decides_alone(patients):
    with team_of(patients) as team:
        calibration = uncalibrated(team)
        assert team.counters.prefix_tokens == team.counters.row_tokens == 0
    assert calibration.cells is None
    assert calibration.cell_mixture is None
    labels = calibration.labels
    assert (labels.worker_weight, labels.ensemble_weight, labels.worker_loss) == (0, 1, None)
    assert labels.combined_loss == labels.ensemble_loss
    with pytest.raises(dataclasses.FrozenInstanceError):
        calibration.cell_mixture = None


@pytest.mark.parametrize(
    ("labels", "examples", "is_asked"),
    [
        ("calibrated", 20, True),
        ("worker", 20, True),
        ("calibrated", 0, False),
        ("worker", 0, False),
    ],
)
def test_who_is_asked_about_rows(patients, labels, examples, is_asked):
    model = ScriptedModel()
    with team_of(patients, model=model, labels=labels, examples=examples) as team:
        assert asks(team) == scores_cells(team) == is_asked
        rows = [place for question in questions(team) for place in question.values.index]
        model.prompts.clear()
        calibration = calibrate(team)
    assert len(model.prompts) == is_asked
    assert (calibration.labels is not None) == (labels == "calibrated")
    assert (calibration.cells is not None) == is_asked
    if calibration.cells is not None:
        assert sorted(calibration.cells.worker.index) == sorted(rows)
        for frame in vars(calibration.cells).values():
            assert frame.index.equals(calibration.cells.worker.index)
            assert list(frame) == team.dictionary.inputs
            assert np.isfinite(frame.to_numpy()).all()


@pytest.mark.parametrize("conditioning", ["row", "parents"])
@pytest.mark.parametrize(
    ("where", "balance", "scored"),
    [
        (["sex=F", "age>=60"], None, ["weight", "smoker", "ward"]),
        ([], "uniform", ["age", "weight", "sex", "smoker", "ward"]),
        (["age>=60", "outcome=1"], None, ["weight", "sex", "smoker", "ward"]),
    ],
)
def test_cells_of_all_real_rows_are_scored_but_those_that_are_given(
    patients, conditioning, where, balance, scored
):
    dictionary, real = dictionary_and_values(patients)
    wanted = read_conditions(dictionary, where, balance)
    chosen = Settings.load({"team.conditioning": conditioning, "team.labels": "worker"})
    plan = from_data(real, dictionary)
    with Team(ScriptedModel(), dictionary, plan, real, chosen, 1, wanted) as team:
        calibration = calibrate(team)
    # A row that is not what was asked for tells as much of the worker as one that is.
    assert len(calibration.cells.worker) == 40
    for frame in vars(calibration.cells).values():
        assert list(frame) == scored
        assert np.isfinite(frame.to_numpy()).all()
    # Where shares of labels are asked for, the ensemble says which rows fit which label.
    assert (calibration.pool is not None) == bool(balance)


def test_nothing_is_asked_where_only_the_label_is_left(patients):
    patients = patients[["age", "sex", "outcome"]]
    dictionary, real = dictionary_and_values(patients)
    wanted = read_conditions(dictionary, ["sex=F", "age>=60"], None)
    model, chosen = ScriptedModel(), Settings.load({"team.labels": "worker"})
    with Team(model, dictionary, from_data(real, dictionary), real, chosen, 1, wanted) as team:
        model.prompts.clear()
        calibration = calibrate(team)
    assert model.prompts == []  # no prompt is decoded for nothing
    assert (calibration.cells, calibration.cell_mixture) == (None, None)


def test_what_no_row_can_be_under_the_rules_is_refused_before_anyone_is_asked(patients):
    dictionary, real = dictionary_and_values(patients)
    # Each rule alone leaves a row over 80 years; both together leave none.
    rules = ["age < 80 or weight > 70.123", "age < 80 or weight < 70.1"]
    real["weight"] = 50.0
    real = real[real["age"] < 80]
    fields = {**dictionary.model_dump(), "rules": rules}
    for feature in fields["features"]:
        feature["missing"] = False
    ruled = type(dictionary).model_validate(fields)
    wanted = read_conditions(ruled, ["age>=80"], None)
    model = ScriptedModel()
    with Team(model, ruled, from_data(real, ruled), real, Settings(), 1, wanted) as team:
        model.prompts.clear()
        with pytest.raises(UsageError, match="cannot be") as error:
            calibrate(team)
    assert model.prompts == []
    assert any(rule in str(error.value) for rule in rules)


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
    assert calibration.cell_mixture is None

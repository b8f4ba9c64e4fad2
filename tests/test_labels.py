"""Label policies: the weights are the measured skill, and who is asked for a row has not seen it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import t2local
from t2local.settings import Settings
from t2local.team.label_calibration import Labeller, level_log_probabilities, likeliest
from t2local.team.plan import from_data
from t2local.team.workers import AssemblyLine

FAST = {"trim.replicates": 50}


@pytest.fixture
def known(patients):
    return t2local.describe(patients, target="outcome")


def values(patients, known):
    return known.values(t2local.tables.files.cells_of(patients))


def opinions(truth: np.ndarray, right: float, rng: np.random.Generator) -> np.ndarray:
    """Log-probabilities of a worker that gives a share of ``right`` to a label that is the true one as often."""
    said = np.where(rng.random(len(truth)) < right, truth, 1 - truth)
    p = np.full((len(truth), 2), 1 - right)
    p[np.arange(len(truth)), said] = right
    return np.log(p)


@pytest.mark.parametrize(("right", "heard"), [(0.9, True), (0.5, False), (0.1, False)])
def test_a_worker_is_heard_as_far_as_it_is_right(patients, known, right, heard):
    labeller = Labeller(values(patients, known), known, 1)
    truth = patients["outcome"].to_numpy()[labeller.asked]
    p = opinions(truth, right if right != 0.1 else 0.9, np.random.default_rng(3))
    labeller.learn(
        p if right != 0.1 else p[:, ::-1]
    )  # the last one says the contrary of what it should
    skill = labeller.skill
    assert (skill.worker_weight > 0.3) == heard
    assert skill.both_loss <= skill.ensemble_loss + 0.01
    assert skill.worker_loss == pytest.approx(
        -(p if right != 0.1 else p[:, ::-1])[np.arange(len(truth)), truth].mean()
    )


def test_no_row_is_judged_by_a_model_that_saw_it(patients, known):
    shuffled = patients.assign(outcome=np.random.default_rng(5).permutation(patients["outcome"]))
    # Labels that nothing explains: a model that had seen them would look better than chance.
    assert Labeller(values(shuffled, known), known, 1).skill.ensemble_loss > 0.6


def test_a_number_is_the_mean_by_inverse_squared_error(patients):
    patients = (
        patients.drop(columns="outcome")
        .dropna()
        .assign(risk=lambda rows: rows["age"] * 2 + rows["weight"])
    )
    known = t2local.describe(patients, target="risk")
    labeller = Labeller(values(patients, known), known, 1)
    truth = values(patients, known)["risk"].to_numpy()[labeller.asked]
    worker = truth + np.random.default_rng(1).normal(0, 2, len(truth))
    ensemble = labeller.skill.ensemble_loss
    labeller.learn(worker[:, None])
    error = ((worker - truth) ** 2).mean()
    assert labeller.skill.worker_weight == pytest.approx(ensemble / (ensemble + error))
    given = labeller.label(values(patients, known), None)
    assert (given * 10 ** known["risk"].decimals % 1 < 1e-6).all()
    assert given.between(*known["risk"].bounds).all()


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3), st.floats(-5, 5))
def test_tokens_are_summed_by_the_level_that_they_begin(scores, shared):
    rests, tokens = [b'low"]', b'high"]'], [b"l", b"lo", b"high", b"x"]
    p = np.exp(np.array([*scores, shared]))
    found = np.exp(level_log_probabilities(rests, tokens, np.log(p)))
    floor = 1e-4 * p.sum()
    assert np.allclose(
        found, np.array([p[0] + p[1] + floor, p[2] + floor]) / (p[:3].sum() + 2 * floor)
    )
    # A token that begins both goes to each as the others say.
    both = np.exp(
        level_log_probabilities(
            [b"aa", b"ab"], [b"a", b"aa", b"ab"], np.array([shared, scores[0], scores[1]])
        )
    )
    assert np.allclose(
        np.log(both[0] / both[1]),
        np.log(np.exp(scores[0]) + floor_of(scores, shared))
        - np.log(np.exp(scores[1]) + floor_of(scores, shared)),
    )


def floor_of(scores, shared):
    return 1e-4 * (np.exp(scores[0]) + np.exp(scores[1]) + np.exp(shared))


@pytest.mark.parametrize("conditioning", ["row", "parents"])
@pytest.mark.parametrize("policy", ["calibrated", "worker", "classifier"])
def test_every_policy_gives_every_row_a_label(patients, policy, conditioning):
    settings = {**FAST, "team.labels": policy, "team.conditioning": conditioning}
    model = t2local.ScriptedModel()
    result = t2local.generate(
        patients,
        target="outcome",
        rows=20,
        plan="data",
        model=model,
        max_batches=2,
        settings=settings,
    )
    written = pd.concat([result.synthetic, result.rejected])
    assert len(written) == 20
    assert written["outcome"].isin([0, 1]).all()
    assert result.report["labels"]["policy"] == policy
    examples = model.prompts[-1].split("Rows:\n")[1].splitlines()[0]
    assert (examples.count("[") > 1) == (conditioning == "parents" or policy == "calibrated")


def test_a_worker_without_skill_is_not_heard_and_one_with_skill_is(patients):
    def knows(text: bytes) -> bytes:
        """Writes whether the age, the first number of the row, is odd: no forest finds that out."""
        row = text.rsplit(b"\n", 1)[-1]
        return (b"1" if int(row[1:3]) % 2 else b"0") if row.endswith(b"][") else b""

    patients = patients[["age", "sex"]].assign(outcome=patients["age"] % 2)
    weights = []
    for script in (knows, None):
        known = t2local.describe(patients, target="outcome")
        real = values(patients, known)
        with AssemblyLine(
            t2local.ScriptedModel(script), known, from_data(real, known), real, Settings(), 1
        ) as line:
            weights.append(line.examine()[0].worker_weight)
    assert weights[0] > 0.5
    assert weights[1] == 0


def test_the_examples_that_a_worker_sees_hold_no_row_that_it_is_asked_about(patients):
    model = t2local.ScriptedModel()
    known = t2local.describe(patients, target="outcome")
    real = values(patients, known)
    with AssemblyLine(model, known, from_data(real, known), real, Settings(), 1) as line:
        lines = {"".join(line._example(i)).strip(): i for i in range(len(real))}
        model.prompts.clear()
        line.examine()
        folds = line._labeller.folds % 2
    shown = [
        {int(folds[lines[text]]) for text in prompt.split("Rows:\n")[1].splitlines()}
        for prompt in model.prompts
    ]
    assert shown == [{1}, {0}]


def test_drawn_labels_have_the_probabilities_and_likeliest_ones_are_the_likeliest(patients):
    known = t2local.describe(patients, target="outcome")
    real = values(patients, known)
    labeller = Labeller(real, known, 1)
    rows = pd.concat([real.head(1)] * 4000, ignore_index=True)
    worker = np.log(np.tile([0.7, 0.3], (4000, 1)))
    labeller.skill = replace(labeller.skill, worker_weight=1.0, ensemble_weight=0.0)
    assert set(labeller.label(rows, worker)) == {"0"}
    drawn = labeller.label(rows, worker, np.random.default_rng(1))
    assert abs((drawn == "0").mean() - 0.7) < 0.03


def test_a_class_of_few_rows_is_not_emptied_and_gets_the_rows_that_fit_it_best():
    p = np.column_stack([np.full(100, 0.6), np.linspace(0.3, 0.1, 100), np.linspace(0.1, 0.3, 100)])
    few = likeliest(np.log(p), np.array([7, 2, 1]))
    assert np.bincount(few).tolist() == [70, 20, 10]
    assert set(np.flatnonzero(few == 1)) == set(range(20))
    assert set(np.flatnonzero(few == 2)) == set(range(90, 100))
    assert set(likeliest(np.log(p), np.array([70, 20, 10]))) == {0}
    unseen = likeliest(np.log(np.column_stack([p[:, :2], np.full(100, 0.7)])), np.array([8, 2, 0]))
    assert set(unseen) == {2}


def test_a_class_that_got_lost_is_said(patients):
    rare = patients.assign(outcome=["rare"] + ["common", "other"] * 29 + ["common"])
    heard = []
    result = t2local.generate(
        rare,
        target="outcome",
        model=t2local.ScriptedModel(),
        plan="data",
        rows=10,
        max_batches=2,
        settings={"trim.significance_level": 1},
        on_event=heard.append,
    )
    assert result.report["labels"]["shares"]["real"]["rare"] == 1 / 60
    lost = "rare" not in result.report["labels"]["shares"]["kept"]
    assert lost == any("are in no kept row" in getattr(event, "message", "") for event in heard)
    assert not any("rare" in getattr(event, "message", "") for event in heard)

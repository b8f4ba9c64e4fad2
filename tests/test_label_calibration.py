"""The weights of label worker and ensemble are their skill on real rows that neither had seen."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import t2local
from t2local.llm.scripted import ScriptedModel
from t2local.tables.dictionary import Feature
from t2local.team.label_calibration import (
    N_FOLDS,
    LabelCalibration,
    LabelEnsemble,
    OpinionPool,
    calibrate_labels,
    calibration_folds,
    pool_predictions,
)
from tests.batches import patients as make_patients
from tests.teams import dictionary_and_values

CLASSES = Feature(name="y", type="category", levels=("a", "b", "c"))
TWO = Feature(name="y", type="category", levels=("a", "b"))
NUMBER = Feature(name="y", type="decimal", minimum=0, maximum=100, decimals=1)


def ensemble_of(frame: pd.DataFrame, target: str = "outcome", **effects: str) -> LabelEnsemble:
    dictionary, real = dictionary_and_values(frame, target)
    features = [
        feature.model_copy(update={"effect": effects.get(feature.name)})
        for feature in dictionary.features
    ]
    dictionary = dictionary.model_copy(update={"features": tuple(features)})
    folds = calibration_folds(np.arange(len(real)) % 2, 1)
    return LabelEnsemble(real, dictionary, folds, 1)


@pytest.fixture
def ensemble(patients_pool) -> LabelEnsemble:
    return patients_pool.ensemble


def predictions(truth: np.ndarray, right: float, rng: np.random.Generator) -> np.ndarray:
    """Log-probabilities of a worker that gives a share of ``right`` to a label that is the true one
    as often."""
    labels = np.where(rng.random(len(truth)) < right, truth, 1 - truth)
    p = np.full((len(truth), 2), 1 - right)
    p[np.arange(len(truth)), labels] = right
    return np.log(p)


@pytest.mark.parametrize(("right", "heard"), [(0.9, True), (0.5, False), (0.1, False)])
def test_a_worker_is_heard_as_far_as_it_is_right(ensemble, right, heard):
    truth = ensemble.truth.astype(int)
    p = predictions(truth, right if right != 0.1 else 0.9, np.random.default_rng(3))
    p = p if right != 0.1 else p[:, ::-1]  # the last one says the contrary of what it should
    found = calibrate_labels(p, ensemble.out_of_fold, ensemble.truth, ensemble.target)
    assert (found.worker_weight > 0.3) == heard
    assert found.combined_loss <= found.ensemble_loss + 0.01
    assert found.worker_loss == pytest.approx(-p[np.arange(len(truth)), truth].mean())
    assert found.rows == 60


def test_no_row_is_judged_by_a_model_that_saw_it(patients):
    shuffled = patients.assign(outcome=np.random.default_rng(5).permutation(patients["outcome"]))
    # Labels that nothing explains: a model that had seen them would look better than chance.
    ensemble = ensemble_of(shuffled)
    found = calibrate_labels(None, ensemble.out_of_fold, ensemble.truth, ensemble.target)
    assert found.ensemble_loss > 0.6
    assert np.allclose(np.exp(ensemble.out_of_fold).sum(axis=1), 1)


def test_a_number_is_a_mean_with_the_weight_that_real_rows_justify(patients):
    patients = (
        patients.drop(columns="outcome")
        .dropna()
        .assign(risk=lambda rows: rows["age"] * 2 + rows["weight"])
    )
    dictionary, real = dictionary_and_values(patients, "risk")
    ensemble = ensemble_of(patients, "risk")
    truth = real["risk"].to_numpy()
    worker = truth + np.random.default_rng(1).normal(0, 2, len(truth))
    alone = calibrate_labels(None, ensemble.out_of_fold, truth, ensemble.target)
    found = calibrate_labels(worker[:, None], ensemble.out_of_fold, truth, ensemble.target)
    # The posterior mean of the weight, by a plain loop over its values.
    weights, likelihoods = np.arange(21) / 20, []
    for weight in weights:
        pooled = weight * worker + (1 - weight) * ensemble.out_of_fold[:, 0]
        likelihoods.append(((pooled - truth) ** 2).mean() ** (-len(truth) / 2))
    expected = np.average(weights, weights=np.array(likelihoods) / max(likelihoods))
    assert found.worker_weight == pytest.approx(expected)
    assert found.combined_loss < alone.ensemble_loss
    assert found.worker_weight + found.ensemble_weight == pytest.approx(1)
    rng = np.random.default_rng(1)

    def labelled(worker):
        pool = OpinionPool(ensemble, found)
        return pool.labels(pool.predict(real, worker), "likeliest", rng)

    labels = labelled(None)
    assert (labels * 10 ** dictionary["risk"].decimals % 1 < 1e-6).all()
    assert labels.between(*dictionary["risk"].bounds).all()
    # The ensemble is off by far more than the worker, whose numbers are nearly taken as they are.
    pooled = labelled(worker[:, None])
    assert ((pooled - truth) ** 2).mean() < ((labels - truth) ** 2).mean()


def test_a_worker_that_guesses_the_shares_does_not_win_over_an_ensemble_that_is_too_sure():
    truth = np.repeat([0, 1], [20, 10])
    right = np.ones(30, dtype=bool)
    right[[0, 1, 2, 3, 20, 21, 22, 23]] = False  # it knows 22 of 30 labels, and is sure of all
    of_truth = np.where(right, 0.95, 0.05)
    of_first = np.where(truth == 0, of_truth, 1 - of_truth)
    ensemble = np.log(np.column_stack([of_first, 1 - of_first]))
    guess = np.log(np.tile([2 / 3, 1 / 3], (30, 1)))
    rows = np.arange(30)
    assert guess[rows, truth].sum() > ensemble[rows, truth].sum() + 5
    # By the ensemble as it is alone the weight would be 0.99.
    assert calibrate_labels(guess, ensemble, truth.astype(float), TWO).worker_weight < 0.4


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(2, 40), st.floats(0, 3), st.floats(0, 3))
def test_the_weights_are_those_of_a_worker_that_knows_or_does_not(seed, n_rows, good, better):
    """The posterior probability of both, by a plain loop over the rows."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n_rows)
    logits = rng.normal(size=(2, n_rows, 3))
    logits[:, np.arange(n_rows), truth] += np.array([good, better])[:, None]
    worker, ensemble = logits - np.logaddexp.reduce(logits, axis=2, keepdims=True)
    found = calibrate_labels(worker, ensemble, truth.astype(float), CLASSES)
    shares = (np.bincount(truth, minlength=3) + 0.5) / (n_rows + 1.5)
    likelihoods = []
    for calm in (0, 0.25, 0.5, 0.75, 1):
        p = np.exp(ensemble) ** calm * shares ** (1 - calm)
        likelihoods.append(np.prod((p / p.sum(axis=1, keepdims=True))[np.arange(n_rows), truth]))
    of_ensemble = 0.2 * np.mean(likelihoods[:4]) + 0.8 * likelihoods[4]
    of_worker = np.prod(np.exp(worker)[np.arange(n_rows), truth])
    odds = 0.25 / 0.75 * of_worker / of_ensemble
    assert found.worker_weight == pytest.approx(odds / (1 + odds))
    assert found.ensemble_weight == pytest.approx(1 / (1 + odds))
    pooled = pool_predictions(worker, ensemble, found.worker_weight, CLASSES)
    assert np.allclose(np.exp(pooled).sum(axis=1), 1)
    assert -pooled[np.arange(n_rows), truth].mean() == pytest.approx(found.combined_loss)


def test_a_worker_without_an_error_does_not_divide_by_zero():
    truth = np.array([1.0, 2.0, 5.0])
    found = calibrate_labels(truth[:, None], truth[:, None] + 1, truth, NUMBER)
    assert found.worker_weight == pytest.approx(1)
    assert found.combined_loss < 1e-9


def test_drawn_labels_have_the_probabilities_and_the_most_likely_ones_are_most_likely(ensemble):
    _, real = dictionary_and_values(make_patients())
    rows = pd.concat([real.head(1)] * 4000, ignore_index=True)
    worker = np.log(np.tile([0.7, 0.3], (4000, 1)))
    found = LabelCalibration(1.0, 0.0, 0.5, 0.5, 0.5, 60)
    pool = OpinionPool(ensemble, found)
    rng = np.random.default_rng(1)
    predictions = pool.predict(rows, worker)
    assert np.allclose(np.exp(predictions), [0.7, 0.3])
    assert set(pool.labels(predictions, "likeliest", rng)) == {"0"}
    drawn = pool.labels(predictions, "drawn", rng)
    assert abs((drawn == "0").mean() - 0.7) < 0.03
    shared = pool.labels(predictions, "shares", rng)
    assert (shared == "1").sum() == round(4000 * ensemble.truth.mean())
    # The weights of the other: the ensemble decides, whatever the worker says.
    alone = replace(pool, calibration=replace(found, worker_weight=0.0, ensemble_weight=1.0))
    assert np.allclose(alone.predict(real, worker[:60]), pool.predict(real, None))
    assert np.array_equal(pool.predict(real, None), ensemble.predict(real))
    nobody = pool.predict(real.head(0), None)
    assert nobody.shape == (0, 2)
    assert len(pool.labels(nobody, "shares", rng)) == 0


def test_the_classes_are_counted_in_the_order_of_the_dictionary(ensemble):
    _, real = dictionary_and_values(make_patients())
    counts = real["outcome"].value_counts()
    assert ensemble.class_counts.tolist() == [counts["0"], counts["1"]]


@settings(max_examples=40)
@given(st.integers(1, 200), st.integers(1, 99))
def test_folds_are_even(n_rows, seed):
    labels = np.random.default_rng(seed).integers(0, 3, n_rows)
    folds = calibration_folds(labels, seed)
    sizes = np.bincount(folds)
    assert len(sizes) == min(n_rows, N_FOLDS)
    assert sizes.max() - sizes.min() <= 1


def test_no_class_is_lost_however_rare_it_is(patients):
    rare = patients.assign(outcome=["rare"] * 3 + ["common", "other"] * 28 + ["common"])
    result = t2local.generate(
        rare,
        target="outcome",
        model=ScriptedModel(),
        plan="data",
        rows=12,
        settings={"team.labels": "classifier"},
    )
    shares = result.report["labels"]["shares"]
    assert shares["real"]["rare"] == "under 11"
    assert set(shares["kept"]) == {"rare", "common", "other"}
    assert shares["kept"]["rare"] == 1 / 12


def test_the_ensemble_knows_the_effects_of_the_dictionary_in_and_out_of_fold():
    frame = make_patients().head(24)
    real = dictionary_and_values(frame)[1]
    plain, informed = ensemble_of(frame), ensemble_of(frame, age="raises")
    assert not np.allclose(informed.predict(real), plain.predict(real))
    assert not np.allclose(informed.out_of_fold, plain.out_of_fold)

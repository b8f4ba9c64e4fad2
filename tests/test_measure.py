"""What the kept rows are worth, and which classes they have."""

import numpy as np
import pytest

from t2local.events import Notice
from t2local.run import measure as module
from t2local.run.inputs import Run, read_inputs
from t2local.run.ledger import Ledger
from t2local.run.measure import measure
from t2local.settings import Settings
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import fit_ensemble, predict_ensemble
from t2local.team.calibration import Calibration
from t2local.team.writer import Block
from t2local.trim.verdict import Verdict


@pytest.fixture
def events():
    return []


@pytest.fixture
def run(events):
    return Run(Settings(), 1, Ledger(10, 10, 5), events.append)


def inputs_of(run, data, target=None, **options):
    return read_inputs(run, data, target, None, "data", **options)


def test_shares_of_classes_are_counted_in_real_and_kept_rows(run, patients):
    inputs = inputs_of(run, patients)
    kept = inputs.values.head(20)
    measured = measure(run, inputs, Calibration(), kept)
    assert sum(measured.class_shares["kept"].values()) == pytest.approx(1)
    share = (inputs.values["outcome"] == "1").mean()
    assert measured.class_shares["real"]["1"] == pytest.approx(share)
    assert measured.benefit.rows == 60
    assert run.ledger.clock.seconds["benefit"] > 0


def test_the_ensemble_of_the_labels_is_the_one_that_the_benefit_would_fit(
    run, patients, patients_pool, monkeypatch
):
    inputs = inputs_of(run, patients, target="outcome")
    given, calibration = [], Calibration(pool=patients_pool)
    real_benefit = module.benefit

    def listening(*arguments):
        given.append(arguments[-1])
        return real_benefit(*arguments)

    monkeypatch.setattr(module, "benefit", listening)
    measure(run, inputs, calibration, inputs.values.head(20))
    assert given == [patients_pool.ensemble.models]
    ensemble, values = patients_pool.ensemble, inputs.values
    encoder = Encoder(inputs.dictionary.input_features, values)
    anew = fit_ensemble(encoder.transform(values), ensemble.truth, ensemble.target, run.seed)
    predictions = predict_ensemble(anew, encoder.transform(values), ensemble.target)
    assert np.array_equal(predictions, ensemble.predict(values))


def test_labels_that_a_model_gave_are_replayed_even_if_all_rows_are_kept(
    run, patients, monkeypatch
):
    inputs = inputs_of(run, patients, target="outcome")
    kept = inputs.values.head(20)
    log_p = np.log(np.tile([0.7, 0.3], (20, 1)))
    noise = np.random.default_rng(1).gumbel(size=(20, 2))
    run.ledger.settle(Block(0, kept, 0, "", interrupted=False), kept, Verdict(20), 1, log_p, noise)
    handed = []
    real_benefit = module.benefit
    monkeypatch.setattr(module, "benefit", lambda *a: (handed.append(a[-2]), real_benefit(*a))[1])
    measure(run, inputs, Calibration(), kept)
    (candidates,) = handed
    assert candidates.rows.equals(kept)
    assert (candidates.predictions == log_p).all()
    assert (candidates.draw_noise == noise).all()


def test_kept_rows_that_are_real_ones_are_named_by_their_numbers(run, patients):
    inputs = inputs_of(run, patients)
    privacy = measure(run, inputs, Calibration(), inputs.values.head(20)).privacy
    assert privacy.finding == "leak"
    assert privacy.near_copies.copies == tuple(range(1, 21))
    assert privacy.membership is None


def lost_classes(run, inputs):
    """The findings when all kept rows have the outcome 1."""
    kept = inputs.values[inputs.values["outcome"] == "1"].head(20)
    measured = measure(run, inputs, Calibration(), kept)
    assert measured.class_shares["kept"] == {"1": 1.0}
    return [finding for finding in measured.shifts.findings if finding.kind == "lost_class"]


def test_a_lost_class_is_found_and_told_by_the_verdict_alone(run, events, patients):
    (finding,) = lost_classes(run, inputs_of(run, patients))
    assert finding.columns == ("outcome",)
    assert not [event for event in events if isinstance(event, Notice)]


def test_a_class_that_was_not_asked_for_is_not_lost(run, patients):
    assert lost_classes(run, inputs_of(run, patients, where=["outcome=1"])) == []


def test_without_kept_rows_nothing_is_measured(run, patients):
    inputs = inputs_of(run, patients)
    measured = measure(run, inputs, Calibration(), inputs.values.head(0))
    assert measured.benefit is None
    assert measured.class_shares == {}


def test_a_number_has_no_classes(run, patients):
    inputs = inputs_of(run, patients.drop(columns="outcome")[["weight", "sex", "smoker", "age"]])
    assert not inputs.dictionary.classification
    measured = measure(run, inputs, Calibration(), inputs.values.head(20))
    assert measured.class_shares == {}
    assert measured.benefit.auc == {}

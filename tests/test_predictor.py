"""The ensemble of a run as a model: the input's own cells in, labels of the input out."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.metrics import get_scorer
from sklearn.model_selection import cross_val_predict

import t2local
from t2local.errors import InputError
from t2local.run.predictor import EnsembleClassifier, EnsembleRegressor, predictor_of
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels, fit_ensemble, predict_ensemble
from t2local.tables.files import from_frame
from tests.patients import patients

RUN = {"model": t2local.ScriptedModel(), "plan": "data", "rows": 10}
FAST = {"trim.replicates": 50, "team.labels": "classifier"}


@pytest.fixture(scope="module")
def predictor():
    return predictor_for(patients())


def predictor_for(frame, target="outcome", **effects):
    dictionary = t2local.describe(frame, target=target)
    features = [
        feature.model_copy(update={"effect": effects.get(feature.name)})
        for feature in dictionary.features
    ]
    dictionary = dictionary.model_copy(update={"features": tuple(features)})
    return predictor_of(dictionary, dictionary.values(from_frame(frame).cells), 1)


def test_a_result_has_the_ensemble_of_its_real_rows(tmp_path):
    frame = patients()
    result = t2local.generate(frame, settings=FAST, **RUN)
    known = result.dictionary
    values = known.values(from_frame(frame).cells)
    encoder, target = Encoder(known.input_features, values), known["outcome"]
    x, y = encoder.transform(values), encode_labels(values["outcome"], target)
    log_p = predict_ensemble(fit_ensemble(x, y, target, 1), x, target)
    assert result.predictor.predict_proba(frame) == pytest.approx(np.exp(log_p))
    assert result.predictor is result.predictor
    frame.to_csv(tmp_path / "new.csv", index=False, sep=";", decimal=",")
    assert (result.predictor.predict(tmp_path / "new.csv") == result.predictor.predict(frame)).all()


def test_it_predicts_with_the_labels_and_cells_of_the_input(predictor):
    frame = patients()
    assert predictor.classes_.tolist() == [0, 1]
    assert (predictor.predict(frame) == frame["outcome"]).mean() > 0.9
    without = predictor.predict_proba(frame.drop(columns="outcome"))
    assert without == pytest.approx(predictor.predict_proba(frame.assign(note="free text")))
    assert without.sum(axis=1) == pytest.approx(np.ones(60))
    missing = predictor.predict_proba(frame.head(1).assign(age=None, sex=None, weight=np.nan))
    assert missing.shape == (1, 2)


def test_classes_are_sorted_whatever_the_order_of_the_dictionary():
    frame = patients()
    words = np.array(["well", "ill"])[frame["outcome"]]
    model = predictor_for(frame.assign(outcome=words))
    assert model.classes_.tolist() == ["ill", "well"]
    assert model.predict_proba(frame)[:, 0] == pytest.approx(
        predictor_for(frame).predict_proba(frame)[:, 1]
    )
    assert set(model.predict(frame)) <= {"ill", "well"}


def test_a_level_without_rows_is_no_class():
    frame = patients()
    dictionary = t2local.describe(frame)
    outcome = dictionary["outcome"].model_copy(
        update={"type": "category", "levels": ("0", "1", "2")}
    )
    wider = dictionary.model_copy(update={"features": (*dictionary.features[:-1], outcome)})
    model = EnsembleClassifier(wider).fit(frame, frame["outcome"])
    assert model.classes_.tolist() == [0, 1]
    assert model.predict_proba(frame).sum(axis=1) == pytest.approx(np.ones(60))


def test_it_is_a_model_of_scikit_learns(predictor):
    frame = patients()
    assert is_classifier(predictor)
    assert get_scorer("roc_auc")(predictor, frame, frame["outcome"]) > 0.9
    few = clone(predictor)
    assert few.dictionary == predictor.dictionary
    p = cross_val_predict(few, frame, frame["outcome"], cv=2, method="predict_proba")
    assert 0.7 < (p.argmax(axis=1) == frame["outcome"]).mean() < 1
    assert not hasattr(few, "classes_")


def test_weights_count_rows():
    frame = patients()
    weights = np.where(frame["outcome"] == 1, 20.0, 1.0)
    dictionary = t2local.describe(frame)
    plain, weighted = (
        EnsembleClassifier(dictionary).fit(frame, frame["outcome"], sample_weight=each)
        for each in (None, weights)
    )
    assert weighted.predict_proba(frame)[:, 1].mean() > plain.predict_proba(frame)[:, 1].mean()


def test_effects_are_known_to_it():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 6)).round(2), columns=list("abcdef"))
    score = frame.sum(axis=1) + rng.logistic(size=300)
    frame["y"] = (score > 0).astype(int)
    few, others = frame.head(16), frame.tail(250)
    plain, informed = (
        get_scorer("roc_auc")(predictor_for(few, "y", **effects), others, others["y"])
        for effects in ({}, dict.fromkeys("abcdef", "raises"))
    )
    assert informed > plain + 0.02


def test_a_number_is_predicted_as_one_and_a_date_as_a_date():
    frame = patients().drop(columns="outcome")
    model = predictor_for(frame, "age")
    assert is_regressor(model)
    assert not hasattr(model, "predict_proba")
    assert np.corrcoef(model.predict(frame), frame["age"])[0, 1] > 0.5
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(frame["age"], unit="D")
    dated = frame.assign(age=day.dt.strftime("%d.%m.%Y"))
    dates = pd.Series(predictor_for(dated, "age").predict(dated))
    assert ((dates >= "2020-01-01") & (dates <= "2020-04-01")).all()
    again = EnsembleRegressor(model.dictionary).fit(frame, frame["age"])
    assert again.predict(frame) == pytest.approx(model.predict(frame))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"sex": "SECRET"}, "line 1, column 'sex': not one of its levels"),
        ({"age": "SECRET"}, "line 1, column 'age': not an integer"),
    ],
)
def test_cells_that_cannot_be_read_are_named_by_place_and_never_by_value(predictor, change, fault):
    with pytest.raises(InputError, match=fault) as caught:
        predictor.predict(patients().head(2).assign(**change))
    assert "SECRET" not in str(caught.value)


def test_columns_and_labels_that_are_not_there_are_named(predictor):
    with pytest.raises(InputError, match="column 'ward' is not in the DataFrame"):
        predictor.predict(patients().drop(columns="ward"))
    frame = patients()
    with pytest.raises(InputError, match="y, line 60, column 'outcome': no label"):
        clone(predictor).fit(frame, [*frame["outcome"].head(59), None])
    with pytest.raises(InputError, match="not one of its levels"):
        clone(predictor).fit(frame, [*frame["outcome"].head(59), 7])

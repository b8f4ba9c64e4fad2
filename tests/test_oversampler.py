"""A sampler of imbalanced-learn's kind: its own checks, and a pipeline with it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

import t2local
from t2local.errors import UsageError
from t2local.llm.scripted import ScriptedModel
from t2local.oversampler import _followed_by
from tests.patients import patients

imblearn_checks = pytest.importorskip("imblearn.utils.estimator_checks")
pytestmark = pytest.mark.usefixtures("fewest_fits")

#: The checks of imbalanced-learn that do not apply, and why.
NOT_APPLICABLE = {
    "check_samplers_sparse": "a table of patients is dense",
    "check_samplers_pandas_sparse": "the same",
    "check_samplers_pandas": "a language model reads the names of columns; the types are below",
    "check_samplers_multiclass_ova": "a target is one column",
    "check_samplers_sample_indices": "new rows are no real ones; the tag is imbalanced-learn's own",
}
APPLICABLE = [
    "check_target_type",
    "check_samplers_one_label",
    "check_samplers_fit",
    "check_samplers_fit_resample",
    "check_samplers_sampling_strategy_fit_resample",
    "check_samplers_string",
    "check_samplers_nan",
    "check_samplers_list",
    "check_samplers_preserve_dtype",
    "check_samplers_2d_target",
    "check_sampler_get_feature_names_out",
    "check_sampler_get_feature_names_out_pandas",
]


class Scripted(ScriptedModel):
    """A model that a clone of its sampler shares, as it would share a file."""

    def __deepcopy__(self, memo):
        return self


MODEL = Scripted()


def sampler(strategy="auto", **options):
    options = {"model": MODEL, "plan": "data", "settings": {"trim.keep": "all"}, **options}
    return t2local.OverSampler(strategy, **options)


def small_table():
    """Three classes, so small that a run takes a part of a second."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [8, 12, 16])
    return rng.normal(y[:, np.newaxis], 1, (36, 2)).round(3), y


@pytest.mark.parametrize("name", APPLICABLE)
@pytest.mark.filterwarnings("ignore:.*new rows were kept", "ignore:.*column-vector")
def test_it_passes_the_checks_of_imbalanced_learn(name, monkeypatch):
    monkeypatch.setattr(imblearn_checks, "sample_dataset_generator", small_table)
    getattr(imblearn_checks, name)("OverSampler", sampler())


def test_every_check_is_made_or_does_not_apply():
    names = {name for name in vars(imblearn_checks) if name.startswith("check_sampler")}
    assert names | {"check_target_type"} == {*APPLICABLE, *NOT_APPLICABLE}


def test_the_classes_are_as_large_as_they_are_wanted_and_the_real_rows_come_first():
    frame = patients()
    x, y = frame.drop(columns="outcome"), frame["outcome"]
    few, most = sorted(y.value_counts())
    one = sampler()
    x_new, y_new = one.fit_resample(x, y)
    pd.testing.assert_frame_equal(x_new.head(60), x)
    assert y_new.head(60).tolist() == y.tolist()
    assert x_new.dtypes.to_dict() == x.dtypes.to_dict()
    assert y_new.dtype == y.dtype
    assert list(one.sampling_strategy_.values()) == [most - few]
    assert y_new.value_counts().tolist() == [most, most]
    assert len(one.result_.synthetic) == most - few


@pytest.mark.parametrize(
    ("strategy", "new"),
    [
        ("auto", {"a": 6, "b": 2}),
        ("not majority", {"a": 6, "b": 2}),
        ("all", {"a": 6, "b": 2, "c": 0}),
        ("minority", {"a": 6}),
        ("not minority", {"b": 2, "c": 0}),
        ({"a": 5}, {"a": 1}),
    ],
)
@pytest.mark.filterwarnings("ignore:.*new rows were kept")
def test_a_strategy_says_how_many_rows_of_each_class_are_new(strategy, new):
    one = sampler(strategy)
    y = ["a"] * 4 + ["b"] * 8 + ["c"] * 10
    x = np.random.default_rng(1).normal(size=(22, 2)).round(2)
    _, y_new = one.fit_resample(x, y)
    assert one.sampling_strategy_ == new
    assert sorted(y_new[22:]) == sorted(one.result_.synthetic["target"])


def test_frames_and_series_come_back_as_they_came():
    """The name of a column may be a number, and that of the label the name of a column."""
    x, y = small_table()
    frame = pd.DataFrame(x)
    labels = pd.Series(y, name=0, dtype="category")
    x_new, y_new = sampler().fit_resample(frame, labels)
    assert (list(x_new), y_new.name, y_new.dtype) == ([0, 1], 0, labels.dtype)
    one = sampler()
    x_new, y_new = one.fit_resample(frame, pd.DataFrame({"class": y}))
    assert list(y_new) == ["class"]
    assert len(x_new) == len(y_new) == 48
    assert list(one.result_.synthetic) == ["0", "1", "class"]


def test_a_share_is_that_of_the_larger_class_and_none_is_written_that_is_not_wanted():
    x = np.random.default_rng(1).normal(size=(30, 2)).round(2)
    y = np.repeat(["no", "yes"], [20, 10])
    assert sampler(0.8).fit_resample(x, y)[1].tolist().count("yes") == 16
    one = sampler(0.5)
    assert one.fit_resample(x, y)[0] is x
    assert one.result_ is None


@pytest.mark.parametrize("strategy", ["most", 1.5, 0.1, 3, None, {"x": 30}, {"no": 5}])
def test_a_strategy_that_cannot_be_is_refused(strategy):
    x = np.ones((30, 2))
    with pytest.raises(UsageError, match="sampling_strategy"):
        sampler(strategy).fit_resample(x, np.repeat(["no", "yes"], [20, 10]))


@pytest.mark.parametrize(
    ("first", "new", "expected", "kind"),
    [
        (np.array(["a", "b"]), ["other"], ["a", "b", "other"], "U"),
        (np.array([1, 2]), [3.0], [1, 2, 3], "i"),
        (np.array([1, 2]), [np.nan], [1, 2, np.nan], "f"),
        (np.array(["a", "b"]), [None], ["a", "b", None], "O"),
    ],
)
def test_new_cells_of_an_array_are_what_they_were(first, new, expected, kind):
    joined = _followed_by(first, pd.DataFrame({"y": new}))
    assert joined.dtype.kind == kind
    assert pd.Series(joined.tolist()).equals(pd.Series(expected))


def test_blank_labels_and_lists_of_other_lengths_are_refused():
    x, y = np.arange(60.0).reshape(30, 2), np.repeat(["no", "yes"], [20, 10]).astype(object)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        sampler().fit(x, y[1:])
    y[3] = None
    with pytest.raises(ValueError, match="blank labels"):
        sampler().fit(x, y)
    with pytest.raises(UsageError, match="whole numbers"):
        sampler({"yes": 20.5}).fit(x, np.repeat(["no", "yes"], [20, 10]))


def test_it_is_a_step_of_a_pipeline_and_predictions_are_of_real_rows_alone():
    from imblearn.pipeline import make_pipeline

    frame = patients()
    x, y = frame[["age"]].assign(noise=np.arange(60) % 7), frame["outcome"]
    pipeline = make_pipeline(StandardScaler(), sampler(), LogisticRegression())
    scores = cross_val_score(pipeline, x, y, cv=2)
    assert len(scores) == 2
    assert scores.mean() > 0.6
    assert len(clone(pipeline).fit(x, y).predict(x)) == 60


def test_rows_that_were_refused_are_told_of():
    settings = {"trim.gate": "utility", "team.cells": "worker", "trim.patience": 1}
    x, y = small_table()
    with pytest.warns(UserWarning, match=r"of 12 new rows were kept; result_.summary\(\) says why"):
        x_new, y_new = sampler(settings=settings).fit_resample(x, y)
    assert len(x_new) == len(y_new) < 48

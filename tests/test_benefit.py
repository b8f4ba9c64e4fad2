"""Do no harm: the figures against scikit-learn's, and the verdict on rows that help or harm."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels, fit_ensemble, predict_ensemble
from t2local.stats.folds import stratified_folds
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.trim import benefit as module
from t2local.trim.benefit import Benefit, Interval, _auc, _weighted_auc, benefit


@pytest.fixture(scope="module", autouse=True)
def _few_trees():
    """Fewer trees and repeats: what is tested does not hang on them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_TREES", 10)
        patch.setattr(module, "_REPEATS", 1)
        yield


def table(n, seed, classes=2, flip=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).round(2)
    score = x @ [1.5, -1.0, 0.5, 0.0]
    label = (score > 0).astype(int) + (score > 1.5) * (classes == 3)
    label = classes - 1 - label if flip else label
    return pd.DataFrame(x, columns=list("abcd")).assign(y=label.astype(str))


def dictionary(classes=2):
    columns = [
        Feature(name=name, type="decimal", minimum=-9, maximum=9, decimals=2) for name in "abcd"
    ]
    label = Feature(name="y", type="category", levels=tuple("012"[:classes]))
    return FeatureDictionary(target="y", features=(*columns, label))


@pytest.mark.parametrize("classes", [2, 3])
def test_more_of_the_true_rows_help_and_flipped_ones_harm(classes):
    real = table(40, 5, classes)
    good = benefit(real, table(200, 2, classes), dictionary(classes), 1)
    bad = benefit(real, table(200, 3, classes, flip=True), dictionary(classes), 1)
    assert (good.gain.change, bad.gain.change) == ("helps", "harms")
    assert good.against_ensemble.change == "helps"
    assert good.verdict.startswith("They help, beyond")
    assert bad.verdict.startswith("They harm")
    assert bad.auc["linear_real_and_kept"].mean < 0.5 < good.auc["linear_real_and_kept"].low


def test_copies_of_what_is_there_are_not_said_to_help():
    real = table(60, 1).assign(y=np.random.default_rng(0).choice(["0", "1"], 60))
    noise = table(60, 2).assign(y=np.random.default_rng(1).choice(["0", "1"], 60))
    verdict = benefit(real, noise, dictionary(), 1).verdict
    assert "not shown" in verdict or "harm" in verdict


def test_the_figures_belong_together_and_are_the_same_again():
    real, kept = table(40, 5), table(50, 2)
    before = real.copy(deep=True), kept.copy(deep=True)
    once, again = (benefit(real, kept, dictionary(), 1) for _ in range(2))
    assert once == again
    pd.testing.assert_frame_equal(real, before[0])
    pd.testing.assert_frame_equal(kept, before[1])
    names = [
        *("linear_real", "ensemble_real"),
        *("linear_real_and_kept", "ensemble_real_and_kept"),
    ]
    assert sorted(once.losses) == sorted(once.auc) == sorted(names)
    joined = once.losses["linear_real_and_kept"]
    assert once.gain.mean == pytest.approx(joined - once.losses["linear_real"])
    assert once.against_ensemble.mean == pytest.approx(joined - once.losses["ensemble_real"])


def test_losses_are_those_of_a_plain_loop_over_the_folds():
    real, kept, label = table(40, 5), table(30, 2), dictionary()["y"]
    encoder = Encoder(dictionary().input_features, real)
    x, y = encoder.transform(real), encode_labels(real["y"], label)
    kept_x, kept_y = encoder.transform(kept), encode_labels(kept["y"], label)
    fold = stratified_folds(y, 5, generator(1, Stream.BENEFIT_FOLDS))
    losses = {"linear_real": np.zeros(40), "linear_real_and_kept": np.zeros(40)}
    for number in range(5):
        out = fold == number
        train_x, train_y = x[~out], y[~out]
        for name, loss in losses.items():
            if name == "linear_real_and_kept":
                train_x = np.vstack([train_x, kept_x])
                train_y = np.concatenate([train_y, kept_y])
            models = fit_ensemble(train_x, train_y, label, 1, 2)
            predictions = predict_ensemble(models[:1], x[out], label)
            loss[out] = -predictions[np.arange(out.sum()), y[out].astype(int)]
    figures = benefit(real, kept, dictionary(), 1)
    for name, loss in losses.items():
        assert figures.losses[name] == pytest.approx(loss.mean())
    gain = Interval.of(losses["linear_real_and_kept"] - losses["linear_real"])
    assert figures.gain.low == pytest.approx(gain.low)
    assert figures.gain.high == pytest.approx(gain.high)


def test_rows_without_weight_count_for_nothing():
    """Half of the real rows are flipped and weigh nothing: the losses are those of the others."""
    right, wrong = table(40, 5), table(40, 6, flip=True)
    weights = np.repeat([2.0, 0.0], 40)
    mixed = benefit(pd.concat([right, wrong], ignore_index=True), right, dictionary(), 1, weights)
    plain = benefit(pd.concat([right, wrong], ignore_index=True), right, dictionary(), 1)
    assert mixed.losses["linear_real"] < 0.5 < plain.losses["linear_real"]


def test_auc_is_scikit_learns_and_its_interval_is_that_of_samples_drawn_one_by_one():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 80)
    predictions = np.round(rng.normal(size=(80, 3)) + np.eye(3)[y], 1)
    rows = rng.integers(80, size=(100, 80))
    draws = np.vstack([np.ones(80), [np.bincount(sample, minlength=80) for sample in rows]])
    auc = _auc(predictions, y.astype(float), draws)
    peer = [
        np.mean([roc_auc_score(y[s] == c, predictions[s, c]) for c in range(3)])
        for s in [np.arange(80), *rows]
    ]
    assert np.isclose(auc.mean, peer[0])
    assert np.allclose([auc.low, auc.high], np.quantile(peer[1:], [0.025, 0.975]))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=2))
def test_a_weighted_auc_is_scikit_learns_of_repeated_rows(rows):
    score, positive, counts = (np.array(column) for column in zip(*rows, strict=True))
    auc = _weighted_auc(score.astype(float), positive, counts[None].astype(float))[0]
    repeated = np.repeat(np.arange(len(rows)), counts)
    if len(set(positive[repeated])) < 2:
        assert np.isnan(auc)
    else:
        assert auc == pytest.approx(roc_auc_score(positive[repeated], score[repeated]))


def test_of_two_classes_one_auc_is_that_of_both():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 30)
    score = rng.random(30)
    auc = _auc(np.column_stack([1 - score, score]), y.astype(float), np.ones((2, 30)))
    assert auc.mean == pytest.approx(roc_auc_score(y, score))
    assert auc.mean == auc.low == auc.high


def test_one_class_alone_has_no_auc():
    auc = _auc(np.ones((5, 2)), np.ones(5), np.ones((3, 5)))
    assert np.isnan([auc.mean, auc.low, auc.high]).all()


def test_a_number_is_measured_by_its_squared_error():
    real = table(30, 1)
    label = Feature(name="y", type="decimal", minimum=-99, maximum=99, decimals=2)
    features = (*dictionary().features[:-1], label)
    numbers = dictionary().model_copy(update={"features": features})
    real = real.assign(y=real[list("abcd")].to_numpy() @ [1.5, -1.0, 0.5, 0.0])
    figures = benefit(real, real.head(10), numbers, 1)
    assert figures.losses["linear_real"] < 0.1
    assert figures.auc == {}
    relabelled = benefit(real, real.head(10), numbers, 1, ensemble_label_share=0.5)
    assert relabelled.losses["linear_real"] == figures.losses["linear_real"]
    assert relabelled.losses["linear_real_and_kept"] != figures.losses["linear_real_and_kept"]


@pytest.mark.parametrize("n", [2, 3, 7])
def test_few_rows_are_no_error(n):
    few = table(40, 1).groupby("y").head(-(-n // 2)).head(n).reset_index(drop=True)
    assert benefit(few, table(5, 2), dictionary(), 1).rows == n


def test_three_rows_are_too_few_for_a_verdict():
    few = table(40, 1).groupby("y").head(2).reset_index(drop=True)
    verdict = benefit(few, table(20, 2), dictionary(), 1).verdict
    assert verdict == "Whether they help a model cannot be measured on 4 real rows."


def test_labels_that_the_ensemble_gave_do_not_tell_of_held_out_rows():
    """Labels of pure noise: an ensemble that has seen all rows knows them by heart.

    Its rows then seem to help.
    """
    rng = np.random.default_rng(0)
    real = table(80, 1).assign(y=rng.choice(["0", "1"], 80))
    near = pd.concat([real] * 3, ignore_index=True)
    near[list("abcd")] += rng.normal(0, 0.05, (240, 4)).round(2)
    label = dictionary()["y"]
    encoder = Encoder(dictionary().input_features, real)
    models = fit_ensemble(encoder.transform(real), encode_labels(real["y"], label), label, 1)
    labels = predict_ensemble(models, encoder.transform(near), label).argmax(axis=1)
    rows = near.assign(y=labels.astype(str))
    leaking, honest = (
        benefit(real, rows, dictionary(), 1, ensemble_label_share=share) for share in (0.0, 1.0)
    )
    name = "ensemble_real_and_kept"
    assert leaking.losses[name] < honest.losses[name] - 0.1
    assert honest.gain.change != "helps"


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30))
def test_the_interval_is_1_96_standard_errors_wide_on_each_side(differences):
    values = np.array(differences)
    interval = Interval.of(values)
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert interval.mean == pytest.approx(values.mean())
    assert interval.high - interval.mean == pytest.approx(1.96 * error, abs=1e-9)
    assert interval.mean - interval.low == pytest.approx(1.96 * error, abs=1e-9)


HELPS, HARMS, UNCLEAR = Interval(-2, -3, -1), Interval(2, 1, 3), Interval(0, -1, 1)


@pytest.mark.parametrize(
    ("gain", "against_ensemble", "start"),
    [
        (HELPS, HELPS, "They help, beyond what an ensemble makes of the real rows alone: loss"),
        (HELPS, HARMS, "They help a linear model, but no more than training an ensemble"),
        (HELPS, UNCLEAR, "They help a linear model, but no more than training an ensemble"),
        (UNCLEAR, HELPS, "That they help a linear model is not shown: loss"),
        (HARMS, HELPS, "They harm a linear model: loss"),
    ],
)
def test_the_verdict_is_one_sentence_with_its_losses(gain, against_ensemble, start):
    losses = {"linear_real": 0.5, "linear_real_and_kept": 0.4567, "ensemble_real": 0.6}
    figures = Benefit(10, losses, {}, gain, against_ensemble)
    assert figures.verdict.startswith(start)
    assert "0.500 before, 0.457 with them, 0.600 for an ensemble" in figures.verdict
    few = replace(figures, rows=9)
    assert few.verdict == "Whether they help a model cannot be measured on 9 real rows."


def test_a_limit_at_zero_is_unclear():
    assert Interval(-1, -2, 0).change == "unclear"
    assert Interval(1, 0, 2).change == "unclear"


def with_effects(**effects):
    label = dictionary()["y"]
    columns = [
        feature.model_copy(update={"effect": effects[feature.name]})
        for feature in dictionary().input_features
    ]
    return FeatureDictionary(target="y", features=(*columns, label))


def test_the_reference_ensemble_knows_effects_and_the_linear_model_does_not():
    right = with_effects(a="raises", b="lowers", c="raises", d="none")
    wrong = with_effects(a="lowers", b="raises", c="lowers", d="strongly raises")
    real, kept = table(24, 7), table(30, 2)
    plain, good, bad = (benefit(real, kept, each, 1) for each in (dictionary(), right, wrong))
    for name in ("linear_real", "linear_real_and_kept"):
        assert good.losses[name] == bad.losses[name] == plain.losses[name]
    assert good.losses["ensemble_real"] < bad.losses["ensemble_real"]
    relabelled = benefit(real, kept, right, 1, ensemble_label_share=1.0)
    assert relabelled.losses["linear_real"] == plain.losses["linear_real"]
    assert relabelled.losses["linear_real_and_kept"] != plain.losses["linear_real_and_kept"]

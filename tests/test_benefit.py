"""Do no harm: the figures against scikit-learn's, and the verdict on rows that help or harm."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels, fit_ensemble, fit_linear, predict_ensemble
from t2local.stats.folds import stratified_folds
from t2local.stats.intervals import Interval
from t2local.stats.quotas import assign
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.trim import benefit as module
from t2local.trim.benefit import Benefit, benefit
from t2local.trim.replay import Candidates


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


def wide(n, seed, classes=2, flip=False):
    """Rows with 44 columns, of which 41 are noise: a few rows tell little."""
    rows = table(n, seed, classes, flip)
    noise = np.random.default_rng(seed + 1000).normal(size=(n, 40)).round(2)
    names = [f"n{place}" for place in range(40)]
    return pd.concat([pd.DataFrame(noise, columns=names), rows], axis=1)


def wide_dictionary(classes=2):
    features = dictionary(classes).features
    noise = [features[0].model_copy(update={"name": f"n{place}"}) for place in range(40)]
    return FeatureDictionary(target="y", features=(*noise, *features))


@pytest.mark.parametrize("classes", [2, 3])
def test_more_of_the_true_rows_help_and_flipped_ones_harm(classes):
    real, known = wide(60, 5, classes), wide_dictionary(classes)
    good = benefit(real, wide(400, 2, classes), known, 1)
    bad = benefit(real, wide(400, 3, classes, flip=True), known, 1)
    assert (good.gain.change, bad.gain.change) == ("helps", "harms")
    assert good.auc_gain.low > 0 > bad.auc_gain.high
    assert good.auc_against_ensemble.low > 0
    assert good.verdict.startswith("They help: with them")
    assert bad.verdict.startswith("They harm: a linear model")
    assert bad.auc["linear_real_and_kept"].mean < 0.5 < good.auc["linear_real_and_kept"].low


def test_copies_of_what_is_there_are_not_said_to_help():
    real = table(60, 1).assign(y=np.random.default_rng(0).choice(["0", "1"], 60))
    noise = table(60, 2).assign(y=np.random.default_rng(1).choice(["0", "1"], 60))
    verdict = benefit(real, noise, dictionary(), 1).verdict
    assert "not shown" in verdict or "harm" in verdict


@pytest.mark.usefixtures("fits_anew")
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
        *("linear_kept", "linear_real_oversampled"),
    ]
    assert sorted(once.losses) == sorted(once.auc) == sorted(names)
    joined = once.losses["linear_real_and_kept"]
    assert once.gain.mean == pytest.approx(joined - once.losses["linear_real"])
    assert once.against_ensemble.mean == pytest.approx(joined - once.losses["ensemble_real"])


def test_each_model_is_held_against_the_linear_model_of_the_real_rows():
    figures = benefit(wide(40, 5), wide(100, 2), wide_dictionary(), 1)
    assert figures.against_real["linear_real"] == Interval(0, 0, 0)
    assert figures.against_real["linear_real_and_kept"] == figures.auc_gain
    kept = figures.against_real["linear_kept"]
    aucs = figures.auc["linear_kept"].mean - figures.auc["linear_real"].mean
    assert kept.mean == pytest.approx(aucs)
    assert kept.low < kept.mean < kept.high


def test_oversampling_does_what_repeated_rows_of_the_rare_class_do():
    pool = table(200, 5)
    real = pd.concat([pool[pool["y"] == "1"].head(10), pool[pool["y"] == "0"].head(30)])
    data = module._Data.of(real, real, dictionary(), 1, np.ones(40), 0.0, None)
    (weighted,) = module._fit_oversampled(data, np.ones(40, dtype=bool))
    repeated = np.concatenate([np.tile(np.arange(10), 3), np.arange(10, 40)])
    (plain,) = fit_linear(data.x[repeated], data.y[repeated], dictionary()["y"])
    assert weighted.coef_ == pytest.approx(plain.coef_, abs=1e-3)
    assert weighted.intercept_ == pytest.approx(plain.intercept_, abs=1e-3)


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
    gain = Interval.of_losses(losses["linear_real_and_kept"] - losses["linear_real"])
    assert figures.gain.low == pytest.approx(gain.low)
    assert figures.gain.high == pytest.approx(gain.high)


def test_rows_without_weight_count_for_nothing():
    """Half of the real rows are flipped and weigh nothing: the losses are those of the others."""
    right, wrong = table(40, 5), table(40, 6, flip=True)
    weights = np.repeat([2.0, 0.0], 40)
    mixed = benefit(pd.concat([right, wrong], ignore_index=True), right, dictionary(), 1, weights)
    plain = benefit(pd.concat([right, wrong], ignore_index=True), right, dictionary(), 1)
    assert mixed.losses["linear_real"] < 0.5 < plain.losses["linear_real"]


def test_one_class_alone_has_no_auc():
    real, kept = table(20, 1).assign(y="0"), table(20, 2).assign(y="0")
    figures = benefit(real, kept, dictionary(), 1)
    assert figures.auc == {}
    assert figures.auc_gain is None
    assert "not shown" in figures.verdict


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


def test_the_ensemble_that_gave_the_labels_need_not_be_fitted_again():
    real, rows, kept, predictions = noise_and_clear_rows(20, 1)
    label, encoder = dictionary()["y"], Encoder(dictionary().input_features, real)
    x, y = encoder.transform(real), encode_labels(real["y"], label)
    fitted, other, none = (
        benefit(real, rows[kept], dictionary(), 1, None, 1.0, Candidates(rows, predictions), models)
        for models in (fit_ensemble(x, y, label, 1), fit_ensemble(x, 1 - y, label, 1), None)
    )
    assert fitted == none
    assert fitted != other


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30))
def test_the_interval_is_that_of_nadeau_and_bengio_over_the_rows(differences):
    """Five folds of rows: (1 / 5 + n_test / n_train) of the variance of a fold's mean."""
    values = np.array(differences)
    interval = Interval.of_losses(values)
    variance_of_a_fold = values.var(ddof=1) / (len(values) / 5)
    half = t.ppf(0.975, len(values) - 1) * np.sqrt((1 / 5 + 1 / 4) * variance_of_a_fold)
    assert interval.mean == pytest.approx(values.mean())
    assert interval.high - interval.mean == pytest.approx(half, abs=1e-9)
    assert interval.mean - interval.low == pytest.approx(half, abs=1e-9)


def test_few_rows_of_a_class_make_the_interval_wider():
    values = np.arange(30.0)
    widths = [Interval.of_auc(values, n).high - values.mean() for n in (2, 5, 30)]
    assert widths == sorted(widths, reverse=True)
    assert np.isnan(Interval.of_auc(values, 1).high)
    assert Interval.of_auc(values, 1).change == "unclear"


def test_intervals_of_the_loss_have_the_truth_in_them(monkeypatch):
    """Kept rows with 30 % wrong labels: the change is near zero, and known from 3,000 rows.

    A small version of what docs/method.md reports.
    """
    monkeypatch.setattr(module, "_TREES", 1)
    test, inside = table(3000, 999), []
    for seed in range(20):
        real, kept = table(30, 100 + seed), table(60, 500 + seed)
        wrong = np.random.default_rng(seed).random(60) < 0.3
        kept["y"] = np.where(wrong, np.where(kept["y"] == "0", "1", "0"), kept["y"])
        before, after = (linear_loss(rows, real, test) for rows in (real, pd.concat([real, kept])))
        gain = benefit(real, kept, dictionary(), seed).gain
        inside.append(gain.low <= after - before <= gain.high)
    assert np.mean(inside) >= 0.8


def linear_loss(rows, real, test):
    """The loss of the linear model on test rows."""
    encoder, label = Encoder(dictionary().input_features, real), dictionary()["y"]
    models = fit_linear(encoder.transform(rows), encode_labels(rows["y"], label), label)
    predictions = predict_ensemble(models, encoder.transform(test), label)
    return -predictions[np.arange(len(test)), test["y"].astype(int)].mean()


def noise_and_clear_rows(n, seed):
    """Real rows with labels of pure noise, rows near them, and their labels by an ensemble.

    The labels keep the shares, and the clearer half of the rows is kept.
    """
    rng = np.random.default_rng(seed)
    real = table(n, 1).assign(y=rng.choice(["0", "1"], n))
    rows = pd.concat([real] * 4, ignore_index=True)
    rows[list("abcd")] += rng.normal(0, 0.1, (4 * n, 4)).round(2)
    label, encoder = dictionary()["y"], Encoder(dictionary().input_features, real)
    models = fit_ensemble(encoder.transform(real), encode_labels(real["y"], label), label, 1)
    predictions = predict_ensemble(models, encoder.transform(rows), label)
    n_ones = round(4 * n * (real["y"] == "1").mean())
    labels = assign(predictions, [4 * n - n_ones, n_ones])
    rows["y"] = labels.astype(str)
    clearness = pd.Series(predictions[np.arange(4 * n), labels])
    kept = clearness.groupby(labels).rank(ascending=False, pct=True) <= 0.5
    return real, rows, kept.to_numpy(), predictions


def test_rows_that_were_chosen_for_their_clear_labels_do_not_tell_of_held_out_rows():
    """Labels of pure noise: neither relabelling nor a new choice alone takes out all they know."""
    real, rows, kept, predictions = noise_and_clear_rows(60, 1)
    aucs = [
        benefit(real, rows[kept], dictionary(), 1, None, share, candidates)
        .auc["ensemble_real_and_kept"]
        .mean
        for share, candidates in (
            (0.0, None),
            (1.0, None),
            (1.0, Candidates(rows, predictions)),
        )
    ]
    assert aucs[0] > 0.7
    assert aucs[0] > aucs[1] > aucs[2]
    assert abs(aucs[2] - 0.5) < 0.1


HELPS, HARMS, UNCLEAR = Interval(-2, -3, -1), Interval(2, 1, 3), Interval(0, -1, 1)


@pytest.mark.parametrize(
    ("gain", "against_ensemble", "start"),
    [
        (HELPS, HELPS, "They help: with them a linear model predicts held-out real rows better t"),
        (HELPS, HARMS, "With them a linear model predicts held-out real rows better than without"),
        (HELPS, UNCLEAR, "With them a linear model predicts held-out real rows better than witho"),
        (UNCLEAR, HELPS, "That they help a model is not shown: it may be chance"),
        (HARMS, HELPS, "They harm: a linear model predicts held-out real rows worse with them"),
    ],
)
def test_the_verdict_is_one_sentence_with_its_figures(gain, against_ensemble, start):
    losses = {"linear_real": 0.5, "linear_real_and_kept": 0.4567, "ensemble_real": 0.6}
    number = Benefit(10, losses, {}, gain, against_ensemble)
    assert number.verdict.startswith(start)
    assert "(loss 0.500 without them, 0.457 with them, 0.600 of the ensemble)" in number.verdict
    auc = {name: Interval(loss, 0, 1) for name, loss in losses.items()}
    classes = Benefit(
        10, losses, auc, UNCLEAR, UNCLEAR, gain.negative(), against_ensemble.negative()
    )
    assert classes.verdict.startswith(start)
    assert "(AUC 0.500 without them, 0.457 with them, 0.600 of the ensemble)" in classes.verdict
    few = replace(classes, rows=9)
    assert few.verdict == "Whether they help a model cannot be measured on 9 real rows."


def test_they_help_is_said_only_of_rows_that_beat_the_ensemble():
    losses = {"linear_real": 0.5, "linear_real_and_kept": 0.4, "ensemble_real": 0.4}
    for gain in (HELPS, HARMS, UNCLEAR):
        for against in (HELPS, HARMS, UNCLEAR):
            verdict = Benefit(50, losses, {}, gain, against).verdict
            assert verdict.startswith("They help") == (gain is HELPS and against is HELPS)
    said = Benefit(50, losses, {}, HELPS, HARMS).verdict
    assert "but worse than an ensemble on the real rows alone" in said


def test_probabilities_that_get_worse_are_said_beside_a_better_order():
    figures = {"linear_real": 0.5, "linear_real_and_kept": 0.9, "ensemble_real": 0.6}
    auc = {name: Interval(0.7, 0.6, 0.8) for name in figures}
    higher = HELPS.negative()
    verdict = Benefit(50, figures, auc, HARMS, HARMS, higher, higher).verdict
    assert verdict.startswith("They help: ")
    assert "The probabilities of a linear model get worse with them: calibrate it" in verdict
    assert "(log loss 0.500 without them, 0.900 with them" in verdict


def test_a_limit_at_zero_is_unclear():
    assert Interval(-1, -2, 0).change == "unclear"
    assert Interval(1, 0, 2).change == "unclear"
    assert Interval(1, 0.5, 2).negative() == Interval(-1, -2, -0.5)


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

"""Do no harm: the figures against scikit-learn's, and the verdict on rows that help, harm, or do neither."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels, fit_ensemble, predict_ensemble
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.trim.benefit import _auc, benefit


def table(n, seed, classes=2, flip=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).round(2)
    score = x @ [1.5, -1.0, 0.5, 0.0]
    label = (score > 0).astype(int) + (score > 1.5) * (classes == 3)
    label = classes - 1 - label if flip else label
    return pd.DataFrame(x, columns=list("abcd")).assign(y=label.astype(str))


def known(classes=2):
    columns = [
        Feature(name=name, type="decimal", minimum=-9, maximum=9, decimals=2) for name in "abcd"
    ]
    return FeatureDictionary(
        target="y",
        features=(*columns, Feature(name="y", type="category", levels=tuple("012"[:classes]))),
    )


@pytest.mark.parametrize("classes", [2, 3])
def test_more_of_the_true_rows_help_and_flipped_ones_harm(classes):
    real = table(40, 5, classes)
    good = benefit(real, table(200, 2, classes), known(classes), 1)
    bad = benefit(real, table(200, 3, classes, flip=True), known(classes), 1)
    assert (good.gain.change, bad.gain.change) == ("helps", "harms")
    assert good.against_ensemble.change == "helps"
    assert good.verdict.startswith("They help, beyond")
    assert bad.verdict.startswith("They harm")
    assert bad.auc["linear, real + kept"].mean < 0.5 < good.auc["linear, real + kept"].low


def test_copies_of_what_is_known_are_not_said_to_help():
    real = table(60, 1).assign(y=np.random.default_rng(0).choice(["0", "1"], 60))
    noise = table(60, 2).assign(y=np.random.default_rng(1).choice(["0", "1"], 60))
    assert (
        "not shown" in benefit(real, noise, known(), 1).verdict
        or "harm" in benefit(real, noise, known(), 1).verdict
    )


def test_auc_is_scikit_learns_and_its_interval_is_that_of_samples_drawn_one_by_one():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 80)
    said = np.round(rng.normal(size=(80, 3)) + np.eye(3)[y], 1)
    rows = rng.integers(80, size=(400, 80))
    draws = np.vstack([np.ones(80), [np.bincount(sample, minlength=80) for sample in rows]])
    found = _auc(said, y.astype(float), draws)
    peer = [
        np.mean([roc_auc_score(y[s] == c, said[s, c]) for c in range(3)])
        for s in [np.arange(80), *rows]
    ]
    assert np.isclose(found.mean, peer[0])
    assert np.allclose([found.low, found.high], np.quantile(peer[1:], [0.025, 0.975]))


def test_a_number_is_measured_by_its_squared_error_and_few_rows_are_no_error():
    real = table(30, 1)
    features = (
        *known().features[:-1],
        Feature(name="y", type="decimal", minimum=-99, maximum=99, decimals=2),
    )
    numbers = known().model_copy(update={"features": features})
    value = real[list("abcd")].to_numpy() @ [1.5, -1.0, 0.5, 0.0]
    found = benefit(real.assign(y=value), real.assign(y=value).head(10), numbers, 1)
    assert found.losses["linear, real"] < 0.1
    assert found.auc == {}
    for n in (2, 3, 7):
        few = table(40, 1).groupby("y").head(-(-n // 2)).head(n).reset_index(drop=True)
        assert benefit(few, table(5, 2), known(), 1).rows == n


def test_labels_that_the_ensemble_gave_do_not_tell_of_held_out_rows():
    """Labels of pure noise: an ensemble that has seen all rows knows them by heart, and its rows seem to help."""
    rng = np.random.default_rng(0)
    real = table(80, 1).assign(y=rng.choice(["0", "1"], 80))
    near = pd.concat([real] * 3, ignore_index=True)
    near[list("abcd")] += rng.normal(0, 0.05, (240, 4)).round(2)
    encoder = Encoder(known().input_features, real)
    taught = predict_ensemble(
        fit_ensemble(
            encoder.transform(real), encode_labels(real["y"], known()["y"]), known()["y"], 1
        ),
        encoder.transform(near),
        known()["y"],
    ).argmax(axis=1)
    rows = near.assign(y=taught.astype(str))
    leaking, honest = (benefit(real, rows, known(), 1, taught=share) for share in (0.0, 1.0))
    assert leaking.losses["ensemble, real + kept"] < honest.losses["ensemble, real + kept"] - 0.1
    assert honest.gain.change != "helps"


def test_three_rows_are_too_few_for_a_verdict():
    few = table(40, 1).groupby("y").head(2).reset_index(drop=True)
    assert (
        benefit(few, table(20, 2), known(), 1).verdict
        == "Whether they help a model cannot be measured on 4 real rows."
    )

"""Fidelity against its definitions by plain loops, cases worked by hand, limits, and sdmetrics."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from t2local.evaluate import fidelity
from t2local.evaluate.metric import measure
from t2local.stats.encoding import Encoder
from tests.pairs import FROZEN, pair_of, sdmetrics_table, two, values

ALPHAS = np.linspace(0, 1, 30)


def by_loops(real, synthetic):
    """Alpha-precision and beta-recall as they are defined, row by row."""
    low, high = real.min(axis=0), real.max(axis=0)
    real, synthetic = (real - low) / (high - low), (synthetic - low) / (high - low)
    centre, own = real.mean(axis=0), synthetic.mean(axis=0)
    reach = [np.linalg.norm(row - centre) for row in real]
    near = []
    for i, row in enumerate(real):
        to_synthetic = [np.linalg.norm(row - other) for other in synthetic]
        to_real = [np.linalg.norm(row - other) for j, other in enumerate(real) if j != i]
        around = np.linalg.norm(synthetic[int(np.argmin(to_synthetic))] - own)
        near.append((min(to_synthetic) <= min(to_real), around))
    precision = recall = 0.0
    for alpha in ALPHAS:
        radius = np.quantile(reach, alpha)
        inside = np.mean([np.linalg.norm(row - centre) <= radius for row in synthetic])
        ball = np.quantile([distance for _, distance in near], alpha)
        precision += abs(alpha - inside)
        recall += abs(alpha - np.mean([close and distance <= ball for close, distance in near]))
    return 1 - precision / ALPHAS.sum(), 1 - recall / ALPHAS.sum()


def precision_and_recall(real, synthetic):
    return (
        fidelity.alpha_precision(real, synthetic, 1),
        fidelity.beta_recall(real, synthetic, 1),
    )


@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0])
def test_alpha_precision_and_beta_recall_are_their_definition(shift):
    rng = np.random.default_rng(3)
    real, synthetic = rng.normal(0, 1, (25, 3)), rng.normal(shift, 1, (25, 3))
    assert precision_and_recall(real, synthetic) == pytest.approx(by_loops(real, synthetic))


def test_alpha_precision_by_hand():
    # Real rows 0 and 1 have their centre at 0.5, both at distance 0.5: every region but the empty
    # share holds all of 0.4 and 0.6, so the shares are 1 at all of the 30 alphas, and their errors
    # add up to the sum of 1 - alpha = 15.
    real, synthetic = np.array([[0.0], [1.0]]), np.array([[0.4], [0.6]])
    precision, recall = precision_and_recall(real, synthetic)
    assert precision == pytest.approx(0.0)
    # Each real row is nearer to a synthetic one (0.4) than to the other real one (1); both
    # synthetic ones are as far from their centre.
    assert recall == pytest.approx(0.0)


def test_limits_of_fidelity():
    rng = np.random.default_rng(4)
    real = rng.normal(0, 1, (200, 4))
    assert precision_and_recall(real, real.copy()) == pytest.approx((1.0, 1.0), abs=0.02)
    assert precision_and_recall(real, real + 100) == pytest.approx((0.0, 0.0), abs=0.02)
    fresh = rng.normal(0, 1, (200, 4))
    assert fidelity.c2st_auc("linear", real, fresh, 1) < 0.65
    assert fidelity.c2st_auc("linear", real, real + 100, 1) == pytest.approx(1.0, abs=0.01)
    assert fidelity.c2st_auc("trees", real, real + 100, 1) == pytest.approx(1.0, abs=0.01)
    assert 0.4 < fidelity.goggle_detection(real[:80], fresh[:80], 1) < 0.65


def test_the_larger_table_is_drawn_down_to_the_smaller():
    rng = np.random.default_rng(0)
    real = rng.normal(0, 1, (30, 2))
    found = fidelity.alpha_precision(real, np.repeat(real[:1], 500, axis=0), 1)
    radius = np.linalg.norm((real[0] - real.mean(axis=0)) / np.ptp(real, axis=0))
    radii = np.linalg.norm((real - real.mean(axis=0)) / np.ptp(real, axis=0), axis=1)
    shares = [float(radius <= np.quantile(radii, alpha)) for alpha in ALPHAS]
    assert found == pytest.approx(1 - np.abs(ALPHAS - shares).sum() / ALPHAS.sum())
    constant = np.ones((10, 2))  # a range of 0 divides nothing
    assert np.isfinite(precision_and_recall(constant, constant)).all()


@pytest.mark.parametrize("shift", FROZEN)
def test_the_linear_detection_is_near_that_of_sdmetrics(shift):
    dictionary, real = values(sdmetrics_table(1, 0.0))
    _, synthetic = values(sdmetrics_table(2, shift), dictionary)
    encoder = Encoder(dictionary.input_features, real)
    auc = fidelity.c2st_auc("linear", encoder.transform(real), encoder.transform(synthetic), 1)
    # sdmetrics cuts into 3 folds and counts an AUC below a half as a half.
    assert 2 * auc - 1 == pytest.approx(FROZEN[shift][2], abs=0.1 if shift else 0.15)


def test_the_two_sample_test_is_out_of_fold_and_never_below_a_half():
    rng = np.random.default_rng(0)
    real, synthetic = rng.normal(0, 1, (2, 40, 30))
    x, y = np.vstack([real, synthetic]), np.repeat([0, 1], 40)
    in_sample = LogisticRegression(max_iter=1000).fit(x, y).predict_proba(x)[:, 1]
    assert roc_auc_score(y, in_sample) > 0.8  # 30 columns: the rows are learnt by heart
    for seed in range(3):
        assert 0.5 <= fidelity.c2st_auc("linear", real, synthetic, seed) < 0.75


def test_all_metrics_of_a_pair_are_within_their_bounds_and_do_not_change():
    pair, again = (pair_of(two(24), two(24, seed=2)) for _ in range(2))
    found = measure(fidelity.METRICS[:3], pair)
    for metric in fidelity.METRICS[:3]:
        assert metric.lowest <= found[metric.name] <= metric.highest
    assert measure(fidelity.METRICS[:3], again) == found

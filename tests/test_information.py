"""Cost windows, information gain and tau, against explicit computations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy

from t2local.stats.learners import learner
from t2local.stats.penalized_regression import PenalizedRegression
from t2local.stats.streams import Stream, generator
from t2local.trim import information
from t2local.trim.crossfit import crossfit
from t2local.trim.information import Information, cost_window
from tests.batches import trim_settings
from tests.problems import problem


@pytest.fixture(scope="module")
def fold():
    x, y = problem(40, 3)
    return crossfit(x, y, learner("logistic", 2, 1), seed=1)


@pytest.fixture(scope="module")
def refit(fold):
    return Information.of(fold.x, fold.y, 2, "ig_refit")


def test_costs_are_one_minus_the_probability():
    assert information.costs(np.log([0.25, 1.0])) == pytest.approx([0.75, 0.0])
    # Densities above 1 are cheaper still, and the order stays.
    assert (np.diff(information.costs(np.linspace(-3, 2, 20))) < 0).all()


def test_the_window_keeps_the_middle_of_the_mixture():
    mixture = np.random.default_rng(0).permutation(20) / 20.0
    kept = cost_window(mixture, alpha=0.5, beta=0.1)
    assert sorted(mixture[kept]) == [i / 20 for i in range(2, 12)]


@given(st.integers(1, 40), st.floats(0, 1), st.floats(0, 0.49))
def test_the_window_has_its_share_of_rows(half, alpha, beta):
    costs = np.random.default_rng(half).normal(size=(3, 2 * half))
    kept = cost_window(costs, alpha, beta)
    first = int(np.floor(beta * 2 * half + 1e-9))
    assert (kept.sum(axis=1) == min(round((1 - alpha) * 2 * half), 2 * half - first)).all()


@given(st.lists(st.integers(0, 5), min_size=2, max_size=30), st.floats(0, 1), st.floats(0, 0.49))
def test_the_window_is_a_slice_of_the_sorted_costs(costs, alpha, beta):
    mixture = np.array(costs, dtype=float)
    first = int(np.floor(beta * len(costs) + 1e-9))
    order = sorted(range(len(costs)), key=lambda i: (costs[i], i))
    expected = order[first : first + round((1 - alpha) * len(costs))]
    assert sorted(np.flatnonzero(cost_window(mixture, alpha, beta))) == sorted(expected)


def test_the_limits_of_the_window():
    mixture = np.arange(10.0)
    assert cost_window(mixture, alpha=0, beta=0).all()
    assert not cost_window(mixture, alpha=1, beta=0).any()
    assert np.flatnonzero(cost_window(mixture, alpha=0, beta=0.3)).tolist() == [3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("measure", ["ig_refit", "ig_plugin"])
def test_information_gain_is_the_log_determinant_of_an_explicit_posterior(measure):
    x, y = problem(30, 3)
    new_x, new_y = problem(8, 3, seed=9)
    both_x, both_y = np.vstack([x, new_x]), np.concatenate([y, new_y])
    fit = PenalizedRegression(2).fit(x, y, np.ones((1, 30)))
    if measure == "ig_refit":
        fit = PenalizedRegression(2).fit(both_x, both_y, np.ones((1, 38)))
    x1 = np.hstack([both_x, np.ones((38, 1))])
    p = 1 / (1 + np.exp(-x1 @ fit.theta[0, 0]))
    precision = np.eye(4) + (x1.T * (p * (1 - p))) @ x1
    gain = Information.of(x, y, 2, measure).gain(new_x, new_y, np.ones((1, 8)))[0]
    assert np.isclose(gain, 0.5 * np.linalg.slogdet(precision)[1])


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_predictive_entropy_is_scipys_at_the_refitted_coefficients(classes):
    x, y = problem(30, 3, classes)
    new_x, new_y = problem(8, 3, classes, seed=9)
    both_x, both_y = np.vstack([x, new_x]), np.concatenate([y, new_y])
    measure = Information.of(x, y, classes, "predictive_entropy")
    gain = measure.gain(new_x, new_y, np.ones((1, 8)))[0]
    if classes:
        peer = PenalizedRegression(classes).fit(both_x, both_y, np.ones((1, 38)))
        p = np.exp([peer.log_likelihood(x, np.full(30, c))[0] for c in range(classes)])
        p = (p - 1e-3 / classes) / (1 - 1e-3)  # without the floor
        expected = scipy_entropy(p).mean()
    else:
        x1 = np.hstack([both_x, np.ones((38, 1))])
        at = np.hstack([x, np.ones((30, 1))])
        variance = np.diag(at @ np.linalg.inv(np.eye(4) + x1.T @ x1) @ at.T)
        expected = 0.5 * np.log(1 + variance).mean()
    assert np.isclose(-gain, expected, atol=1e-6)


def test_the_plugin_gain_does_not_see_labels_and_grows_with_every_row(fold):
    plugin = Information.of(fold.x, fold.y, 2, "ig_plugin")
    x, y = problem(8, 3, seed=9)
    counts = np.tril(np.ones((8, 8)))  # the first row, the first two, ...
    gains = plugin.gain(x, y, counts)
    assert np.array_equal(gains, plugin.gain(x, 1 - y, counts))
    assert (np.diff(gains) > 0).all()


def test_a_count_of_two_is_the_row_twice(refit):
    x, y = problem(4, 3, seed=9)
    twice = refit.gain(np.repeat(x, 2, axis=0), np.repeat(y, 2), np.ones((1, 8)))
    assert np.allclose(refit.gain(x, y, np.full((1, 4), 2.0)), twice, atol=1e-5)


def test_tau_is_the_mean_and_deviation_of_pairs_pushed_through_the_same_trimming(fold, refit):
    costs = information.costs(fold.held_out)
    tau = information.null_threshold(refit, costs, 10, trim_settings(replicates=400), k=2.0, seed=1)
    x, y = fold.x, fold.y
    rng = np.random.default_rng(99)
    deltas = []
    for _ in range(400):
        stand_in = rng.integers(40, size=10)
        control = rng.integers(40, size=10)
        mixture = np.concatenate([stand_in, control])
        refined = mixture[np.argsort(costs[mixture], kind="stable")[2:12]]
        gains = [refit.gain(x[r], y[r], np.ones((1, 10)))[0] for r in (refined, control)]
        deltas.append(gains[0] - gains[1])
    assert abs(tau.mean - np.mean(deltas)) < 4 * tau.sd / np.sqrt(400) * np.sqrt(2)
    assert abs(tau.sd / np.std(deltas) - 1) < 0.2
    assert np.isclose(tau.level, tau.mean + 2 * tau.sd)


def test_tau_is_that_of_a_plain_loop_over_the_same_draws(fold, refit):
    costs = information.costs(fold.held_out)
    window = trim_settings(alpha=0.4, beta=0.2, replicates=20)
    tau = information.null_threshold(refit, costs, 6, window, k=1.0, seed=3)
    deltas = []
    for rows in generator(3, Stream.NULL_BATCHES).integers(40, size=(20, 12)):
        refined = rows[np.argsort(costs[rows], kind="stable")[2:9]]
        gains = [
            refit.gain(fold.x[r], fold.y[r], np.ones((1, len(r))))[0] for r in (refined, rows[6:])
        ]
        deltas.append(gains[0] - gains[1])
    assert tau.mean == pytest.approx(np.mean(deltas), abs=1e-5)
    assert tau.sd == pytest.approx(np.std(deltas, ddof=1), abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_the_comparison_is_that_of_lists_of_rows(fold, refit, seed):
    x, y = problem(8, 3, seed=20 + seed)
    settings = trim_settings(gate="ig_refit")
    rng = np.random.default_rng(seed)
    comparison = information.bootstrap_comparison(refit, fold, x, y, settings, rng)
    bootstrap = np.random.default_rng(seed).integers(40, size=8)
    mixed_x = np.vstack([x, fold.x[bootstrap]])
    mixed_y = np.concatenate([y, fold.y[bootstrap]])
    generated = information.costs(fold.mean_log_likelihood(x, y))
    real = information.costs(fold.held_out)[bootstrap]
    refined = np.argsort(np.concatenate([generated, real]), kind="stable")[1:9]
    gain = refit.gain(mixed_x[refined], mixed_y[refined], np.ones((1, 8)))[0]
    control = refit.gain(mixed_x[8:], mixed_y[8:], np.ones((1, 8)))[0]
    assert comparison.delta == pytest.approx(gain - control, abs=1e-5)
    assert np.flatnonzero(comparison.inside).tolist() == sorted(refined[refined < 8])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 100))
def test_null_and_comparison_are_the_same_again_under_a_seed(seed):
    x, y = problem(20, 2)
    plugin = Information.of(x, y, 2, "ig_plugin")
    costs = np.random.default_rng(seed).random(20)
    few = trim_settings(replicates=20)
    taus = [information.null_threshold(plugin, costs, 5, few, 0.0, seed) for _ in range(2)]
    assert taus[0] == taus[1]

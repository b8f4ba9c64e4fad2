"""Regression with priors that a person states: by hand, by quadrature, and as far as rows agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, logsumexp
from scipy.stats import multivariate_normal

from t2local.stats.prior_effects import (
    agreed_signs,
    directions,
    evidence_rank,
    fit_effects_regression,
)
from tests.problems import problem

SCALES, PRIOR = (-0.3, 0.0, 0.3, 0.6), (0.05, 0.45, 0.3, 0.2)


def rows(n=40, d=4, seed=0, strength=0.7):
    """Rows whose label is raised by every column."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, (rng.random(n) < expit(strength * x.sum(axis=1))).astype(float)


def fit(x, y, effects, weights=None, binary=True):
    weights = np.ones(len(x)) if weights is None else weights
    return fit_effects_regression(x, y, np.asarray(effects, float), weights, binary=binary)


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        ([1, -1, np.nan], [1, -1, 0]),
        ([2, -1, 0], [4 / 3, -2 / 3, 0]),
        ([2, 2, 2], [1, 1, 1]),
        ([9, 1, 1, 1], [2.5, 1 / 3, 1 / 3, 1 / 3]),
        ([np.nan, 0], [0, 0]),
    ],
)
def test_directions_have_mean_size_1_and_no_column_speaks_for_all(effects, expected):
    assert directions(np.array(effects, float)) == pytest.approx(expected)


def test_probabilities_are_those_of_a_plain_loop_over_the_models():
    x, y = rows(25, 3)
    effects = np.array([2.0, np.nan, 0.0])
    z, looseness = np.array([1.0, 0, 0]), np.array([1.0, 1, 0.5])
    at = np.random.default_rng(1).normal(size=(5, 3))
    center, p, log_weights = x.mean(axis=0), [], []
    for deviation, share in ((0.3, 0.45), (0.6, 0.45), (1.5, 0.1)):
        deviations = np.append(deviation * looseness, 3.0)
        for scale, prior in zip(SCALES, PRIOR, strict=True):
            mean = np.append(scale * z, 0.0)
            x1 = np.column_stack([x - center, np.ones(25)])

            def loss(theta, x1=x1, mean=mean, deviations=deviations):
                logits = x1 @ theta
                likelihood = (y * logits - np.logaddexp(0, logits)).sum()
                return -likelihood + (((theta - mean) / deviations) ** 2).sum() / 2

            theta = minimize(loss, mean, tol=1e-10).x
            q = expit(x1 @ theta)
            hessian = (x1.T * (q * (1 - q))) @ x1 + np.diag(deviations**-2)
            evidence = -loss(theta) - np.linalg.slogdet(hessian)[1] / 2 - np.log(deviations).sum()
            p.append(expit(np.column_stack([at - center, np.ones(5)]) @ theta))
            log_weights.append(np.log(share * prior) + evidence)
    weights = np.exp(log_weights - logsumexp(log_weights))
    found = fit(x, y, effects)
    assert found.weights.ravel() == pytest.approx(weights, abs=3e-3)
    assert found.predict(at) == pytest.approx(weights @ p, abs=3e-3)


def test_weights_of_a_numbers_models_are_its_exact_marginal_likelihoods():
    x, y = problem(12, 2, classes=0)
    x = x - x.mean(axis=0)
    standardised = (y - y.mean()) / y.std()
    log_weights = []
    for deviation in (0.3, 1.0):
        for noise in (0.3, 0.5, 0.7, 1.0):
            covariance = (deviation * noise) ** 2 * x @ x.T + noise**2 * (9 + np.eye(12))
            for scale, prior in zip(SCALES, PRIOR, strict=True):
                mean = 0.4 * scale * x @ [1.0, -1.0]
                density = multivariate_normal(mean, covariance).logpdf(standardised)
                log_weights.append(np.log(prior) + density)
    weights = np.exp(log_weights - logsumexp(log_weights))
    assert fit(x, y, [1, -1], binary=False).weights.ravel() == pytest.approx(weights)


def test_trust_follows_the_rows():
    def trust(n, effects):
        """The posterior probability that effects point the right way: of all models with c > 0."""
        return fit(x[:n], y[:n], effects).weights[:, np.array(SCALES) > 0].sum()

    x, y = rows(60)
    right, unknown, wrong = (trust(60, effects) for effects in ([1] * 4, [0] * 4, [-1] * 4))
    assert wrong < 0.1 < unknown < 0.8 < right
    assert unknown == pytest.approx(0.5)
    few = trust(6, [1] * 4)
    assert 0.3 < few < right


@pytest.mark.parametrize("binary", [True, False])
def test_right_effects_help_where_rows_are_few_and_wrong_ones_hardly_harm(binary):
    losses = {"none": [], "right": [], "wrong": []}
    test_x, test_y = rows(400, 8, 99, 0.5)
    for seed in range(15):
        x, y = rows(20, 8, seed, 0.5)
        if not binary:
            noise = np.random.default_rng(seed).normal(size=20)
            y, test_y = x.sum(axis=1) + 3 * noise, test_x.sum(axis=1)
        for name, sign in (("none", np.nan), ("right", 1), ("wrong", -1)):
            p = fit(x, y, [sign] * 8, binary=binary).predict(test_x)
            losses[name].append(((p - test_y) ** 2).mean() / test_y.var())
    none, right, wrong = (np.mean(losses[name]) for name in losses)
    assert right < none - 0.01
    assert wrong < none + 0.05


@given(st.integers(0, 50), st.floats(-50, 50), st.floats(0.1, 30))
def test_a_number_may_have_any_zero_and_unit(seed, zero, unit):
    x, y = problem(15, 3, classes=0, seed=seed)
    plain = fit(x, y, [1, -1, np.nan], binary=False).predict(x)
    other = fit(x, zero + unit * y, [1, -1, np.nan], binary=False).predict(x)
    assert other == pytest.approx(zero + unit * plain, rel=1e-6, abs=1e-6 * unit)


@given(st.integers(0, 50))
def test_the_other_class_with_the_other_signs_is_one_less_it_but_for_the_prior_of_c(seed):
    x, y = rows(20, 3, seed)
    p = fit(x, y, [1, -1, np.nan]).predict(x)
    assert 1 - fit(x, 1 - y, [-1, 1, np.nan]).predict(x) == pytest.approx(p, abs=1e-6)


def test_weights_are_copies_of_rows():
    x, y = rows(20)
    counts = np.random.default_rng(0).integers(0, 3, 20)
    copied = fit(np.repeat(x, counts, axis=0), np.repeat(y, counts), [1, 1, -1, np.nan])
    weighted = fit(x, y, [1, 1, -1, np.nan], counts.astype(float))
    assert weighted.weights == pytest.approx(copied.weights, abs=1e-6)
    assert weighted.predict(x) == pytest.approx(copied.predict(x), abs=1e-6)


def test_a_column_without_effect_is_shrunk():
    x, y = rows(40)

    def change(effects):
        model = fit(x, y, effects)
        return np.ptp(model.predict(np.array([[-1.0, 0, 0, 0], [1, 0, 0, 0]])))

    assert change([0, 1, 1, 1]) < change([np.nan, 1, 1, 1]) < change([1, 1, 1, 1])


def test_more_columns_than_rows_and_a_constant_label_are_no_error():
    x, y = rows(8, 30)
    assert np.isfinite(fit(x, y, [1] * 30).predict(x)).all()
    same = fit(x, np.full(8, 7.0), [1] * 30, binary=False).predict(x)
    assert same == pytest.approx(np.full(8, 7.0), abs=2)
    assert fit(x, np.ones(8), [1] * 30).predict(x).min() > 0.5


def test_signs_on_which_rows_and_person_agree():
    x = np.array([[0.0, 0, 0, 1], [1, -1, 0, 1], [2, -2, 0, 1]])
    y = np.array([0.0, 0, 1])
    for effects, expected in (
        ([1, 1, 1, 1], [1, 0, 0, 0]),
        ([-1, -2, -1, -1], [0, -1, 0, 0]),
        ([np.nan, 0, 1, 1], [0, 0, 0, 0]),
    ):
        assert agreed_signs(x, y, np.array(effects, float), np.ones(3)).tolist() == expected
    # The row that says otherwise counts for nothing.
    against = agreed_signs(x, np.array([9.0, 0, 1]), np.ones(4), np.array([0.0, 1, 1]))
    assert against.tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("binary", [True, False])
def test_the_right_columns_explain_more_than_their_permutations(binary):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(60, 6))
    strengths = np.array([2.0, 1, 0.2, 0, -1, np.nan])
    signal = x @ np.nan_to_num(strengths)
    y = (signal + rng.logistic(size=60) > 0).astype(float) if binary else signal
    right, wrong, alike = (
        evidence_rank(x, y, effects, 1, binary=binary)
        for effects in (strengths, -strengths, np.ones(6))
    )
    assert right > 0.8
    assert wrong < 0.5
    assert alike == 0.5  # every permutation of them is the same

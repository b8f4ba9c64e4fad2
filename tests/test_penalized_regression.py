"""The ridge-penalised regression against scikit-learn, numerical derivatives and plain loops."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal, norm
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as SklearnRidge

from t2local.stats import penalized_regression
from t2local.stats.penalized_regression import PenalizedRegression
from tests.problems import problem


def test_two_classes_are_scikit_learns_logistic_regression():
    x, y = problem()
    counts = np.random.default_rng(1).integers(0, 3, (4, len(x))).astype(float)
    fits = PenalizedRegression(2).fit(x, y, counts)
    x1 = np.hstack([x, np.ones((len(x), 1))])
    for row, theta in zip(counts, fits.theta, strict=True):
        peer = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10, max_iter=1000).fit(
            x1, y == 0, sample_weight=row
        )
        assert np.allclose(theta, peer.coef_, atol=1e-4)


def test_a_number_is_scikit_learns_ridge():
    x, y = problem(classes=0)
    weights = np.random.default_rng(1).integers(0, 3, (1, len(x))).astype(float)
    x1 = np.hstack([x, np.ones((len(x), 1))])
    peer = SklearnRidge(alpha=1.0, fit_intercept=False).fit(x1, y, sample_weight=weights[0])
    fit = PenalizedRegression(0).fit(x, y, weights)
    assert np.allclose(fit.theta[0, 0], peer.coef_)
    assert fit.log_likelihood(x, y)[0] == pytest.approx(norm.logpdf(y - x1 @ peer.coef_))


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_the_gradient_is_zero_and_the_precision_is_the_second_derivative(classes):
    x, y = problem(40, 3, classes)
    fit = PenalizedRegression(classes).fit(x, y, np.ones((1, 40)))
    x1 = np.hstack([x, np.ones((40, 1))])

    def loss(theta):
        logits = np.hstack([x1 @ theta.reshape(classes - 1, -1).T, np.zeros((40, 1))])
        log_p = logits[np.arange(40), y] - np.log(np.exp(logits).sum(axis=1))
        return -log_p.sum() + 0.5 * (theta**2).sum()

    theta = fit.theta.ravel()
    step = 1e-4
    size = len(theta)
    e = np.eye(size) * step
    gradient = [(loss(theta + e[i]) - loss(theta - e[i])) / (2 * step) for i in range(size)]
    hessian = [
        [
            (
                loss(theta + e[i] + e[j])
                - loss(theta + e[i] - e[j])
                - loss(theta - e[i] + e[j])
                + loss(theta - e[i] - e[j])
            )
            / (4 * step**2)
            for j in range(size)
        ]
        for i in range(size)
    ]
    assert np.abs(gradient).max() < 1e-3
    found = PenalizedRegression(classes).log_determinants(x, np.ones((1, 40)), fit)[0]
    assert np.isclose(found, np.linalg.slogdet(np.array(hessian))[1], rtol=1e-4)


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_and_likelihoods_are_the_softmax_row_by_row(classes):
    x, y = problem(10, 2, classes)
    fit = PenalizedRegression(classes).fit(x, y, np.ones((1, 10)))
    p = fit.probabilities(x)[0]
    likelihood = fit.log_likelihood(x, y)[0]
    entropy = PenalizedRegression(classes).predictive_entropy(x, x, np.ones((1, 10)), fit)[0]
    for i in range(10):
        logits = [*(fit.theta[0] @ np.append(x[i], 1)), 0.0]  # the last class is the reference
        softmax = np.exp(logits) / np.exp(logits).sum()
        assert p[:, i] == pytest.approx(softmax)
        assert likelihood[i] == pytest.approx(np.log(0.999 * softmax[y[i]] + 0.001 / classes))
        assert entropy[i] == pytest.approx(-(softmax * np.log(softmax)).sum())


def test_the_entropy_of_a_number_is_that_of_its_means_variance():
    x, y = problem(20, 3, 0)
    weights = np.random.default_rng(0).integers(0, 3, (2, 20)).astype(float)
    model = PenalizedRegression(0)
    found = model.predictive_entropy(x[:4], x, weights, model.fit(x, y, weights))
    x1 = np.hstack([x, np.ones((20, 1))])
    for r in range(2):
        covariance = np.linalg.inv(np.eye(4) + x1.T @ np.diag(weights[r]) @ x1)
        for i in range(4):
            variance = x1[i] @ covariance @ x1[i]
            assert found[r, i] == pytest.approx(0.5 * np.log(1 + variance))


def test_more_columns_than_rows_give_the_same_as_the_dual_problem():
    x, y = problem(12, 40, 0)
    x1 = np.hstack([x, np.ones((12, 1))])
    fit = PenalizedRegression(0).fit(x, y, np.ones((1, 12)))
    dual = x1.T @ np.linalg.solve(x1 @ x1.T + np.eye(12), y)
    assert np.allclose(fit.theta[0, 0], dual)
    found = PenalizedRegression(0).log_determinants(x, np.ones((1, 12)), fit)[0]
    assert np.isclose(found, np.linalg.slogdet(np.eye(12) + x1 @ x1.T)[1])


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_weights_are_copies_and_every_fit_is_alone(classes):
    x, y = problem(30, 3, classes)
    counts = np.random.default_rng(2).integers(0, 4, (3, 30))
    model = PenalizedRegression(classes)
    fits = model.fit(x, y, counts.astype(float))
    for r in range(3):
        copied = model.fit(
            np.repeat(x, counts[r], 0), np.repeat(y, counts[r]), np.ones((1, counts[r].sum()))
        )
        assert fits.theta[r] == pytest.approx(copied.theta[0], abs=1e-5)
    warm = model.fit(x, y, counts[:2].astype(float), model.fit(x, y, np.ones((1, 30))))
    assert warm.theta == pytest.approx(fits.theta[:2], abs=1e-4)


@pytest.mark.parametrize("d", [3, 40])
def test_the_evidence_of_a_number_is_its_marginal_density(d):
    x, y = problem(20, d, 0)
    counts = np.random.default_rng(4).integers(0, 3, (2, 20))
    found = PenalizedRegression(0).log_evidence(x, y, counts.astype(float))
    for r in range(2):
        rows = np.repeat(np.arange(20), counts[r])  # a weight is so many copies
        x1 = np.hstack([x, np.ones((20, 1))])[rows]
        covariance = np.eye(len(rows)) + x1 @ x1.T
        assert found[r] == pytest.approx(multivariate_normal(cov=covariance).logpdf(y[rows]))


def test_the_evidence_of_two_classes_is_near_the_integral_over_the_coefficients():
    x, y = problem(40, 1, 2)
    found = PenalizedRegression(2).log_evidence(x, y, np.ones((1, 40)))[0]
    grid = np.linspace(-6, 6, 401)
    slope, intercept = np.meshgrid(grid, grid)
    log_integrand = norm.logpdf(slope) + norm.logpdf(intercept)
    for row, label in zip(x[:, 0], y, strict=True):
        logit = slope * row + intercept  # of class 0
        log_integrand -= np.logaddexp(0, -logit if label == 0 else logit)
    largest = log_integrand.max()
    integral = np.exp(log_integrand - largest).sum() * (grid[1] - grid[0]) ** 2
    assert found == pytest.approx(largest + np.log(integral), abs=0.1)


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_a_known_fit_saves_the_fitting_only(classes):
    x, y = problem(30, 3, classes)
    weights = np.random.default_rng(2).integers(0, 4, (3, 30)).astype(float)
    model = PenalizedRegression(classes)
    known = model.log_evidence(x, y, weights, model.fit(x, y, weights))
    assert known == pytest.approx(model.log_evidence(x, y, weights))


def test_labels_that_follow_from_the_rows_have_more_evidence_than_shuffled_ones():
    rng = np.random.default_rng(3)
    for classes in (0, 2, 3):
        x, y = problem(80, 3, classes)
        evidence = [
            PenalizedRegression(classes).log_evidence(x, labels, np.ones((1, 80)))[0]
            for labels in (y, rng.permutation(y), rng.permutation(y))
        ]
        assert evidence[0] > max(evidence[1:]) + 3


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_the_best_likelihood_is_that_of_the_likeliest_label(classes):
    x, y = problem(15, 2, classes)
    fit = PenalizedRegression(classes).fit(x, y, np.ones((1, 15)))
    best = fit.best_log_likelihood(x)
    if not classes:
        assert best == pytest.approx(np.full(15, norm.logpdf(0)))
        return
    every = [fit.log_likelihood(x, np.full(15, label))[0] for label in range(classes)]
    assert best == pytest.approx(np.max(every, axis=0))


def test_separable_classes_converge():
    x = np.array([[-1000.0], [1000.0]])
    y = np.array([0, 1])
    fit = PenalizedRegression(2).fit(x, y, np.ones((1, 2)))
    assert np.isfinite(fit.theta).all()
    assert fit.log_likelihood(x, y) == pytest.approx(np.log(0.9995), abs=1e-3)


def test_fits_in_chunks_are_the_same(monkeypatch):
    x, y = problem(20, 3, 3)
    weights = np.random.default_rng(0).integers(0, 3, (7, 20)).astype(float)
    model = PenalizedRegression(3)
    whole = model.fit(x, y, weights)
    determinants = model.log_determinants(x, weights, whole)
    monkeypatch.setattr(penalized_regression, "_CHUNK", 400)  # 2 fits at once
    assert model.fit(x, y, weights).theta == pytest.approx(whole.theta, abs=1e-5)
    assert model.log_determinants(x, weights, whole) == pytest.approx(determinants)


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_an_offset_is_added_to_logits_or_numbers(classes):
    x, y = problem(30, 2, classes)
    model = PenalizedRegression(classes)
    outputs = max(classes - 1, 1)
    offset = np.random.default_rng(1).normal(size=(2, outputs, 30))
    weights = np.random.default_rng(2).random((2, 30))
    fits = model.fit(x, y, weights, offset=offset)
    x1 = np.hstack([x, np.ones((30, 1))])

    def loss(theta, r):
        """By plain sums: minus the log posterior, but for constants."""
        means = x1 @ theta.reshape(outputs, 3).T + offset[r].T  # (n, outputs)
        logits = np.hstack([means, np.zeros((30, 1))])
        if classes:
            log_p = logits[np.arange(30), y] - np.log(np.exp(logits).sum(axis=1))
        else:
            log_p = norm.logpdf(y - means[:, 0])
        return -(weights[r] * log_p).sum() + (theta**2).sum() / 2

    evidence = model.log_evidence(x, y, weights, fits, offset)
    for r in range(2):
        mode = minimize(loss, np.zeros(3 * outputs), args=(r,), tol=1e-10)
        assert fits.theta[r].ravel() == pytest.approx(mode.x, abs=1e-4)
        e = np.eye(3 * outputs) * 1e-4
        hessian = [
            [
                (loss(mode.x + a + b, r) - loss(mode.x + a - b, r))
                - (loss(mode.x - a + b, r) - loss(mode.x - a - b, r))
                for a in e
            ]
            for b in e
        ]
        determinant = np.linalg.slogdet(np.array(hessian) / 4e-8)[1]
        assert evidence[r] == pytest.approx(-mode.fun - determinant / 2, abs=1e-2)
    if classes:
        plain = fits.probabilities(x)[:, :-1]  # (R, outputs, n)
        logits = np.log(plain / (1 - plain.sum(axis=1, keepdims=True))) + offset
        odds = np.exp(logits)
        p = odds / (1 + odds.sum(axis=1, keepdims=True))
        assert fits.means(x, offset) == pytest.approx(p)
    alone = model.fit(x, y, weights[1:], offset=offset[1:])
    assert alone.theta[0] == pytest.approx(fits.theta[1], abs=1e-4)

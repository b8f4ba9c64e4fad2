"""The three stages: each formula against an independent computation, and one contract for all."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as SklearnRidge

from t2local.settings import Settings
from t2local.stats.learners import learner
from t2local.stats.penalized_regression import PenalizedRegression as Ridge
from t2local.tables.describe import describe
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.tables.files import from_frame
from t2local.trim import cost, diversity, gain
from t2local.trim.inspector import Inspector
from t2local.trim.sanity import few_rows_possible


def problem(n=60, d=4, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    if not classes:
        return x, x @ rng.normal(size=d) + rng.normal(size=n)
    return x, (x @ rng.normal(size=(d, classes)) + rng.gumbel(size=(n, classes))).argmax(axis=1)


def test_ridge_is_scikit_learns_logistic_regression():
    x, y = problem()
    counts = np.random.default_rng(1).integers(0, 3, (4, len(x))).astype(float)
    fits = Ridge(2).fit(x, y, counts)
    x1 = np.hstack([x, np.ones((len(x), 1))])
    for row, theta in zip(counts, fits.theta, strict=True):
        peer = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10, max_iter=1000).fit(
            x1, y == 0, sample_weight=row
        )
        assert np.allclose(theta, peer.coef_, atol=1e-4)


def test_ridge_for_a_number_is_scikit_learns_ridge():
    x, y = problem(classes=0)
    weights = np.random.default_rng(1).integers(0, 3, (1, len(x))).astype(float)
    x1 = np.hstack([x, np.ones((len(x), 1))])
    peer = SklearnRidge(alpha=1.0, fit_intercept=False).fit(x1, y, sample_weight=weights[0])
    assert np.allclose(Ridge(0).fit(x, y, weights).theta[0, 0], peer.coef_)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_ridge_has_a_zero_gradient_and_its_precision_is_the_second_derivative(classes):
    x, y = problem(40, 3, classes)
    fit = Ridge(classes).fit(x, y, np.ones((1, 40)))
    x1 = np.hstack([x, np.ones((40, 1))])

    def loss(theta):
        logits = np.hstack([x1 @ theta.reshape(classes - 1, -1).T, np.zeros((40, 1))])
        return (
            -(logits[np.arange(40), y] - np.log(np.exp(logits).sum(axis=1))).sum()
            + 0.5 * (theta**2).sum()
        )

    theta, step = fit.theta.ravel(), 1e-4
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
    assert np.isclose(
        Ridge(classes).log_determinants(x, np.ones((1, 40)), fit)[0],
        np.linalg.slogdet(np.array(hessian))[1],
        rtol=1e-4,
    )


def test_more_columns_than_rows_give_the_same_as_the_dual_problem():
    x, y = problem(12, 40, 0)
    x1 = np.hstack([x, np.ones((12, 1))])
    fit = Ridge(0).fit(x, y, np.ones((1, 12)))
    dual = x1.T @ np.linalg.solve(x1 @ x1.T + np.eye(12), y)
    assert np.allclose(fit.theta[0, 0], dual)
    assert np.isclose(
        Ridge(0).log_determinants(x, np.ones((1, 12)), fit)[0],
        np.linalg.slogdet(np.eye(12) + x1 @ x1.T)[1],
    )


@pytest.mark.parametrize("kind", ["logistic", "svm", "mlp", "forest", "several"])
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_every_learner_gives_likelihoods_that_beat_a_guess_and_copes_with_an_absent_class(
    kind, classes
):
    x, y = problem(80, 3, classes)
    weights = np.ones((2, 80))
    if classes:
        weights[1] = y == 0
    likelihood = learner(kind, classes, 1).fit(x, y, weights).log_likelihood(x, y)
    assert likelihood.shape == (2, 80)
    assert np.isfinite(likelihood).all()
    assert likelihood[0].mean() > (
        -np.log(classes) if classes else -0.5 * np.log(2 * np.pi) - 0.5 * np.mean(y**2)
    )


def test_held_out_costs_come_from_fits_that_did_not_see_the_row():
    x, y = problem(50)
    fold = cost.crossfit(x, y, learner("logistic", 2, 1), seed=1)
    assert fold.repeats == 3
    by_hand = np.zeros(50)
    x1 = np.hstack([x, np.ones((50, 1))])
    for train in fold.train.astype(bool):
        model = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10).fit(x1[train], y[train])
        by_hand[~train] += (
            np.log(model.predict_proba(x1[~train])[np.arange((~train).sum()), y[~train]]) / 3
        )
    assert np.allclose(fold.held_out, by_hand, atol=5e-3)  # the floor of the probabilities


def test_utility_is_the_mean_gain_of_held_out_likelihood():
    x, y = problem(50)
    new_x, new_y = problem(10, seed=5)
    fold = cost.crossfit(x, y, learner("logistic", 2, 1), seed=1)
    total = 0.0
    for train in fold.train.astype(bool):
        before = (
            Ridge(2)
            .fit(x[train], y[train], np.ones((1, train.sum())))
            .log_likelihood(x[~train], y[~train])
        )
        joined = Ridge(2).fit(
            np.vstack([x[train], new_x]),
            np.concatenate([y[train], new_y]),
            np.ones((1, train.sum() + 10)),
        )
        total += (joined.log_likelihood(x[~train], y[~train]) - before).sum()
    assert np.isclose(gain.utility(fold, new_x, new_y), total / 150, atol=1e-6)


def test_the_window_keeps_the_middle_of_the_mixture():
    mixture = np.random.default_rng(0).permutation(20) / 20.0
    kept = cost.window(mixture, alpha=0.5, beta=0.1)
    assert sorted(mixture[kept]) == [i / 20 for i in range(2, 12)]


@given(st.integers(1, 40), st.floats(0, 1), st.floats(0, 0.49))
def test_the_window_has_its_share_of_rows(half, alpha, beta):
    costs = np.random.default_rng(half).normal(size=(3, 2 * half))
    kept = cost.window(costs, alpha, beta)
    first = int(np.floor(beta * 2 * half + 1e-9))
    assert (kept.sum(axis=1) == min(round((1 - alpha) * 2 * half), 2 * half - first)).all()


def test_information_gain_is_the_log_determinant_of_an_explicit_posterior():
    x, y = problem(30, 3)
    new_x, new_y = problem(8, 3, seed=9)
    for refit in (True, False):
        information = gain.Information.of(x, y, 2, "ig_refit" if refit else "ig_plugin")
        both_x, both_y = np.vstack([x, new_x]), np.concatenate([y, new_y])
        fit = (
            Ridge(2).fit(both_x, both_y, np.ones((1, 38)))
            if refit
            else Ridge(2).fit(x, y, np.ones((1, 30)))
        )
        x1 = np.hstack([both_x, np.ones((38, 1))])
        p = 1 / (1 + np.exp(-x1 @ fit.theta[0, 0]))
        precision = np.eye(4) + (x1.T * (p * (1 - p))) @ x1
        assert np.isclose(
            information.gain(new_x, new_y, np.ones((1, 8)))[0],
            0.5 * np.linalg.slogdet(precision)[1],
        )


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_predictive_entropy_is_scipys_at_the_refitted_coefficients(classes):
    x, y = problem(30, 3, classes)
    new_x, new_y = problem(8, 3, classes, seed=9)
    both_x, both_y = np.vstack([x, new_x]), np.concatenate([y, new_y])
    found = gain.Information.of(x, y, classes, "predictive_entropy").gain(
        new_x, new_y, np.ones((1, 8))
    )[0]
    if classes:
        peer = Ridge(classes).fit(both_x, both_y, np.ones((1, 38)))
        p = np.exp([peer.log_likelihood(x, np.full(30, c))[0] for c in range(classes)])
        p = (p - 1e-3 / classes) / (1 - 1e-3)  # without the floor
        expected = scipy_entropy(p).mean()
    else:
        x1, at = np.hstack([both_x, np.ones((38, 1))]), np.hstack([x, np.ones((30, 1))])
        variance = np.diag(at @ np.linalg.inv(np.eye(4) + x1.T @ x1) @ at.T)
        expected = 0.5 * np.log(1 + variance).mean()
    assert np.isclose(-found, expected, atol=1e-6)


def direct_chance(fold, x, y, draws=20000):
    """The p-value by plain simulation, with scikit-learn's fits."""
    rng, shares = np.random.default_rng(5), np.bincount(fold.y) / len(fold.y)
    logs = np.zeros((len(x), 2))
    for train in fold.train.astype(bool):
        x1 = np.hstack([fold.x, np.ones((len(fold.x), 1))])
        model = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10).fit(
            x1[train], fold.y[train]
        )
        logs += np.log(model.predict_proba(np.hstack([x, np.ones((len(x), 1))]))) / len(fold.train)
    sums = np.array(
        [logs[np.arange(len(x)), rng.choice(2, len(x), p=shares)].sum() for _ in range(draws)]
    )
    own = logs[np.arange(len(x)), y].sum()
    return (sums > own + 1e-9).mean() + (np.abs(sums - own) <= 1e-9).mean() / 2


def test_chance_is_the_share_of_random_labelings_that_fit_as_well():
    x, y = problem(60)
    fold = cost.crossfit(x, y, learner("logistic", 2, 1), seed=1)
    new_x, new_y = problem(12, seed=4)
    for labels in (new_y, 1 - new_y, np.random.default_rng(0).integers(0, 2, 12)):
        found = gain.chance(fold, new_x, labels, 0.1, np.random.default_rng(1))
        assert (
            abs(found - direct_chance(fold, new_x, labels)) < 0.09
        )  # 400 labelings: four standard errors at most


def test_chance_takes_a_repeated_row_for_one_and_does_not_judge_what_it_cannot():
    x, y = problem(60)
    fold = cost.crossfit(x, y, learner("logistic", 2, 1), seed=1)
    for row in range(20):
        assert (
            gain.chance(
                fold,
                np.repeat(x[[row]], 10, axis=0),
                np.repeat(y[row], 10),
                0.1,
                np.random.default_rng(1),
            )
            > 0.15
        )
    assert (
        gain.chance(fold, x[:2], y[:2], 0.1, np.random.default_rng(1)) is None
    )  # two labels agree by chance too often
    numbers = cost.crossfit(x, x[:, 0] + 0.1 * x[:, 1], learner("logistic", 0, 1), seed=1)
    right, wrong = x[:12, 0], x[11::-1, 0]
    assert gain.chance(numbers, x[:12], right, 0.1, np.random.default_rng(1)) < 0.01
    assert gain.chance(numbers, x[:12], wrong, 0.1, np.random.default_rng(1)) > 0.1


def test_tau_is_the_mean_and_deviation_of_pairs_pushed_through_the_same_trimming():
    x, y = problem(40, 3)
    fold = cost.crossfit(x, y, learner("logistic", 2, 1), seed=1)
    information = gain.Information.of(x, y, 2, "ig_refit")
    costs = cost.costs(fold.held_out)
    tau = gain.null_threshold(
        information, costs, 10, alpha=0.5, beta=0.1, replicates=400, k=2.0, seed=1
    )
    rng, deltas = np.random.default_rng(99), []
    for _ in range(400):
        stand_in, control = rng.integers(40, size=10), rng.integers(40, size=10)
        mixture = np.concatenate([stand_in, control])
        refined = mixture[np.argsort(costs[mixture], kind="stable")[2:12]]
        deltas.append(
            np.subtract(
                *[
                    information.gain(x[rows], y[rows], np.ones((1, 10)))[0]
                    for rows in (refined, control)
                ]
            )
        )
    assert abs(tau.mean - np.mean(deltas)) < 4 * tau.sd / np.sqrt(400) * np.sqrt(2)
    assert abs(tau.sd / np.std(deltas) - 1) < 0.2
    assert np.isclose(tau.level, tau.mean + 2 * tau.sd)


def test_entropy_is_scipys_and_clusters_are_found():
    rng = np.random.default_rng(0)
    x = np.vstack([rng.normal(center, 0.3, (20, 2)) for center in ((0, 0), (6, 0), (0, 6), (6, 6))])
    for rows in (x, x[::3]):  # an MLP places rows above 30 rows, the nearest centroid below
        regions = diversity.Regions(rows, seed=1)
        assert regions.clusters == 4
        assert (regions.of(rows) == regions.labels).all()
    labels = np.array([0, 0, 1, 2, 2, 2])
    assert np.isclose(diversity.entropy(labels, 4), scipy_entropy([2, 1, 3, 0]))


def test_the_diversity_threshold_follows_its_rule():
    real = np.repeat([0, 1, 2], [30, 8, 2])
    settings = Settings().trim
    relative = settings.model_copy(update={"diversity": "relative"})
    attainable = settings.model_copy(update={"kappa": 0.5})
    before = diversity.entropy(real, 3)
    assert np.isclose(diversity.threshold(real, real, 3, 10, relative, 1), 0.3 * before)
    assert np.isclose(
        diversity.threshold(real, real, 3, 10, attainable, 1), 0.5 * (np.log(3) - before) * 10 / 50
    )
    loss = diversity.threshold(real, real, 3, 10, settings, 1)
    batches = [
        diversity.entropy(np.concatenate([real, np.random.default_rng(i).choice(real, 10)]), 3)
        - before
        for i in range(2000)
    ]
    assert np.mean(np.array(batches) < loss) < 1 / 40 + 0.015
    assert np.mean(np.array(batches) < loss + 1e-6) > 1 / 40 - 0.015
    # What earlier batches gained may be spent.
    richer = np.concatenate([real, np.repeat([2], 10)])
    assert diversity.threshold(real, richer, 3, 10, settings, 1) < loss


@pytest.fixture
def known(patients):
    return describe(from_frame(patients).cells)


@pytest.fixture
def real(patients, known):
    return known.values(from_frame(patients).cells)


def fresh(real, n=10, seed=3):
    """Rows from the distribution of the real ones: weights moved a little, so that no row is a copy."""
    rows = real.sample(n, random_state=seed).reset_index(drop=True)
    rows["weight"] = (
        rows["weight"].fillna(70) + np.random.default_rng(seed).uniform(0.1, 3, n)
    ).round(1)
    return rows


def inspect(real, known, **trim):
    return Inspector(
        real,
        known,
        Settings.load({f"trim.{name}": value for name, value in trim.items()}).trim,
        seed=1,
    )


def test_stage_1_names_the_feature_and_the_constraint(real, known):
    rows = fresh(real, 8)
    rows.loc[0, "age"] = 500.0
    rows.loc[1, "age"] = 30.5
    rows.loc[2, "sex"] = "X"
    rows.loc[3, "smoker"] = None
    rows.loc[4] = real.loc[10]
    rows.loc[6] = rows.loc[5]
    verdict = inspect(real, known).judge(rows)
    expected = [
        "age breaks its maximum",
        "age breaks its step",
        "sex breaks its levels",
        "smoker breaks its missing",
        "copy of a real row",
        None,
        "copy of another row of its batch",
        None,
    ]
    for i, part in enumerate(expected):
        assert (
            (part in verdict.reasons[i] and verdict.stages[i] == "sanity")
            if part
            else verdict.stages[i] != "sanity"
        )


def test_copies_of_rows_kept_before_are_rejected(real, known):
    inspector = inspect(real, known, worst_share=0)
    batches = [fresh(real, 10, seed) for seed in range(20)]
    kept = next(batch for batch in batches if inspector.judge(batch).kept.all())
    assert set(inspector.judge(kept).stages) == {"sanity"}


def test_a_tiny_table_keeps_copies_and_says_so():
    features = tuple(Feature(name=name, type="boolean", levels=("0", "1")) for name in "aby")
    known = FeatureDictionary(target="y", features=features)
    assert few_rows_possible(known, 20)
    rows = pd.DataFrame(
        np.random.default_rng(0).choice(["0", "1"], (20, 3)), columns=list("aby"), dtype=object
    )
    verdict = inspect(rows, known).judge(rows.head(5))
    assert verdict.rejected_by()["sanity"] == 0
    assert verdict.figures["sanity"] == {
        "broken_constraints": 0,
        "copies": 5,
        "copies_by_chance": True,
    }


def test_the_default_gate_tells_good_batches_from_flipped_ones(real, known):
    flip = {"0": "1", "1": "0"}
    accepted = {"good": 0, "flipped": 0}
    for seed in range(20):
        good = fresh(real, 10, seed)
        for name, rows in (
            ("good", good),
            ("flipped", good.assign(outcome=good["outcome"].map(flip))),
        ):
            accepted[name] += inspect(real, known).judge(rows).figures["cost"]["accepted"]
    assert accepted["good"] >= 3 * accepted["flipped"]
    assert accepted["good"] >= 10


def test_k_is_chosen_by_what_held_out_rows_say(real, known):
    flip = {"0": "1", "1": "0"}
    batches = {"good": [fresh(real, 10, seed) for seed in range(8)]}
    batches["flipped"] = [
        rows.assign(outcome=rows["outcome"].map(flip)) for rows in batches["good"]
    ]
    chosen = {}
    for name, candidates in batches.items():
        inspector = inspect(real, known, gate="ig_refit", replicates=50)
        inspector.tune(candidates)
        chosen[name] = inspector.k
    # Information gain likes flipped labels: only a high k keeps them out. With good rows a low one lets more in.
    assert chosen["flipped"] >= 2.5 > chosen["good"]
    for settings in ({"gate": "utility"}, {"gate": "ig_refit", "gate_sd": 0.5}):
        inspector = inspect(real, known, **settings)
        before = inspector.k
        inspector.tune(batches["good"])
        assert inspector.k == before
    few = inspect(real.head(20), known, gate="ig_refit")
    few.tune(batches["good"])
    assert few.k == 1.0


def test_a_class_that_the_real_rows_lack_is_kept_unverified(real, known):
    target = known["outcome"].model_copy(update={"type": "category", "levels": ("0", "1", "2")})
    wider = known.model_copy(update={"features": (*known.features[:-1], target)})
    rows = fresh(real, 10).assign(outcome=["2"] * 3 + ["0", "1"] * 3 + ["1"])
    verdict = inspect(real, wider).judge(rows)
    assert verdict.kept[:3].all()
    assert verdict.figures["unverified"]["rows"] == 3


def contract_rows(real):
    blank = fresh(real, 10)
    blank["weight"] = np.nan
    return {
        "ten": fresh(real, 10),
        "one": fresh(real, 1),
        "none": fresh(real, 10).head(0),
        "a blank column": blank,
        "odd index": fresh(real, 10).set_index(np.arange(10) * 7 + 3),
    }


@pytest.mark.parametrize("gate", ["utility", "ig_refit", "ig_plugin", "predictive_entropy"])
@pytest.mark.parametrize("case", ["ten", "one", "none", "a blank column", "odd index"])
def test_contract_of_all_stages(real, known, gate, case):
    rows = contract_rows(real)[case]
    before = rows.copy(deep=True)
    verdict, again = (inspect(real, known, gate=gate, replicates=50).judge(rows) for _ in range(2))
    pd.testing.assert_frame_equal(rows, before)
    assert (verdict.stages, verdict.reasons, verdict.figures) == (
        again.stages,
        again.reasons,
        again.figures,
    )
    assert len(verdict.stages) == len(rows)
    assert int(verdict.kept.sum()) + sum(verdict.rejected_by().values()) == len(rows)
    assert all(
        bool(reason) == (stage is not None)
        for reason, stage in zip(verdict.reasons, verdict.stages, strict=True)
    )


@pytest.mark.parametrize("n", [2, 3, 5, 9, 12])
@pytest.mark.parametrize("gate", ["utility", "ig_refit"])
def test_few_real_rows_are_judged_as_far_as_they_go(real, known, n, gate):
    few = real.groupby("outcome").head(-(-n // 2)).head(n).reset_index(drop=True)
    verdict = inspect(few, known, gate=gate, replicates=50).judge(fresh(real, 10))
    assert int(verdict.kept.sum()) + sum(verdict.rejected_by().values()) == 10
    if n < diversity.FEWEST_ROWS and verdict.kept.any():
        assert "fewer than 9" in verdict.figures["diversity"]["skipped"]


def test_a_number_as_target_is_judged_too(patients):
    table = from_frame(
        patients.assign(
            outcome=patients["age"] * 3.0 + np.random.default_rng(1).normal(size=60).round(2)
        )
    )
    known = describe(table.cells, target="outcome")
    real = known.values(table.cells)
    good = fresh(real)
    bad = good.assign(outcome=good["outcome"].to_numpy()[::-1])
    assert (
        inspect(real, known).judge(good).figures["cost"]["measured"]
        > inspect(real, known).judge(bad).figures["cost"]["measured"]
    )
    assert not inspect(real, known).judge(bad).figures["cost"]["accepted"]

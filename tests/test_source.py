"""The evidence of a source: true rows are accepted, wrong labels refused, however few rows come."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from t2local.trim import source
from t2local.trim.source import LabelEvidence, label_evidence
from t2local.trim.state import Pool, Reference, TrimState
from tests.batches import described, new_inspector, trim_settings
from tests.sources import WAYS, spoiled, table

SETTINGS = trim_settings(gate="source")
#: A separate run of random numbers for each of these.
SEEDS = range(4)


def state_of(real: pd.DataFrame, weights=None, pool: Pool | None = None) -> TrimState:
    values, dictionary = described(real, "y")
    reference = Reference.of(values, dictionary, SETTINGS, 1, weights)
    return TrimState(reference, 0.0, pool or Pool())


def inspector_of(real: pd.DataFrame):
    values, dictionary = described(real, "y")
    return new_inspector(values, dictionary, gate="source")


def judged(state: TrimState, rows: pd.DataFrame):
    return source.judge(state.batch(rows), state)


def cases(kind: str, n: int, times: int):
    """For each seed: the state of n real rows, and a source of ``times`` n rows of each way."""
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        state = state_of(table(n, kind, rng))
        rows = table(times * n, kind, rng)
        yield state, {way: spoiled(rows, way, rng) for way in WAYS}


@pytest.mark.parametrize("times", [2, 10])
@pytest.mark.parametrize("n", [30, 100])
@pytest.mark.parametrize("kind", ["two", "three", "number"])
def test_true_sources_are_accepted_and_wrong_labels_refused(kind, n, times):
    for state, sources in cases(kind, n, times):
        accepted = {way: judged(state, rows).figures.accepted for way, rows in sources.items()}
        if (kind, n) == ("three", 30):
            # Most labels are right, and two thirds of the others are hard to tell by 30 rows.
            accepted.pop("40 % flipped")
        assert accepted == {way: way == "true" for way in accepted}


@pytest.mark.parametrize("kind", ["two", "three", "number"])
def test_of_a_true_source_nearly_all_rows_are_kept(kind):
    for state, sources in cases(kind, 100, 10):
        (impossible,) = judged(state, sources["true"]).rejections
        assert impossible.rows.mean() < 0.02


def test_more_rows_are_more_evidence_against_wrong_labels():
    for small, large in zip(cases("two", 30, 2), cases("two", 30, 10), strict=True):
        for way in ("shuffled", "all flipped"):
            few, many = (judged(state, rows[way]).figures for state, rows in (small, large))
            weakest = [min(f.same, f.same - f.own) for f in (few, many)]
            assert weakest[1] < weakest[0] < -1


def test_the_reason_says_which_explanation_is_better():
    state, sources = next(cases("two", 100, 10))
    reasons = {way: judged(state, rows).rejections[0].reason for way, rows in sources.items()}
    assert "nearly impossible for its features" in reasons["true"]
    assert "no more to do with its features than chance: log odds -" in reasons["shuffled"]
    assert "in another way than the real ones: log odds -" in reasons["all flipped"]


def test_a_refused_source_goes_whole_with_its_weakest_comparison():
    state, sources = next(cases("two", 30, 2))
    result = judged(state, sources["all flipped"])
    figures, (rejection,) = result.figures, result.rejections
    assert rejection.rows.all()
    weakest = LabelEvidence(figures.same, figures.own).weakest
    assert rejection.measured == weakest < rejection.threshold == figures.threshold == -2
    assert (figures.rows, figures.accepted, figures.impossible) == (60, False, 0)


@pytest.mark.parametrize(
    ("same", "own", "weakest"),
    [(3.0, 1.0, 3.0), (3.0, -9.0, 3.0), (-2.0, -5.0, -2.0), (2.0, 5.0, -2.0)],
)
def test_the_weakest_comparison_is_with_the_better_of_the_other_two(same, own, weakest):
    assert LabelEvidence(same, own).weakest == weakest


def test_other_shares_are_no_evidence():
    """Half of the source has an outcome of a tenth of the real rows."""
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        real = table(100, "rare", rng)
        assert 0.03 < (real["y"] == "yes").mean() < 0.2
        rows = table(4000, "rare", rng)
        balanced = rows.groupby("y").head(100).reset_index(drop=True)
        assert (balanced["y"] == "yes").mean() == 0.5
        state = state_of(real)
        assert judged(state, balanced).figures.accepted
        assert not judged(state, spoiled(balanced, "shuffled", rng)).figures.accepted
        assert not judged(state, spoiled(balanced, "all flipped", rng)).figures.accepted


def test_labels_that_were_calibrated_or_given_are_measured_and_never_refused():
    rng = np.random.default_rng(0)
    real = table(30, "two", rng)
    wrong = spoiled(table(60, "two", rng), "all flipped", rng)
    unknown, trusted = state_of(real), state_of(real, pool=Pool(trusted=True))
    refused, measured = judged(unknown, wrong).figures, judged(trusted, wrong).figures
    assert (refused.accepted, measured.accepted, measured.impossible) == (False, True, 0)
    assert (refused.same, refused.own) == (measured.same, measured.own)
    assert not judged(trusted, wrong).rejections[0].rows.any()


def test_a_nearly_impossible_label_goes_alone():
    rng = np.random.default_rng(3)
    rows = table(200, "two", rng)
    rows.loc[7] = [3.0, -3.0, 0.0, 0.0, "no"]
    rows.loc[9] = [-3.0, 3.0, 0.0, 0.0, "yes"]
    result = judged(state_of(table(60, "two", rng)), rows)
    (rejection,) = result.rejections
    assert {7, 9} <= set(np.flatnonzero(rejection.rows))
    assert result.figures.accepted
    assert result.figures.impossible == rejection.rows.sum() < 5


def test_nearly_impossible_is_a_hundredth_of_the_likeliest_label():
    rng = np.random.default_rng(4)
    state = state_of(table(60, "two", rng))
    batch = state.batch(table(200, "two", rng))
    _, log_odds = label_evidence(state.reference, batch.x, batch.y)
    assert log_odds.shape == (200,)
    assert log_odds.min() >= 0
    (rejection,) = judged(state, batch.rows).rejections
    assert rejection.rows.tolist() == (log_odds > np.log(100)).tolist()
    other = state.batch(spoiled(batch.rows, "all flipped", rng))
    likeliest = log_odds == 0
    _, flipped_odds = label_evidence(state.reference, other.x, other.y)
    # Where a label is not the likeliest one, the other class has odds of its own against it.
    assert likeliest.mean() > 0.6
    assert (flipped_odds >= 0).all()


#: The deviations of the prior that are averaged.
DEVIATIONS = (1.0, 0.5, 0.25)


def features(x: np.ndarray, *, own: float, deviation: float = 1.0) -> np.ndarray:
    """Rows with the column of the source's own intercept, three times as wide, and the common."""
    return np.hstack([deviation * x, np.full((len(x), 1), 3.0 * own), np.ones((len(x), 1))])


def mean_evidence(log_evidence) -> float:
    """The logarithm of the mean evidence over the deviations."""
    return np.log(np.mean([np.exp(log_evidence(deviation)) for deviation in DEVIATIONS]))


def test_the_evidence_of_a_number_is_exact():
    """With theta ~ N(0, 1) and errors of 1, labels are jointly normal."""
    rng = np.random.default_rng(5)
    state = state_of(table(25, "number", rng))
    rows = table(40, "number", rng)
    batch = state.batch(rows)
    evidence, _ = label_evidence(state.reference, batch.x, batch.y)

    def log_density(x, y):
        return multivariate_normal(cov=np.eye(len(y)) + x @ x.T).logpdf(y)

    fold = state.reference.fold
    joint_y = np.concatenate([fold.y, batch.y])

    def real(deviation):
        return features(fold.x, own=0, deviation=deviation)

    def new(deviation):
        return features(batch.x, own=1, deviation=deviation)

    # By chance: no features, and errors of the deviation of the labels.
    deviation = np.sqrt(np.mean((batch.y - batch.y.mean()) ** 2))
    assert deviation > 1
    chance = log_density(new(1)[:, -2:], batch.y / deviation) - 40 * np.log(deviation)
    both = mean_evidence(lambda d: log_density(np.vstack([real(d), new(d)]), joint_y))
    before = mean_evidence(lambda d: log_density(real(d), fold.y))
    own = mean_evidence(lambda d: log_density(new(d), batch.y))
    assert evidence.same == pytest.approx(both - before - chance)
    assert evidence.own == pytest.approx(own - chance)


def plain_log_evidence(x, y, weights, n_classes):
    """Laplace, with scipy's optimiser and plain loops; the last class has the logit 0."""
    size = (n_classes - 1) * x.shape[1]

    def log_p(theta):
        logits = np.hstack([x @ theta.reshape(n_classes - 1, -1).T, np.zeros((len(x), 1))])
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def loss(theta):
        return -(weights * log_p(theta)[np.arange(len(y)), y]).sum() + 0.5 * (theta**2).sum()

    mode = minimize(loss, np.zeros(size), options={"gtol": 1e-6}).x
    p = np.exp(log_p(mode))
    precision = np.eye(size)
    for row, weight, shares in zip(x, weights, p[:, :-1], strict=True):
        curvature = np.diag(shares) - np.outer(shares, shares)
        precision += weight * np.kron(curvature, np.outer(row, row))
    fitted = sum(
        weight * np.log(shares[label]) for shares, weight, label in zip(p, weights, y, strict=True)
    )
    return fitted - 0.5 * (mode**2).sum() - 0.5 * np.linalg.slogdet(precision)[1]


@pytest.mark.parametrize("kind", ["two", "three"])
def test_the_evidence_of_classes_is_that_of_a_plain_computation(kind):
    rng = np.random.default_rng(6)
    real = table(30, kind, rng)
    weights = rng.integers(1, 4, 30) / 2.0
    state = state_of(real, weights)
    batch = state.batch(table(45, kind, rng))
    evidence, _ = label_evidence(state.reference, batch.x, batch.y)
    fold, n_classes = state.reference.fold, state.reference.n_classes
    ones = np.ones(45)
    joint_y, joint_weights = np.append(fold.y, batch.y), np.append(weights, ones)

    def old(deviation):
        return features(fold.x, own=0, deviation=deviation)

    def new(deviation):
        return features(batch.x, own=1, deviation=deviation)

    chance = 0.0
    for label in batch.y:
        chance += np.log(((batch.y == label).sum() + 0.5) / (45 + 0.5 * n_classes))
    both = mean_evidence(
        lambda d: plain_log_evidence(np.vstack([old(d), new(d)]), joint_y, joint_weights, n_classes)
    )
    given = mean_evidence(lambda d: plain_log_evidence(old(d), fold.y, weights, n_classes))
    alone = mean_evidence(lambda d: plain_log_evidence(new(d), batch.y, ones, n_classes))
    assert evidence.same == pytest.approx(both - given - chance, abs=1e-3)
    assert evidence.own == pytest.approx(alone - chance, abs=1e-3)


@pytest.mark.parametrize("kind", ["two", "three", "number"])
def test_rows_in_any_order_get_the_same_verdicts(kind):
    rng = np.random.default_rng(8)
    inspector = inspector_of(table(40, kind, rng))
    rows = spoiled(table(120, kind, rng), "true", rng)
    order = rng.permutation(120)
    first = inspector.judge_source(rows, Pool())
    moved = inspector.judge_source(rows.iloc[order].reset_index(drop=True), Pool())
    assert [first.stages[place] for place in order] == moved.stages
    one, other = first.figures["cost"], moved.figures["cost"]
    assert (one.same, one.own) == pytest.approx((other.same, other.own), abs=1e-6)
    assert one.accepted == other.accepted


def test_what_was_judged_before_does_not_count():
    """A verdict on all rows is the same whether or not there was one on a part of them."""
    rng = np.random.default_rng(9)
    real, rows = table(40, "two", rng), table(100, "two", rng)
    step_by_step, at_once = inspector_of(real), inspector_of(real)
    for n_rows in (10, 50):
        step_by_step.judge_source(rows.head(n_rows), Pool())
    step_by_step.judge_source(spoiled(rows, "all flipped", rng), Pool())
    one, other = (i.judge_source(rows, Pool()) for i in (step_by_step, at_once))
    assert (one.stages, one.reasons, one.figures) == (other.stages, other.reasons, other.figures)
    assert sum(map(len, step_by_step.state.accepted)) == one.kept.sum()


def test_rows_of_a_class_that_no_real_row_has_are_neither_evidence_nor_refused():
    rng = np.random.default_rng(2)
    real = table(40, "three", rng)
    values, dictionary = described(real, "y")
    seen = values[values["y"] != "c"].reset_index(drop=True)
    rows = table(80, "three", rng)
    inspector = new_inspector(seen, dictionary, gate="source")
    verdict = inspector.judge_source(rows, Pool())
    unseen = (rows["y"] == "c").to_numpy()
    passes_sanity = np.array([stage != "sanity" for stage in verdict.stages])
    assert verdict.figures["cost"].rows == (passes_sanity & ~unseen).sum()
    assert verdict.kept[unseen & passes_sanity].all()
    assert verdict.figures["unverified"].rows == (unseen & passes_sanity).sum() > 0


@pytest.mark.parametrize("kind", ["two", "number"])
def test_one_row_is_hardly_any_evidence(kind):
    """No single row is refused as a source for being unlikely: only an impossible label goes."""
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        state = state_of(table(30, kind, rng))
        accepted = [judged(state, table(1, kind, rng)).figures.accepted for _ in range(10)]
        assert sum(accepted) >= 8

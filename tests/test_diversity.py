"""Stage 3: the entropy over clusters that a batch must not lose."""

from dataclasses import replace

import numpy as np
import pytest

from t2local.trim import diversity
from t2local.trim.clusters import Clusters
from t2local.trim.entropy import entropy
from t2local.trim.state import TrimState
from tests.batches import dictionary, inspect, new_inspector, real_rows, reference, trim_settings

REAL = np.repeat([0, 1, 2], [30, 8, 2])
BEFORE = entropy(REAL, 3)


class LastColumn:
    """Places a row in the cluster that its last column names."""

    def predict(self, x):
        return x[:, -1].astype(int)


def state_of(labels=REAL, accepted=(), matches=None, **trim):
    """A state with so many real rows in each cluster, and clusters of accepted rows."""
    clusters = Clusters(3, 0.5, labels, LastColumn())
    n = len(labels)
    fixed = replace(
        reference(),
        settings=trim_settings(**trim),
        clusters=clusters,
        weights=np.ones(n),
        matches=np.ones(n, dtype=bool) if matches is None else matches,
    )
    state = TrimState(fixed, k=0.0)
    state.clusters = np.concatenate([state.clusters, np.array(accepted, dtype=int)])
    return state


def needed(size=10, **given):
    state = state_of(**given)
    return diversity.threshold(state, state.reference.clusters, size)


def test_the_relative_rule_is_a_share_of_the_entropy():
    assert np.isclose(needed(diversity="relative"), 0.3 * BEFORE)
    assert np.isclose(needed(diversity="relative", relative_rise=0.1), 0.1 * BEFORE)


def test_the_attainable_rule_is_a_share_of_what_can_be_gained():
    assert np.isclose(needed(kappa=0.5), 0.5 * (np.log(3) - BEFORE) * 10 / 50)
    # Accepted rows count as rows that are there.
    richer = entropy(np.concatenate([REAL, [2] * 10]), 3)
    expected = 0.5 * (np.log(3) - richer) * 10 / 60
    assert np.isclose(needed(kappa=0.5, accepted=[2] * 10), expected)


def test_without_kappa_only_more_than_chance_takes_is_refused():
    loss = needed()
    rng = np.random.default_rng(0)
    changes = np.array(
        [entropy(np.concatenate([REAL, rng.choice(REAL, 10)]), 3) - BEFORE for _ in range(2000)]
    )
    assert np.mean(changes < loss) < 1 / 40 + 0.015
    assert np.mean(changes < loss + 1e-6) > 1 / 40 - 0.015


def test_chance_draws_only_rows_that_match():
    # Batches of the rare cluster alone lose nothing.
    assert needed(matches=REAL == 2) == pytest.approx(-1e-9)
    assert needed(matches=REAL == 0) <= needed() < needed(matches=REAL == 2)


def test_what_earlier_batches_gained_may_be_spent():
    gain = entropy(np.concatenate([REAL, [2] * 10]), 3) - BEFORE
    assert needed(accepted=[2] * 10) == pytest.approx(needed() - gain)
    # What they lost is not asked back.
    assert needed(accepted=[0] * 10) == needed()


def test_a_balanced_table_is_asked_for_nothing_even_with_kappa():
    balanced = np.repeat([0, 1, 2], 10)
    assert needed(labels=balanced, kappa=0.5) == needed(labels=balanced)
    assert needed(labels=balanced, kappa=0.5) < 0


class _Batch:
    def __init__(self, clusters):
        self.x = np.array(clusters, dtype=float)[:, None]
        self.rows = self.x


COMMON = [0] * 20
RARE = [2] * 20


@pytest.mark.parametrize(("clusters", "accepted"), [(COMMON, False), (RARE, True)])
def test_a_batch_of_the_common_cluster_goes_and_one_of_the_rare_stays(clusters, accepted):
    state = state_of()
    result = diversity.judge(_Batch(clusters), state)
    figures = result.figures
    after = entropy(np.concatenate([REAL, clusters]), 3)
    assert figures.entropy_before == BEFORE
    assert figures.change == pytest.approx(after - BEFORE)
    assert figures.accepted == accepted
    assert len(result.rejections) == (not accepted)
    if not accepted:
        rejection = result.rejections[0]
        assert rejection.rows.all()
        assert rejection.measured == figures.change < figures.threshold == rejection.threshold
        assert "adds too little diversity: cluster entropy -" in rejection.reason


@pytest.mark.parametrize("clusters", [COMMON, RARE])
def test_a_whole_source_is_measured_as_a_batch_is_and_never_refused(clusters):
    source = diversity.judge(_Batch(clusters), state_of(gate="source"))
    batch = diversity.judge(_Batch(clusters), state_of())
    assert source.rejections == ()
    assert source.figures == replace(batch.figures, accepted=True)


def test_why_diversity_is_not_judged():
    few = np.arange(40) < 8
    cases = {
        "too few real rows that are what was asked for": state_of(matches=few),
        "the real rows have no clusters": _without_clusters(),
    }
    for why, state in cases.items():
        result = diversity.judge(_Batch([0] * 20), state)
        assert (result.rejections, result.figures.skipped) == ((), why)


def _without_clusters():
    state = state_of()
    return TrimState(replace(state.reference, clusters=None), k=0.0)


def test_fewer_than_nine_real_rows_are_said_to_be_few():
    state = new_inspector(real_rows().head(8), dictionary()).state
    result = diversity.judge(state.batch(real_rows().head(3)), state)
    assert result.figures == diversity.Skipped("fewer than 9 real rows")


def test_the_label_is_no_diversity():
    state = inspect().state
    rows = real_rows().head(10)
    changes = [
        diversity.judge(state.batch(rows.assign(outcome=label)), state).figures.change
        for label in ("0", "1")
    ]
    assert changes[0] == changes[1]

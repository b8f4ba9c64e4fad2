"""Stage 2: the gate of a batch, and its costliest rows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2local.errors import UsageError
from t2local.stats.streams import Stream, generator
from t2local.trim import cost, information, source, utility
from t2local.trim.threshold import Threshold
from tests.batches import flipped, fresh, inspect

GATES = ["utility", "ig_refit", "ig_plugin", "predictive_entropy"]


def gated(rows, **trim):
    state = inspect(**trim).state
    return cost.gate(state.batch(rows), state)


@pytest.fixture(scope="module")
def accepted_rows():
    """A batch that the utility gate accepts."""
    batches = (fresh(10, seed) for seed in range(20))
    return next(rows for rows in batches if not gated(rows).reason)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.floats(0, 1))
def test_the_worst_rows_are_the_last_of_the_sorted_costs(costs, share):
    count = int(np.floor(share * len(costs) + 0.5))
    order = sorted(range(len(costs)), key=lambda i: (costs[i], i))
    expected = sorted(order[len(costs) - count :])
    assert np.flatnonzero(cost.worst(np.array(costs, dtype=float), share)).tolist() == expected


def test_a_share_is_rounded_to_whole_rows():
    costs = np.arange(10.0)
    n_worst = [int(cost.worst(costs, share).sum()) for share in (0, 0.04, 0.05, 0.14, 0.15, 1)]
    assert n_worst == [0, 0, 1, 1, 2, 10]


def test_an_accepted_batch_loses_its_costliest_rows(accepted_rows):
    state = inspect(worst_share=0.3).state
    batch = state.batch(accepted_rows)
    rejection = cost.judge(batch, state).rejections[0]
    costs = 1 - np.exp(state.reference.fold.mean_log_likelihood(batch.x, batch.y))
    assert rejection.rows.sum() == 3
    assert costs[rejection.rows].min() >= costs[~rejection.rows].max()
    assert rejection.measured == pytest.approx(costs)
    assert rejection.threshold == pytest.approx(costs[~rejection.rows].max())
    assert "fit its features least" in rejection.reason


def test_a_refused_batch_goes_whole_with_its_figure():
    state = inspect().state
    rows = flipped(fresh(10))
    result = cost.judge(state.batch(rows), state)
    assert result.rejections[0].rows.all()
    assert result.rejections[0].measured <= result.rejections[0].threshold
    assert not result.figures.accepted
    assert "does not help the model: held-out likelihood" in result.rejections[0].reason


def test_the_utility_gate_measures_what_its_module_says(accepted_rows):
    state = inspect().state
    fold, batch = state.reference.fold, state.batch(accepted_rows)
    figures = cost.gate(batch, state).figures
    control = utility.utility_control(fold, 10, 0.0, seed=1)
    rng = generator(1, Stream.RANDOM_LABELS, 0)
    assert figures.measured == utility.utility(fold, batch.x, batch.y)
    assert (figures.control_mean, figures.control_sd) == (control.mean, control.sd)
    assert figures.threshold == max(control.level, 0.0)
    assert figures.p_value == utility.randomization_p_value(fold, batch.x, batch.y, 0.1, rng)
    assert figures.accepted


def test_the_gate_of_a_source_judges_no_batch_alone():
    with pytest.raises(UsageError, match=r"trim\.gate=source judges no batch alone") as error:
        gated(fresh(10), gate="source")
    assert "trim.gate=utility" in error.value.next_step


def test_the_stage_judges_a_source_by_its_evidence_and_batches_by_their_gate():
    for gate, figures in (("source", source.SourceFigures), ("utility", cost.CostFigures)):
        state = inspect(gate=gate).state
        result = cost.judge(state.batch(fresh(10)), state)
        assert isinstance(result.figures, figures)


def test_labels_that_fit_no_better_than_chance_are_refused_with_the_share():
    results = (gated(fresh(10, seed), significance_level=0.002) for seed in range(20))
    result = next(r for r in results if "no better than chance" in r.reason)
    assert result.measured >= result.threshold == 0.002
    assert result.figures.measured > result.figures.threshold


def test_the_p_value_must_be_below_the_level():
    states = ((inspect().state, fresh(10, seed)) for seed in range(20))
    figures = ((rows, cost.gate(state.batch(rows), state).figures) for state, rows in states)
    rows, share = next(
        (rows, f.p_value) for rows, f in figures if f.measured > f.threshold and f.p_value > 0.01
    )
    assert "no better than chance" in gated(rows, significance_level=share).reason
    assert not gated(rows, significance_level=share + 1e-9).reason


def test_no_batch_may_make_real_rows_less_likely():
    state = inspect().state
    state.thresholds = {10: Threshold(-1.0, 0.1, 0.0)}
    rows = flipped(fresh(10))
    figures = cost.gate(state.batch(rows), state).figures
    assert -1.0 < figures.measured < figures.threshold == 0.0
    assert not figures.accepted


@pytest.mark.parametrize("gate", ["utility", "ig_refit"])
def test_each_batch_has_random_numbers_of_its_own(gate):
    state = inspect(gate=gate, replicates=50).state
    batch = state.batch(fresh(10))
    figures = [cost.gate(replace(batch, number=n), state).figures for n in range(4)]
    assert len({(f.measured, f.p_value) for f in figures}) > 1


def test_the_labels_are_not_tested_at_a_level_of_one(accepted_rows):
    assert gated(accepted_rows, significance_level=1).figures.p_value is None


@pytest.mark.parametrize("gate", GATES[1:])
def test_the_papers_gates_hold_delta_against_tau(gate):
    state = inspect(gate=gate, replicates=50).state
    reference = state.reference
    batch = state.batch(fresh(10))
    result = cost.gate(batch, state)
    fold = reference.fold
    measure = information.Information.of(fold.x, fold.y, 2, gate)
    settings = reference.settings
    held_out_costs = information.costs(fold.held_out)
    tau = information.null_threshold(measure, held_out_costs, 10, settings, state.k, 1)
    rng = generator(1, Stream.BOOTSTRAP_COMPARISON, 0)
    peer = information.bootstrap_comparison(measure, fold, batch.x, batch.y, settings, rng)
    assert (result.measured, result.threshold) == (peer.delta, tau.level)
    assert bool(result.reason) == (peer.delta <= tau.level)
    assert np.array_equal(result.trimmed, ~peer.inside)
    assert result.figures.p_value is None


def test_accepted_rows_count_as_known_to_the_papers_gates_only():
    rows = fresh(10)
    changes = []
    for gate in ("utility", "ig_plugin"):
        state = inspect(gate=gate, replicates=50).state
        before = cost.gate(state.batch(rows), state).figures.measured
        state.accept(fresh(20, seed=8))
        batch = replace(state.batch(rows), number=0)  # the same random numbers again
        changes.append(cost.gate(batch, state).figures.measured - before)
    assert changes[0] == 0
    assert changes[1] != 0


@pytest.mark.parametrize("gate", GATES)
def test_the_gate_accepts_nothing_by_itself(gate):
    state = inspect(gate=gate, replicates=50).state
    cost.gate(state.batch(fresh(10)), state)
    assert (state.accepted, state.n_batches) == ([], 0)


def test_a_higher_k_asks_for_more():
    thresholds = [gated(fresh(10), gate_sd=k).figures.threshold for k in (1.0, 3.0)]
    assert thresholds[0] < thresholds[1]

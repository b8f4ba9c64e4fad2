"""The paper's k, chosen by what held-out real rows say."""

import dataclasses

import numpy as np
import pytest

from t2local.stats.penalized_regression import PenalizedRegression
from t2local.trim import tuning
from t2local.trim.information import Comparison
from t2local.trim.tuning import CANDIDATES, can_tune, choose_k, untuned_k
from tests.batches import REAL, flipped, fresh, inspector, reference, state, trim_settings

PAPER = {"gate": "ig_refit", "replicates": 50}
GOOD = [fresh(10, seed) for seed in range(8)]


def test_k_is_chosen_by_what_held_out_rows_say():
    chosen = {}
    for name, candidates in {"good": GOOD, "flipped": [flipped(rows) for rows in GOOD]}.items():
        judge = inspector(**PAPER)
        judge.tune(candidates)
        chosen[name] = judge.state.k
    # Information gain likes flipped labels: only a high k keeps them out. With good rows a low one
    # lets more in.
    assert chosen["flipped"] >= 2.5 > chosen["good"]
    assert set(chosen.values()) <= set(CANDIDATES)


@pytest.mark.parametrize("trim", [{"gate": "utility"}, {"gate": "ig_refit", "gate_sd": 0.5}])
def test_a_k_that_is_given_or_not_needed_stays(trim):
    judge = inspector(**trim)
    before = judge.state.k
    judge.tune(GOOD)
    assert judge.state.k == before


def test_few_rows_are_not_tuned_by():
    few = inspector(REAL.head(20), gate="ig_refit")
    few.tune(GOOD)
    assert few.state.k == 1.0


def test_batches_without_a_sane_row_choose_nothing():
    judge = inspector(**PAPER)
    judge.tune([])
    judge.tune([REAL.head(10), fresh().assign(age=500.0)])
    assert judge.state.k == 1.0


def test_only_sane_rows_are_candidates():
    insane = fresh(10, 3)
    insane.loc[:4, "age"] = 500.0
    judge, other = inspector(**PAPER), inspector(**PAPER)
    judge.tune([insane, *GOOD[:3]])
    other.tune([insane.iloc[5:].reset_index(drop=True), *GOOD[:3]])
    assert judge.state.k == other.state.k


@pytest.mark.parametrize(
    ("trim", "k"),
    [
        ({}, 0.0),
        ({"gate": "ig_refit"}, 1.0),
        ({"gate": "predictive_entropy"}, 1.0),
        ({"gate_sd": 0.25}, 0.25),
        ({"gate": "ig_plugin", "gate_sd": 0}, 0.0),
    ],
)
def test_the_k_to_begin_with(trim, k):
    assert untuned_k(trim_settings(**trim)) == k


def labelled(n, n_rare):
    """A reference of n rows, n_rare of them of class 1; only its labels matter here."""
    y = np.r_[np.ones(n_rare, dtype=int), np.zeros(n - n_rare, dtype=int)]
    fixed = reference(**PAPER)
    return dataclasses.replace(fixed, fold=dataclasses.replace(fixed.fold, y=y))


@pytest.mark.parametrize(
    ("n", "n_rare", "enough"), [(25, 5, True), (24, 5, False), (25, 4, False), (60, 5, True)]
)
def test_k_is_tuned_from_25_rows_with_5_of_each_class(n, n_rare, enough):
    assert can_tune(labelled(n, n_rare)) == enough


def test_k_is_not_tuned_where_it_is_given():
    given = labelled(60, 30)
    assert can_tune(given)
    for trim in ({"gate": "utility"}, {"gate": "ig_refit", "gate_sd": 0.0}):
        assert not can_tune(dataclasses.replace(given, settings=trim_settings(**trim)))


def test_of_equal_values_the_largest_is_chosen():
    """A batch of no rows in the window changes nothing: every k serves as well."""
    fixed = reference(gate="ig_refit", alpha=1.0, replicates=50)
    batches = [state(gate="ig_refit", alpha=1.0, replicates=50).batch(rows) for rows in GOOD[:2]]
    assert choose_k(fixed, batches) == max(CANDIDATES)


def test_rows_count_where_their_batch_stands_above_k():
    fold = reference(**PAPER).fold
    comparisons = [
        Comparison(0.0, np.array([True, False, True])),
        Comparison(0.0, np.array([False, True])),
    ]
    scores = np.array([1.0, 2.0])
    tails = {k: tuning._weights(fold, scores, comparisons, k)[60:].tolist() for k in (0.5, 1, 2)}
    assert tails == {0.5: [1, 0, 1, 0, 1], 1: [0, 0, 0, 0, 1], 2: [0, 0, 0, 0, 0]}
    assert (tuning._weights(fold, scores, comparisons, 0.5)[:60] == 1).all()


def test_held_out_likelihoods_are_those_of_models_that_were_fitted_one_by_one():
    fixed = reference(**PAPER)
    batches = [state(**PAPER).batch(rows) for rows in GOOD[:3]]
    out = np.arange(60) % 5 == 0
    totals = tuning._held_out(fixed, out, batches)
    train = tuning.crossfit(fixed.fold.x[~out], fixed.fold.y[~out], fixed.fold.learner, fixed.seed)
    scores, comparisons = tuning._comparisons(fixed, train, batches)
    for k, total in zip(CANDIDATES, totals, strict=True):
        accepted = [
            (batch.x[c.inside], batch.y[c.inside])
            for batch, c, score in zip(batches, comparisons, scores, strict=True)
            if score > k
        ]
        x = np.vstack([train.x, *(x for x, _ in accepted)])
        y = np.concatenate([train.y, *(y for _, y in accepted)])
        model = PenalizedRegression(2).fit(x, y, np.ones((1, len(x))))
        by_hand = model.log_likelihood(fixed.fold.x[out], fixed.fold.y[out]).sum()
        assert np.isclose(total, by_hand, atol=1e-5)

"""Shares as whole numbers, and labels under counts: exact, and the best of all there are."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from t2local.stats.quotas import assign, none_lost, quotas


def total(scores, labels):
    return scores[np.arange(len(labels)), labels].sum()


@st.composite
def problems(draw, max_rows=30, max_classes=6):
    """Log-probabilities with many ties, and counts that fit."""
    n_classes = draw(st.integers(1, max_classes))
    labels = draw(st.lists(st.integers(0, n_classes - 1), min_size=1, max_size=max_rows))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    scores = np.log(rng.dirichlet(np.full(n_classes, 0.5), len(labels)) + 1e-6)
    scores = np.round(scores, draw(st.integers(0, 6)))
    return scores, np.bincount(labels, minlength=n_classes)


@settings(max_examples=60, deadline=None)
@given(problems(max_rows=6, max_classes=4))
def test_no_assignment_is_better_by_brute_force(problem):
    scores, counts = problem
    labels = assign(scores, counts)
    assert (np.bincount(labels, minlength=len(counts)) == counts).all()
    every = set(itertools.permutations(np.repeat(np.arange(len(counts)), counts)))
    best = max(total(scores, np.array(one)) for one in every)
    assert total(scores, labels) == pytest.approx(best)


@settings(max_examples=60, deadline=None)
@given(problems())
def test_counts_are_exact_and_the_total_is_that_of_the_hungarian_method(problem):
    scores, counts = problem
    labels = assign(scores, counts)
    assert (np.bincount(labels, minlength=len(counts)) == counts).all()
    rows, places = linear_sum_assignment(-scores[:, np.repeat(np.arange(len(counts)), counts)])
    best = scores[rows, np.repeat(np.arange(len(counts)), counts)[places]].sum()
    assert total(scores, labels) == pytest.approx(best)
    assert (labels == assign(scores, counts)).all()


@settings(max_examples=20, deadline=None)
@given(problems(), st.integers(0, 1000))
def test_no_random_assignment_is_better(problem, seed):
    scores, counts = problem
    best = total(scores, assign(scores, counts))
    rng = np.random.default_rng(seed)
    for _ in range(200):
        labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
        assert total(scores, labels) <= best + 1e-9


@pytest.mark.parametrize("decimals", [1, 9])
def test_of_very_many_rows_no_exchange_in_a_circle_is_better(decimals):
    rng = np.random.default_rng(0)
    scores = np.log(rng.dirichlet([3, 1, 1, 0.2], 12_000) + 1e-4).round(decimals)
    scores[:, 3] = np.where(rng.random(12_000) < 0.1, -np.inf, scores[:, 3])
    counts = np.array([1_000, 2_000, 5_000, 4_000])
    labels = assign(scores, counts)
    assert (np.bincount(labels) == counts).all()
    # What it costs at least to move a row from one class to another, by way of others.
    scores = np.maximum(scores, -1e6)
    own = scores[np.arange(12_000), labels][:, None] - scores
    costs = np.array([own[labels == number].min(axis=0) for number in range(4)])
    for middle in range(4):
        costs = np.minimum(costs, costs[:, [middle]] + costs[middle])
    assert np.diag(costs) == pytest.approx(0, abs=1e-9)


def test_with_the_counts_of_the_likeliest_labels_these_are_the_labels():
    scores = np.log(np.random.default_rng(0).dirichlet([1, 1, 1, 1], 500))
    likeliest = scores.argmax(axis=1)
    assert (assign(scores, np.bincount(likeliest, minlength=4)) == likeliest).all()


def test_two_classes_by_hand():
    p = np.array([0.9, 0.4, 0.3, 0.35, 0.1])
    scores = np.log(np.column_stack([1 - p, p]))
    assert assign(scores, [2, 3]).tolist() == [1, 1, 0, 1, 0]
    assert assign(scores, [5, 0]).tolist() == [0] * 5


def test_three_classes_by_hand():
    # All rows like class 0 best. The second loses least by class 1, the third least by class 2.
    scores = np.array([[0.0, -5.0, -5.0], [0.0, -1.0, -4.0], [0.0, -0.9, -0.5]])
    assert assign(scores, [1, 1, 1]).tolist() == [0, 1, 2]
    # Class 1 has one row too many and class 2 one too few: the second row goes from 0 to 1, where
    # the third row leaves for 2. To move the second row to class 2 would cost more.
    scores = np.array([[0.0, -9.0, -9.0], [0.0, -1.0, -4.0], [-3.0, 0.0, -0.5]])
    assert assign(scores, [1, 1, 1]).tolist() == [0, 1, 2]


def test_of_equal_rows_the_first_get_the_second_class():
    assert assign(np.zeros((4, 2)), [2, 2]).tolist() == [1, 1, 0, 0]
    assert np.bincount(assign(np.zeros((9, 3)), [3, 3, 3])).tolist() == [3, 3, 3]


def test_impossible_labels_are_given_only_where_counts_leave_nothing_else():
    never = -np.inf
    scores = np.array([[0.0, never, never], [-1.0, -1.0, never], [never, -0.1, -9.0]])
    assert assign(scores, [1, 1, 1]).tolist() == [0, 1, 2]
    assert assign(scores, [0, 2, 1]).tolist() == [2, 1, 1]
    assert assign(np.array([[never, 0.0], [never, 0.0]]), [1, 1]).tolist() == [1, 0]


def test_no_rows_and_one_class():
    assert assign(np.zeros((0, 3)), [0, 0, 0]).shape == (0,)
    assert assign(np.zeros((2, 1)), [2]).tolist() == [0, 0]


@pytest.mark.parametrize("counts", [[1, 1], [1, 1, 2], [3, 1, -1], [1, 1, 1, 0]])
def test_counts_that_do_not_fit_are_an_error(counts):
    with pytest.raises(ValueError, match="do not fit"):
        assign(np.zeros((3, 3)), counts)


@given(st.lists(st.integers(1, 99), min_size=1, max_size=6), st.integers(0, 500))
def test_quotas_sum_to_the_total_and_are_near_the_shares(numbers, n):
    shares = {str(place): number / sum(numbers) for place, number in enumerate(numbers)}
    counts = quotas(shares, n)
    assert sum(counts.values()) == n
    for label, share in shares.items():
        assert abs(counts[label] - share * n) < 1 + 1e-9


def test_quotas_by_hand():
    assert quotas({"a": 0.5, "b": 0.3, "c": 0.2}, 7) == {"a": 4, "b": 2, "c": 1}
    assert quotas({"a": 0.29, "b": 0.71}, 100) == {"a": 29, "b": 71}
    assert quotas({}, 5) == {}


def test_no_class_is_lost_as_long_as_another_one_can_spare_a_row():
    counts = {"a": 5, "b": 0, "c": 0}
    assert none_lost(counts, ["b"]) == {"a": 4, "b": 1, "c": 0}
    assert none_lost(counts, ["b", "c"]) == {"a": 3, "b": 1, "c": 1}
    assert none_lost({"a": 1, "b": 0}, ["b"]) == {"a": 1, "b": 0}
    assert none_lost(counts, []) == counts == {"a": 5, "b": 0, "c": 0}

"""From predictions to labels: every class keeps its share, and nothing else is a better choice."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.stats.quotas import quotas
from t2local.tables.dictionary import Feature
from t2local.team.labels import (
    FORBIDDEN,
    allowed_shares,
    gumbel_noise,
    label_values,
    labels_under_shares,
    noise_for_rare_classes,
)

CLASSES = Feature(name="y", type="category", levels=("a", "b", "c"))
NUMBER = Feature(name="y", type="decimal", minimum=0, maximum=10, decimals=1)


def rng():
    return np.random.default_rng(1)


@st.composite
def problems(draw, max_rows=40):
    """Log-probabilities (m, classes), and shares of which some may be 0."""
    counts = draw(st.lists(st.integers(0, 12), min_size=2, max_size=4).filter(any))
    n_rows = draw(st.integers(1, max_rows))
    p = np.random.default_rng(draw(st.integers(0, 999))).dirichlet(np.ones(len(counts)), n_rows)
    return np.log(p), np.array(counts) / sum(counts)


@settings(max_examples=100, deadline=None)
@given(problems())
def test_every_class_has_its_share_by_largest_remainders(problem):
    log_p, shares = problem
    labels = labels_under_shares(log_p, shares)
    likeliest = log_p.argmax(axis=1)
    known = shares[likeliest] > 0
    # Nobody knows how many rows a class without a share should have: such rows stay.
    assert (labels[~known] == likeliest[~known]).all()
    expected = quotas({str(k): s for k, s in enumerate(shares) if s > 0}, int(known.sum()))
    counts = np.bincount(labels[known], minlength=len(shares))
    assert {str(k): n for k, n in enumerate(counts) if shares[k] > 0} == expected


@settings(max_examples=40, deadline=None)
@given(problems(max_rows=6))
def test_no_other_labels_with_these_counts_are_likelier(problem):
    log_p, shares = problem
    labels = labels_under_shares(log_p, shares)
    known = np.flatnonzero(shares[log_p.argmax(axis=1)] > 0)
    totals = [
        sum(log_p[row, label] for row, label in zip(known, other, strict=True))
        for other in set(itertools.permutations(labels[known]))
    ]
    assert log_p[known, labels[known]].sum() == pytest.approx(max(totals))


@settings(max_examples=60, deadline=None)
@given(problems(), st.data())
def test_a_class_that_may_not_be_lost_has_a_row(problem, data):
    log_p, shares = problem
    never = np.array(data.draw(st.lists(st.booleans(), min_size=len(shares), max_size=len(shares))))
    labels = labels_under_shares(log_p, shares, never)
    known = shares[log_p.argmax(axis=1)] > 0
    counts = np.bincount(labels[known], minlength=len(shares))
    if known.sum() >= len(shares):
        assert (counts[never & (shares > 0)] >= 1).all()
    without = np.bincount(labels_under_shares(log_p, shares)[known], minlength=len(shares))
    assert counts.sum() == without.sum()
    assert (counts[without == 0] <= 1).all()


def test_rare_classes_get_the_rows_that_fit_them_best():
    p = np.column_stack([np.full(100, 0.6), np.linspace(0.3, 0.1, 100), np.linspace(0.1, 0.3, 100)])
    labels = labels_under_shares(np.log(p), np.array([0.7, 0.2, 0.1]))
    assert np.bincount(labels).tolist() == [70, 20, 10]
    assert set(np.flatnonzero(labels == 1)) == set(range(20))
    assert set(np.flatnonzero(labels == 2)) == set(range(90, 100))


def test_rows_of_a_rare_class_are_a_draw_by_their_odds():
    """Of ten rows one is rare; how often each one is, in 4,000 draws, is its share of the odds."""
    rng = np.random.default_rng(1)
    rare = np.linspace(0.02, 0.2, 10)
    log_p, shares = np.log(np.column_stack([1 - rare, rare])), np.array([0.9, 0.1])
    drawn = np.zeros(10)
    for _ in range(4000):
        noise = noise_for_rare_classes(gumbel_noise(log_p.shape, rng), shares)
        drawn += labels_under_shares(log_p, shares, draw_noise=noise)
    odds = rare / (1 - rare)
    assert np.allclose(drawn / 4000, odds / odds.sum(), atol=0.025)


def test_common_classes_have_no_noise():
    ones = np.ones((5, 3))
    assert noise_for_rare_classes(ones, np.array([0.6, 0.35, 0.05])).tolist() == [[0, 0, 1]] * 5
    assert noise_for_rare_classes(ones, np.array([0.9, 0.1, 0.0])).tolist() == [[0, 1, 0]] * 5
    # Ten equal classes are not rare, one with a fifth of an equal share is.
    equal = np.array([0.1] * 9 + [0.08, 0.02])
    assert noise_for_rare_classes(np.ones((1, 11)), equal).tolist() == [[0] * 10 + [1]]


def test_noise_takes_no_row_from_a_class_that_no_real_row_has():
    log_p = np.log(np.tile([0.2, 0.3, 0.5], (200, 1)))
    noise = gumbel_noise((200, 3), np.random.default_rng(1))
    labels = labels_under_shares(log_p, np.array([0.92, 0.08, 0.0]), draw_noise=noise)
    assert (labels == 2).all()


def test_a_class_that_no_real_row_has_keeps_the_rows_that_are_likeliest_of_it():
    p = np.array([[0.5, 0.4, 0.1], [0.1, 0.2, 0.7], [0.4, 0.5, 0.1]])
    assert labels_under_shares(np.log(p), np.array([1.0, 0.0, 0.0])).tolist() == [0, 2, 1]
    assert labels_under_shares(np.log(p), np.array([0.5, 0.0, 0.5])).tolist() == [0, 2, 1]
    assert labels_under_shares(np.log(p), np.array([0.0, 1.0, 0.0])).tolist() == [0, 2, 1]
    # The last row alone has a class without a share; the others halve the two that have one.
    assert labels_under_shares(np.log(p[[0, 0, 0, 0, 2]]), np.array([0.5, 0.0, 0.5])).tolist() == [
        *(2, 2, 0, 0),
        1,
    ]


@settings(max_examples=30, deadline=None)
@given(problems(), st.integers(0, 99))
def test_the_order_of_the_rows_changes_no_label(problem, seed):
    log_p, shares = problem
    order = np.random.default_rng(seed).permutation(len(log_p))
    labels = labels_under_shares(log_p, shares)
    assert (labels_under_shares(log_p[order], shares) == labels[order]).all()


def test_labels_are_values_of_the_dictionary_by_each_choice():
    log_p = np.log(np.tile([0.5, 0.3, 0.2], (3000, 1)))
    shares = np.array([0.2, 0.2, 0.6])
    likeliest = label_values(CLASSES, log_p, shares, "likeliest", rng())
    assert set(likeliest) == {"a"}
    drawn = label_values(CLASSES, log_p, shares, "drawn", rng()).value_counts(normalize=True)
    assert np.allclose(drawn[["a", "b", "c"]], [0.5, 0.3, 0.2], atol=0.03)
    shared = label_values(CLASSES, log_p, shares, "shares", rng()).value_counts()
    assert shared[["a", "b", "c"]].tolist() == [600, 600, 1800]


def test_drawn_labels_follow_from_the_random_numbers_alone():
    log_p = np.log(np.random.default_rng(5).dirichlet([1, 1, 1], 50))
    first, again = (label_values(CLASSES, log_p, np.ones(3) / 3, "drawn", rng()) for _ in range(2))
    assert first.equals(again)
    noise = gumbel_noise(log_p.shape, rng())
    assert first.tolist() == [CLASSES.levels[k] for k in (log_p + noise).argmax(axis=1)]


def test_a_number_is_its_prediction_on_the_allowed_steps():
    numbers = np.array([[3.14159], [-2.0], [99.0], [9.96]])
    for choice in ("shares", "likeliest", "drawn"):
        labels = label_values(NUMBER, numbers, np.ones(1), choice, rng())
        assert labels.tolist() == [3.1, 0.0, 10.0, 10.0]


def test_no_rows_have_no_labels():
    assert label_values(CLASSES, np.zeros((0, 3)), np.ones(3) / 3, "shares", rng()).empty
    nothing = label_values(NUMBER, np.zeros((0, 1)), np.ones(1), "shares", rng())
    assert nothing.empty
    assert nothing.dtype == float


def test_shares_ask_for_no_label_that_a_rule_forbids():
    free = np.log(np.full((100, 2), 0.5))
    ruled = free.copy()
    ruled[:70, 1] += FORBIDDEN  # seven in ten rows can only be of the first class
    ruled[70:90, 0] += FORBIDDEN  # and two in ten only of the second
    for wanted, given_back in ((0.1, 0.7), (0.75, 0.75), (0.9, 0.8)):
        shares = np.array([wanted, 1 - wanted])
        assert allowed_shares(shares, free) == pytest.approx(shares)
        assert allowed_shares(shares, ruled) == pytest.approx([given_back, 1 - given_back])
        classes = labels_under_shares(ruled, allowed_shares(shares, ruled))
        assert (ruled[np.arange(100), classes] > FORBIDDEN / 2).all()


@settings(max_examples=100, deadline=None)
@given(problems(), st.integers(0, 99))
def test_no_shares_and_no_noise_make_a_label_that_a_rule_forbids(problem, seed):
    log_p, shares = problem
    rng = np.random.default_rng(seed)
    forbidden = rng.random(log_p.shape) < 0.5
    forbidden[np.arange(len(log_p)), rng.integers(len(shares), size=len(log_p))] = False
    ruled = np.where(forbidden, log_p + FORBIDDEN, log_p)
    never = np.ones(len(shares), dtype=bool)
    noise = gumbel_noise(log_p.shape, rng)
    labels = labels_under_shares(ruled, shares, never, noise)
    assert not forbidden[np.arange(len(labels)), labels].any()

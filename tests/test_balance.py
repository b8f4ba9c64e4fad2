"""Rows that are chosen so that together they have the moments that were aimed at."""

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.stats import balance
from t2local.stats.balance import Moments, balanced


def everyone(n, count):
    return [(np.ones(n, dtype=bool), count)]


def length(differences, chosen):
    return float(np.linalg.norm(differences[chosen].sum(axis=0)))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 3))
def test_each_group_has_its_count_and_no_exchange_makes_it_worse(seed, n, n_groups):
    rng = np.random.default_rng(seed)
    differences = rng.normal(size=(n, 4))
    group = rng.integers(n_groups, size=n)
    counts = rng.integers(0, n + 1, size=n_groups)
    groups = [(group == number, int(count)) for number, count in enumerate(counts)]
    chosen = balanced(differences, groups)
    first = np.zeros(n, dtype=bool)
    for places, count in groups:
        assert chosen[places].sum() == min(count, places.sum())
        first[np.flatnonzero(places)[:count]] = True
    reached = length(differences, chosen)
    assert reached <= length(differences, first) + 1e-9
    for places, _ in groups:
        for out in np.flatnonzero(places & chosen):
            for into in np.flatnonzero(places & ~chosen):
                other = chosen.copy()
                other[out], other[into] = False, True
                assert length(differences, other) >= reached - 1e-6


def test_of_few_rows_the_sum_is_not_far_from_the_best_there_is():
    ratios = []
    for seed in range(20):
        differences = np.random.default_rng(seed).normal(size=(12, 3))
        best = min(
            np.linalg.norm(differences[list(places)].sum(axis=0))
            for places in combinations(range(12), 8)
        )
        first = length(differences, np.arange(12) < 8)
        ratios.append((length(differences, balanced(differences, everyone(12, 8))), best, first))
    reached, best, first = np.mean(ratios, axis=0)
    assert reached < best + 0.2 * (first - best)


def test_chosen_rows_carry_a_fraction_of_the_noise_of_drawn_ones():
    """150 draws of a known distribution, 100 chosen: their correlations are nearer to the truth."""
    covariance = np.array([[1, 0.6, 0], [0.6, 1, -0.3], [0, -0.3, 1]])
    drawn, chosen = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        x = rng.multivariate_normal(np.zeros(3), covariance, size=150)
        moments = Moments.of(3, 150, seed)
        wanted = moments(rng.multivariate_normal(np.zeros(3), covariance, size=20_000)).mean(axis=0)
        own = balanced(moments(x) - wanted, everyone(150, 100))
        for errors, places in ((drawn, np.arange(100)), (chosen, own)):
            errors.append(np.abs(np.corrcoef(x[places].T) - covariance).max())
    assert np.mean(chosen) < 0.4 * np.mean(drawn)


def test_all_products_are_taken_where_there_is_room_and_else_some_by_the_seed(monkeypatch):
    assert len(Moments.of(5, 100, 0).first) == 15
    monkeypatch.setattr(balance, "_MOST_CELLS", 1_000)
    some = Moments.of(5, 100, 0)
    assert len(some.first) == 5
    assert some(np.ones((100, 5))).shape == (100, 10)
    pairs = set(zip(some.first.tolist(), some.second.tolist(), strict=True))
    assert len(pairs) == 5
    assert any(Moments.of(5, 100, seed).first.tolist() != some.first.tolist() for seed in (1, 2, 3))
    assert len(Moments.of(5, 10_000, 0).first) == 0


def test_one_outlier_does_not_decide():
    x = np.array([[1000.0, -1000.0]])
    assert Moments.of(2, 1, 0)(x).tolist() == [[3, -3, 9, -9, 9]]

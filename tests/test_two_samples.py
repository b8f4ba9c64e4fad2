"""Distances of two samples against plain loops, and the level of what chance explains."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.stats import two_samples as module
from t2local.stats.two_samples import (
    BinShares,
    Correlations,
    Splits,
    Standardised,
    level_block,
    limits,
    number_codes,
    rank_block,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def one_group(n, m):
    return np.zeros(n + m, dtype=int)


def splits_of(n, m, groups=None, n_splits=20, seed=0):
    return Splits.of(n, one_group(n, m) if groups is None else groups, n_splits, rng(seed))


def shares_of(first, second):
    """The shares of two samples of numbers, missing ones as NaN."""
    codes = number_codes(np.concatenate([first, second]))
    return BinShares.of(codes, splits_of(len(first), len(second)))


numbers = st.lists(st.integers(-3, 3), min_size=1, max_size=12)


def test_splits_have_the_sizes_of_the_observed_one_which_is_the_first():
    splits = splits_of(7, 12)
    assert splits.masks.shape == (19, 21)
    assert splits.masks[:, 0].tolist() == [True] * 7 + [False] * 12
    assert (splits.masks.sum(axis=0) == 7).all()
    assert np.allclose(splits.first.sum(axis=0), 1)
    assert np.allclose(splits.second.sum(axis=0), 1)
    assert np.allclose(splits.first[splits.masks], 1 / 7)
    assert np.allclose(splits.second[~splits.masks], 1 / 12)


def test_splits_stay_within_groups_and_give_them_equal_shares():
    """The last group has rows of one sample alone, and counts for nothing."""
    groups = np.array([0, 0, 0, 1, 1, 2, 0, 1, 1, 1])  # six rows of the first sample
    splits = splits_of(6, 4, groups)
    for group, n_first in ((0, 3), (1, 2), (2, 1)):
        assert (splits.masks[groups == group].sum(axis=0) == n_first).all()
    for group, share in ((0, 0.25), (1, 0.75), (2, 0.0)):
        assert np.allclose(splits.first[groups == group].sum(axis=0), share)
        assert np.allclose(splits.second[groups == group].sum(axis=0), share)


def test_every_way_to_part_the_rows_comes_up_as_often():
    masks = splits_of(1, 4, n_splits=5000).masks[:, 1:]
    assert np.allclose(masks.mean(axis=1), 0.2, atol=0.02)


@given(numbers, numbers)
def test_cliffs_delta_is_counted_over_all_pairs(first, second):
    pairs = [np.sign(b - a) for a in first for b in second]
    assert shares_of(first, second).dominance() == pytest.approx(np.mean(pairs))


@given(numbers, numbers)
def test_the_rank_distance_is_the_area_between_the_curves(first, second):
    pooled = np.concatenate([first, second])
    area = 0.0
    for number in pooled:
        below = [np.mean(np.less(sample, number)) for sample in (first, second)]
        equal = [np.mean(np.equal(sample, number)) for sample in (first, second)]
        area += abs(below[0] + equal[0] / 2 - below[1] - equal[1] / 2) / len(pooled)
    shares = shares_of(first, second)
    assert shares.rank_distance()[0] == pytest.approx(2 * area)
    assert abs(shares.dominance()) <= shares.rank_distance()[0] + 1e-9 <= 1 + 2e-9


def test_rank_distance_by_hand():
    assert shares_of([1.0, 2.0], [3.0, 4.0, 5.0]).rank_distance()[0] == pytest.approx(1)
    assert shares_of([1.0, 2.0], [2.0, 1.0, 1.0, 2.0]).rank_distance()[0] == 0
    # Shifted, but all in one order: the distance is the size of Cliff's delta.
    shifted = shares_of([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    assert shifted.rank_distance()[0] == pytest.approx(shifted.dominance()) == pytest.approx(5 / 9)
    # The same middle, another spread.
    spread = shares_of([4.0, 5.0, 6.0], [1.0, 5.0, 9.0])
    assert spread.dominance() == pytest.approx(0)
    assert spread.rank_distance()[0] > 0.2


def test_outliers_do_not_move_the_rank_distance():
    near = shares_of([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    far = shares_of([1.0, 2.0, 3.0], [2.0, 3.0, 1e9])
    assert near.rank_distance()[0] == far.rank_distance()[0]


def test_shares_are_those_of_the_cells_that_are_there():
    codes = np.array([0, 1, -1, 1, 2, -1, -1, 2])  # three of the first sample
    shares = BinShares.of(codes, splits_of(3, 5))
    assert np.allclose(shares.first[:, 0], [1 / 2, 1 / 2, 0])
    assert np.allclose(shares.second[:, 0], [0, 1 / 3, 2 / 3])
    assert np.allclose(shares.pooled, [1 / 5, 2 / 5, 2 / 5])
    assert shares.total_variation()[0] == pytest.approx(2 / 3)


@given(st.lists(st.integers(-1, 3), min_size=2, max_size=20), st.integers(0, 99))
def test_shares_of_every_split_are_those_of_its_rows(codes, seed):
    codes = np.array(codes)
    splits = splits_of(len(codes) // 2, len(codes) - len(codes) // 2, seed=seed)
    shares = BinShares.of(codes, splits)
    for split, mask in enumerate(splits.masks.T):
        first, second = (own[own >= 0] for own in (codes[mask], codes[~mask]))
        if not len(first) or not len(second):
            assert shares.total_variation()[split] == shares.rank_distance()[split] == 0
            continue
        for level in range(len(shares.pooled)):
            assert shares.first[level, split] == pytest.approx(np.mean(first == level))
            assert shares.second[level, split] == pytest.approx(np.mean(second == level))


def test_a_column_without_a_cell_differs_in_no_split():
    shares = BinShares.of(np.full(6, -1), splits_of(2, 4))
    assert (shares.total_variation() == 0).all()
    assert (shares.rank_distance() == 0).all()
    assert shares.dominance() == 0


def test_the_middle_half_of_the_first_sample():
    shares = shares_of(np.arange(1.0, 9.0), [0.0, 4.5, 4.6, 4.7, 9.0])
    assert shares.between_quartiles() == (pytest.approx(0.5), pytest.approx(0.6))


@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), min_size=1, max_size=200))
def test_bins_keep_the_order_and_equal_numbers_together(cells):
    cells = np.array(cells)
    codes = number_codes(cells)
    assert ((codes < 0) == np.isnan(cells)).all()
    order = np.argsort(cells[codes >= 0], kind="stable")
    steps, bins = np.diff(cells[codes >= 0][order]), np.diff(codes[codes >= 0][order])
    assert (bins >= 0).all()
    assert (bins[steps == 0] == 0).all()
    assert codes.max() < 50
    if len(np.unique(cells[codes >= 0])) <= 50:
        assert (bins[steps > 0] == 1).all()


@pytest.mark.parametrize(("n", "m"), [(8, 30), (30, 8)])
def test_correlations_are_numpys_in_every_split(n, m):
    matrix = rng(1).normal(size=(n + m, 4)) @ rng(2).normal(size=(4, 4))
    masks = splits_of(n, m).masks
    upper = np.triu(np.ones((4, 4), dtype=bool), 1)
    standardised = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    first, second = module._correlations(standardised, masks, upper)
    for split, mask in enumerate(masks.T):
        assert np.allclose(first[:, split], np.corrcoef(matrix[mask].T)[upper], atol=1e-4)
        assert np.allclose(second[:, split], np.corrcoef(matrix[~mask].T)[upper], atol=1e-4)


def test_a_correlation_that_is_lost_stands_out():
    x = rng().normal(size=(300, 1))
    y = np.vstack([x[:100] + 0.3 * rng(1).normal(size=(100, 1)), rng(2).normal(size=(200, 1))])
    noise = rng(3).normal(size=(300, 2))
    correlations = Correlations.of([x, noise, y], splits_of(100, 200).masks)
    place = correlations.deviations[:, 0].argmax()
    assert correlations.pairs[place].tolist() == [0, 2]
    assert correlations.deviations[place, 0] > 5
    assert correlations.first[place] > 0.9
    assert abs(correlations.second[place]) < 0.2
    # Columns of one block are no pair: levels of one column exclude each other.
    assert [1, 1] not in correlations.pairs.tolist()


def test_without_a_pair_there_are_no_correlations():
    masks = splits_of(3, 4).masks
    assert Correlations.of([np.arange(7.0)[:, None], np.zeros((7, 0))], masks) is None
    assert Correlations.of([np.eye(7)[:, :2]], masks) is None


def test_a_column_that_is_constant_in_a_sample_has_no_correlation():
    x = np.array([0.0] * 9 + [1.0])[:, None]
    correlations = Correlations.of([x, np.arange(10.0)[:, None]], splits_of(5, 5).masks)
    assert correlations.first[0] == pytest.approx(0, abs=1e-3)
    assert np.isfinite(correlations.deviations).all()


@given(st.integers(0, 99))
def test_each_random_split_is_held_against_the_others(seed):
    values = rng(seed).exponential(size=(2, 8))
    means, deviations = module._moments_by_chance(values)
    for split in range(8):
        others = np.delete(values, [0, split], axis=1)
        assert means[:, split] == pytest.approx(others.mean(axis=1))
        assert deviations[:, split] == pytest.approx(others.std(axis=1))


def test_a_distance_is_beyond_its_band_when_it_is_above_the_limit():
    values = rng(1).exponential(size=(3, 50))
    standardised = Standardised.of(list(values), 10)
    assert (standardised.maxima == standardised.values.max(axis=0)).all()
    for limit in (-0.5, 0.3, 2.0):
        beyond = standardised.observed > standardised.bands(limit)
        assert (beyond == (standardised.values[:, 0] > limit)).all()


def test_a_distance_that_is_always_the_same_is_never_beyond():
    standardised = Standardised.of([np.full(20, 0.3), np.arange(20) / 20], 10)
    assert (standardised.values[0] == 0).all()
    assert not standardised.observed[0] > standardised.bands(0.0)[0]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(20, 200), st.integers(0, 99), st.integers(0, 2))
def test_one_split_in_twenty_exceeds_a_limit_at_most(kinds, n_splits, seed, decimals):
    """Each split counts, the observed one too: so the level is exact."""
    maxima = rng(seed).exponential(size=(kinds, n_splits)).round(decimals)
    exceeds = (maxima > np.array(limits(list(maxima)))[:, None]).any(axis=0)
    assert exceeds.mean() <= 0.05
    if decimals == 2 and n_splits >= 100:
        assert exceeds.mean() > 0.01


def test_kinds_have_the_same_share_of_the_error():
    maxima = rng(1).exponential(size=(2, 2000)) * np.array([[1.0], [50.0]])
    exceeds = maxima > np.array(limits(list(maxima)))[:, None]
    assert exceeds.mean(axis=1) == pytest.approx([0.025, 0.025], abs=0.004)


def test_blocks_for_correlations():
    ranks = rank_block(np.array([10.0, np.nan, 30.0, 10.0]))
    assert ranks[:, 0].tolist() == [1.5, 2.0, 3.0, 1.5]
    assert rank_block(np.array([5.0, 5.0, np.nan])).shape == (3, 0)
    assert rank_block(np.full(3, np.nan)).shape == (3, 0)


def test_levels_of_too_few_rows_have_no_column():
    codes = np.repeat([0, 1, 2, -1], [50, 40, 8, 2])
    # Of 30 rows the third level has 2.4.
    assert level_block(codes, 30, 3).sum(axis=0).tolist() == [50, 40]
    assert level_block(codes, 80, 3).sum(axis=0).tolist() == [50, 40]  # the third follows
    assert level_block(codes, 30, 100).sum(axis=0).tolist() == [50]  # a wide table
    assert level_block(np.repeat([0, 1], 20), 20, 3).shape == (40, 1)
    assert level_block(np.repeat([0, 1], [39, 1]), 20, 3).shape == (40, 0)
    assert level_block(np.full(5, -1), 2, 3).shape == (5, 0)

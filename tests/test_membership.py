"""Who was in the table: tests and attacks with held-out rows."""

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest

from t2local.evaluate import membership as module
from t2local.evaluate.membership import AttackedRows, membership, membership_p_value
from tests.pairs import pair_of, two, values


def attacked(n_leaked=0, n=60, n_holdout=60, real=None):
    """So many of the synthetic rows are rows of the table, the others are new."""
    real = two(n) if real is None else real
    rows = pd.concat([real.head(n_leaked), two(n, seed=2)[n_leaked:]], ignore_index=True)
    pair = pair_of(real, rows)
    return AttackedRows.of(pair, values(two(n_holdout, seed=3), pair.dictionary)[1])


def test_rows_of_the_table_are_recognised_where_all_were_copied():
    own, rare = membership(attacked(60))
    assert own.p_value == own.nearer_p_value == pytest.approx(1 / 5000)
    assert own.nearer_share == 1.0
    assert [attack.name for attack in own.attacks] == ["string distance", "density ratio"]
    text = own.attacks[0]
    assert (text.auc.value, text.true_positives.value) == pytest.approx((1, 1), abs=0.02)
    assert own.attacks[1].auc.low > 0.6
    assert rare is None


def test_new_rows_tell_nothing():
    own, _ = membership(attacked())
    assert min(own.p_value, own.nearer_p_value) > 0.05
    for attack in own.attacks:
        assert attack.auc.low < 0.5 < attack.auc.high
        assert attack.true_positives.low <= attack.true_positives.value < 0.2
    assert membership_p_value(attacked()) == own.p_value


def test_without_held_out_rows_or_with_few_nothing_is_said():
    pair = attacked().pair
    assert membership(AttackedRows.of(pair, None)) == (None, None)
    assert membership(attacked(n_holdout=10)) == (None, None)


def test_rare_classes_are_looked_at_together():
    labels = ["yes"] * 15 + ["no"] * 185
    real = two(200).assign(y=labels)
    pair = pair_of(real, pd.concat([real.head(15), two(185, seed=2)], ignore_index=True))
    held_out = values(two(200, seed=3).assign(y=labels), pair.dictionary)[1]
    every, rare = membership(AttackedRows.of(pair, held_out))
    assert (rare.rows, rare.holdout_rows) == (15, 15)
    assert rare.p_value < 0.05
    assert rare.attacks[0].auc.value > every.attacks[0].auc.value


def test_the_exchange_is_over_all_who_could_have_been_in_the_table():
    weights = np.array([9.0, 7.0, 1.0, 4.0, 2.0, 3.0])
    is_member = np.array([True, True, False, True, False, False])
    sums = [weights[list(places)].sum() for places in combinations(range(6), 3)]
    expected = np.mean(np.array(sums) >= 20)
    p_value = module._exchange(weights, is_member, np.random.default_rng(1))
    assert p_value == pytest.approx(expected, abs=0.01)


def test_the_smallest_leak_by_hand():
    """Five of five that stand out are members by chance in 3 % of cases, four in 6 %."""
    assert module._smallest_leak(100, 100) == 5
    n = module._smallest_leak(100, 10)  # none of the ten others is among the first n
    assert comb(110 - n, 10) <= 0.04 * comb(110, 10) < comb(111 - n, 10)
    assert module._smallest_leak(11, 1) is None


def test_true_positives_are_members_above_all_but_one_percent_of_the_others():
    others = np.arange(200.0)  # two may be wrong: the bound is 197
    assert module._true_positives(np.array([196.0, 197.0, 197.5, 400.0]), others) == 0.5
    assert module._true_positives(np.array([49.0, 50.0]), np.arange(50.0)) == 0.5


def test_scores_know_missing_cells_and_all_types():
    real = two(40)
    real.loc[:5, ["p", "kind"]] = None
    own = attacked(5, n=40, n_holdout=40, real=real)
    for score in (module.string_scores, module.density_scores):
        scores = score(own.pair, own.members, own.synthetic)
        assert scores.shape == (40,)
        assert np.isfinite(scores).all()

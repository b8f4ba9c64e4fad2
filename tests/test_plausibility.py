import numpy as np
import pandas as pd
import pytest

from t2local.evaluate import plausibility
from t2local.evaluate.gower import Distances
from t2local.evaluate.metric import measure
from tests.pairs import pair_of, two

NAMES = {metric.name for metric in plausibility.METRICS}


def test_copies_are_seen():
    pair = pair_of(two(), two().iloc[:20])
    copied = measure(plausibility.METRICS, pair)
    assert (copied["copies"], copied["dcr"]) == (1.0, 0.0)
    assert copied["identifiable"] == pytest.approx(20 / 60, abs=0.05)
    fresh = measure(plausibility.METRICS, pair_of(two(), two(seed=2)))
    assert (fresh["copies"], fresh["near_copies"] < 0.2, fresh["dcr"] > 0) == (0.0, True, True)


def test_every_figure_by_hand():
    """Four synthetic rows at 0, 0.5 %, 20 % and 40 % from the nearest of three real rows."""
    distances = Distances(
        n_columns=4,
        synthetic_to_real=np.array([[0.0, 0.4], [0.005, 0.1], [0.2, 0.4], [0.4, 0.4]]),
        real_to_synthetic=np.array([0.0, 0.3, 0.2]),
        real_to_real=np.array([0.1, 0.3, 0.3]),
    )
    assert plausibility.copies(distances) == 0.25
    assert plausibility.near_copies(distances) == 0.5
    assert plausibility.distance_to_closest_record(distances) == pytest.approx((0.005 + 0.2) / 2)
    assert plausibility.distance_to_closest_record(distances, 0.05) == pytest.approx(0.15 * 0.005)
    ratio = plausibility.nearest_neighbour_distance_ratio(distances)
    assert ratio == pytest.approx((0.05 + 0.5) / 2)
    assert plausibility.identifiability(distances) == pytest.approx(2 / 3)


def test_with_one_real_row_there_is_no_second_to_compare_with():
    lone = Distances(1, np.array([[0.2, np.inf]]), np.array([0.2]), np.array([np.inf]))
    assert plausibility.nearest_neighbour_distance_ratio(lone) == 1.0


def test_a_row_is_a_copy_only_in_all_columns():
    real = two()
    almost = real.iloc[:20].assign(kind=real["kind"].iloc[:20].map({"a": "b", "b": "c", "c": "a"}))
    found = measure(plausibility.METRICS, pair_of(real, almost))
    assert found["copies"] == 0
    assert found["dcr_5_percent"] > 0
    nudged = real.iloc[:20].assign(p=real["p"].iloc[:20] + 0.001)
    found = measure(plausibility.METRICS, pair_of(real, nudged))
    assert (found["copies"], found["near_copies"]) == (0.0, 1.0)


def test_random_rows_are_within_the_real_ranges_and_further_away_than_copies():
    pair = pair_of(two(), two(seed=2))
    pair.real["q"] = 2.5
    rows = plausibility.random_rows(pair, 200)
    assert list(rows) == pair.columns
    assert rows["p"].between(pair.real["p"].min(), pair.real["p"].max()).all()
    assert (rows["p"].round(3) == rows["p"]).all()
    assert (rows["q"] == 2.5).all()
    assert set(rows["kind"]) == {"a", "b", "c"}
    pd.testing.assert_frame_equal(plausibility.random_rows(pair, 200), rows)
    assert plausibility.distance_of_random_rows(pair) > 0
    blank = pair_of(two(), two())
    blank.real["q"] = np.nan
    assert plausibility.random_rows(blank, 5)["q"].isna().all()


def test_metrics_are_shares_and_do_not_depend_on_the_order_of_rows():
    real, synthetic = two(), two(30, seed=2)
    found = measure(plausibility.METRICS, pair_of(real, synthetic))
    assert set(found) == NAMES
    assert all(0 <= value <= 1 for value in found.values())
    shuffled = pair_of(
        real.sample(frac=1, random_state=1), synthetic.sample(frac=1, random_state=1)
    )
    assert measure(plausibility.METRICS, shuffled) == pytest.approx(found)

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.evaluate import gower as module
from t2local.evaluate.gower import Distances, Gower
from tests.pairs import FROZEN, sdmetrics_table, two, values


def test_gowers_distance_is_its_definition():
    frame = pd.DataFrame(
        {"p": [0.0, 1.0, 4.0, None] * 5, "kind": ["x", "y", None, "x"] * 5, "y": ["a", "b"] * 10}
    )
    dictionary, rows = values(frame)
    gower = Gower(dictionary, ["p", "kind"], rows)
    one = rows.iloc[:4].reset_index(drop=True)
    expected = [[0, 0.625, 1, 0.5], [0.625, 0, 0.875, 1], [1, 0.875, 0, 1], [0.5, 1, 1, 0]]
    for i in range(4):
        distances = [
            float(gower.nearest(one.iloc[[i]], one.iloc[[j]].reset_index(drop=True))[0, 0])
            for j in range(4)
        ]
        assert distances == pytest.approx(expected[i])
    assert gower.nearest(one, one, same_table=True)[:, 0] == pytest.approx([0.5, 0.625, 0.875, 0.5])
    assert gower.n_columns == 2


def test_a_constant_column_tells_nothing_apart():
    """Of 199 numbers 7.35 the mean difference is not 0 but what rounding makes of it."""
    frame = pd.DataFrame({"p": [1.0, 2.0] * 100, "y": ["a", "b"] * 100})
    dictionary, rows = values(frame)
    rows = rows.assign(p=7.35).head(199)
    gower = Gower.of_mean_differences(dictionary, ["p"], rows)
    assert 0 < gower.half_step <= 0.5
    assert gower.distances(rows.head(1), rows.iloc[[1]])[0, 0] == 0


def test_with_mean_differences_an_extreme_number_does_not_make_the_others_alike():
    frame = pd.DataFrame({"p": [0.0, 1.0, 2.0, 3.0] * 5, "y": ["a", "b"] * 10})
    dictionary, rows = values(frame)
    numbers = rows["p"].to_numpy()
    mean = np.abs(numbers[:, None] - numbers).sum() / (20 * 19)
    gower = Gower.of_mean_differences(dictionary, ["p"], rows)
    assert gower.distances(rows.head(1), rows.iloc[[1]])[0, 0] == pytest.approx(1 / (2 * mean))
    assert gower.half_step == pytest.approx(1 / (4 * mean))
    far = rows.assign(p=rows["p"].replace(3.0, 1000.0))
    near = Gower.of_mean_differences(dictionary, ["p"], far).distances(rows.head(1), rows.iloc[[1]])
    assert near[0, 0] > Gower(dictionary, ["p"], far).distances(rows.head(1), rows.iloc[[1]])[0, 0]


@pytest.mark.parametrize("shift", FROZEN)
def test_distances_to_the_closest_record_are_those_of_sdmetrics(shift):
    dictionary, real = values(sdmetrics_table(1, 0.0))
    _, synthetic = values(sdmetrics_table(2, shift), dictionary)
    gower = Gower(dictionary, ["p", "q", "kind"], real)
    distances = gower.nearest(synthetic, real)[:, 0]
    mean, median, _ = FROZEN[shift]
    assert (distances.mean(), np.median(distances)) == pytest.approx((mean, median), abs=2e-6)


def test_nearest_ones_are_the_smallest_of_all_distances(monkeypatch):
    dictionary, real = values(two(30))
    _, others = values(two(25, seed=2), dictionary)
    gower = Gower(dictionary, dictionary.names, real)
    widths = {name: np.ptp(real[name]) for name in ("p", "q")}

    def distance(one, two):
        """Column by column."""
        gaps = [min(1, abs(one[name] - two[name]) / widths[name]) for name in ("p", "q")]
        return np.mean([*gaps, one["kind"] != two["kind"], one["y"] != two["y"]])

    whole = [
        [distance(one, two) for two in others.to_dict("records")] for one in real.to_dict("records")
    ]
    expected = np.sort(whole, axis=1)[:, :3]
    assert gower.nearest(real, others, 3) == pytest.approx(expected)
    own = np.array(
        [[distance(a, b) for b in real.to_dict("records")] for a in real.to_dict("records")]
    )
    np.fill_diagonal(own, np.inf)
    monkeypatch.setattr(module, "_CHUNK", 7)
    assert gower.nearest(real, others, 3) == pytest.approx(expected)
    assert gower.nearest(real, real, same_table=True)[:, 0] == pytest.approx(own.min(axis=1))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4))
def test_where_there_are_too_few_neighbours_the_rest_is_infinite(n_others, n):
    dictionary, real = values(two(20))
    nearest = Gower(dictionary, ["p", "kind"], real).nearest(real, real.head(n_others), n)
    assert np.isfinite(nearest[:, : min(n, n_others)]).all()
    assert np.isinf(nearest[:, n_others:]).all()
    assert ((nearest >= 0) & ((nearest <= 1) | np.isinf(nearest))).all()


def test_a_constant_column_counts_and_a_blank_one_is_equal():
    dictionary, rows = values(two(20))
    real = rows.assign(p=5.0, q=np.nan)
    gower = Gower(dictionary, ["p", "q"], real)
    assert gower.nearest(real.assign(p=5.5), real)[0, 0] == 0.25
    assert gower.nearest(real.assign(p=9.0), real)[0, 0] == 0.5


def test_distances_go_both_ways():
    dictionary, real = values(two(20))
    gower = Gower(dictionary, ["p"], real)
    synthetic = real.iloc[[0]].reset_index(drop=True)
    distances = Distances.between(gower, real, synthetic)
    assert distances.n_columns == 1
    assert distances.synthetic_to_real.shape == (1, 2)
    assert distances.synthetic_to_real[0, 0] == 0
    assert distances.synthetic_to_real[0, 1] == distances.real_to_real[0]
    assert distances.real_to_synthetic[0] == 0
    assert distances.real_to_synthetic.shape == distances.real_to_real.shape == (20,)

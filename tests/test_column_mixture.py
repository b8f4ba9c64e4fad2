import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from t2local.stats.column_mixture import PENALTIES, ColumnMixture, Limits
from t2local.tables.dictionary import Feature

NUMBERS = [Feature(name=name, type="integer", minimum=0, maximum=100) for name in "xyz"]


def numbers(n_rows: int, seed: int = 0) -> pd.DataFrame:
    """y rises with x, which is the copula's; z is high at both ends of x, which is the tree's."""
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal((n_rows, 3))
    x = 50 + 15 * normal[:, 0]
    y = x + 5 * normal[:, 1]
    z = 20 + 2 * np.abs(x - 50) + 2 * normal[:, 2]
    return pd.DataFrame({"x": x, "y": y, "z": z}).clip(0, 100).round()


def test_each_column_has_the_weight_of_the_model_that_knows_it():
    mixture = ColumnMixture(NUMBERS, numbers(200), 1)
    assert mixture.weights["y"] > 0.5
    assert mixture.weights["z"] < 0.3
    held_out = numbers(300, seed=1)
    best = max(
        model.log_probability(held_out).to_numpy().sum() for model in (mixture.tree, mixture.copula)
    )
    assert mixture.log_probability(held_out).to_numpy().sum() > best


def test_rows_follow_the_cells_before_whoever_gave_them():
    mixture = ColumnMixture(NUMBERS, numbers(200), 1)
    uniforms = np.random.default_rng(0).random((400, mixture.n_uniforms))
    rows = mixture.rows(uniforms)
    assert rows["x"].corr(rows["y"]) > 0.8
    assert (rows["x"] - 50).abs().corr(rows["z"]) > 0.7
    # A row is the same whatever is drawn beside it.
    pd.testing.assert_frame_equal(
        rows.tail(30).reset_index(drop=True), mixture.rows(uniforms[370:])
    )
    pd.testing.assert_frame_equal(rows.head(1), mixture.rows(uniforms[:1]))


def test_limits_leave_the_part_of_the_distribution_that_meets_them():
    mixture = ColumnMixture(NUMBERS[:2], numbers(200), 1)
    uniforms = np.random.default_rng(0).random((4000, mixture.n_uniforms))
    free = mixture.rows(uniforms)
    x, y = pd.DataFrame({"x": [60.0] * 4000}), pd.DataFrame({"x": [70.0] * 4000})
    within = mixture.rows(uniforms, limits=Limits(x, y))
    assert within["x"].between(60, 70).all()
    met = free[free["x"].between(60, 70)]
    for name in "xy":
        assert ks_2samp(within[name], met[name]).statistic < 2 * len(met) ** -0.5
    # A row depends on its own random numbers and limits alone.
    pd.testing.assert_frame_equal(
        mixture.rows(uniforms[9:20], limits=Limits(x[9:20], y[9:20])),
        within[9:20].reset_index(drop=True),
    )


def test_a_range_after_another_one_follows_it():
    mixture = ColumnMixture(NUMBERS[:2], numbers(200), 1)
    uniforms = np.random.default_rng(0).random((2000, mixture.n_uniforms))
    each = np.arange(2000)
    x = np.where(each % 2, 35.0, 65.0)
    low = pd.DataFrame({"x": x, "y": 40.0})
    rows = mixture.rows(uniforms, limits=Limits(low, low.assign(y=60.0)))
    assert (rows["x"] == x).all()
    assert rows["y"].between(40, 60).all()
    medians = rows.groupby("x")["y"].median()
    assert medians[35.0] < 44
    assert medians[65.0] > 56


def test_where_no_real_row_is_near_all_values_that_are_allowed_are_alike():
    real = numbers(200) * 0.5
    mixture = ColumnMixture(NUMBERS, real, 1)
    uniforms = np.random.default_rng(0).random((500, mixture.n_uniforms))
    low = pd.DataFrame({"x": [91.0] * 500})
    rows = mixture.rows(uniforms, limits=Limits(low, low + 9))
    assert rows["x"].nunique() == 10
    assert rows["x"].value_counts().between(20, 90).all()
    assert rows["y"].notna().all()


def test_related_columns_have_a_small_penalty_and_unrelated_ones_a_large_one():
    related = ColumnMixture(NUMBERS[:2], numbers(60), 1)
    assert related.penalty == PENALTIES[0]
    mixed = numbers(60)
    mixed["y"] = mixed["y"].sample(frac=1, random_state=0).to_numpy()
    assert ColumnMixture(NUMBERS[:2], mixed, 1).penalty > related.penalty


@pytest.mark.parametrize("n_rows", [1, 2, 5])
def test_a_handful_of_rows_is_enough(n_rows):
    real = numbers(n_rows)
    mixture = ColumnMixture(NUMBERS, real, 1)
    assert np.isfinite(mixture.log_probability(real).to_numpy()).all()
    rows = mixture.rows(np.random.default_rng(0).random((20, mixture.n_uniforms)))
    assert rows.min().min() >= 0
    assert rows.max().max() <= 100

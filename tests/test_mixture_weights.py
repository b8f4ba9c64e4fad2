import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.stats.mixture_weights import mixture, mixture_weights


@pytest.fixture
def sources() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(0)
    first = pd.DataFrame(
        {
            "good": rng.normal(-1, 0.5, 400),
            "poor": rng.normal(-4, 1, 400),
            "even": rng.normal(-2, 1, 400),
        }
    )
    return first, pd.DataFrame({name: rng.normal(-2, 1, 400) for name in first})


def test_the_weight_of_a_column_is_the_one_of_the_highest_likelihood(sources):
    first, second = sources
    weights = mixture_weights(first, second)
    for name, weight in weights.items():
        grid = np.linspace(0.01, 0.99, 99)
        sums = [mixture(first[[name]], second[[name]], {name: w}).to_numpy().sum() for w in grid]
        assert abs(weight - grid[int(np.argmax(sums))]) < 0.05
    mixed = mixture(first, second, weights).to_numpy().sum()
    assert mixed > max(first.to_numpy().sum(), second.to_numpy().sum())


def test_with_few_rows_all_columns_have_about_the_same_weight(sources):
    first, second = sources
    few = mixture_weights(first.head(2), second.head(2)).values()
    many = mixture_weights(first, second).values()
    assert max(few) - min(few) < 0.2 < max(many) - min(many)
    assert all(0 < weight < 1 for weight in few)


def test_a_source_that_is_never_right_has_almost_no_weight():
    first = pd.DataFrame({"a": np.full(200, -800.0), "b": np.full(200, -1.0)})
    second = pd.DataFrame({"a": np.full(200, -1.0), "b": np.full(200, -800.0)})
    weights = mixture_weights(first, second)
    assert weights["a"] < 0.05
    assert weights["b"] > 0.95


@settings(max_examples=40)
@given(st.integers(0, 999), st.floats(0.01, 0.99))
def test_a_mixture_is_the_weighted_mean_of_the_probabilities(seed, weight):
    rng = np.random.default_rng(seed)
    frames = [pd.DataFrame({"a": np.log(rng.uniform(0.01, 1, 5))}, index=range(3, 8)) for _ in "wt"]
    mixed = mixture(frames[0], frames[1], {"a": weight})
    for row in mixed.index:
        p, q = (np.exp(frame.loc[row, "a"]) for frame in frames)
        assert np.exp(mixed.loc[row, "a"]) == pytest.approx(weight * p + (1 - weight) * q)

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import logistic

from t2local.stats.kernels import LevelKernel, NumberKernel
from t2local.tables.dictionary import Feature

KINDS = Feature(name="k", type="category", levels=("x", "y", "z"), missing=True)


def number(low=0, high=100, decimals=0):
    kind = "decimal" if decimals else "integer"
    return Feature(name="n", type=kind, minimum=low, maximum=high, decimals=decimals, missing=True)


def test_levels_are_equal_or_not():
    kernel = LevelKernel(KINDS, pd.Series(["x", "z", "x", None], dtype=object))
    codes = kernel.encode(pd.Series(["z", "other", "x"], dtype=object))
    assert np.array_equal(codes, [2, np.nan, 0], equal_nan=True)
    assert kernel.density(codes).tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0]]
    assert (kernel.lowest, kernel.highest) == (0, 2)
    assert kernel.uniform_share == 1.5 / 4.5  # a half for each of 3 levels, beside 3 cells
    drawn = kernel.sample(np.array([0, 1, 3]), np.full(3, 0.5))
    assert kernel.decode(drawn).tolist() == ["x", "z", None]


def test_the_kernel_of_a_whole_number_is_a_logistic_in_its_range():
    """Cell by cell by scipy's logistic, with Silverman's bandwidth and shrunk centres."""
    real = [10.0, 14, 15, 21, 40]
    kernel = NumberKernel(number(), pd.Series(real))
    spread = min(np.std(real), (np.quantile(real, 0.75) - np.quantile(real, 0.25)) / 1.34)
    bandwidth = 0.9 * spread * len(real) ** -0.2
    shrink = np.sqrt(np.var(real) / (np.var(real) + bandwidth**2))
    codes = np.arange(0.0, 101)
    density = kernel.density(codes)
    for i, value in enumerate(real):
        centre = np.mean(real) + (value - np.mean(real)) * shrink
        smooth = logistic(centre, bandwidth * np.sqrt(3) / np.pi)
        inside = smooth.cdf(100.5) - smooth.cdf(-0.5)
        for code in (0, 9, 14, 40, 100):
            expected = (smooth.cdf(code + 0.5) - smooth.cdf(code - 0.5)) / inside
            assert density[code, i] == pytest.approx(expected)
    assert density.sum(axis=0) == pytest.approx(np.ones(5))


def test_a_smoothed_column_keeps_its_mean_and_variance():
    rng = np.random.default_rng(0)
    real = rng.normal(500, 40, 60).round()
    kernel = NumberKernel(number(0, 1000), pd.Series(real))
    codes = np.arange(0.0, 1001)
    p = kernel.density(codes).mean(axis=1)
    mean = (p * codes).sum()
    assert mean == pytest.approx(real.mean(), abs=0.1)
    assert (p * (codes - mean) ** 2).sum() == pytest.approx(real.var(), rel=0.02)


def test_values_are_repeated_as_often_as_the_real_rows_repeat_them():
    """A scale of four values is written again, ages that meet by chance hardly ever."""
    rng = np.random.default_rng(0)
    scale = NumberKernel(number(), pd.Series(rng.choice([10.0, 25, 60, 90], 60)))
    ages = NumberKernel(number(), pd.Series(rng.normal(50, 15, 60).round().clip(0, 100)))
    on_scale = scale.density(np.array([10.0, 11, 25, 26, 60, 61, 90, 91])).mean(axis=1)
    assert on_scale[::2].sum() > 0.9
    assert on_scale[1::2].sum() < 0.01
    drawn = ages.sample(np.repeat(np.arange(60), 20), (np.arange(1200) % 20 + 0.5) / 20)
    seen = np.isin(drawn, ages.codes).mean()
    values = np.unique(ages.codes)
    by_chance = ages.density(values).mean(axis=1).sum()
    assert 0.5 < seen < 0.8
    assert seen == pytest.approx(by_chance, abs=0.03)  # samples follow the density


def test_one_patient_s_number_is_written_no_more_often_than_its_neighbours():
    kernel = NumberKernel(number(), pd.Series([20.0, 20, 20, 60, 60, 60, 80]))
    alone, beside = kernel.density(np.array([80.0, 81.0])).mean(axis=1)
    assert alone < 1.2 * beside


def test_numbers_keep_the_decimals_with_which_they_are_written():
    """Of 9 cells 8 are whole: a whole number is likelier than its neighbours with two decimals."""
    real = pd.Series([10.0, 12, 13, 15, 18, 20, 22, 24, 17.25])
    kernel = NumberKernel(number(0, 30, decimals=2), real)
    whole, fine = kernel.density(kernel.encode(pd.Series([16.0, 16.01]))).mean(axis=1)
    assert whole > 100 * fine
    rng = np.random.default_rng(0)
    assert (kernel.sample(np.zeros(50, dtype=int), rng.random(50)) % 100 == 0).all()
    assert (kernel.sample(np.full(50, 8), rng.random(50)) % 10 != 0).any()
    assert kernel.decode(1725.0) == 17.25


@settings(max_examples=30, deadline=None)
@given(st.data(), st.integers(0, 3))
def test_samples_are_on_the_grid_and_in_the_range(data, decimals):
    low, high = sorted(data.draw(st.tuples(*[st.integers(-500, 500)] * 2)))
    grid = 10**decimals
    cells = data.draw(st.lists(st.integers(low, high), min_size=1, max_size=8))
    feature = number(low / grid, high / grid, decimals)
    kernel = NumberKernel(feature, pd.Series([cell / grid for cell in cells]))
    assert kernel.codes.tolist() == cells
    for uniform in (0.0, 0.3, 0.5, 0.9, 1 - 2**-53):
        codes = kernel.sample(np.arange(len(cells)), np.full(len(cells), uniform))
        assert ((low <= codes) & (codes <= high)).all()
        # No number has more decimals than the real one that it is near to.
        for code, cell in zip(codes, cells, strict=True):
            assert code % max(10**k for k in range(decimals + 1) if cell % 10**k == 0) == 0
    density = kernel.density(np.arange(low, high + 1.0))
    assert np.isfinite(density).all()
    assert (density >= 0).all()
    if not decimals:
        assert density.sum(axis=0) == pytest.approx(np.ones(len(cells)))


def test_a_constant_column_stays_near_its_value_and_a_blank_one_is_uniform():
    constant = NumberKernel(number(), pd.Series([50.0]))
    assert constant.density(np.arange(101.0))[50, 0] > 0.7
    assert constant.uniform_share == 0.05
    blank = NumberKernel(number(), pd.Series([np.nan, np.nan]))
    assert blank.uniform_share == 1.0
    assert np.isnan(blank.codes).all()


def test_samples_have_the_distribution_of_the_density():
    """At equally likely random numbers, of what repeats, too."""
    real = [20.0, 20, 35, 60, 80, 81, np.nan]
    kernel = NumberKernel(number(), pd.Series(real))
    uniforms = np.tile((np.arange(200) + 0.5) / 200, 6)
    points = kernel.sample(np.arange(6).repeat(200), uniforms)
    codes = np.arange(101.0)
    expected = kernel.density(codes)[:, :6].mean(axis=1).cumsum()
    shares = np.array([(points <= code).mean() for code in codes])
    assert np.abs(shares - expected).max() < 0.01
    again = kernel.density(np.array([20.0]))[0, 0]
    assert (points[:400] == 20).mean() == pytest.approx(again, abs=0.01)


def test_samples_have_the_decimals_of_their_real_number_up_to_the_bounds():
    """Where a bound has more decimals: 2.95 is the largest number, and 2 the largest whole one."""
    kernel = NumberKernel(number(0, 2.95, decimals=2), pd.Series([0.5, 2.0, 2.95]))
    points = kernel.sample(np.arange(3).repeat(99), np.tile(np.arange(1, 100) / 100, 3))
    points = points.reshape(3, 99)
    assert set(points[0]) <= set(range(0, 300, 10))
    assert set(points[1]) == {0, 100, 200}
    assert (points[2] % 10 != 0).any()
    assert points.max() == 295

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from t2local.stats.margins import Margin, Margins, NormalScores
from t2local.tables.dictionary import Feature

KINDS = Feature(name="k", type="category", levels=("x", "y", "z"))
AGE = Feature(name="age", type="integer", minimum=0, maximum=40, missing=True)


def test_scores_are_means_of_a_normal_variable_between_thresholds():
    scores = NormalScores(np.array([0.0, 0, 0, 1]))
    threshold = norm.ppf(0.75)
    mean_above = norm.pdf(threshold) / 0.25
    codes = np.array([0, 1, np.nan])
    assert scores.scores(codes) == pytest.approx([-mean_above / 3, mean_above, 0])
    normal = np.array([-9, threshold - 0.01, threshold + 0.01, 9])
    assert scores.codes(normal).tolist() == [0, 0, 1, 1]
    between = NormalScores(np.arange(10.0)).interval(np.array([-5.0, 4.5, 99]))
    assert between.probability == pytest.approx([0.05, 0.1, 0.05])
    assert not np.isnan(between.lower).any()


def test_predictors_are_scores_indicators_and_whether_a_cell_is_missing():
    real = pd.DataFrame({"k": list("xxyz"), "age": [3.0, 9, 30, np.nan]}).astype({"k": object})
    margins = Margins([KINDS, AGE], real)
    assert margins.n_before == {"k": 0, "age": 3}
    x, y, z, age, missing = margins.real.predictors.T
    assert x.tolist() == [0.5, 0.5, -0.5, -0.5]
    assert (y + z).tolist() == [-0.5, -0.5, 0.5, 0.5]
    assert age[0] < age[1] < 0 == age[3] < age[2]
    assert missing[3] > 0 > missing[0] == missing[1] == missing[2]
    assert margins.gram[3, 3] == pytest.approx((age**2).sum())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=4, max_size=40), st.integers(0, 3))
def test_codes_of_a_normal_variable_are_those_of_the_real_rows(values, decimals):
    """No number has more decimals than real ones, a heap stays one, and none is out of range."""
    grid = 10**decimals
    own = Feature(name="n", type="decimal", minimum=-2, maximum=11, decimals=decimals)
    if not decimals:
        own = Feature(name="n", type="integer", minimum=-2, maximum=11)
    cells = pd.Series([*values, *[5] * len(values)], dtype=float)  # half of them are 5
    scores = Margin(own, cells).scores
    drawn = scores.codes(np.random.default_rng(0).standard_normal(2000))
    assert (drawn % grid == 0).all()
    assert (drawn.min(), drawn.max()) >= (-2 * grid, -2 * grid)
    assert drawn.max() <= 11 * grid
    assert (drawn == 5 * grid).mean() > 0.2

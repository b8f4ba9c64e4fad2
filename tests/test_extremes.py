"""The ends of numbers of few rows: what is moved, and how far."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.settings import TableSettings
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.team.extremes import extremes, moved

DICTIONARY = FeatureDictionary(
    target="n",
    features=(
        Feature(name="weight", type="decimal", minimum=0, maximum=100, decimals=1),
        Feature(name="n", type="decimal", minimum=0, maximum=100, decimals=1),
    ),
)


@given(st.integers(0, 2**32))
@settings(deadline=None)
def test_what_is_moved_stays_on_its_grid_and_inside(seed):
    weights = pd.Series([40.5, 44.0, 47.5, 50.0, 60.5, 60.5, 60.5])
    real = pd.DataFrame({"weight": weights, "n": weights})
    ends = extremes(DICTIONARY, real, TableSettings(), given=["n"])
    assert [(end.value, end.sign) for end in ends] == [(40.5, -1)]  # three rows have the highest
    row = moved({"weight": 40.5, "n": 40.5}, ends, np.random.default_rng(seed))
    assert row["n"] == 40.5
    assert 40.5 < row["weight"] <= 41.5
    assert row["weight"] * 2 % 1 == 0
    other = {"weight": 47.5, "n": 1.0}
    assert moved(other, ends, np.random.default_rng(seed)) == other


def test_the_highest_number_is_moved_down_where_few_rows_have_it():
    weights = pd.Series([40.5, 40.5, 40.5, 44.0, 47.5, 50.0, 60.5])
    real = pd.DataFrame({"weight": weights, "n": weights})
    ends = extremes(DICTIONARY, real, TableSettings(), given=["n"])
    assert [(end.value, end.sign) for end in ends] == [(60.5, 1)]
    assert moved({"weight": 60.5, "n": 1.0}, ends, np.random.default_rng(0))["weight"] == 60.0


def test_steps_of_a_scale_and_a_column_of_one_number_are_not_moved():
    real = pd.DataFrame({"weight": [0.0, 3.0, 7.0, 10.0], "n": [50.5] * 4})
    assert extremes(DICTIONARY, real, TableSettings(), given=[]) == []

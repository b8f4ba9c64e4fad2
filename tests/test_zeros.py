"""Zeros that may mean "missing", and zeros that are numbers like others."""

import numpy as np
import pandas as pd
import pytest

import t2local
from t2local.settings import TableSettings
from t2local.tables.guess import guess_column
from t2local.tables.zeros import suspect_zeros

RNG = np.random.default_rng(0)
#: As in Pima: the zeros of these four are known to mean "missing".
PRESSURE = [0, 0, 24, 30, 38, *range(40, 110, 2), 122]
INSULIN = [0] * 30 + [14, 15, 16, 18, 22, 23, *range(25, 200, 2), *range(200, 846, 60)]
BMI = [0.0, *np.round(RNG.uniform(18.2, 50, 60), 1)]
GLUCOSE = [0, 44, 56, 57, 61, 62, 65, *range(67, 199)]


def column(values):
    cells = pd.Series([None if v is None else str(v) for v in values], dtype=object, name="x")
    feature = guess_column(cells, is_target=False, settings=TableSettings())
    return feature, feature.values(cells).dropna().to_numpy()


@pytest.mark.parametrize("values", [PRESSURE, INSULIN, BMI, GLUCOSE, [None, *PRESSURE]])
def test_zeros_far_below_all_else_are_suspect(values):
    feature, numbers = column(values)
    assert suspect_zeros(feature, numbers)
    assert feature.reason.endswith("does it mean missing?")


@pytest.mark.parametrize(
    "values",
    [
        [0, *range(1, 18), 3],  # pregnancies
        [0, 5, 10, 15, 20, 25, 30, 40, 50, 60] * 2,  # cigarettes: the step is the usual one
        [0.0, *np.round(RNG.exponential(20, 100), 2)],  # a dose that may be none
        [-3, 0, *range(20, 60)],  # a difference
        [*range(20, 60), 33],  # no zero
        [0, 40, 41, 42, 43] * 3,  # too few values to say what is near
    ],
)
def test_zeros_that_fit_the_others_are_numbers(values):
    feature, numbers = column(values)
    assert not suspect_zeros(feature, numbers)
    assert "does it mean missing?" not in feature.reason


def test_describe_says_so_and_changes_nothing():
    table = pd.DataFrame({"bmi": [0.0, *BMI], "y": ["a", "b"] * 31})
    feature = t2local.describe(table)["bmi"]
    assert feature.reason.count("missing?") == 1
    assert feature.reason.endswith("does it mean missing?")
    assert (feature.minimum, feature.missing, feature.missing_values) == (0, False, ())

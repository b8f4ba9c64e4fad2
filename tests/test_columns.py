"""`Feature` is a `Column`: what the statistics need of a column is what the dictionary has."""

import numpy as np
import pandas as pd
from hypothesis import given, settings

from t2local.stats.columns import Column, level_codes
from t2local.stats.kernels import LevelKernel, NumberKernel, kernel_of
from t2local.tables.dictionary import Feature
from tests.strategies import dictionaries, frame_of


def test_a_feature_has_every_property_of_a_column():
    wanted = {name for name, part in vars(Column).items() if isinstance(part, property)}
    assert wanted == {
        *("name", "numeric", "levels", "decimals", "steps", "missing"),
        *("effects", "positive_class"),
    }
    number = Feature(
        name="x",
        type="decimal",
        minimum=-1.5,
        maximum=2,
        decimals=2,
        missing=True,
        effect="lowers",
    )
    level = Feature(name="y", type="category", levels=("a", "b"), positive="a")
    assert {name: getattr(number, name) for name in wanted} == {
        "name": "x",
        "numeric": True,
        "levels": (),
        "decimals": 2,
        "steps": (-150, 200),
        "missing": True,
        "effects": (-1.0,),
        "positive_class": 1,
    }
    read = {name: getattr(level, name) for name in wanted - {"steps"}}  # a level has no steps
    assert read["levels"] == ("a", "b")
    assert read["positive_class"] == 0
    assert not level.numeric


@settings(max_examples=15, deadline=None)
@given(dictionaries())
def test_every_feature_is_numeric_or_has_levels_and_its_steps_are_its_range(dictionary):
    real = frame_of(dictionary, [])
    for column in dictionary.features:
        assert column.numeric != bool(column.levels)
        kernel = kernel_of(column, real[column.name])
        assert isinstance(kernel, NumberKernel if column.numeric else LevelKernel)
        if column.numeric:
            low, high = column.steps
            assert low <= high
            bounds = kernel.decode(np.array([low, high], dtype=float))
            assert bounds.tolist() == list(map(float, column.bounds))


def test_a_cell_has_the_number_of_its_level_and_none_has_minus_one():
    level = Feature(name="y", type="category", levels=("b", "a", "None"))
    cells = pd.Series(["a", None, "b", "c", np.nan, "None"], index=[9, 9, 8, 7, 6, 5])
    assert level_codes(level, cells).tolist() == [1, -1, 0, -1, -1, 2]

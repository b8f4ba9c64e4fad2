"""Models of the columns: distributions of allowed cells, and the tree that joins columns."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

import t2local
from t2local.stats.densities import ChowLiuTree, IndependentColumns
from t2local.tables.dictionary import Feature, FeatureDictionary
from tests.strategies import dictionaries, frame_of, values


@settings(max_examples=30, deadline=None)
@given(st.data(), dictionaries(most=3))
def test_the_model_of_a_column_is_a_distribution_and_its_draws_are_allowed(data, dictionary):
    rows = [
        {f.name: data.draw(values(f)) for f in dictionary.features}
        for _ in range(data.draw(st.integers(0, 12)))
    ]
    independent, rng = (
        IndependentColumns(dictionary.features, frame_of(dictionary, rows)),
        np.random.default_rng(0),
    )
    for feature in dictionary.features:
        drawn = feature.values(
            pd.Series([independent.draw(feature.name, rng) for _ in range(20)], dtype=object)
        )
        assert all(mask.all() for mask in feature.obeyed(drawn).values())
        if feature.numeric and feature.steps[1] - feature.steps[0] > 20_000:
            continue
        low, high = feature.steps if feature.numeric else (0, 0)
        every = (
            [step / 10**feature.decimals for step in range(low, high + 1)]
            if feature.numeric
            else list(feature.levels)
        )
        column = feature.values(
            pd.Series([*every, *([None] if feature.missing else [])], dtype=object)
        )
        total = np.exp(
            independent.log_probability(pd.DataFrame({feature.name: column}))[feature.name]
        ).sum()
        # How many decimals a number has is one question and its value another: near bounds the two
        # do not quite add up.
        wide = not feature.decimals or high - low > 100 * 10**feature.decimals
        assert (0.9 < total < 1.1 if feature.decimals else abs(total - 1) < 1e-6) or not wide


def test_draws_have_the_probabilities_that_are_said_of_them():
    known = FeatureDictionary(
        target="b",
        features=(
            Feature(name="a", type="integer", minimum=0, maximum=40, missing=True),
            Feature(name="b", type="category", levels=("x", "y", "z")),
        ),
    )
    real = pd.DataFrame(
        {
            "a": [5.0, 7, 7, 7, 12, 20, 21, 30, np.nan, np.nan],
            "b": pd.Series(list("xxxxxxyyyz"), dtype=object),
        }
    )
    real = pd.concat(
        [real] * 10, ignore_index=True
    )  # what no real row has is possible, and never drawn: with 100 rows the two hardly differ
    independent, rng = IndependentColumns(known.features, real), np.random.default_rng(1)
    for name, every in {"a": [*map(float, range(41)), None], "b": ["x", "y", "z"]}.items():
        drawn = pd.Series([independent.draw(name, rng) for _ in range(20_000)], dtype=object)
        column = known[name].values(pd.Series(every, dtype=object))
        said = np.exp(independent.log_probability(pd.DataFrame({name: column}))[name].to_numpy())
        seen = np.array(
            [drawn.isna().mean() if value is None else (drawn == value).mean() for value in every]
        )
        assert np.abs(said - seen).max() < 0.015


@settings(max_examples=20, deadline=None)
@given(st.data(), dictionaries(most=4))
def test_a_tree_is_a_distribution_of_rows_and_its_rows_are_allowed(data, dictionary):
    rows = [
        {f.name: data.draw(values(f)) for f in dictionary.features}
        for _ in range(data.draw(st.integers(2, 12)))
    ]
    real = frame_of(dictionary, rows)
    tree, rng = ChowLiuTree(dictionary.features, real, 1), np.random.default_rng(0)
    drawn = pd.DataFrame([tree.row(rng) for _ in range(20)], dtype=object)
    for feature in dictionary.features:
        assert all(
            mask.all() for mask in feature.obeyed(feature.values(drawn[feature.name])).values()
        )
    levelled = [f for f in dictionary.features if not f.numeric and f.name in tree.parent]
    for feature in levelled:
        every = [*feature.levels, *([None] if feature.missing else [])]
        same = pd.concat([real.head(1)] * len(every), ignore_index=True).assign(
            **{feature.name: pd.Series(every, dtype=object)}
        )
        assert abs(np.exp(tree.log_probability(same)[feature.name]).sum() - 1) < 1e-6


def test_columns_that_follow_one_another_stay_together_and_others_do_not():
    rng = np.random.default_rng(0)
    age = rng.integers(20, 90, 80)
    frame = pd.DataFrame(
        {
            "age": age,
            "band": np.where(age < 40, "young", np.where(age < 65, "middle", "old")),
            "noise": rng.integers(0, 99, 80),
            "y": "0",
        }
    )
    frame.loc[0, "y"] = "1"
    known = t2local.describe(frame, target="y")
    real = known.values(frame.astype(str))
    tree = ChowLiuTree(known.input_features, real, 1)
    before, share = tree.parent["band"]
    assert before == "age"
    assert share > 0.7
    assert tree.parent.get("noise", ("", 0.0))[1] < 0.3
    drawn = pd.DataFrame([tree.row(rng) for _ in range(300)])
    right = np.where(drawn["age"] < 40, "young", np.where(drawn["age"] < 65, "middle", "old"))
    assert (drawn["band"] == right).mean() > 0.8  # drawn independently: 0.35
    held = pd.DataFrame({"age": [25.0, 25.0], "band": ["young", "old"], "noise": [50.0, 50.0]})
    likely, unlikely = tree.log_probability(held)["band"]
    assert likely - unlikely > 2
    assert tree.row(np.random.default_rng(5)) == tree.row(np.random.default_rng(5))

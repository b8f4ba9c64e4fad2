import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import t2local
from t2local.stats.densities import N_UNIFORMS, ChowLiuTree, ColumnDensity, IndependentColumns
from t2local.tables.dictionary import Feature, FeatureDictionary
from tests.strategies import dictionaries, frame_of, values

KINDS = Feature(name="k", type="category", levels=("x", "y", "z"), missing=True)
AGE = Feature(name="age", type="integer", minimum=0, maximum=40, missing=True)


def many(model: ChowLiuTree | IndependentColumns, n_rows: int) -> pd.DataFrame:
    return model.rows(np.random.default_rng(1).random((n_rows, model.n_uniforms)))


def test_levels_have_their_smoothed_frequencies_by_hand():
    """Jeffreys' prior: a half for every level, and for missing and present."""
    density = ColumnDensity(KINDS, pd.Series(["x", "x", "y", None], dtype=object))
    codes = np.array([0, 1, 2, np.nan])
    missing = (1 + 0.5) / (4 + 1)
    expected = [(1 - missing) * (count + 0.5) / (3 + 1.5) for count in (2, 1, 0)]
    assert density.probability(codes) == pytest.approx([*expected, missing])


def test_the_probability_is_the_weighted_sum_of_kernels():
    """Cell by cell, under any weights: p = (1 - m) ((1 - u) sum w K / sum_present w + u / 41)."""
    cells = pd.Series([3.0, 7, np.nan, 30, 7])
    density = ColumnDensity(AGE, cells)
    codes = np.array([7.0, 20.0, np.nan])
    weights = np.random.default_rng(0).dirichlet(np.ones(5), size=3)
    kernel = density.kernel(codes)
    assert kernel[:, 2].tolist() == [0, 0, 1]  # a missing cell goes with a missing cell alone
    assert kernel[2].tolist() == [0, 0, 1, 0, 0]
    found = density.probability(codes, weights)
    for j, code in enumerate(codes):
        missing = (5 * weights[j, 2] + 0.5) / (5 + 1)
        near = sum(weights[j, i] * kernel[j, i] for i in (0, 1, 3, 4))
        near /= sum(weights[j, i] for i in (0, 1, 3, 4))
        value = (1 - missing) * (0.95 * near + 0.05 / 41)
        assert found[j] == pytest.approx(missing if np.isnan(code) else value)


def test_a_column_that_may_not_be_blank_never_is():
    feature = AGE.model_copy(update={"missing": False})
    density = ColumnDensity(feature, pd.Series([3.0, 4.0]))
    assert density.probability(np.array([np.nan]))[0] == 1e-12
    rng = np.random.default_rng(0)
    assert not np.isnan(density.draw(rng.random((50, N_UNIFORMS)))).any()


@settings(max_examples=25, deadline=None)
@given(st.data(), dictionaries(most=3))
def test_the_model_of_a_column_is_a_distribution_and_its_draws_are_allowed(data, dictionary):
    rows = [
        {f.name: data.draw(values(f)) for f in dictionary.features}
        for _ in range(data.draw(st.integers(0, 12)))
    ]
    independent = IndependentColumns(dictionary.features, frame_of(dictionary, rows))
    drawn = many(independent, 20).astype(object)
    for feature in dictionary.features:
        column = feature.values(drawn[feature.name])
        assert all(mask.all() for mask in feature.obeyed(column).values())
        if feature.numeric and feature.steps[1] - feature.steps[0] > 20_000:
            continue
        every = list(feature.levels)
        low, high = 0, 0
        if feature.numeric:
            low, high = feature.steps
            every = [step / 10**feature.decimals for step in range(low, high + 1)]
        blank = [None] * feature.missing
        column = feature.values(pd.Series([*every, *blank], dtype=object))
        frame = pd.DataFrame({feature.name: column})
        total = np.exp(independent.log_probability(frame)[feature.name]).sum()
        # How many decimals a number has is one question and its value another: near bounds the two
        # do not quite add up.
        wide = not feature.decimals or high - low > 100 * 10**feature.decimals
        near_one = abs(total - 1) < (0.1 if feature.decimals else 1e-6)
        assert near_one or not wide


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
    # What no real row has is possible, and never drawn: with 100 rows the two hardly differ.
    real = pd.concat([real] * 10, ignore_index=True)
    independent = IndependentColumns(known.features, real)
    rows = many(independent, 10_000)
    for name, every in {"a": [*map(float, range(41)), None], "b": ["x", "y", "z"]}.items():
        drawn = rows[name]
        column = known[name].values(pd.Series(every, dtype=object))
        frame = pd.DataFrame({name: column})
        expected = np.exp(independent.log_probability(frame)[name].to_numpy())
        seen = np.array(
            [drawn.isna().mean() if value is None else (drawn == value).mean() for value in every]
        )
        assert np.abs(expected - seen).max() < 0.015


@settings(max_examples=20, deadline=None)
@given(st.data(), dictionaries(most=4))
def test_a_tree_is_a_distribution_of_rows_and_its_rows_are_allowed(data, dictionary):
    rows = [
        {f.name: data.draw(values(f)) for f in dictionary.features}
        for _ in range(data.draw(st.integers(2, 12)))
    ]
    real = frame_of(dictionary, rows)
    tree = ChowLiuTree(dictionary.features, real, 1)
    drawn = many(tree, 20).astype(object)
    for feature in dictionary.features:
        column = feature.values(drawn[feature.name])
        assert all(mask.all() for mask in feature.obeyed(column).values())
    names = [f.name for f in dictionary.features]
    for name, parent in tree.parent.items():
        assert names.index(parent.name) < names.index(name)
        assert 0 <= parent.weight <= 1
    for feature in [f for f in dictionary.features if not f.numeric and f.name in tree.parent]:
        every = [*feature.levels, *([None] * feature.missing)]
        same = pd.concat([real.head(1)] * len(every), ignore_index=True)
        same[feature.name] = pd.Series(every, dtype=object)
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
    name, weight = tree.parent["band"]
    assert name == "age"
    assert weight > 0.7
    assert tree.parent.get("noise", ("", 0.0))[1] < 0.3
    drawn = many(tree, 300)
    right = np.where(drawn["age"] < 40, "young", np.where(drawn["age"] < 65, "middle", "old"))
    assert (drawn["band"] == right).mean() > 0.7  # drawn independently: 0.35
    held = pd.DataFrame({"age": [25.0, 25.0], "band": ["young", "old"], "noise": [50.0, 50.0]})
    likely, unlikely = tree.log_probability(held)["band"]
    assert likely - unlikely > 2
    # A row is the same whatever is drawn beside it.
    uniforms = np.random.default_rng(5).random((9, tree.n_uniforms))
    pd.testing.assert_frame_equal(tree.rows(uniforms).head(2), tree.rows(uniforms[:2]))


def test_the_weight_of_a_dependence_maximises_its_likelihood_on_rows_left_out():
    """By loops over a grid: sum of log(w p(i | parent) + (1 - w) p(i)), and 4 rows against."""
    rng = np.random.default_rng(4)
    first = rng.choice(list("xyz"), 40)
    second = np.where(rng.random(40) < 0.6, first, rng.choice(list("xyz"), 40))
    real = pd.DataFrame({"k": first, "l": second}, dtype=object)
    columns = [KINDS, KINDS.model_copy(update={"name": "l"})]
    weight = ChowLiuTree(columns, real, 1).parent["l"].weight
    marginal, conditional = [], []
    for i in range(40):
        others = [j for j in range(40) if j != i]
        near = [j for j in others if first[j] == first[i]]
        for rows, into in ((others, marginal), (near, conditional)):
            share = np.mean([second[j] == second[i] for j in rows])
            uniform = 1.5 / 41.5
            into.append((1 - 0.5 / 41) * ((1 - uniform) * share + uniform / 3))
    grid = np.linspace(0.001, 0.999, 999)
    likelihood = [
        np.log(w * np.array(conditional) + (1 - w) * np.array(marginal)).sum() + 4 * np.log(1 - w)
        for w in grid
    ]
    assert weight == pytest.approx(grid[int(np.argmax(likelihood))], abs=0.01)


def test_without_a_parent_a_tree_is_independent_columns():
    rng = np.random.default_rng(0)
    real = pd.DataFrame({"k": rng.choice(list("xyz"), 30), "age": rng.integers(0, 40, 30)})
    real = real.astype({"k": object, "age": float})
    tree = ChowLiuTree([KINDS, AGE], real, 1)
    assert tree.parent == {}
    expected = IndependentColumns([KINDS, AGE], real).log_probability(real)
    pd.testing.assert_frame_equal(tree.log_probability(real), expected)
    assert ChowLiuTree([KINDS, AGE], real.head(1), 1).parent == {}


def test_a_tree_of_many_rows_is_learnt_from_a_sample_of_500():
    rng = np.random.default_rng(0)
    real = pd.DataFrame({"age": rng.integers(0, 40, 700).astype(float)})
    sample, again, whole = (
        ChowLiuTree([AGE], frame, seed).log_probability(real.head(20))
        for frame, seed in ((real, 1), (real, 1), (real.head(500), 2))
    )
    assert sample.equals(again)
    assert not sample.equals(whole)
    assert sample.to_numpy() == pytest.approx(whole.to_numpy(), abs=1)

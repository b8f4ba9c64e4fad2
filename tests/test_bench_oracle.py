"""The oracle of the planted-knowledge bench: its probabilities are right, and it knows more.

The table is made here: pressure follows age and sex, treatment follows pressure, the label both.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

oracle_module = pytest.importorskip(
    "bench.knowledge.oracle", reason="bench/ is not beside an installed package"
)
column_model = pytest.importorskip("bench.knowledge.column_model")
label_model = pytest.importorskip("bench.knowledge.label_model")

from t2local.settings import TableSettings  # noqa: E402
from t2local.stats.densities import (  # noqa: E402
    ChowLiuTree,
    ColumnDensity,
    IndependentColumns,
)
from t2local.stats.ensemble import encode_labels  # noqa: E402
from t2local.tables.describe import describe  # noqa: E402
from t2local.tables.files import cells_of  # noqa: E402
from t2local.team.scoring import RowScores  # noqa: E402

ORDER = ["sex", "age", "pressure", "treatment"]


def patients(n_rows, seed):
    rng = np.random.default_rng(seed)
    sex = rng.choice(["female", "male"], n_rows)
    age = rng.integers(30, 80, n_rows)
    pressure = (60 + age + 20 * (sex == "male") + rng.normal(0, 5, n_rows)).round()
    high = pressure + rng.normal(0, 5, n_rows) > 125
    risk = 1 / (1 + np.exp(-(pressure - 125) / 8))
    return pd.DataFrame(
        {
            "treatment": np.where(high, np.where(age > 60, "double", "single"), "none"),
            "age": age,
            "sex": sex,
            "pressure": np.where(rng.random(n_rows) < 0.1, np.nan, pressure),
            "stroke": np.where(rng.random(n_rows) < risk, "yes", "no"),
        }
    )


@cache
def world(target="stroke"):
    """A dictionary, a population and other rows."""
    cells = cells_of(patients(900, 1))
    known = describe(cells, target=target, settings=TableSettings(widen=0))
    values = known.values(cells)
    return known, values.head(400), values.tail(500)


@cache
def oracle(target="stroke"):
    known, population, _ = world(target)
    order = [name for name in [*ORDER, "stroke"] if name != target]
    return oracle_module.Oracle.fit(population, known, order, 0)


def rows_with(row, name, cells):
    """A row, repeated with each of some cells in one column."""
    many = pd.concat([row] * len(cells), ignore_index=True)
    column = pd.Series(cells, dtype=many[name].dtype)
    return many.assign(**{name: column})


@pytest.mark.parametrize("dose", [0, 0.4, 1])
@pytest.mark.parametrize("name", ORDER)
def test_the_probabilities_of_all_cells_of_a_column_have_sum_1(name, dose):
    known, _, others = world()
    feature = known[name]
    cells = list(feature.levels)
    if feature.numeric:
        low, high = feature.steps
        cells = [float(step) for step in range(low, high + 1)]
        cells += [np.nan] * feature.missing
    rows = rows_with(others.iloc[[3]], name, cells)
    p = np.exp(oracle().with_dose(dose).cells(rows)[name])
    assert p.sum() == pytest.approx(1, abs=1e-6)


def test_a_cell_depends_on_the_cells_before_it_and_on_no_other():
    _, _, others = world()
    row = others.iloc[[3]]
    changed = row.assign(treatment="double", stroke="no")
    cells, other_cells = oracle().cells(row), oracle().cells(changed)
    before = ["sex", "age", "pressure"]
    pd.testing.assert_frame_equal(cells[before], other_cells[before])
    old = row.assign(age=79.0)
    young = row.assign(age=30.0)
    assert oracle().cells(old).iloc[0]["pressure"] != oracle().cells(young).iloc[0]["pressure"]


def test_it_finds_real_rows_likelier_than_a_tree_does():
    known, population, others = world()
    tree = ChowLiuTree([known[name] for name in ORDER], population, 0)
    independent = IndependentColumns(known.input_features, population)
    nats = oracle().cells(others).sum(axis=1).mean()
    assert nats > tree.log_probability(others).sum(axis=1).mean() + 0.1
    assert nats > independent.log_probability(others[ORDER]).sum(axis=1).mean() + 1


def test_without_a_dose_it_is_independent_columns_and_the_shares_of_the_labels():
    known, population, others = world()
    blind = oracle().with_dose(0)
    independent = IndependentColumns(known.input_features, population)
    pd.testing.assert_frame_equal(
        blind.cells(others), independent.log_probability(others[known.inputs])
    )
    share = ((population["stroke"] == "yes").sum() + 0.5) / (len(population) + 1)
    assert np.exp(blind.labels(others))[:, 1] == pytest.approx(share)


def test_a_dose_mixes_probabilities():
    _, _, others = world()
    whole, blind = oracle(), oracle().with_dose(0)
    mixed = oracle().with_dose(0.3)
    for part in ("cells", "labels"):
        p, p_blind, p_mixed = (np.exp(getattr(o, part)(others)) for o in (whole, blind, mixed))
        assert np.allclose(p_mixed, 0.3 * p + 0.7 * p_blind)
    assert mixed.columns is whole.columns
    assert mixed.with_dose(1).cells(others).equals(whole.cells(others))
    with pytest.raises(ValueError, match="0 to 1"):
        whole.with_dose(1.1)


def test_labels_are_calibrated_and_knowing():
    known, _, others = world()
    logs = oracle().labels(others)
    assert np.exp(logs).sum(axis=1) == pytest.approx(1)
    truth = encode_labels(others["stroke"], known["stroke"]).astype(int)
    p = np.exp(logs)[:, 1]
    assert p.mean() == pytest.approx(truth.mean(), abs=0.06)
    likely = p > 0.7
    assert truth[likely].mean() == pytest.approx(p[likely].mean(), abs=0.08)
    loss = -logs[np.arange(len(truth)), truth].mean()
    # The true probabilities have a loss of about 0.35, the shares one of 0.69.
    assert loss < 0.5


def test_a_score_has_the_rows_and_columns_of_the_team():
    known, _, others = world()
    scores = oracle().score(others.head(7))
    assert isinstance(scores, RowScores)
    assert list(scores.cells) == known.inputs
    assert list(scores.labels) == ["no", "yes"]
    assert scores.cells.index.tolist() == scores.labels.index.tolist() == list(range(400, 407))
    one = oracle().score(others.iloc[[5]])
    assert np.allclose(one.cells, scores.cells.iloc[[5]])
    assert np.allclose(one.labels, scores.labels.iloc[[5]])


def test_no_row_has_no_scores():
    known, _, others = world()
    assert oracle().cells(others.head(0)).shape == (0, len(known.inputs))


def test_more_rows_than_are_weighed_at_once_score_alike():
    _, _, others = world()
    many = pd.concat([others, others.head(20)], ignore_index=True)
    cells = oracle().cells(many)
    assert np.allclose(cells.tail(20), cells.head(20))


def test_written_rows_obey_the_dictionary_and_hang_together():
    known, _, others = world()
    rows = oracle().write(700, np.random.default_rng(0))
    assert list(rows) == known.inputs
    assert rows.dtypes.equals(others[known.inputs].dtypes)
    for feature in known.input_features:
        if feature.numeric:
            assert rows[feature.name].dropna().between(*feature.bounds).all()
        else:
            assert set(rows[feature.name]) <= set(feature.levels)
    assert rows["pressure"].isna().mean() == pytest.approx(0.1, abs=0.05)
    real, own = others["age"].corr(others["pressure"]), rows["age"].corr(rows["pressure"])
    assert own == pytest.approx(real, abs=0.1)
    assert rows["age"].mean() == pytest.approx(others["age"].mean(), abs=2.5)
    assert rows.equals(oracle().write(700, np.random.default_rng(0)))


def test_a_dose_is_the_share_of_rows_that_hang_together():
    rng = np.random.default_rng(1)
    correlations = []
    for dose in (0, 0.5, 1):
        rows = oracle().with_dose(dose).write(600, rng)
        correlations.append(rows["age"].corr(rows["pressure"]))
    assert correlations[0] == pytest.approx(0, abs=0.12)
    assert correlations[0] + 0.2 < correlations[1] < correlations[2] - 0.2


def test_given_cells_stay_and_the_others_follow_them():
    young = [{"age": 30.0, "treatment": "single"}] * 100
    old = [{"age": 79.0, "pressure": None}] * 100
    rows = oracle().write(200, np.random.default_rng(2), [*young, *old])
    assert (rows["age"].head(100) == 30).all()
    assert (rows["treatment"].head(100) == "single").all()
    assert (rows["age"].tail(100) == 79).all()
    assert rows["pressure"].tail(100).isna().all()
    assert rows["pressure"].head(100).mean() < 115
    assert rows["treatment"].tail(100).eq("double").mean() > 0.4


def test_given_cells_of_another_number_of_rows_are_an_error():
    with pytest.raises(ValueError, match="of 2 rows, not of 3"):
        oracle().write(3, np.random.default_rng(0), [{}, {}])


def test_written_rows_come_with_the_prediction_of_their_labels():
    made = oracle().written(30, np.random.default_rng(3))
    assert made.rows.equals(oracle().write(30, np.random.default_rng(3)))
    assert np.allclose(made.label_log_probabilities, oracle().labels(made.rows))


def test_a_label_of_several_classes():
    known, _, others = world("treatment")
    logs = oracle("treatment").labels(others)
    assert logs.shape == (500, 3)
    truth = encode_labels(others["treatment"], known["treatment"])
    assert (logs.argmax(axis=1) == truth).mean() > 0.75


def test_a_label_that_is_a_number():
    _, population, others = world("age")
    whole, half = oracle("age"), oracle("age").with_dose(0.5)
    predictions = whole.labels(others)
    assert predictions.shape == (500, 1)
    assert np.corrcoef(predictions[:, 0], others["age"])[0, 1] > 0.7
    assert np.allclose(half.labels(others), (predictions + population["age"].mean()) / 2)
    assert list(whole.score(others.head(2)).labels) == ["age"]


def test_columns_that_say_nothing_are_no_trouble():
    frame = patients(60, 2).assign(hospital="north", ward=np.where(np.arange(60) < 59, "a", "b"))
    frame["laboratory"] = np.where(np.arange(60) < 2, 3.5, np.nan)
    known = describe(cells_of(frame), target="stroke", settings=TableSettings(widen=0, min_count=1))
    values = known.values(cells_of(frame))
    small = oracle_module.Oracle.fit(values, known, known.inputs, 0)
    assert np.isfinite(small.cells(values).to_numpy()).all()
    rows = small.write(40, np.random.default_rng(0))
    assert (rows["hospital"] == "north").all()
    assert set(rows["laboratory"].dropna()) <= {"3.5"}  # one value is a level


def coded():
    """Age and sex as numbers, and pressure as scores: (n, 2), (n, k)."""
    known, population, _ = world()
    x = np.stack([(population["sex"] == "male") * 1.0, population["age"] / 15], axis=1)
    codes = ColumnDensity(known["pressure"], population["pressure"]).encode(population["pressure"])
    return x, column_model.scores(known["pressure"], codes)


def test_the_forest_counts_rows_by_the_leaves_that_they_share():
    x, y = coded()
    way = column_model.ForestWeights(x, y, 5)
    weights = way.weights(x[:4])
    leaves = way._forest.apply(x)  # (n, trees)
    expected = np.zeros(len(x))
    for tree in range(leaves.shape[1]):
        mates = leaves[:, tree] == leaves[2, tree]
        expected += mates / mates.sum() / leaves.shape[1]
    assert np.allclose(weights[2], expected)
    assert weights.sum(axis=1) == pytest.approx(1)


def test_a_held_out_row_of_the_forest_is_weighed_by_trees_that_have_not_seen_it():
    x, y = coded()
    way = column_model.ForestWeights(x, y, 5)
    held_out = way.held_out(np.array([7, 2]))
    leaves = way._forest.apply(x)  # (n, trees)
    expected = np.zeros(len(x))
    for tree, sample in enumerate(way._forest.estimators_samples_):
        if 2 not in sample:
            mates = leaves[:, tree] == leaves[2, tree]
            mates[2] = False
            expected += mates / mates.sum()
    assert np.allclose(held_out[1], expected / expected.sum())
    assert held_out[1, 2] == 0


def test_the_index_of_a_held_out_row_is_that_of_a_fit_without_it():
    x, y = coded()
    way = column_model.IndexWeights(x, y)
    scaled = (y - y.mean(axis=0)) / y.std(axis=0)
    index = Ridge(10.0).fit(x, scaled).predict(x)
    without = Ridge(10.0).fit(np.delete(x, 2, 0), np.delete(scaled, 2, 0)).predict(x[[2]])
    near = np.exp(-((index - without) ** 2).sum(axis=1) / (2 * 0.3**2))
    near[2] = 0
    assert np.allclose(way.held_out(np.array([2]))[0], near / near.sum())
    new = np.exp(-((index - index[[4]]) ** 2).sum(axis=1) / (2 * 0.3**2))
    assert np.allclose(way.weights(x[[4]])[0], new / new.sum())


def test_the_shares_of_the_ways_follow_what_the_data_show():
    shares = {name: model.shares for name, model in oracle().columns.items()}
    assert shares["sex"].tolist() == [1]  # the first column follows nothing
    assert shares["pressure"][0] < 0.2 < shares["age"][0]  # age is independent of sex
    for own in shares.values():
        assert own.sum() == pytest.approx(1)


def test_a_cell_is_drawn_by_its_weight():
    model = oracle().columns["age"]
    _, population, _ = world()
    weights = np.zeros((1000, len(population)))
    weights[:, [4, 9]] = [0.25, 0.75]
    drawn = model.draw(weights, np.random.default_rng(0))
    ages = population["age"].to_numpy()
    assert set(drawn) <= {ages[4], ages[9]}
    assert (drawn == ages[9]).mean() == pytest.approx(0.75, abs=0.05)


def test_scores_of_a_column_are_ranks_levels_and_missing_cells():
    known, _, _ = world()
    y = column_model.scores(known["pressure"], np.array([120.0, np.nan, 90.0, 100.0]))
    assert y[:, 0].tolist() == [0, 2, 0, 0]
    assert y[2, 1] == -y[0, 1] < 0 == y[1, 1] == y[3, 1]
    levels = column_model.scores(known["treatment"], np.array([0.0, 2.0, 0.0]))
    assert levels.tolist() == [[1, 0], [0, 1], [1, 0]]  # nobody has the level in between


def test_the_temperature_flattens_overconfident_models():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 20))
    y = (rng.random(80) < 0.5).astype(float)  # nothing to learn
    known, _, _ = world()
    fitted = label_model.LabelModel.fit(x, y, known["stroke"], 0)
    assert fitted.temperature > 1.2
    assert fitted.loss < 0.72  # a coin has 0.69

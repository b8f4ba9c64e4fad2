import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.stats.densities import N_UNIFORMS, IndependentColumns
from t2local.stats.gaussian_copula import GaussianCopula, Regression
from t2local.tables.dictionary import Feature
from tests.strategies import dictionaries, frame_of, values

AGE = Feature(name="age", type="integer", minimum=0, maximum=100)
DOSE = Feature(name="dose", type="decimal", decimals=2, minimum=-4, maximum=4, missing=True)
WARD = Feature(name="ward", type="category", levels=("a", "b", "c"))
SICK = Feature(name="sick", type="boolean", levels=("no", "yes"))


def patients(n_rows: int) -> pd.DataFrame:
    """Doses rise with age and are missing for the old; wards and sickness follow the dose."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((n_rows, 4))
    dose = 0.8 * z[:, 0] + 0.6 * z[:, 1]
    missing = z[:, 0] + 0.5 * z[:, 3] > 1
    return pd.DataFrame(
        {
            "age": np.clip(50 + 15 * z[:, 0], 0, 100).round(),
            "dose": np.where(missing, np.nan, dose.clip(-4, 4).round(2)),
            # Not in the order of the levels: b is the lowest.
            "ward": np.array(["b", "a", "c"], dtype=object)[np.searchsorted([-0.5, 0.5], dose)],
            "sick": np.where(dose + z[:, 2] > 1, "yes", "no").astype(object),
        }
    )


def many(copula: GaussianCopula, n_rows: int) -> pd.DataFrame:
    return copula.rows(np.random.default_rng(1).random((n_rows, copula.n_uniforms)))


COLUMNS = [AGE, DOSE, WARD, SICK]


@settings(max_examples=25, deadline=None)
@given(st.data(), dictionaries(most=4))
def test_a_copula_is_a_distribution_of_rows_and_its_rows_are_allowed(data, dictionary):
    rows = [
        {f.name: data.draw(values(f)) for f in dictionary.features}
        for _ in range(data.draw(st.integers(1, 12)))
    ]
    real = frame_of(dictionary, rows)
    copula = GaussianCopula(dictionary.features, real, 3)
    assert np.isfinite(copula.log_probability(real).to_numpy()).all()
    written = many(copula, 20).astype(object)
    for feature in dictionary.features:
        column = feature.values(written[feature.name])
        assert all(mask.all() for mask in feature.obeyed(column).values())
    for feature in [f for f in dictionary.features if not f.numeric]:
        every = [*feature.levels, *([None] * feature.missing)]
        same = pd.concat([real.head(1)] * len(every), ignore_index=True)
        same[feature.name] = pd.Series(every, dtype=object)
        assert abs(np.exp(copula.log_probability(same)[feature.name]).sum() - 1) < 1e-3


@pytest.mark.parametrize("n_rows", [30, 1000])
def test_the_probabilities_of_all_numbers_given_the_cells_before_sum_to_one(n_rows):
    real = patients(n_rows)[["dose", "age"]]
    copula = GaussianCopula([DOSE, AGE], real, 3)
    for dose in (-1.5, 0.0, 2.0, np.nan):
        frame = pd.DataFrame({"dose": dose, "age": np.arange(101.0)})
        assert np.exp(copula.log_probability(frame)["age"]).sum() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(("age", "dose"), [(75, 1.2), (75, np.nan), (30, -1.0)])
def test_draws_have_the_probabilities_that_are_said_of_them(age, dose):
    copula = GaussianCopula(COLUMNS, patients(2000), 10)
    predictors = np.zeros((1, 0))
    before = {"age": age, "dose": dose, "ward": "b"}
    rng = np.random.default_rng(1)
    for name, column in copula.columns.items():
        same = np.repeat(predictors, 20_000, axis=0)
        codes = column.draw(same, rng.random((20_000, N_UNIFORMS)))
        every = np.unique(codes)  # with NaN once
        density = column.margin.density
        scaled = column.margin.scaled(pd.Series(density.decode(every)))
        expected = np.exp(column.log_probability(scaled, same[: len(every)]))
        shares = [np.isnan(codes).mean() if np.isnan(c) else (codes == c).mean() for c in every]
        assert np.abs(expected - shares).max() < 0.015
        cell = density.encode(pd.Series([before.get(name)], dtype=object))
        predictors = np.hstack([predictors, column.margin.predictors(cell)])


def test_associations_of_each_kind_are_those_of_the_real_rows():
    real = patients(3000)
    rows = many(GaussianCopula(COLUMNS, real, 3), 20_000)
    for frame in (real, rows):
        frame["missing"] = frame["dose"].isna().astype(float)
        frame["b"] = (frame["ward"] == "b").astype(float)
        frame["yes"] = (frame["sick"] == "yes").astype(float)
    names = ["age", "dose", "missing", "b", "yes"]
    difference = (rows[names].corr("spearman") - real[names].corr("spearman")).abs()
    # Where a dose is missing the regression of sickness is an approximation.
    difference.loc["missing", "yes"] = difference.loc["yes", "missing"] = 0
    assert difference.fillna(0).to_numpy().max() < 0.08
    marginal = rows[names].mean() - real[names].mean()
    assert (marginal.abs() / real[names].std()).max() < 0.08


def test_a_correlation_is_shrunk_by_the_penalty_in_rows():
    rng = np.random.default_rng(0)
    scores = rng.standard_normal(50)
    predictors = (0.7 * scores + 0.7 * rng.standard_normal(50))[:, None]
    predictors /= np.sqrt((predictors**2).mean())
    scores /= np.sqrt((scores**2).mean())
    rho = float((predictors[:, 0] * scores).mean())
    regression = Regression.fit(predictors, scores, penalty=30)
    assert regression.coefficients == pytest.approx([rho * 50 / 80])
    assert regression.deviation == pytest.approx(np.sqrt(1 - (rho * 50 / 80) ** 2))


def test_under_a_huge_penalty_the_columns_are_independent():
    real = patients(40)
    copula = GaussianCopula(COLUMNS, real, 1e9).log_probability(real)
    independent = IndependentColumns(COLUMNS, real).log_probability(real)
    # The levels of `ward` have no prior count of their own here, so they differ by a little.
    assert copula.to_numpy() == pytest.approx(independent.to_numpy(), abs=0.05)


def test_no_number_beyond_the_real_ones_by_more_than_a_kernel_is_written():
    real = pd.DataFrame({"age": [40.0, 41, 42, 43, 44, 45, 46, 47, 48, 49]})
    rows = many(GaussianCopula([AGE], real, 10), 5000)
    assert rows["age"].min() > 30
    assert rows["age"].max() < 60
    assert rows["age"].mean() == pytest.approx(44.5, abs=0.2)

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from t2local.stats.encoding import Encoder
from t2local.tables.dictionary import Feature
from tests.strategies import dictionaries, frame_of, values

X = Feature(name="x", type="decimal", minimum=0, maximum=10, decimals=1, missing=True)
TWO = Feature(name="two", type="category", levels=("no", "yes"))
THREE = Feature(name="three", type="category", levels=("a", "b", "c"), missing=True)
REAL = pd.DataFrame(
    {
        "x": [1.0, 3.0, np.nan, 5.0],
        "two": pd.Series(["no", "yes", "yes", "no"], dtype=object),
        "three": pd.Series(["a", None, "b", "a"], dtype=object),
    }
)


def test_a_small_table_by_hand():
    matrix = Encoder([X, TWO, THREE], REAL).transform(REAL)
    z = 2 / np.sqrt(8 / 3)  # mean 3, deviation sqrt(8 / 3), of the numbers that are there
    assert matrix == pytest.approx(
        np.array(
            [
                [-z, 0, 0, 1, 0, 0, 0],
                [0, 0, 1, 0, 0, 0, 1],
                [0, 1, 1, 0, 1, 0, 0],
                [z, 0, 0, 1, 0, 0, 0],
            ]
        )
    )


def test_means_and_deviations_are_those_of_the_real_rows():
    encoder = Encoder([X], REAL)
    other = encoder.transform(pd.DataFrame({"x": [3.0, 1000.0]}))
    assert other[0, 0] == 0
    assert other[1, 0] == pytest.approx(997 / np.sqrt(8 / 3))


def test_constant_and_blank_columns_are_zero():
    constant = pd.DataFrame({"x": [4.0, 4.0]})
    assert (Encoder([X], constant).transform(constant) == 0).all()
    assert Encoder([X], constant).transform(pd.DataFrame({"x": [6.0]})).tolist() == [[2.0, 0.0]]
    blank = pd.DataFrame({"x": [np.nan, np.nan]})
    assert Encoder([X], blank).transform(blank).tolist() == [[0, 1], [0, 1]]


def test_it_is_scikit_learns_scaler_and_one_hot_encoder():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"x": rng.uniform(0, 10, 30).round(1), "three": rng.choice(list("abc"), 30)}
    )
    matrix = Encoder([X, THREE], frame.astype({"three": object})).transform(frame)
    assert matrix[:, :1] == pytest.approx(StandardScaler().fit_transform(frame[["x"]]))
    levels = OneHotEncoder(categories=[list("abc")], sparse_output=False)
    assert (matrix[:, 2:5] == levels.fit_transform(frame[["three"]])).all()
    assert (matrix[:, [1, 5]] == 0).all()


@settings(max_examples=40, deadline=None)
@given(st.data(), dictionaries())
def test_any_table_becomes_finite_numbers_of_the_same_width(data, dictionary):
    n = data.draw(st.integers(1, 6))
    rows = [{f.name: data.draw(values(f)) for f in dictionary.features} for _ in range(n)]
    real = frame_of(dictionary, rows)
    encoder = Encoder(dictionary.features, real)
    matrix = encoder.transform(real)
    width = sum(
        1 if f.numeric or len(f.levels) == 2 else len(f.levels) for f in dictionary.features
    ) + sum(f.missing for f in dictionary.features)
    assert matrix.shape == (n, width)
    assert matrix.dtype == np.float64
    assert np.isfinite(matrix).all()
    assert encoder.transform(real.head(0)).shape == (0, width)
    # Row by row it is the same, so no row depends on another.
    assert (encoder.transform(real.iloc[[n - 1]]) == matrix[n - 1]).all()


def encoded_effects(**fields):
    feature = Feature(name="f", **fields)
    rows = pd.DataFrame({"f": feature.values(pd.Series([None, None], dtype=object))})
    encoder = Encoder([feature, X], REAL.assign(f=rows["f"]))
    effects = encoder.effects
    if effects is None:
        return None
    assert effects.shape == (encoder.transform(REAL.assign(f=None)).shape[1],)
    return pytest.approx(effects[:-2], nan_ok=True)  # the last two are of x


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"effect": "raises"}, [1]),
        ({"effect": "lowers", "missing": True}, [-1, np.nan]),
        ({"levels": ("no", "yes"), "effect": "raises"}, [1]),
        ({"levels": ("no", "yes"), "effect": "none"}, [0]),
        ({"levels": ("no", "yes"), "level_effects": {"no": "strongly raises"}}, [-2]),
        ({"levels": ("no", "yes"), "level_effects": {"no": "lowers", "yes": "raises"}}, [1]),
        ({"levels": ("a", "b", "c"), "level_effects": {"c": "lowers"}}, [np.nan, np.nan, -1]),
        ({"levels": ("a", "b", "c"), "missing": True, "effect": "none"}, [0, 0, 0, np.nan]),
    ],
)
def test_effects_are_those_of_the_columns_of_the_matrix(fields, expected):
    kind = {"type": "integer", "minimum": 0, "maximum": 9}
    if "levels" in fields:
        kind = {"type": "category"}
    assert encoded_effects(**kind, **fields) == expected


def test_where_nothing_is_said_there_are_no_effects():
    assert Encoder([X, TWO, THREE], REAL).effects is None

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats.contingency import association as scipy_association

from t2local.stats.association import associations
from t2local.tables.describe import describe
from t2local.tables.dictionary import Feature
from t2local.tables.files import from_frame

LEVELS = tuple("abcd")


def level(name, missing=True):
    return Feature(name=name, type="category", levels=LEVELS, missing=missing)


def number(name):
    return Feature(name=name, type="integer", minimum=0, maximum=100, missing=True)


def by_loops(one, two):
    """Bergsma (2013), equations 5 to 7, cell by cell."""
    pairs = list(zip(one, two, strict=True))
    n = len(pairs)
    rows, columns = sorted(set(one)), sorted(set(two))
    if min(len(rows), len(columns)) < 2 or n < 2:
        return 0.0
    phi2 = 0.0
    for a in rows:
        for b in columns:
            expected = one.count(a) * two.count(b) / n
            phi2 += (pairs.count((a, b)) - expected) ** 2 / expected / n
    r, c = len(rows), len(columns)
    phi2 = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    r2, c2 = r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)
    return min(1.0, (phi2 / (min(r2, c2) - 1)) ** 0.5) if min(r2, c2) > 1 else 0.0


cells = st.lists(
    st.tuples(st.sampled_from(LEVELS), st.sampled_from(LEVELS)), min_size=1, max_size=40
)


@settings(max_examples=60, deadline=None)
@given(cells)
def test_it_is_bergsmas_formula(pairs):
    one, two = ([pair[i] for pair in pairs] for i in (0, 1))
    frame = pd.DataFrame({"p": one, "q": two}, dtype=object)
    matrix = associations(frame, [level("p"), level("q")])
    # The root of a rounding error of 1e-16 is 1e-8.
    assert matrix[0, 1] == pytest.approx(by_loops(one, two), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 100)), min_size=1, max_size=30), st.data())
def test_it_is_symmetric_within_0_and_1_and_does_not_depend_on_the_order_of_rows(numbers, data):
    n = len(numbers)
    texts = data.draw(st.lists(st.sampled_from([*LEVELS, None]), min_size=n, max_size=n))
    frame = pd.DataFrame(
        {"x": pd.Series(numbers, dtype=float), "k": pd.Series(texts, dtype=object), "z": range(n)}
    )
    columns = [number("x"), level("k"), number("z")]
    matrix = associations(frame, columns)
    assert (matrix == matrix.T).all()
    assert (np.diag(matrix) == 1).all()
    assert ((matrix >= 0) & (matrix <= 1)).all()
    shuffled = frame.iloc[data.draw(st.permutations(range(n)))]
    assert associations(shuffled, columns) == pytest.approx(matrix)


def test_with_many_rows_it_is_the_plain_v():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 4, 20_000)
    two = np.where(rng.random(20_000) < 0.4, one, rng.integers(0, 4, 20_000))
    frame = pd.DataFrame({"p": np.array(LEVELS)[one], "q": np.array(LEVELS)[two]}, dtype=object)
    plain = scipy_association(np.histogram2d(one, two, 4)[0].astype(int), method="cramer")
    assert associations(frame, [level("p"), level("q")])[0, 1] == pytest.approx(plain, abs=0.001)


def test_unrelated_columns_of_few_rows_are_near_zero_where_the_plain_v_is_not():
    rng = np.random.default_rng(0)
    corrected, plain = [], []
    for _ in range(100):
        one, two = rng.integers(0, 4, (2, 40))
        frame = pd.DataFrame({"p": np.array(LEVELS)[one], "q": np.array(LEVELS)[two]})
        corrected.append(associations(frame.astype(object), [level("p"), level("q")])[0, 1])
        plain.append(scipy_association(np.histogram2d(one, two, 4)[0].astype(int)))
    assert np.mean(corrected) < 0.1 < 0.2 < np.mean(plain)


def test_a_missing_cell_is_a_category_and_a_constant_or_blank_column_is_related_to_nothing():
    blanks = pd.Series([1.0, np.nan] * 10)
    texts = pd.Series([None, "a"] * 10, dtype=object)
    frame = pd.DataFrame({"x": blanks, "k": texts, "c": 5.0, "e": np.nan, "l": "b"})
    columns = [number("x"), level("k"), number("c"), number("e"), level("l")]
    matrix = associations(frame, columns)
    assert matrix[0, 1] == 1.0
    assert (matrix[2:] == np.eye(5)[2:]).all()


def test_associations_are_high_for_copies_and_near_zero_for_noise():
    rng = np.random.default_rng(1)
    x = rng.normal(size=400).round(2)
    frame = pd.DataFrame(
        {
            "x": x,
            "copy": 2 * x,
            "noise": rng.normal(size=400).round(2),
            "sign": np.where(x > 0, "up", "down"),
        }
    )
    known = describe(from_frame(frame).cells)
    matrix = associations(known.values(from_frame(frame).cells), known.features)
    assert np.allclose(matrix, matrix.T)
    assert matrix[0, 1] > 0.95
    assert matrix[0, 2] < 0.15
    assert matrix[0, 3] > 0.9

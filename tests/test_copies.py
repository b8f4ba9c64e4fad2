"""Hashes of rows, and tables so small that chance explains copies."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.trim.copies import few_rows_possible, row_hashes
from tests.batches import dictionary, fresh, inspect, new_inspector, real_rows
from tests.strategies import dictionaries, frame_of, values


def levels(name, n, *, missing=False):
    names = tuple(f"level {i}" for i in range(n))
    return Feature(name=name, type="category", levels=names, missing=missing)


def table_of(*features):
    return FeatureDictionary(target=features[-1].name, features=features)


def test_equal_rows_have_equal_hashes_whatever_their_index():
    rows = real_rows()
    again = rows.set_index(np.arange(len(rows))[::-1])
    assert row_hashes(rows) == row_hashes(again)
    assert row_hashes(pd.concat([rows, rows])) == row_hashes(rows) * 2


def test_hashes_are_those_of_single_rows():
    rows = fresh(5)
    assert [row_hashes(rows.iloc[[i]])[0] for i in range(5)] == row_hashes(rows)


def test_no_rows_have_no_hashes():
    assert row_hashes(real_rows().head(0)) == []


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_rows_are_equal_where_their_hashes_are(data):
    table = data.draw(dictionaries(most=3))
    row = st.fixed_dictionaries({f.name: values(f) for f in table.features})
    rows = data.draw(st.lists(row, min_size=1, max_size=6))
    hashes = row_hashes(frame_of(table, rows))
    for (one, hash_one), (other, hash_other) in product(zip(rows, hashes, strict=True), repeat=2):
        assert (one == other) == (hash_one == hash_other)


@pytest.mark.parametrize("column", ["age", "weight", "sex", "smoker", "ward", "outcome"])
def test_one_other_cell_is_another_hash(column):
    rows = fresh(1)
    others = [value for value in real_rows()[column].dropna().unique() if value != rows[column][0]]
    changed = rows.assign(**{column: others[:1]})
    assert row_hashes(changed) != row_hashes(rows)


@pytest.mark.parametrize(("n_real", "few"), [(1, False), (2, False), (3, True), (50, True)])
def test_a_table_of_24_rows_is_few_for_more_than_two_real_rows(n_real, few):
    table = table_of(levels("a", 4), levels("b", 3), levels("y", 2))
    assert few_rows_possible(table, n_real) == few


def test_a_missing_cell_is_one_more_value():
    without = table_of(levels("a", 6), levels("y", 3))
    with_missing = table_of(levels("a", 6, missing=True), levels("y", 3))
    assert few_rows_possible(without, n_real=2)  # 18 < 20
    assert not few_rows_possible(with_missing, n_real=2)  # 21 > 20


def test_both_ends_of_a_range_count():
    number = Feature(name="x", type="integer", minimum=0, maximum=9)
    assert not few_rows_possible(table_of(number, levels("y", 11)), n_real=10)  # 110 > 100
    assert few_rows_possible(table_of(number, levels("y", 11)), n_real=12)  # 110 < 120


@pytest.mark.parametrize(("decimals", "n_values"), [(0, 10), (1, 91), (2, 901)])
def test_a_number_has_as_many_values_as_its_grid(decimals, n_values):
    kind = "decimal" if decimals else "integer"
    number = Feature(name="x", type=kind, minimum=0, maximum=9, decimals=decimals)
    table = table_of(number, levels("y", 2))
    n_rows = 2 * n_values
    assert not few_rows_possible(table, (n_rows - 1) // 10)
    assert few_rows_possible(table, n_rows // 10 + 1)


def test_the_patients_are_no_tiny_table():
    assert not few_rows_possible(dictionary(), 60)


def test_a_tiny_table_keeps_copies_and_says_so():
    features = tuple(Feature(name=name, type="boolean", levels=("0", "1")) for name in "aby")
    table = table_of(*features)
    assert few_rows_possible(table, 20)
    cells = np.random.default_rng(0).choice(["0", "1"], (20, 3))
    rows = pd.DataFrame(cells, columns=list("aby"), dtype=object)
    verdict = new_inspector(rows, table).judge(rows.head(5))
    assert verdict.rejected_by()["sanity"] == 0
    figures = verdict.figures["sanity"]
    assert figures.broken_constraints == 0
    assert figures.copies == 5
    assert figures.copies_by_chance


def test_copies_of_rows_kept_before_are_rejected():
    inspector = inspect(worst_share=0)
    batches = [fresh(10, seed) for seed in range(20)]
    kept = next(batch for batch in batches if inspector.judge(batch).kept.all())
    assert set(inspector.judge(kept).stages) == {"sanity"}

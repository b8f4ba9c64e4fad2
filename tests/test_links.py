"""Links: columns that point at identifiers of the same table are found, and point at new ones."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local import pipeline
from t2local.errors import DictionaryError
from t2local.llm.scripted import ScriptedModel
from t2local.tables.dictionary_file import read_dictionary
from t2local.tables.links import new_links
from tests.ugly_tables import mothers, plain

pytestmark = pytest.mark.usefixtures("fewest_fits")

RNG = np.random.default_rng(7)
KEYS = {
    "counts": [str(n) for n in range(1, 61)],
    "texts": [f"P{n:03}" for n in RNG.permutation(900)[:60]],
    "numbers": [str(n) for n in RNG.permutation(9000)[:60] + 1000],
}


def people(keys, name="mother_id", cells=None):
    frame = plain()
    frame.insert(0, "person_id", keys)
    frame.insert(1, name, mothers(keys) if cells is None else cells)
    return frame


def link(frame, name):
    """What the column points at; blank where it is something else."""
    left_out = {column.name: column.to for column in pipeline.describe(frame).left_out}
    return left_out.get(name, "")


@pytest.mark.parametrize(
    ("kind", "name", "is_link"),
    [
        ("counts", "mother_id", True),
        ("counts", "referred by", True),
        ("counts", "first_person_id", True),
        ("counts", "mother", False),  # her age
        ("counts", "headache", False),
        ("texts", "seen with", True),
        ("numbers", "seen with", True),
    ],
)
def test_columns_that_point_at_identifiers(kind, name, is_link):
    assert bool(link(people(KEYS[kind], name), name)) == is_link


@pytest.mark.parametrize(
    ("kind", "name", "cells"),
    [
        ("counts", "mother_id", ["1", "2", "3"] * 20),  # codes
        ("counts", "manager", ["0", "1"] * 30),
        ("texts", "mother_id", [*KEYS["texts"][:59], "P999"]),  # one is nobody's
        ("texts", "other_id", KEYS["texts"][::-1]),  # another identifier of the same rows
        ("numbers", "year", [str(n) for n in RNG.integers(1950, 2020, 60)]),
    ],
)
def test_codes_and_identifiers_of_others_are_no_links(kind, name, cells):
    assert not link(people(KEYS[kind], name, cells), name)


def test_a_column_points_at_the_largest_of_several():
    keys = KEYS["texts"]
    second = [key if n % 9 else None for n, key in enumerate(keys)]
    frame = people(keys).assign(second_id=second, third=[*second[:30], *[None] * 30])
    frame = frame[["second_id", "person_id", "third", "mother_id", "age", "died"]]
    for name in ("second_id", "third", "mother_id"):
        assert link(frame, name) == "person_id"


def test_a_link_to_a_link_points_at_the_identifiers():
    spouse = [str(n % 60 + 1) if n % 7 else None for n in range(1, 61)]
    old = [cell if n % 3 else None for n, cell in enumerate(spouse)]
    frame = people(KEYS["counts"], "spouse_id", spouse).rename(columns={"person_id": "nr"})
    frame = frame.assign(old_spouse_id=old)[["nr", "spouse_id", "old_spouse_id", "age", "died"]]
    dictionary = pipeline.describe(frame)
    links = {column.name: column.to for column in dictionary.left_out if column.make == "link"}
    assert links == {"spouse_id": "nr", "old_spouse_id": "nr"}
    assert read_dictionary(dictionary.to_yaml(), "d") == dictionary


def test_a_zero_is_nobody_as_in_pedigrees():
    cells = [cell or "0" for cell in mothers(KEYS["texts"])]
    assert link(people(KEYS["texts"], "father", cells), "father") == "person_id"


@settings(max_examples=50)
@given(
    st.lists(st.integers(-2, 9), min_size=10, max_size=10),
    st.integers(0, 30),
    st.integers(1, 99),
    st.sampled_from([None, "0"]),
)
def test_links_point_at_earlier_rows_at_themselves_or_at_none(places, n_rows, seed, none):
    real_keys = pd.Series([f"r{n}" for n in range(10)], dtype=object)
    # -2: none; -1: itself.
    real = [{-2: none, -1: f"r{row}"}.get(n, f"r{n}") for row, n in enumerate(places)]
    keys = [f"n{n}" for n in range(n_rows)]
    links = new_links(pd.Series(real, dtype=object), real_keys, keys, seed)
    assert len(links) == n_rows
    allowed = {none if none in real else None, *keys}
    assert set(links) <= allowed
    for row, cell in enumerate(links):
        if cell in keys:
            assert keys.index(cell) <= row
    if -2 not in places:
        assert None not in links
        assert "0" not in links


def test_as_many_point_at_none_as_in_the_real_table():
    keys = pd.Series([f"r{n}" for n in range(100)], dtype=object)
    real = keys.shift(1).where(keys.index % 4 > 0, None)
    links = new_links(real, keys, [f"n{n}" for n in range(2000)], 1)
    assert links.count(None) / 2000 == pytest.approx(0.25, abs=0.04)  # four standard errors


def test_numbers_of_a_frame_stay_numbers_and_written_links_exist(tmp_path):
    frame = people(KEYS["counts"]).astype({"person_id": int, "mother_id": float})
    result = pipeline.generate(frame, model=ScriptedModel(), rows=30, out=tmp_path / "out")
    new = result.synthetic
    assert (new["person_id"].dtype, new["mother_id"].dtype) == (int, float)
    assert not set(new["mother_id"].dropna()) - set(new["person_id"])
    again = read_dictionary((tmp_path / "out" / "dictionary.yaml").read_text(), "d.yaml")
    assert again == result.dictionary


def test_a_link_to_what_is_no_identifier_is_a_fault_at_its_place():
    text = pipeline.describe(people(KEYS["texts"])).to_yaml()
    with pytest.raises(DictionaryError, match="has 1 fault") as error:
        read_dictionary(text.replace("to: person_id", "to: age"), "d.yaml")
    assert "make: identifier" in str(error.value.faults)

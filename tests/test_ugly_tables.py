"""Ugly tables come back whole: kinds as a person sees them, every column, rows that read back."""

from importlib.util import find_spec

import pandas as pd
import pytest
from scipy.stats import binomtest

from t2local import pipeline
from t2local.llm.scripted import ScriptedModel
from t2local.tables.describe import describe
from t2local.tables.reading import read_table, write_like
from tests.ugly_tables import UGLY

pytestmark = pytest.mark.usefixtures("few_trees")

#: Of all columns of the suite.
LEAST_RIGHT = 0.95
#: So unlikely would a share of missing cells be, or one further off, if it were the real one; there
#: are hundreds of columns.
BY_CHANCE = 1e-4
#: 30 rows show neither that 25 codes repeat nor a class of one in 60.
TOO_FEW_ROWS = {("codes with leading zeros", "zip"), ("one row of a class", "died")}


@pytest.fixture(params=UGLY)
def ugly(request, tmp_path):
    """The name of an ugly table, and its file."""
    table = UGLY[request.param]
    if table.library:
        pytest.importorskip(table.library)
    path = tmp_path / table.name
    table.write(path)
    return request.param, path


def kinds(dictionary):
    """The kind of each column, as `tests.ugly_tables` says it."""
    features = {feature.name: str(feature.type) for feature in dictionary.features}
    return features | {column.name: column.make or "blank" for column in dictionary.left_out}


def test_kinds_are_those_that_a_person_sees(tmp_path):
    wrong, n_columns = [], 0
    for name, table in UGLY.items():
        if table.library and not find_spec(table.library):
            continue
        path = tmp_path / table.name
        table.write(path)
        guesses = kinds(pipeline.describe(path))
        assert guesses.keys() == table.kinds.keys(), name
        n_columns += len(guesses)
        wrong += [(name, column) for column in guesses if guesses[column] != table.kinds[column]]
    assert len(wrong) <= (1 - LEAST_RIGHT) * n_columns, wrong


def written_names(table):
    """The header as the file has it; none without one."""
    if table.header is None:
        return None
    return [table.header.get(name, name) for name in table.cells]


def test_what_is_read_is_written_and_described_as_the_same(ugly, tmp_path):
    _, path = ugly
    table = read_table(path)
    first_line = "data" if table.header is None else "names"
    write_like(table, tmp_path / "again.csv", table.cells)
    again = read_table(tmp_path / "again.csv", first_line=first_line)
    pd.testing.assert_frame_equal(again.cells, table.cells)
    assert written_names(again) == written_names(table)
    assert describe(again.cells) == describe(table.cells)


def test_rows_are_written_without_an_option_and_come_back_as_what_they_are(ugly, tmp_path):
    name, path = ugly
    result = pipeline.generate(path, model=ScriptedModel(), rows=30, out=tmp_path / "out")
    file = next((tmp_path / "out").glob("synthetic.*"))
    real = read_table(path)
    first_line = "data" if real.header is None else "names"
    rows = read_table(file, first_line=first_line, fewest=0)
    assert len(rows.cells) == len(result.synthetic) > 0
    assert list(rows.cells) == list(real.cells)
    assert written_names(rows) == written_names(real)
    dictionary = result.dictionary
    assert dictionary.check_table(rows.cells, rows.lines, "synthetic.csv") == []
    values = dictionary.values(rows.cells)
    pd.testing.assert_frame_equal(
        dictionary.native(values), result.synthetic[dictionary.names], check_dtype=False
    )
    as_guessed = kinds(describe(rows.cells, target=dictionary.target))
    for column, kind in kinds(dictionary).items():
        assert as_guessed[column] == kind or (name, column) in TOO_FEW_ROWS
    for column in dictionary.features:
        if column.name == dictionary.target:
            continue
        missing = values[column.name].isna()
        share = column.values(real.cells[column.name]).isna().mean()
        assert binomtest(int(missing.sum()), len(missing), share).pvalue > BY_CHANCE
    for column in dictionary.left_out:
        assert column.make == "identifier" or rows.cells[column.name].isna().all()

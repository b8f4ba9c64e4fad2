"""Ugly tables come back whole: kinds as a person sees them, every column, rows that read back."""

import re
import shlex

import pandas as pd
import pytest
from scipy.stats import binomtest

from t2local import pipeline
from t2local.errors import T2LocalError
from t2local.llm.scripted import ScriptedModel
from t2local.tables.describe import describe
from t2local.tables.reading import read_table, write_like
from tests.ugly_tables import UGLY

pytestmark = pytest.mark.usefixtures("few_trees")

#: Of all columns of the suite: two thirds of those that a first reader got wrong are still allowed.
LEAST_RIGHT = 0.95
#: So unlikely would a share of missing cells be, or one further off, if it were the real one; there
#: are hundreds of columns.
BY_CHANCE = 1e-4


@pytest.fixture(params=UGLY)
def ugly(request, tmp_path):
    """An ugly table, and its file."""
    table = UGLY[request.param]
    if table.library:
        pytest.importorskip(table.library)
    path = tmp_path / table.name
    table.write(path)
    return table, path


def kinds(dictionary):
    """The kind of each column, as `tests.ugly_tables` says it."""
    features = {feature.name: str(feature.type) for feature in dictionary.features}
    return features | {column.name: column.make or "blank" for column in dictionary.left_out}


def test_kinds_are_those_that_a_person_sees(tmp_path):
    wrong, n_columns = [], 0
    for name, table in UGLY.items():
        if table.library and not pytest.importorskip(table.library):
            continue
        path = tmp_path / table.name
        table.write(path)
        guesses = kinds(pipeline.describe(path))
        assert guesses.keys() == table.kinds.keys(), name
        n_columns += len(guesses)
        wrong += [(name, column) for column in guesses if guesses[column] != table.kinds[column]]
    assert len(wrong) <= (1 - LEAST_RIGHT) * n_columns, wrong


def test_what_is_read_is_written_and_described_as_the_same(ugly, tmp_path):
    _, path = ugly
    table = read_table(path)
    first_line = "data" if table.header is None else "names"
    write_like(table, tmp_path / "again.csv", table.cells)
    again = read_table(tmp_path / "again.csv", first_line=first_line)
    pd.testing.assert_frame_equal(again.cells, table.cells)
    assert again.header == table.header
    assert describe(again.cells) == describe(table.cells)


def generated(path, out):
    """The result of ``generate PATH --rows 30``; where it refuses, of the command that it names."""
    options = {"model": ScriptedModel(), "rows": 30, "out": out}
    try:
        return pipeline.generate(path, **options)
    except T2LocalError as error:
        command = re.search(r"python -m t2local generate (.*)", error.next_step)
        assert command, f"no command in: {error}"
        words = shlex.split(command[1])
        named = {
            words[place].lstrip("-"): words[place + 1] for place in range(1, len(words), 2)
        }
        return pipeline.generate(path, **options, **named)


def test_rows_are_written_without_an_option_and_come_back_as_what_they_are(ugly, tmp_path):
    table, path = ugly
    result = generated(path, tmp_path / "out")
    file = next((tmp_path / "out").glob("synthetic.*"))
    real = read_table(path)
    first_line = "data" if real.header is None else "names"
    rows = read_table(file, first_line=first_line, fewest=0)
    assert len(rows.cells) == len(result.synthetic) > 0
    assert list(rows.cells) == list(real.cells)
    assert rows.header == real.header
    dictionary = result.dictionary
    assert dictionary.check_table(rows.cells, rows.lines, "synthetic.csv") == []
    assert rows.cells[dictionary.names].equals(
        dictionary.cells(dictionary.values(rows.cells))[dictionary.names]
    )
    for column in dictionary.features:
        missing = rows.cells[column.name].isna() | rows.cells[column.name].isin(
            column.missing_values
        )
        real_values = column.values(real.cells[column.name])
        share = real_values.isna().mean()
        if column.name != dictionary.target:
            assert binomtest(int(missing.sum()), len(missing), share).pvalue > BY_CHANCE
    for column in dictionary.left_out:
        assert column.make == "identifier" or rows.cells[column.name].isna().all()

"""Ugly tables come back whole: kinds as a person sees them, every column, rows that read back.

The suite runs the columns of several tables together. Each alone takes a minute or two in all:

python -m tests.test_ugly_tables
"""

import tempfile
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import binomtest, fisher_exact

from t2local import pipeline
from t2local.llm.scripted import ScriptedModel
from t2local.tables.describe import describe
from t2local.tables.reading import read_table, write_like
from tests.ugly_tables import TOGETHER, UGLY

pytestmark = pytest.mark.usefixtures("fewest_fits")

#: Of all columns of the suite.
LEAST_RIGHT = 0.95
#: So unlikely may one of all shares of missing cells in a table be, one or that of two columns.
BY_CHANCE = 1e-3
#: 30 rows show neither that 25 codes repeat nor a class of one in 60.
TOO_FEW_ROWS = {"zip", "died"}
#: Tables in which rules are found, and how many at least.
WITH_RULES = {
    "births and deaths": 2,
    "children who smoke": 2,
    "engines of other makes": 3,
    "results of one tube": 1,
}


def written(table, folder):
    """The file of an ugly table."""
    if table.library:
        pytest.importorskip(table.library)
    path = folder / table.name
    table.write(path)
    return path


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


@pytest.mark.parametrize("name", UGLY)
def test_what_is_read_is_written_and_described_as_the_same(name, tmp_path):
    table = read_table(written(UGLY[name], tmp_path))
    first_line = "data" if table.header is None else "names"
    write_like(table, tmp_path / "again.csv", table.cells)
    again = read_table(tmp_path / "again.csv", first_line=first_line)
    pd.testing.assert_frame_equal(again.cells, table.cells)
    assert written_names(again) == written_names(table)
    assert describe(again.cells) == describe(table.cells)


RUNS = {name: table for name, table in UGLY.items() if not table.columns} | TOGETHER


@pytest.mark.parametrize("name", RUNS)
def test_rows_are_written_without_an_option_and_come_back_as_what_they_are(name, tmp_path):
    check_run(RUNS[name], tmp_path, WITH_RULES.get(name, 0))


def check_run(table, folder, fewest_rules=0):
    """A run without an option, and all that can be asked of its rows."""
    path = written(table, folder)
    result = pipeline.generate(path, model=ScriptedModel(), rows=30, out=folder / "out")
    file = next((folder / "out").glob("synthetic.*"))
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
        assert as_guessed[column] == kind or column in TOO_FEW_ROWS
    rules = dictionary.parsed_rules().values()
    assert len(rules) >= fewest_rules
    assert all(rule.obeyed(values).all() for rule in rules)
    check_missing(dictionary.values(real.cells)[dictionary.inputs], values[dictionary.inputs])
    check_left_out(dictionary, rows.cells)


def check_missing(real, new):
    """What is missing, and missing together, is so as often as chance allows (Bonferroni)."""
    real, new = real.isna(), new.isna()
    ever = [name for name in real if real[name].any()]
    assert not new.drop(columns=ever).to_numpy().any()
    limit = BY_CHANCE / max(1, len(ever) + len(ever) * (len(ever) - 1) // 2)
    for name in ever:
        assert binomtest(int(new[name].sum()), len(new), real[name].mean()).pvalue > limit
    for one, other in combinations(ever, 2):
        counts = [(frame[one] & frame[other]).sum() for frame in (real, new)]
        others = [len(frame) - count for frame, count in zip((real, new), counts, strict=True)]
        assert fisher_exact([counts, others]).pvalue > limit


def check_left_out(dictionary, cells):
    """Identifiers are different ones, links point at some of them, other columns are blank."""
    for column in dictionary.left_out:
        new = cells[column.name]
        if column.make == "identifier":
            assert new.is_unique
        elif column.make == "link":
            assert 0 < new.count() < len(new)
            assert set(new.dropna()) <= set(cells[column.to])
        else:
            assert new.isna().all()


if __name__ == "__main__":
    for name in set(UGLY) - set(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            check_run(UGLY[name], Path(folder))
        print(f"{name}: right")  # noqa: T201

"""What may leave a table. The sentences of docs/what-may-leave.md are the first lines here.

Each sentence of that page is the docstring of the test that holds it.
"""

import ast
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import t2local
from t2local.events import ignore
from t2local.llm.scripted import ScriptedModel
from t2local.run.inputs import new_run, read_inputs
from t2local.settings import Settings, TableSettings
from t2local.tables import disclosure
from t2local.tables.describe import describe
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.dictionary_file import read_dictionary
from t2local.tables.feature import Feature
from t2local.tables.files import cells_of
from t2local.tables.guess import guess_column
from t2local.trim.shifts import shifts

ROOT = Path(__file__).parents[1]
TARGET = "outcome"


def described(target=TARGET, table_settings=None, **columns) -> FeatureDictionary:
    frame = pd.DataFrame(columns)
    if TARGET not in frame:
        frame[TARGET] = np.resize(["ill", "well"], len(frame))
    return describe(cells_of(frame), target=target, settings=table_settings)


def column(**counts) -> list[str]:
    """Levels, each so often."""
    return [level for level, count in counts.items() for _ in range(count)]


def levels(cells, **changes) -> tuple[str, ...]:
    numbers = np.arange(len(cells)) % 17
    return described(table_settings=TableSettings(**changes), x=cells, n=numbers)["x"].levels


@pytest.mark.parametrize(
    ("n_rows", "least"), [(10, 3), (30, 3), (60, 3), (61, 4), (81, 5), (100, 5), (5000, 5)]
)
def test_rows_that_a_level_needs(n_rows, least):
    """A level leaves if 5 real rows have it or more; in a table of fewer than 100 rows a twentieth
    of them are enough, but never fewer than 3.
    """
    assert disclosure.min_count(None, n_rows) == least
    assert disclosure.min_count(10, n_rows) == 10
    cells = column(mill=n_rows - 2 * least + 1, port=least, farm=least - 1)
    assert levels(cells) == ("mill", "port", "other")


@pytest.mark.parametrize(
    ("level", "common"),
    [
        *((text, True) for text in ("0", "10", "A", "IV", "iiib", "Stage II", "grade 3", "pT2a")),
        *((text, True) for text in ("+", "AB-", "Yes", "FEMALE", "never", "severe", "G3", "2+")),
        *((text, False) for text in ("11", "E84", "Q79.6", "Ulm", "Xi'an", "smithy", "007", "IVF")),
        *((text, False) for text in ("Dr", "stage manager", "C3b", "grade of", "Mary", "-999")),
    ],
)
def test_steps_of_a_scale(level, common):
    """A level that is a step of a scale leaves however rare it is: a whole number from 0 to 10, one
    letter, a Roman numeral, a grade, a range of numbers, a word such as yes, female, never or
    severe, and, where all levels of a column are one word with a number from 0 to 10, each of them
    (CL0, CL1).
    """
    assert disclosure.is_common(level) == common
    shown = levels([*["mill", "port"] * 60, level])
    assert (level in shown) == common


def test_ranges_and_numbered_steps_are_scales_as_a_whole():
    assert levels([*["10-14", "15-19", "20-24"] * 40, "25-29"])[-1] == "25-29"
    assert levels([*["CL0", "CL1"] * 60, "CL6"])[-1] == "CL6"
    assert levels([*["CL0", "CL1"] * 60, "CM6"])[-1] == "other"
    assert levels([*["Q79.3", "Q79.5"] * 60, "Q79.6"])[-1] == "other"
    assert levels([*["Maria", "Marie"] * 60, "Marit"])[-1] == "other"


def test_other_levels_are_pooled():
    """All other levels of a column are pooled: `other` stands for them; a column that has no other
    level is left out.
    """
    cells = column(mill=90, port=20, farm=4, smithy=2, inn=1)
    assert levels(cells) == ("mill", "port", "other")
    assert levels([*cells, *["Other"] * 2]) == ("mill", "port", "Other")
    assert levels(cells, min_count=1) == ("farm", "inn", "mill", "port", "smithy")
    rare = [f"hamlet {n // 4}" for n in range(100)]
    (out,) = described(x=rare, n=np.arange(100) % 17).left_out
    assert (out.name, "hamlet" in out.reason) == ("x", False)


def test_classes_of_the_target():
    """The classes of the target leave however rare they are."""
    frame = {"n": np.arange(100) % 17, TARGET: column(ill=50, well=49, rabies=1)}
    assert described(**frame)[TARGET].levels == ("ill", "rabies", "well")


def test_levels_that_a_person_names(tmp_path):
    """A level that your dictionary or codebook names leaves; a notice says of how many levels of
    few rows this is so, by column, and names none.
    """
    frame = pd.DataFrame({"x": column(mill=116, farm=3, inn=1), "n": np.arange(120) % 17})
    frame[TARGET] = np.resize(["ill", "well"], 120)
    cells = cells_of(frame)
    guess = describe(cells, target=TARGET)
    (message,) = disclosure.notices(guess.features, TARGET, cells, 5)
    assert "x (2)" in message
    assert "--min-count" not in message
    assert "enum" in message
    text = guess.to_yaml().replace("- other", "- farm\n    - other")
    named = read_dictionary(text, "d.yaml")
    assert named["x"].levels == ("mill", "farm", "other")
    (hidden, shown) = disclosure.notices(named.features, TARGET, cells, 5)
    assert "x (1)" in hidden
    assert "x (1)" in shown
    assert not re.search("farm|inn", message + hidden + shown)
    (tmp_path / "book.json").write_text(
        '{"fields": [{"name": "x", "type": "string", "constraints": {"enum": ["mill", "inn"]}}]}'
    )
    by_book = t2local.describe(frame, target=TARGET, codebook=tmp_path / "book.json")
    assert by_book["x"].levels == ("mill", "inn", "other")
    assert by_book["x"].pool == "other"
    heard = []
    run = new_run(Settings(), 1, 1, lambda event: heard.append(str(event)))
    read_inputs(run, frame, TARGET, guess, "data")
    assert any("x (2)" in text for text in heard)


TEXTS = st.sampled_from(
    ["mill", "port", "farm", "inn", "007", "012", "4", "A", "Other", "yes", "no"]
)


@settings(deadline=None)
@given(st.lists(st.tuples(TEXTS, st.integers(1, 9)), min_size=1, max_size=8), st.integers(0, 3))
def test_described_again(counts, n_missing):
    """Written rows that are described again have the same levels, and the real table is read with
    them: a text that is no level becomes `other`.
    """
    cells = pd.Series([level for level, n in counts for _ in range(n)] + [None] * n_missing)
    cells = cells.astype(object).where(cells.notna(), None).rename("x")
    guess = guess_column(cells, is_target=False, settings=TableSettings())
    if not isinstance(guess, Feature) or guess.numeric:
        return
    values = guess.values(cells)
    assert all(mask.all() for mask in guess.obeyed(values).values())
    present = cells.dropna()
    assert set(values[cells.isin(guess.levels)]) <= set(present)
    assert (values[cells.notna() & ~cells.isin(guess.levels)] == guess.pool).all()
    written = pd.Series([guess.cell(value) for value in values], name="x", dtype=object)
    again = guess_column(written, is_target=False, settings=TableSettings())
    assert isinstance(again, Feature)
    assert (again.type, again.levels, again.pool) == (guess.type, guess.levels, guess.pool)


NUMBERS = st.lists(st.decimals(-2000, 2000, places=2).map(float), min_size=2, max_size=40)


@settings(deadline=None)
@given(NUMBERS, st.integers(1, 6), st.sampled_from([0.0, 0.5, 7.0]), st.integers(0, 2))
def test_bounds_are_no_patients_own(numbers, least, margin, decimals):
    """No bound of a guessed range is a number or date of so few rows, but for whole numbers from
    -10 to 10 (a date counts the days since 1970).
    """
    values = np.round(numbers, decimals)
    low, high = disclosure.outward_range(values, margin, decimals, least)
    assert low <= values.min()
    assert values.max() <= high
    for bound in (low, high):
        is_step = float(bound).is_integer() and abs(bound) <= 10
        assert is_step or (values == bound).sum() in (0, *range(least, len(values) + 1))
    span = values.max() - values.min()
    room = margin + 2 * max(disclosure.rounding_unit(span), 10.0**-decimals) + 1e-9
    assert values.min() - low <= room
    assert high - values.max() <= room
    assert low >= 0 or values.min() < 0


@settings(deadline=None)
@given(st.floats(1e-9, 1e12))
def test_a_rounding_unit_is_near_a_fiftieth_of_any_span(span):
    assert span / 126 <= disclosure.rounding_unit(span) <= span / 50 * (1 + 1e-8)


def test_bounds_of_columns_with_a_far_single_number():
    gains = [0] * 90 + [7298, 7298, 99999]
    feature = described(gain=gains, n=np.arange(93) % 17)["gain"]
    assert feature.minimum == 0
    assert feature.maximum not in (99999, 7298)
    assert feature.maximum > 99999
    days = ["2020-01-01"] * 90 + ["2020-01-02", "2021-02-27", "2019-12-30"]
    bounds = described(day=days, n=np.arange(93) % 17)["day"]
    assert not {str(bounds.plain(bound)) for bound in bounds.bounds} & set(days)


@pytest.mark.parametrize("end", ["30.5", "131.0"])
def test_ends_of_numbers_are_not_written(patients, end):
    """No written row repeats the lowest or the highest number or date of a column, if so few rows
    have it; it is moved inwards, but for whole numbers from -10 to 10 and for what --where asks
    for.
    """
    data = patients[["weight", "age", "outcome"]].fillna(62)
    data.loc[[0, 7], "weight"] = 30.5, 131.0  # the only ones

    def script(text: bytes) -> bytes:
        written = text.rpartition(b"[")[2]
        number = end.encode()
        return number.removeprefix(written) if number.startswith(written) else b""

    model = ScriptedModel(script)

    def weights(least):
        changes = {"team.cells": "worker", "trim.keep": "all", "table.min_count": least}
        result = t2local.generate(
            data, target=TARGET, model=model, plan="data", rows=10, settings=changes
        )
        return pd.concat([result.synthetic, result.rejected])["weight"]

    assert (weights(1) == float(end)).any()
    assert not (weights("none") == float(end)).any()


def test_shares_of_few_rows():
    """No share of fewer than 11 real rows stands in a report, nor one from which it would
    follow.
    """
    shares = disclosure.open_shares(pd.Series(column(a=60, b=30, c=10)))
    assert shares == {"a": 0.6, "b": "not shown", "c": "under 11"}
    shares = disclosure.open_shares(pd.Series(column(a=78, b=10, c=6, d=6)))
    assert shares == {"a": 0.78, "b": "under 11", "c": "under 11", "d": "under 11"}
    assert disclosure.open_shares(pd.Series(column(a=5))) == {"a": 1.0}
    assert disclosure.open_shares(pd.Series(column(a=11, b=12))) == {"a": 11 / 23, "b": 12 / 23}


def test_how_many_rows_meet_what_was_asked_for():
    """How many real rows meet --where stands in no report, if one to ten of them do, or do
    not.
    """
    real = pd.DataFrame({"weight": np.arange(100) % 17 / 8, TARGET: column(yes=50, no=50)})
    dictionary = describe(cells_of(real), target=TARGET)
    values = dictionary.values(cells_of(real))
    for n_met, shown in ((0, 0), (1, None), (10, None), (11, 11), (90, None), (100, 100)):
        found = shifts(values, values, dictionary, 1, matches=np.arange(100) < n_met)
        assert (found.n_real, found.few_compared) == (shown, n_met < 11)


@pytest.mark.parametrize("n_met", [1, 5, 10])
@pytest.mark.parametrize("wanted", [None, {"yes": 0.5, "no": 0.5}])
def test_what_differs_from_a_few_patients_has_no_figure(n_met, wanted):
    weight = np.where(np.arange(100) < n_met, 1.0, 9.0)
    real = pd.DataFrame({"weight": weight, TARGET: column(yes=50, no=50)})
    dictionary = describe(cells_of(real), target=TARGET)
    values = dictionary.values(cells_of(real))
    matches = np.arange(100) < n_met
    found = shifts(values, values, dictionary, 1, matches=matches, wanted_shares=wanted)
    assert all(one.distance is None for one in found.distances if one.kind != "class_shares")
    assert (found.lost_ranges, found.associations) == ((), ())
    assert all(finding.kind == "lost_class" for finding in found.findings)


def test_where_all_but_a_few_rows_meet_what_was_asked_for_all_are_compared():
    rows = pd.DataFrame({"ward": column(A=95, B=5), TARGET: column(yes=50, no=50)})
    result = t2local.generate(
        rows, rows=20, target=TARGET, where={"ward": "A"}, model=t2local.ScriptedModel()
    )
    assert result.report["shifts"]["n_real"] == 100
    assert "ward" not in [one["column"] for one in result.report["privacy"]["inferences"]]


def sentences() -> list[str]:
    """The sentences of the page that are promises."""
    page = (ROOT / "docs" / "what-may-leave.md").read_text(encoding="utf-8")
    promises = page.partition("## Change it")[0]
    return [line[2:] for line in promises.splitlines() if line.startswith("- ")]


def test_every_sentence_of_the_page_has_its_test():
    if not (ROOT / "docs").is_dir():
        pytest.skip("the documents are not beside an installed package")
    tested = set()
    for name in ("test_disclosure.py", "test_canaries.py", "test_subgroups.py"):
        tree = ast.parse((ROOT / "tests" / name).read_text(encoding="utf-8"))
        tests = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        tested |= {" ".join((ast.get_docstring(test) or "").split()) for test in tests}
    assert len(sentences()) >= 12
    assert [sentence for sentence in sentences() if sentence not in tested] == []


@pytest.mark.parametrize(("n_others", "n_compared"), [(5, 100), (8, 12)])
def test_other_rows_count_only_where_they_are_a_few_of_many(n_others, n_compared):
    n = 100 if n_others == 5 else 20
    rows = pd.DataFrame({"ward": column(A=n - n_others, B=n_others), "age": np.arange(n) % 9})
    run = new_run(Settings(), 1, 10, ignore)
    inputs = read_inputs(run, rows, None, None, "data", {"ward": "A"})
    assert np.count_nonzero(inputs.matches()) == n_compared

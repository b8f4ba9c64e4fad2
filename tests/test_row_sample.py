"""Large files: a sample of rows, in little memory, that misses no level, blank, bound or fault."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from t2local import pipeline
from t2local.errors import InputError
from t2local.llm.scripted import ScriptedModel
from t2local.settings import Settings
from t2local.tables import reading, row_sample
from t2local.tables.describe import describe
from t2local.tables.reading import read_table

ROWS = 6_000


@pytest.fixture
def small_sample(monkeypatch):
    """200 rows are drawn of any file, and 500 are looked at together."""
    monkeypatch.setattr(reading, "_MOST_BYTES_OF_ALL_ROWS", 0)
    monkeypatch.setattr(row_sample, "_CELLS_OF_A_BLOCK", 4_500)
    monkeypatch.setattr(row_sample, "_MOST_ROWS", 200)


def visits(**changes):
    """Many rows of every type; what is in ``changes`` stands in a single one, near the end."""
    rng = np.random.default_rng(0)
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, ROWS), unit="D")
    columns = {
        "visit": np.arange(1, ROWS + 1),
        "age": rng.integers(20, 90, ROWS),
        "kg": rng.normal(70, 9, ROWS).round(1),
        "dose": rng.normal(500, 90, ROWS).round(2),
        "day": day.strftime("%d.%m.%Y"),
        "time": [f"{minute // 60}:{minute % 60:02}" for minute in rng.integers(0, 1440, ROWS)],
        "ward": rng.choice(["A", "B", "C"], ROWS),
        "note": [f"seen by {number}" for number in rng.permutation(ROWS)],
        "died": rng.choice(["0", "1"], ROWS),
    }
    columns["dose"] = [f"{number:.2f}".replace(".", ",") for number in columns["dose"]]
    frame = pd.DataFrame(columns).astype(object)
    for name, cell in changes.items():
        frame.loc[ROWS - 7, name] = cell
    return frame


def written(path, frame, **options):
    frame.to_csv(path, index=False, **options)
    return path


def described(path):
    table = read_table(path, all_rows=False)
    assert len(table.cells) <= 201
    return describe(table.cells, target="died", other_cells=table.other_cells)


def test_a_sample_is_described_as_the_whole_file(tmp_path, small_sample):
    path = written(tmp_path / "t.csv", visits(), sep=";")
    whole = describe(read_table(path).cells, target="died")
    part = described(path)
    assert [(f.name, f.type, f.levels, f.missing, f.format) for f in part.features] == [
        (f.name, f.type, f.levels, f.missing, f.format) for f in whole.features
    ]
    assert [(c.name, c.make) for c in part.left_out] == [("visit", "identifier"), ("note", "")]


@pytest.mark.parametrize(
    ("name", "cell", "holds"),
    [
        ("age", "119", lambda f: f.maximum >= 119),
        ("age", "", lambda f: f.missing),
        ("age", "-999", lambda f: f.missing_values == ("-999",) and f.minimum >= 0),
        ("kg", "12.5", lambda f: f.minimum <= 12.5),
        ("kg", "not done", lambda f: f.missing_values == ("not done",)),
        ("kg", " 312.5", lambda f: f.maximum >= 312.5),
        ("dose", "1.234,56", lambda f: f.maximum >= 1234.56),
        ("day", "24.12.1987", lambda f: f.plain(f.minimum) <= "1987-12-24"),
        ("day", "01.02.2031", lambda f: f.plain(f.maximum) >= "2031-02-01"),
        ("time", "31:07", lambda f: f.maximum >= 31 * 60 + 7),
        ("ward", "Z", lambda f: f.levels == ("A", "B", "C", "Z")),
        ("died", "2", lambda f: f.levels == ("0", "1", "2")),
    ],
)
def test_what_stands_in_one_late_row_is_not_missed(tmp_path, small_sample, name, cell, holds):
    path = written(tmp_path / "t.csv", visits(**{name: cell}), sep=";")
    assert holds(described(path)[name])


def test_days_that_come_again_are_not_read_again(tmp_path, small_sample, monkeypatch):
    texts, moments = [], row_sample._moments
    monkeypatch.setattr(row_sample, "_moments", lambda new: texts.extend(new) or moments(new))
    days = [f"{day:02}.{month:02}.2020" for month in range(1, 13) for day in range(1, 26)]
    written_days = days * (ROWS // len(days))
    described(written(tmp_path / "t.csv", visits().assign(day=written_days), sep=";"))
    assert sorted(text for text in texts if "." in text) == sorted(days)


def test_a_level_of_few_rows_is_shown_as_often_as_it_takes_to_be_a_group(tmp_path, small_sample):
    frame = visits()
    frame.loc[ROWS - 30 : ROWS - 19, "ward"] = "rare"  # twelve rows
    table = read_table(written(tmp_path / "t.csv", frame), all_rows=False)
    own = table.cells["ward"].tolist().count("rare")
    assert own + list(table.other_cells["ward"]).count("rare") == 12


@pytest.mark.parametrize(
    ("affix", "cell", "least", "most"),
    [
        ("{} mg", "999.5 mg", 400, 999.5),
        ("€ {}", " € 0.5", 0.5, 600),
        ("{}%", "1234,5%", 400, 1234.5),
        ("{} mg", "", 400, 600),
    ],
)
def test_numbers_with_a_unit_have_their_ends(tmp_path, small_sample, affix, cell, least, most):
    frame = visits()
    numbers = frame["dose"] if "," in cell else frame["dose"].str.replace(",", ".")
    frame["dose"] = [affix.format(number) for number in numbers]
    frame.loc[ROWS - 7, "dose"] = cell
    dose = described(written(tmp_path / "t.csv", frame, sep=";"))["dose"]
    assert (dose.type, dose.missing) == ("decimal", not cell)
    assert dose.minimum <= least
    assert dose.maximum >= most


def test_a_late_number_of_another_unit_is_not_missed(tmp_path, small_sample):
    frame = visits()
    frame["kg"] = [f"{number} mg" for number in frame["kg"]]
    for cell in ("70.5", "70.5 kg", "much"):
        frame.loc[ROWS - 7, "kg"] = cell
        path = written(tmp_path / "t.csv", frame)
        assert "kg" in [column.name for column in described(path).left_out]
        assert "kg" in [c.name for c in describe(read_table(path).cells, target="died").left_out]


def test_a_level_of_as_many_rows_as_a_person_wants_is_not_pooled(tmp_path, small_sample):
    frame = visits()
    frame.loc[ROWS - 60 : ROWS - 36, "ward"] = "Zwettl"  # 25 rows
    path = written(tmp_path / "t.csv", frame)
    for least, is_level in ((20, True), (25, True), (26, False)):
        dictionary = pipeline.describe(path, settings=Settings.load({"table.min_count": least}))
        assert ("Zwettl" in dictionary["ward"].levels) == is_level


def test_levels_of_enough_rows_of_the_file_are_no_reason_for_a_notice(tmp_path, small_sample):
    frame = visits()
    frame.loc[ROWS - 60 : ROWS - 31, "ward"] = "Zwettl"
    frame.loc[ROWS - 30 : ROWS - 29, "ward"] = "Horn"
    path = written(tmp_path / "t.csv", frame)
    assert read_table(path, all_rows=False).cells["ward"].tolist().count("Zwettl") < 5
    events = []
    dictionary = pipeline.describe(path, on_event=events.append)
    assert dictionary["ward"].levels == ("A", "B", "C", "Zwettl", "other")
    (notice,) = [str(event) for event in events if "levels of" in str(event)]
    assert "pool of their column: ward (1);" in notice


def test_late_faults_are_named_by_line(tmp_path, small_sample):
    path = written(tmp_path / "t.csv", visits())
    lines = path.read_text().splitlines()
    short, long, quote = (lines[:] for _ in range(3))
    short[5_000] = "1,2"
    long[5_900] += ",9"
    quote[5_800] = '"' + quote[5_800]
    for content, place in ((short, "line 5001: 2"), (long, "line 5901: 10"), (quote, "line 5801")):
        path.write_text("\n".join(content))
        with pytest.raises(InputError, match=place):
            read_table(path, all_rows=False)
    path.write_bytes("\n".join(lines).encode() + b"\n1,2,3,4,5,6,7,\xe4,1\n")
    decisions = {each.what: each for each in read_table(path, all_rows=False).decisions}
    assert decisions["encoding"].value == "Windows-1252"
    assert f"line {ROWS + 2}" in decisions["encoding"].reason


def test_a_last_column_that_is_blank_but_for_one_row_stays(tmp_path, small_sample):
    frame = visits().assign(**{"": ""})
    frame.loc[ROWS - 7, ""] = "x"
    path = written(tmp_path / "t.csv", frame)
    assert list(read_table(path, all_rows=False).cells)[-1] == "column_10"


def test_rows_are_as_likely_as_any_other_and_each_time_the_same():
    rows = [(line, [str(line), "x"]) for line in range(100_001)]
    sample = row_sample.row_sample(iter(rows))
    lines = [line for line, _ in sample.rows[1:]]
    assert len(lines) == 5_000
    assert lines == sorted(set(lines))
    # Uniform over the file: the mean of 5,000 of 100,000 lies within 4 standard errors.
    assert abs(np.mean(lines) - 50_000) < 4 * 100_000 / np.sqrt(12 * 5_000)
    assert row_sample.row_sample(iter(rows)) == sample


def test_dates_with_the_month_first_have_their_ends(monkeypatch):
    monkeypatch.setattr(row_sample, "_MOST_TEXTS", 10)
    days = pd.date_range("2001-03-01", "2003-10-09")
    cells = [day.strftime("%m/%d/%y") for day in days]
    rows = [(0, ["day", "n"]), *((line, [cell, "1"]) for line, cell in enumerate(cells, 1))]
    monkeypatch.setattr(row_sample, "_MOST_ROWS", 1)
    ends = row_sample.row_sample(iter(rows)).lacking[0]
    assert {"03/01/01", "10/09/03"} <= set(ends)


def test_rows_are_written_for_a_large_file_from_a_sample(
    tmp_path, small_sample, few_trees, monkeypatch
):
    monkeypatch.setattr(row_sample, "_MOST_ROWS", 50)
    path = written(tmp_path / "t.csv", visits()[["age", "kg", "ward", "died"]])
    events = []
    result = pipeline.generate(
        path,
        target="died",
        model=ScriptedModel(),
        plan="data",
        rows=10,
        max_batches=3,
        settings={"trim.significance_level": 1, "trim.worst_share": 0, "trim.replicates": 20},
        on_event=events.append,
    )
    assert len(result.synthetic) == 10
    assert any("50 of 6,000" in str(event) for event in events)


#: A megabyte of a file takes at most so many of memory: 300 MB stay under 1.5 GB.
MEMORY_OF_A_BYTE = 5

CHILD = """
import sys
from t2local import pipeline
pipeline.describe(sys.argv[1])
line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(line.split()[1]) * 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_memory_grows_by_less_than_five_bytes_for_a_byte_of_the_file(tmp_path):
    frame = visits()
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    written(small, frame[:1000])
    text = frame.to_csv(index=False, header=False)
    repeats = -(-30 * 10**6 // len(text))
    large.write_text(",".join(frame) + "\n" + text * repeats)
    peaks = [
        int(subprocess.check_output([sys.executable, "-c", CHILD, path])) for path in (small, large)
    ]
    assert peaks[1] - peaks[0] < MEMORY_OF_A_BYTE * large.stat().st_size

"""What must hold for an input of each kind: a clear error, or a result that agrees with itself."""

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.fuzz import inputs
from bench.streams import single
from t2local.errors import DictionaryError, InputError, PlanError, T2LocalError
from t2local.llm.gguf import read_header
from t2local.tables import reading
from t2local.tables.check import check_cells
from t2local.tables.codebook_file import read_codebook_file
from t2local.tables.describe import describe
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.tables.dictionary_file import read_dictionary
from t2local.tables.files import MISSING, Table, stripped
from t2local.tables.reading import _decoded, read_table, read_text, write_like
from t2local.tables.rules import Formula, Rule, RuleFault
from t2local.team.plan import read_plan


class Fault(Exception):
    """What is wrong with a result that is no error."""


@dataclass(frozen=True)
class Kind:
    """A kind of input: how it is drawn, the name of its file, and what must hold for it."""

    draw: Callable[[np.random.Generator], bytes]
    file: str
    check: Callable[[Path], None]


def ward() -> pd.DataFrame:
    """The table that rules, codebooks and plans are about: 20 rows of `inputs.COLUMNS`."""
    rng = single(0)
    cells = {
        "age": [str(age) for age in rng.integers(0, 99, 20)],
        "weight [kg]": [f"{weight:.1f}" for weight in rng.normal(70, 9, 20)],
        "ward": rng.choice(["A", "B", "C"], 20).tolist(),
        "died": [None, *rng.choice(["0", "1"], 19).tolist()],
        "admitted": [f"2021-03-{day:02}" for day in range(1, 21)],
    }
    return pd.DataFrame(cells, dtype=object)


WARD = ward()
DICTIONARY = describe(WARD, target="died")
VALUES = DICTIONARY.values(WARD)
LEVELS = {feature.name: feature.levels for feature in DICTIONARY.features}


def expect(holds: bool, what: str) -> None:
    if not holds:
        raise Fault(what)


@contextmanager
def own(what: str) -> Iterator[None]:
    """An error about what t2local wrote itself is a fault."""
    try:
        yield
    except T2LocalError as error:
        raise Fault(f"{what} is refused: {type(error).__name__}") from error


def check_csv(path: Path) -> None:
    """All rows are there; the description fits the rows, and both come back from files."""
    table = read_table(path)
    n_rows = len(records(path, table)) - (table.header is not None)
    expect(n_rows == len(table.cells), "other count of rows than the file")
    with every_file_is_large(), own("its sample"):
        sample = read_table(path, all_rows=False)
    expect(sample.cells.index.tolist() == table.lines, "other lines in a sample of all rows")
    expect(equal(sample.cells.reset_index(drop=True), table.cells), "other cells in a sample")
    expect(not any(sample.other_cells.values()), "a sample of all rows lacks cells")
    check_table(table, path)


@contextmanager
def every_file_is_large() -> Iterator[None]:
    """A file of some bytes is read as one of 300 MB is."""
    most = reading._MOST_BYTES_OF_ALL_ROWS
    reading._MOST_BYTES_OF_ALL_ROWS = -1
    try:
        yield
    finally:
        reading._MOST_BYTES_OF_ALL_ROWS = most


def check_lines(path: Path) -> None:
    """Lines of JSON are a table like any other."""
    table = read_table(path)
    text = _decoded(path.read_bytes(), path.name)[0]
    lines = [line for line in text.split("\n") if line.strip()]
    n_blank = sum(not any(json.loads(line).values()) for line in lines)
    expect(len(lines) - n_blank <= len(table.cells) <= len(lines), "other count of rows")
    check_table(table, path)


def check_table(table: Table, path: Path) -> None:
    """It comes back from a file, and is described as the same then."""
    expect(len(table.lines) == len(table.cells), "other count of lines than of rows")
    # What is written is read back, even where nothing could be described.
    again = path.with_name("again.csv")
    with own("its own table"):
        write_like(table, again, table.cells)
        back = read_table(again, first_line=first_line(table))
    expect(list(back.cells) == list(table.cells), "other names after writing and reading")
    expect(equal(back.cells, table.cells), "other cells after writing and reading")
    dictionary = describe(table.cells, source=table.source)
    check_file(dictionary)
    with own("the described table"):
        warnings = check_cells(dictionary.features, table.cells, table.lines, table.source)
    # Very small or very long numbers are rounded.
    warnings = [warning for warning in warnings if not warning.endswith("its step")]
    expect(not warnings, "the description does not fit its own rows")
    expect(
        describe(back.cells, source=table.source) == dictionary,
        "another description of the rows read back",
    )
    check_values(dictionary, dictionary.values(table.cells), again, table)


def first_line(table: Table) -> str:
    """What the first line of a file is that was written like this one."""
    return "data" if table.header is None else "names"


def records(path: Path, table: Table) -> list[list[str]]:
    """The records of a file that have anything in them, by Python's reader alone."""
    # The mark is none of the file's text, not even where the rest is in a code page.
    data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    text = data.decode(table.encoding).removeprefix("\ufeff")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=table.delimiter)
    return [row for row in rows if any(map(stripped, row))]


def check_file(dictionary: FeatureDictionary) -> None:
    """A dictionary comes back from both of its files."""
    for text, form in ((dictionary.to_yaml(), "YAML"), (dictionary.to_table_schema(), "JSON")):
        with own(f"its own dictionary in {form}"):
            back = read_dictionary(text, "dictionary")
        expect(back == dictionary, f"another dictionary from {form}")


def check_values(
    dictionary: FeatureDictionary, values: pd.DataFrame, path: Path, like: Table | None = None
) -> None:
    """Values of a dictionary come back from a table that is written like another one."""
    cells = dictionary.cells(values)
    values = dictionary.values(cells)  # rounded to the decimals of the dictionary
    if len(cells) < 2:
        return  # too few for a table
    like = like or Table(cells, list(range(len(cells))), "t")
    cells = cells.reindex(columns=like.cells.columns)  # a column that is left out comes back blank
    with own("the written table"):
        write_like(like, path, cells)
        back = read_table(path, first_line=first_line(like))
    expect(len(back.cells) == len(cells), "other count of rows than was written")
    expect(set(dictionary.names) <= set(back.cells), "other names than were written")
    expect(equal(dictionary.values(back.cells), values), "other values than were written")


def equal(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    if first.shape != second.shape:
        return False
    same = (first == second) | (first.isna() & second.isna())
    return bool(same.to_numpy().all())


def check_dictionary(path: Path) -> None:
    """It comes back from its own file, and its values from a table."""
    dictionary = read_dictionary(read_text(path, DictionaryError), path.name)
    check_file(dictionary)
    dictionary.json_schema()
    features = [feature for feature in dictionary.features if readable(feature)]
    names = {feature.name for feature in features} | {dictionary.target}
    part = dictionary.model_copy(
        update={"features": tuple(f for f in dictionary.features if f.name in names)}
    )
    if len(part.features) == len(features) >= 2:
        check_values(part, drawn(part), path.with_name("drawn.csv"))


def readable(feature: Feature) -> bool:
    """Whether its name and levels come back by the stated rules of reading.

    Blanks around a cell go, some words mean missing, and some commas are decimal.
    """
    if feature.name != stripped(feature.name) or set(feature.missing_values) & set(feature.levels):
        return False
    return all(
        level == stripped(level) and level.casefold() not in MISSING for level in feature.levels
    )


def drawn(dictionary: FeatureDictionary) -> pd.DataFrame:
    """Values at the limits of each column: the bounds, all levels."""
    columns = {}
    n_rows = max(2, *(len(feature.levels) for feature in dictionary.features))
    for feature in dictionary.features:
        choices = feature.levels or np.array(feature.steps) / 10.0**feature.decimals
        cells = [choices[row % len(choices)] for row in range(n_rows)]
        columns[feature.name] = feature.values(pd.Series(cells, dtype=object))
    return pd.DataFrame(columns)


def check_rule(path: Path) -> None:
    """A rule is refused with a reason, or says of each row whether it keeps it."""
    text = path.read_text(encoding="utf-8", errors="surrogatepass")
    for kind in (Rule, Formula):
        try:
            rule = kind(text, LEVELS)
        except RuleFault as fault:
            expect(bool(str(fault)), "a fault without words")
            continue
        obeyed = rule.obeyed(VALUES)
        expect(obeyed.shape == (len(VALUES),) and obeyed.dtype == np.bool_, "no mask of the rows")
        expect(rule.names <= set(LEVELS), "names of other columns")
        if isinstance(rule, Formula):
            expect(rule.values(VALUES).shape == (len(VALUES),), "no number for each row")


def check_codebook(path: Path) -> None:
    book = read_codebook_file(path)
    dictionary = book.apply(DICTIONARY, WARD)
    if len(dictionary.features) < 2:
        return
    check_file(dictionary)
    with suppress(InputError):  # a codebook may say what the rows do not keep
        check_cells(dictionary.features, WARD, range(2, 22), "ward.csv")


def check_plan(path: Path) -> None:
    plan = read_plan(read_text(path, PlanError), path.name, DICTIONARY)
    with own("its own plan"):
        back = read_plan(plan.to_yaml(), path.name, DICTIONARY)
    expect(back == plan, "another plan from its file")
    expect(len(plan.line()) == len(plan.components), "another count of components in the line")
    plan.paths()


def check_header(path: Path) -> None:
    header = read_header(path)
    expect(0 <= header.context_length < 2**64 and header.kv_bytes_per_token >= 0, "sizes below 0")
    expect(header.n_tensors >= 0, "a count below 0")


#: New kinds stand last: the place of a kind is part of what is drawn.
KINDS = {
    "csv": Kind(inputs.csv_file, "data.csv", check_csv),
    "dictionary": Kind(inputs.dictionary, "dictionary.yaml", check_dictionary),
    "rule": Kind(inputs.rule, "rule.txt", check_rule),
    "codebook": Kind(inputs.codebook, "codebook.csv", check_codebook),
    "plan": Kind(inputs.plan, "plan.yaml", check_plan),
    "header": Kind(inputs.model_header, "model.gguf", check_header),
    "lines": Kind(inputs.json_lines, "data.jsonl", check_lines),
}
#: Of twenty inputs in a row, which are of which kind: most of the code reads tables.
ORDER = (
    *("csv", "dictionary", "csv", "rule", "csv", "dictionary", "codebook", "csv", "plan", "header"),
    *("csv", "dictionary", "csv", "rule", "csv", "dictionary", "codebook", "csv", "plan", "lines"),
)

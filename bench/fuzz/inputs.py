"""Broken inputs, drawn: tables, dictionaries, rules, codebooks, plans, headers of model files.

Half of what is drawn is as people have it, and the rest goes wrong in a few places: a word where a
number should stand, a byte too many, a file that ends too soon. Cells of tables and levels of
dictionaries may hold `SECRET`, which no message may repeat.
"""

import csv
import datetime as dt
import io
import json
import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import yaml

Rng = np.random.Generator
T = TypeVar("T")

#: A text that stands in cells and levels alone: an error that holds it has told of a patient.
SECRET = "Zyqqwx"
NOON = dt.datetime(2021, 3, 4, 12)  # noqa: DTZ001 -- tables and YAML have no zone either
#: Columns of the table that rules, codebooks and plans are about (`checks.WARD`).
COLUMNS = ("age", "weight [kg]", "ward", "died", "admitted")


def pick(rng: Rng, choices: Sequence[T]) -> T:
    return choices[int(rng.integers(len(choices)))]


def chance(rng: Rng, share: float) -> bool:
    return bool(rng.random() < share)


# Cells of a table ---------------------------------------------------------------------------------

MISSING_WORDS = ("", "NA", "n/a", "?", "Unknown", "-999", "99", "-", ".", "not done", "NULL", "nan")
ODD_CELLS = (
    "=A", "'=A", "''=A", "'A", "'", "'40-49'", "@x", "+1+2", "-SUM(1)", "+", "-ve", "=1+2", "A+",
    "\ufeff", "\ufeffx", "a\ufeffb", "\u0663\u0664", "\u00b2", "\u2167", "1e400", "1e-400", "-0",
    "007", "1_000", "0x1F", "1.", ".5", "+5", "1.234,56", "1,234", "1.234", "12,5", "1,2,3",
    "1.2.3", "9007199254740992", "9007199254740993", "-99999999999999999999",
    "123456789.0123456789", "1" * 40, "2021-02-30", "0000-00-00", "9999-12-31", "1.1.21",
    "20210304", "25:61", "12:30", "a\nb", "a\rb", "a\r\nb", 'say "no"', '"', "a,b", "a;b",
    "a\tb", "a|b", "\x00", "\x0b", "\x1c", "a\u2028b", "a\x85b", "\u3000", "\u200b",
    "\U0001f600", "e\u0301", "\u0130", "ß", "true", "FALSE", "None", "inf", "-inf", "NaN",
    "Infinity", "50s", "10-14", "12 mg", "5%", "€ 7", "%", "mg",
    "08:30", "x" * 300, SECRET, f"Dr. {SECRET}",
)  # fmt: skip


AFFIXES = (("", " mg"), ("", "%"), ("", " mmol/L"), ("€ ", ""), ("$", ""), ("", "€"))


def small(rng: Rng) -> str:
    return str(rng.integers(0, pick(rng, (2, 3, 10, 100, 9999))))


def large(rng: Rng) -> str:
    return str(rng.integers(-(2**62), 2**62) // 10 ** int(rng.integers(0, 18)))


def decimal(rng: Rng) -> str:
    text = f"{rng.normal() * 10.0 ** int(rng.integers(-3, 9)):.{int(rng.integers(0, 12))}f}"
    return text.replace(".", ",") if chance(rng, 0.3) else text


def scientific(rng: Rng) -> str:
    exponent = int(rng.integers(-30, 30)) * int(pick(rng, (1, 1, 10)))
    return f"{rng.normal():.{int(rng.integers(0, 6))}f}e{exponent}"


def thousands(rng: Rng) -> str:
    text = f"{rng.integers(0, 10 ** int(rng.integers(2, 12))):,}"
    return text if chance(rng, 0.5) else text.replace(",", ".") + pick(rng, ("", ",5", ",50"))


def moment(rng: Rng) -> dt.datetime:
    return NOON + dt.timedelta(minutes=int(rng.integers(-(5 * 10**7), 5 * 10**7)))


def day_in(form: str) -> Callable[[Rng], str]:
    return lambda rng: moment(rng).strftime(form)


def duration(rng: Rng) -> str:
    text = f"{rng.integers(0, 30)}:{rng.integers(0, 60):02}"
    return text + f":{rng.integers(0, 60):02}" if chance(rng, 0.3) else text


def word(rng: Rng) -> str:
    letters = "abcABCäß0123 -_'\"`.,;|é"
    return "".join(pick(rng, letters) for _ in range(int(rng.integers(1, 9))))


def quantity(rng: Rng) -> str:
    """A number with its unit, a currency or a percent sign, in ways that agree or do not."""
    number = pick(rng, (small, decimal, thousands))(rng)
    before, after = pick(rng, (("", " mg"), ("", "%"), ("€ ", ""), ("$", ""), ("", "")))
    return f"{before}{number}{after}"


def quantity_of(before: str, after: str) -> Callable[[Rng], str]:
    return lambda rng: f"{before}{pick(rng, (small, decimal))(rng)}{after}"


def padded_time(rng: Rng) -> str:
    return f"{rng.integers(0, 24):02}:{rng.integers(0, 60):02}"


def day_in_any(forms: Sequence[str]) -> Callable[[Rng], str]:
    return lambda rng: moment(rng).strftime(pick(rng, forms))


def level_of(levels: Sequence[str]) -> Callable[[Rng], str]:
    return lambda rng: pick(rng, levels)


def odd(rng: Rng) -> str:
    return pick(rng, ODD_CELLS)


def column_kind(rng: Rng) -> Callable[[Rng], str]:
    """A way to draw the cells of a column."""
    forms = (
        "%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%y", "%Y%m%d", "%Y-%m-%d %H:%M",
        "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M %p",
    )  # fmt: skip
    few_odd = level_of([odd(rng) for _ in range(int(rng.integers(1, 4)))])
    levels = level_of([pick(rng, (word, odd))(rng) for _ in range(int(rng.integers(1, 4)))])
    names = level_of([f"{SECRET} {number}" for number in range(int(rng.integers(1, 40)))])
    booleans = level_of(pick(rng, (["0", "1"], ["yes", "no"], ["True", "false"], ["J", "N"])))
    kinds = (
        small, small, large, decimal, decimal, scientific, thousands, day_in(pick(rng, forms)),
        day_in(pick(rng, forms)), duration, word, levels, levels, few_odd, names, booleans, odd,
        quantity, quantity_of(*pick(rng, AFFIXES)), quantity_of(*pick(rng, AFFIXES)), padded_time,
        day_in_any([pick(rng, forms), pick(rng, forms)]),
    )  # fmt: skip
    return pick(rng, kinds)


def header_cell(rng: Rng, place: int) -> str:
    kind = rng.random()
    if kind < 0.6:
        return f"{pick(rng, ('age', 'x', 'Größe', 'patient id', 'date', 'outcome'))}{place}"
    if kind < 0.75:
        return pick(rng, ("", "a", "a", "a_2", "column_2", "2019", str(place), "1.5"))
    return pick(rng, (odd, word))(rng).replace(SECRET, "q")


def csv_file(rng: Rng) -> bytes:
    """A table as CSV in some encoding, with a few faults."""
    n_columns = int(pick(rng, (1, 2, 3, 3, 4, 4, 5, 6)))
    n_rows = int(pick(rng, (0, 1, 2, 3, 5, 8, 12, 12, 25, 25)))
    delimiter = pick(rng, ",,;\t|")
    records = [[header_cell(rng, place) for place in range(n_columns)]]
    kinds = [column_kind(rng) for _ in range(n_columns)]
    gaps = [pick(rng, (0.0, 0.0, 0.2, 1.0 if chance(rng, 0.3) else 0.1)) for _ in kinds]
    words = [pick(rng, MISSING_WORDS) for _ in kinds]
    for _ in range(n_rows):
        cells = zip(kinds, gaps, words, strict=True)
        records += [[word if chance(rng, gap) else kind(rng) for kind, gap, word in cells]]
    if chance(rng, 0.1):
        records = records[1:] or records
    if chance(rng, 0.1):
        uneven = pick(rng, records)
        uneven[:] = (uneven * 2)[: int(rng.integers(0, 2 * n_columns + 1))]
    buffer = io.StringIO()
    quoting = pick(rng, (csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    line_end = pick(rng, ("\n", "\n", "\r\n", "\r"))
    csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator=line_end).writerows(
        records
    )
    text = buffer.getvalue() + pick(rng, ("", "", "\n\n", f"{delimiter * (n_columns - 1)}\n"))
    encoding = pick(rng, ("utf-8",) * 5 + ("utf-8-sig", "cp1252", "latin-1", "utf-16", "utf-16-le"))
    content = text.encode(encoding, errors="replace")
    return damaged(rng, content) if chance(rng, 0.25) else content


def json_lines(rng: Rng) -> bytes:
    """Lines of JSON with numbers, texts and nulls, with a few faults."""
    names = [header_cell(rng, place) for place in range(int(rng.integers(1, 5)))]
    kinds = [pick(rng, (column_kind(rng), number_of, number_of)) for _ in names]
    objects = [
        {
            name: pick(rng, (None, [1], {}, True, SECRET)) if chance(rng, 0.02) else kind(rng)
            for name, kind in zip(names, kinds, strict=True)
            if chance(rng, 0.9)
        }
        for _ in range(int(pick(rng, (0, 1, 3, 8, 20))))
    ]
    text = "\n".join(json.dumps(content, ensure_ascii=chance(rng, 0.5)) for content in objects)
    content = text.encode(errors="surrogatepass")
    return damaged(rng, content) if chance(rng, 0.25) else content


def number_of(rng: Rng) -> float:
    return pick(rng, (int(rng.integers(-(10**4), 10**4)), float(rng.normal()), 2**60, -0.0, 1e300))


JUNK = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"\r", b"\n", b",", b";", b"\xe4\x81", b"'",
    b"=", b"\xed\xa0\x80",
)  # fmt: skip


def damaged(rng: Rng, content: bytes) -> bytes:
    """The bytes with some of them altered, cut, doubled or put in."""
    for _ in range(int(rng.integers(1, 4))):
        place, end = sorted(int(rng.integers(0, len(content) + 1)) for _ in range(2))
        what = rng.integers(5)
        if what == 0:
            content = content[:place]
        elif what == 1:
            content = content[:place] + pick(rng, JUNK) + content[place:]
        elif what == 2:
            content = content[:end] + content[place:]
        elif what == 3:
            content = content[:place] + content[min(end, place + 3) :]
        else:
            content = content[:place] + bytes([rng.integers(256)]) + content[place + 1 :]
    return content


# Dictionaries -------------------------------------------------------------------------------------

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 7, 1.5, -0.0, float("inf"), float("nan"), 10**20, 10**400,
    1e308, 2**53, "", " ", "x", "1", "2021-03-04", dt.date(2021, 3, 4),
    NOON, "0:90", [], ["a"], [[]], [["a"]], {}, {"a": 1},
    {"name": "age"}, [None], [1, 2], [True, False], [dt.date(2021, 1, 1), 3.0], "\x00", "\ufeff",
    "1.234,56", "=A", "'=A", "NA", "a\nb", b"bytes", "x" * 3000, {1: 2}, {None: None}, "%Q",
    "%d", "%", "H:MM", {"raises": "effect"},
)  # fmt: skip
LEVELS = (
    "a", "b", "0", "1", "01", "yes", "no", "low", "high", "=A", "'=A", "1.234,56", "1,5", "+1",
    "a b", "ß", "-", "a\rb", '"', "10-14", f"{SECRET}", "\u2028", "'", "1e3", "true", "null",
)  # fmt: skip


def field(rng: Rng, name: str) -> dict[str, Any]:
    """A field of a dictionary that is right, more often than not."""
    kind = pick(rng, ("integer", "number", "date", "datetime", "duration", "string", "boolean"))
    constraints: dict[str, Any] = {}
    entry: dict[str, Any] = {"name": name, "type": kind, "constraints": constraints}
    if kind in ("integer", "number"):
        low, high = sorted(int(rng.integers(-1000, 1000)) for _ in range(2))
        constraints |= {"minimum": low, "maximum": high}
        if kind == "number":
            entry["decimals"] = int(rng.integers(0, 5))
    elif kind == "duration":
        constraints |= {"minimum": "0:10", "maximum": pick(rng, ("9:59", "23:00"))}
    elif kind in ("date", "datetime"):
        constraints |= {
            "minimum": dt.date(2020, 1, 1),
            "maximum": pick(rng, (dt.date(2021, 3, 4), "2024-02-29")),
        }
        time = pick(rng, ("", " %H:%M", " %H:%M:%S", " %H:%M%z", " %H"))
        if chance(rng, 0.9):
            time = " %H:%M" if kind == "datetime" else ""
        entry["format"] = (
            pick(rng, ("%Y-%m-%d", "%d.%m.%Y", "%-d.%-m.%Y", "%d/%m/%y", "%Y%j")) + time
        )
    else:
        n_levels = 2 if kind == "boolean" else int(rng.integers(1, 6))
        places = rng.choice(len(LEVELS), n_levels, replace=chance(rng, 0.05))
        constraints["enum"] = [LEVELS[place] for place in places]
    if chance(rng, 0.3):
        constraints["required"] = chance(rng, 0.5)
    if chance(rng, 0.2 if "enum" in constraints else 0.02):
        entry["level_effects"] = {pick(rng, constraints.get("enum", LEVELS)): "raises"}
    elif chance(rng, 0.2 if kind in ("integer", "boolean") else 0.02):
        entry["effect"] = pick(rng, ("raises", "strongly lowers", "none"))
    if chance(rng, 0.1):
        entry["missingValues"] = [pick(rng, ("-999", "", "none", "a"))]
    return entry


def dictionary(rng: Rng) -> bytes:
    """A dictionary file, YAML or JSON, in which some parts are something else."""
    names = [*COLUMNS[: int(rng.integers(0, 4))], *(word(rng) for _ in range(rng.integers(2, 4)))]
    fields: dict[str, Any] = {
        "target": pick(rng, names),
        "fields": [field(rng, name) for name in names],
    }
    if chance(rng, 0.25):
        fields["rules"] = [pick(rng, (rule_text, relation))(rng) for _ in range(rng.integers(1, 3))]
    if chance(rng, 0.2):
        fields["derived"] = [{"name": "bmi", "formula": rule_text(rng), "decimals": 1}]
    if chance(rng, 0.2):
        fields["left_out"] = [
            {"name": "id", "reason": "one", "make": pick(rng, ("identifier", "text", "x"))}
        ]
    for _ in range(int(pick(rng, (0, 0, 0, 1, 1, 2)))):
        replace_somewhere(rng, fields)
    return damaged_text(rng, written(rng, fields)).encode(errors="surrogatepass")


def relation(rng: Rng) -> dict[str, Any]:
    return {"rule": rule_text(rng), "reason": pick(rng, ("", "because", word(rng)))}


def written(rng: Rng, fields: object) -> str:
    """YAML, now and then JSON or YAML in brackets."""
    try:
        if chance(rng, 0.15):
            return json.dumps(fields, default=str)
        return yaml.safe_dump(fields, default_flow_style=chance(rng, 0.1), allow_unicode=True)
    except (ValueError, TypeError):  # a number of 400 digits, keys that JSON does not have
        return repr(fields)


def replace_somewhere(rng: Rng, node: Any) -> None:
    """Put something odd in the place of one part of a nest of lists and mappings."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = pick(rng, keys)
        if isinstance(node[key], dict | list) and node[key] and chance(rng, 0.75):
            node = node[key]
            continue
        what = rng.random()
        if what < 0.6:
            node[key] = pick(rng, ODD_VALUES)
        elif what < 0.8:
            del node[key]
        elif isinstance(node, dict):
            node[
                pick(rng, ("name", "type", "features", "x", 3, "title", "categories", "labels"))
            ] = node[key]
        else:
            node.append(node[key])
        return


TEXT_JUNK = (
    "[", "{", "]", "- ", ": ", "\t", "&a ", "*a", "!!python/object:os.system ", "|\n", "'", '"',
    "#", "010", "1:30", "0x1F", "2021-02-30", "2021-03-04", "~", "? ", "%", "\x00", "\x07",
    "\u2028", "[" * 30, "1e999", "1" * 5000, "<<: ", ".nan", "---\n", "...\n", "\ud800",
    "\ufeff", "!!binary ", "!!timestamp ", "!!int ", "!!float ", "!!set ", "=",
)  # fmt: skip


def damaged_text(rng: Rng, text: str) -> str:
    """The text with some junk in it, or cut; as it is half the time."""
    for _ in range(int(pick(rng, (0, 0, 0, 0, 1, 2)))):
        place = int(rng.integers(0, len(text) + 1))
        what = rng.integers(4)
        if what == 0:
            text = text[:place]
        elif what == 1:
            text = text[:place] + text[place + int(rng.integers(1, 4)) :]
        else:
            text = text[:place] + pick(rng, TEXT_JUNK) + text[place:]
    return text


# Rules --------------------------------------------------------------------------------------------

ATOMS = (
    "age", "`weight [kg]`", "ward", "died", "admitted", "1", "0", "2.5", '"A"', "'B'", '"0"',
    '"1"', "1e400", "9" * 30, "True", "None", "x", "`", "``", "quoted_0_", "1j", "b'x'", "...",
    "'\\ud800'", '"2021-03-04"', "-1", "(1, 2)", '("A", "B")', "[]", "f'{age}'", "lambda: 0",
    "[age for age in x]", "age.real", "age[0]", "*age", "print", "__import__('os')", "abs",
    "0/0", "'\\N{DIGIT ONE}'", "\u0661", "not", "1 if age else 2", "(age := 1)", "yield",
    "await age", "age == 1", "1_000", "0x10", "''",
)  # fmt: skip
SIGNS = (
    "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or", "+", "-", "*", "/", "**",
    "//", "%", "is", "@", "<<", "=", ",",
)  # fmt: skip


def rule_text(rng: Rng, depth: int = 0) -> str:
    """A rule, or something that looks like one."""
    kind = rng.random()
    if depth > 3 or kind < 0.25:
        return pick(rng, ATOMS[: 12 if chance(rng, 0.8) else None])
    if kind < 0.7:
        sign = pick(rng, SIGNS[: 14 if chance(rng, 0.9) else None])
        return f"{rule_text(rng, depth + 1)} {sign} {rule_text(rng, depth + 1)}"
    if kind < 0.8:
        return f"not ({rule_text(rng, depth + 1)})"
    if kind < 0.9:
        name = pick(rng, ("isna", "abs", "min", "max", "min", "exec", ""))
        inner = ", ".join(rule_text(rng, depth + 1) for _ in range(rng.integers(0, 4)))
        return f"{name}({inner})"
    return f"{pick(rng, ('', '-', '+', '~'))}({rule_text(rng, depth + 1)})"


def rule(rng: Rng) -> bytes:
    text = rule_text(rng)
    if chance(rng, 0.1):
        text = damaged_text(rng, text)
    if chance(rng, 0.02):
        text = pick(rng, ("(", "-", "not ", "[", "1+", "abs(")) * int(rng.integers(1, 3000)) + text
    return text.encode(errors="surrogatepass")


# Codebooks ----------------------------------------------------------------------------------------

REDCAP = (
    "Variable / Field Name", "Field Type", "Field Label",
    "Choices, Calculations, OR Slider Labels", "Text Validation Type OR Show Slider Number",
    "Text Validation Min", "Text Validation Max", "Identifier?",
    "Branching Logic (Show field only if...)", "Required Field?",
)  # fmt: skip
OMOP = ("cdmFieldName", "isPrimaryKey", "isForeignKey", "isRequired", "cdmDatatype", "userGuidance")


def redcap_row(rng: Rng) -> list[str]:
    name = pick(rng, (*COLUMNS, "", "x", word(rng)))
    kind = pick(
        rng,
        ("text", "radio", "dropdown", "yesno", "checkbox", "slider", "calc", "notes", "", "odd"),
    )
    choices = pick(
        rng,
        (
            "A, ward A | B, ward B",
            "0, no|1, yes",
            "0, no",
            "|",
            ",",
            "A",
            "A, x | A, y",
            ", no",
            f"{SECRET}, q | r",
        ),
    )
    logic = pick(
        rng,
        (
            "",
            "",
            "[age] > 3",
            "[ward] = 'A'",
            "[ward] <> ''",
            "[x(1)] = '1'",
            "[",
            "datediff([a])",
            "1 = 1",
            "[died] = '1' and [age]",
        ),
    )
    bounds = ("", "", "0", "100", "1e400", "nan", "-inf", "2021-01-01", "x", "5.55")
    yes = pick(rng, ("", "", "y"))
    return [
        name,
        kind,
        word(rng),
        choices,
        pick(rng, ("", "integer", "number", "date_ymd")),
        pick(rng, bounds),
        pick(rng, bounds),
        yes,
        logic,
        pick(rng, ("", "y")),
    ]


def omop_row(rng: Rng) -> list[str]:
    return [
        pick(rng, (*COLUMNS, "x_concept_id", "x_source_value", "")),
        *(pick(rng, ("Yes", "No", "", "TRUE")) for _ in range(3)),
        pick(rng, ("integer", "float", "", "date")),
        pick(rng, ("", "The age. In years.", "<p>HTML", word(rng))),
    ]


def codebook(rng: Rng) -> bytes:
    """REDCap's or OMOP's list of fields, a Table Schema or a Questionnaire, with faults."""
    kind = rng.integers(4)
    if kind >= 2:
        fields: dict[str, Any] = {"fields": [field(rng, pick(rng, COLUMNS)) for _ in range(3)]}
        if kind == 3:
            fields = {"resourceType": "Questionnaire", "item": [item(rng) for _ in range(3)]}
        for _ in range(int(rng.integers(0, 4))):
            replace_somewhere(rng, fields)
        return damaged_text(rng, written(rng, fields)).encode(errors="surrogatepass")
    header, row = (REDCAP, redcap_row) if kind else (OMOP, omop_row)
    records = [list(header), *(row(rng) for _ in range(rng.integers(0, 6)))]
    if chance(rng, 0.2):
        pick(rng, records)[:] = pick(rng, records)[: int(rng.integers(0, len(header)))]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(records)
    text = buffer.getvalue()
    return damaged(rng, text.encode()) if chance(rng, 0.3) else text.encode()


def item(rng: Rng) -> dict[str, Any]:
    """An item of a FHIR Questionnaire."""
    kinds = ("group", "integer", "decimal", "boolean", "choice", "coding", "text", "quantity")
    entry: dict[str, Any] = {
        "linkId": pick(rng, COLUMNS),
        "type": pick(rng, kinds),
        "text": word(rng),
    }
    coding = {"valueCoding": {"code": word(rng), "display": word(rng)}}
    if chance(rng, 0.5):
        entry["answerOption"] = [coding, {"valueString": word(rng)}, {}]
    if chance(rng, 0.3):
        answer = pick(rng, (True, 3, word(rng), {"code": word(rng)}, None))
        when = {"question": pick(rng, COLUMNS), "operator": pick(rng, ("=", "exists", "<", ""))}
        entry["enableWhen"] = [{**when, "answer": answer}]
    if chance(rng, 0.3):
        entry["extension"] = [{"url": "x/minValue", "valueInteger": int(rng.integers(-5, 99))}]
    if chance(rng, 0.3):
        entry["item"] = [{**entry, "linkId": pick(rng, COLUMNS), "type": pick(rng, kinds)}]
    return entry


# Plans --------------------------------------------------------------------------------------------


def plan(rng: Rng) -> bytes:
    """A plan file for the table of `checks.WARD`, with faults."""
    names = [*COLUMNS[:3], "admitted"]
    roles = ["A", "B", "Group 1", word(rng)]
    if chance(rng, 0.2):
        roles[1] = pick(rng, ("", "A", "Label"))
    parts: list[Any] = [
        {"role": role, "features": [name], "parents": roles[: int(rng.integers(0, place + 1))]}
        for place, (role, name) in enumerate(zip(roles, names, strict=True))
    ]
    parts.append({"role": "Label", "features": ["died"], "parents": list(roles)})
    fields = {"source": pick(rng, ("file", "manager", "x")), "components": parts}
    for _ in range(int(pick(rng, (0, 0, 1, 2)))):
        replace_somewhere(rng, fields)
    return damaged_text(rng, written(rng, fields)).encode(errors="surrogatepass")


# Headers of model files ---------------------------------------------------------------------------


def gguf_text(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def gguf_value(rng: Rng, kind: int) -> bytes:
    if kind == 8:
        return gguf_text(pick(rng, (b"llama", b"", b"\xff\xfe", b"x" * 50)))
    if kind == 9:
        inner = int(pick(rng, (4, 4, 5, 6, 8, 9, 7)))
        count = int(pick(rng, (0, 1, 3, 5)))
        claim = count if chance(rng, 0.9) else int(pick(rng, (count + 1, 2**40, 2**63)))
        values = b"".join(gguf_value(rng, inner) for _ in range(count if inner != 9 else 0))
        return struct.pack("<IQ", inner, claim) + values
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 7: 1, 10: 8, 11: 8, 12: 8}
    return pick(rng, (b"\x20", b"\x01", b"\xff", b"\x00", b"\x08")).ljust(
        sizes.get(kind, 4), b"\x00"
    )


def model_header(rng: Rng) -> bytes:
    """The header of a GGUF with a few tensors, with faults."""
    keys = [
        b"general.architecture", b"general.alignment", b"llama.context_length",
        b"llama.block_count", b"llama.attention.head_count", b"llama.attention.head_count_kv",
        b"llama.embedding_length", b"llama.attention.key_length", b"split.count",
        b"tokenizer.ggml.tokens", b"tokenizer.ggml.bos_token_id", b"tokenizer.chat_template",
        b"llama.attention.sliding_window", b"llama.attention.sliding_window_pattern",
        b"general.name", b"\xff\xfe",
    ]  # fmt: skip
    right = {b"general.architecture": 8, b"tokenizer.ggml.tokens": 9, b"general.name": 8}
    used = [key for key in keys if chance(rng, 0.4) or key == keys[0]]
    body = b""
    for key in used:
        kind = right.get(key, 4) if chance(rng, 0.8) else int(pick(rng, (*range(13), 13, 99)))
        body += gguf_text(key) + struct.pack("<I", kind) + gguf_value(rng, kind)
    n_tensors = int(rng.integers(0, 4))
    for number in range(n_tensors):
        shape = [
            int(pick(rng, (32, 32, 64, 256, 1 if chance(rng, 0.9) else 2**40)))
            for _ in range(pick(rng, (1, 2, 2, 2, 5)))
        ]
        body += gguf_text(b"t%d" % (number if chance(rng, 0.95) else 0))
        body += struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        body += struct.pack(
            "<IQ", int(pick(rng, (0, 0, 1, 1, 8, 99))), int(pick(rng, (0, 0, 0, 32, 2**50)))
        )
    head = b"GGUF" + struct.pack("<IQQ", int(pick(rng, (3, 3, 3, 3, 2, 1))), n_tensors, len(used))
    content = head + body + bytes(int(pick(rng, (0, 4096, 40_000, 300_000))))
    return damaged(rng, content) if chance(rng, 0.3) else content

"""Ugly tables, as strangers bring them: each has one fault or more, and the kinds a person sees.

Kinds are the types of the dictionary, ``identifier`` (new ones are made) and ``blank`` (a column
that is left out: it comes back without a cell).
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 60
#: Kinds of the columns that most tables have beside their ugly ones.
PLAIN = {"age": "integer", "kg": "decimal", "sex": "category", "died": "boolean"}


@dataclass(frozen=True)
class UglyTable:
    """A file to write, and the kind of each of its columns."""

    write: Callable[[Path], None]
    kinds: dict[str, str]
    name: str = "t.csv"
    #: The library that the file needs, beside those of t2local.
    library: str = ""


def plain(rows: int = ROWS) -> pd.DataFrame:
    """Age, weight, sex, and a label that follows from the age."""
    rng = np.random.default_rng(11)
    age = rng.integers(20, 90, rows)
    return pd.DataFrame(
        {
            "age": age,
            "kg": rng.normal(70, 9, rows).round(1),
            "sex": rng.choice(["f", "m"], rows),
            "died": np.where(age + rng.normal(0, 9, rows) > 55, "1", "0"),
        }
    ).astype(object)


RNG = np.random.default_rng(5)


def drawn(*levels: str) -> list[str]:
    """A column of these levels."""
    return RNG.choice(levels, ROWS).tolist()


def whole(low: int, high: int) -> list[int]:
    return RNG.integers(low, high, ROWS).tolist()


def with_column(**columns: list) -> pd.DataFrame:
    """The plain table with other columns before its label."""
    frame = plain()
    for name, cells in columns.items():
        frame.insert(len(frame.columns) - 1, name, pd.Series(cells, dtype=object))
    return frame


def csv(frame: pd.DataFrame, encoding: str = "utf-8", **options) -> Callable[[Path], None]:
    text = frame.to_csv(index=options.pop("index", False), **options)
    return lambda path: path.write_bytes(text.encode(encoding)) and None


def table(columns: dict[str, list], kinds: dict[str, str], **options) -> UglyTable:
    """The plain table with ugly columns, as CSV."""
    return UglyTable(csv(with_column(**columns), **options), PLAIN | kinds)


def renamed(names: dict[str, str], columns: dict[str, list], **options) -> Callable[[Path], None]:
    return csv(with_column(**columns).rename(columns=names), **options)


def names(count: int) -> list[str]:
    first = ("Anna", "Berta", "Carl", "Dora", "Emil", "Frida", "Georg", "Hans", "Ida", "Jan")
    last = ("Meyer", "Schulz", "Weber", "Koch", "Wolf", "Braun")
    return [f"{first[n % 10]} {last[n // 10]}" for n in range(count)]


def days(form: str, start: str = "2019-02-01") -> list[str]:
    return (pd.Timestamp(start) + pd.to_timedelta(whole(0, 900), unit="D")).strftime(form).tolist()


def twice(texts: list[str]) -> list[str]:
    return RNG.permutation(texts * 2).tolist()


def sometimes(cells: list, other: object, share: float = 0.15) -> list:
    """These cells, some of which are another."""
    return [other if RNG.random() < share else cell for cell in cells]


def joined(*parts: list) -> list:
    """Each cell from one of these columns."""
    return [cells[int(RNG.integers(len(parts)))] for cells in zip(*parts, strict=True)]


TEXTS = ("fell at home", "was found by a neighbour", "came by himself", "sent by the GP, urgent")


def free_text() -> list[str]:
    return [f"{text}, at {n} past {n % 12}" for n, text in enumerate(drawn(*TEXTS))]


def sheet(path: Path) -> None:
    with pd.ExcelWriter(path) as book:
        with_column(day=pd.to_datetime(days("%Y-%m-%d")).tolist()).infer_objects().to_excel(
            book, sheet_name="visits", index=False
        )
        pd.DataFrame({"note": ["exported"]}).to_excel(book, sheet_name="about", index=False)


def labelled() -> pd.DataFrame:
    """A frame of numbers and of levels with labels, as Stata and SPSS have them."""
    frame = plain().infer_objects()
    frame["smoker"] = pd.Categorical(drawn("never", "former", "current"))
    frame["died"] = pd.Categorical(frame["died"].map({"0": "no", "1": "yes"}))
    return frame


def stata(path: Path) -> None:
    labelled().to_stata(path, write_index=False)


def spss(path: Path) -> None:
    import pyreadstat

    frame = labelled()
    labels = {0: "never", 1: "former", 2: "current"}
    frame["smoker"] = frame["smoker"].map({label: code for code, label in labels.items()})
    frame["smoker"] = frame["smoker"].astype(float)
    frame["died"] = (frame["died"] == "yes").astype(float)
    pyreadstat.write_sav(
        frame, path, variable_value_labels={"smoker": labels, "died": {0: "no", 1: "yes"}}
    )


def headerless() -> Callable[[Path], None]:
    frame = pd.DataFrame(
        {
            "a": drawn("surgery", "medicine", "paediatrics"),
            "b": drawn("low", "medium", "high"),
            "c": drawn("f", "m"),
            "d": drawn("well", "ill"),
        }
    )
    return csv(frame, header=False, quoting=1)


UGLY = {
    "headerless quoted texts": UglyTable(
        headerless(),
        {"column_1": "category", "column_2": "ordinal", "column_3": "category",
         "column_4": "category"},
    ),
    "names twice each": table({"patient": twice(names(30))}, {"patient": "blank"}),
    "codes with leading zeros": table(
        {"zip": [f"0{code}" for code in whole(2200, 2225)]}, {"zip": "category"}
    ),
    "nominal 1 and 9": table({"side": drawn("1", "9")}, {"side": "category"}),
    "an identifier with a duplicate": table(
        {"patient_id": [*(str(n) for n in RNG.permutation(9000)[:59] + 1000), "1500"]},
        {"patient_id": "identifier"},
    ),
    "quoted ranges": table(
        {"band": drawn("'30-39'", "'40-49'", "'50-59'", "'60-69'")}, {"band": "ordinal"}
    ),
    "decades": table({"decade": drawn("10s", "20s", "30s", "40s", "90s")}, {"decade": "ordinal"}),
    "zeros that mean missing": table(
        {"pressure": sometimes(whole(55, 110), 0), "insulin": sometimes(whole(20, 600), 0, 0.4)},
        {"pressure": "integer", "insulin": "integer"},
    ),
    "mixed dates": table(
        {"onset": joined(days("%Y-%m-%d"), days("%d.%m.%Y")), "seen": days("%Y-%m-%d")},
        {"onset": "date", "seen": "date"},
    ),
    "days with and without a zero": table(
        {"onset": sometimes(days("%d.%m.%Y"), "3.4.2020")}, {"onset": "date"}
    ),
    "a blank column": table({"spare": [None] * ROWS}, {"spare": "blank"}),
    "blanks in the default target": UglyTable(
        csv(plain().rename(columns={"died": "outcome"}).assign(
            outcome=lambda f: sometimes(f["outcome"], ""))),
        {"age": "integer", "kg": "decimal", "sex": "category", "outcome": "boolean"},
    ),
    "an empty header cell": UglyTable(
        renamed({"grade": ""}, {"grade": drawn("I", "II", "III")}),
        PLAIN | {"column_4": "ordinal"},
    ),
    "doubled names": UglyTable(
        renamed({"second": "kg"}, {"second": whole(40, 90)}), PLAIN | {"kg_2": "integer"}
    ),
    "free text": table({"story": free_text()}, {"story": "blank"}),
    "German decimals": UglyTable(
        csv(with_column(crea=RNG.lognormal(0, 0.4, ROWS).round(2).tolist(),
                        price=[f"{n:,}".replace(",", ".") + ",50" for n in whole(800, 9000)]),
            sep=";", decimal=","),
        PLAIN | {"crea": "decimal", "price": "decimal"},
    ),
    "an Excel sheet": UglyTable(sheet, PLAIN | {"day": "date"}, "t.xlsx", "openpyxl"),
    "gz": UglyTable(
        lambda path: path.write_bytes(gzip.compress(plain().to_csv(index=False).encode())) and None,
        PLAIN, "t.csv.gz",
    ),
    "Stata with labels": UglyTable(stata, PLAIN | {"smoker": "category"}, "t.dta"),
    "SPSS with labels": UglyTable(spss, PLAIN | {"smoker": "category"}, "t.sav", "pyreadstat"),
    "a byte order mark": table({"größe": whole(150, 200)}, {"größe": "integer"},
                               encoding="utf-8-sig"),
    "Latin-1": table({"straße": drawn("Höhe", "Tal", "Süd")}, {"straße": "category"},
                     encoding="latin-1"),
    "formula cells": table(
        {"rh": drawn("=A", "=B", "@x"), "finding": drawn("-ve", "+ve", "+")},
        {"rh": "category", "finding": "category"},
    ),
    "an index column": UglyTable(csv(plain(), index=True), {"column_1": "identifier"} | PLAIN),
    "a level like a number": table(
        {"limit": drawn("1.234,56", "none", "7")}, {"limit": "category"}, sep=";"
    ),
    "one row of a class": UglyTable(
        csv(plain().assign(died=["rare", *plain()["died"][1:]])), PLAIN | {"died": "category"}
    ),
    "spellings of true and false": table(
        {"smokes": drawn("TRUE", "True", "true", "false", "FALSE")}, {"smokes": "boolean"}
    ),
    "times of day": table(
        {"seen_at": [f"{hour:02}:{minute:02}" for hour, minute in
                     zip(whole(0, 24), whole(0, 60), strict=True)]},
        {"seen_at": "duration"},
    ),
    "percent signs": table(
        {"fev1": [f"{share}%" for share in whole(30, 110)],
         "spo2": [f"{share} %" for share in whole(85, 100)]},
        {"fev1": "integer", "spo2": "integer"},
    ),
    "currency": table(
        {"cost": [f"€ {cost},50" for cost in whole(100, 9000)],
         "fee": [f"${fee:,}" for fee in whole(900, 9000)]},
        {"cost": "decimal", "fee": "integer"},
    ),
    "units in cells": table(
        {"dose": [f"{dose} mg" for dose in whole(5, 400)],
         "creatinine": [f"{value:.2f} mg/dL" for value in RNG.lognormal(0, 0.4, ROWS)]},
        {"dose": "integer", "creatinine": "decimal"},
    ),
    "very long numbers": table(
        {"account": [f"{a}{b}" for a, b in zip(whole(10**10, 10**11), whole(10**10, 10**11),
                                               strict=True)]},
        {"account": "identifier"},
    ),
    "negative zero": table({"shift": sometimes(RNG.normal(0, 2, ROWS).round(1).tolist(), "-0.0")},
                           {"shift": "decimal"}),
    "leading plus signs": table({"change": [f"{n:+}" for n in whole(-20, 21)]},
                                {"change": "integer"}),
    "blanks for nothing": table(
        {"ward": sometimes(drawn("A", "B", "C"), "   "), "ldl": sometimes(whole(50, 250), " \t")},
        {"ward": "category", "ldl": "integer"},
    ),
    "cells of two lines": table(
        {"address": [f"{n} High Street\nTown {n % 7}" for n in range(ROWS)],
         "plan": drawn("rest\nand tea", "surgery", "none")},
        {"address": "blank", "plan": "category"},
    ),
    "words for missing": table(
        {"crp": sometimes(whole(1, 90), "not done"), "hb": sometimes(whole(80, 160), "-999"),
         "stage": sometimes(drawn("mild", "moderate", "severe"), "n/a")},
        {"crp": "integer", "hb": "integer", "stage": "ordinal"},
    ),
}  # fmt: skip

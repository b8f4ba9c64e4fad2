"""Ugly tables, as strangers bring them: each has one fault or more, and the kinds a person sees.

Kinds are the types of the dictionary, ``identifier`` (new ones are made), ``link`` (to a new one)
and ``blank`` (a column that is left out: it comes back without a cell).
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
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
    #: The ugly columns of a plain table, where that is all that is ugly.
    columns: dict[str, list] = field(default_factory=dict)


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
    write = csv(with_column(**columns), **options)
    return UglyTable(write, PLAIN | kinds, columns={} if options else columns)


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


def when(mask: np.ndarray, cells: object) -> np.ndarray:
    """These cells, blank where the mask is false."""
    return np.where(mask, np.asarray(cells, dtype=object), None)


def births_and_deaths() -> pd.DataFrame:
    """Nobody dies before birth, and only who is dead has a date of death."""
    born = pd.Timestamp("1931-05-07") + pd.to_timedelta(whole(0, 20_000), unit="D")
    death = born + pd.to_timedelta(whole(300, 9000), unit="D")
    died = RNG.random(ROWS) < 0.5
    frame = plain().assign(died=np.where(died, "1", "0"), born=born.strftime("%Y-%m-%d"))
    return frame.assign(died_on=when(died, death.strftime("%Y-%m-%d")))


def children() -> pd.DataFrame:
    """No child smokes, and only who smokes has cigarettes."""
    age = RNG.integers(0, 80, 3 * ROWS)
    smokes = (age > 30) & (RNG.random(len(age)) < 0.8)
    cigarettes = np.where(smokes, RNG.integers(1, 40, len(age)), 0)
    died = np.where(age + RNG.normal(0, 9, len(age)) > 55, "1", "0")
    return pd.DataFrame(
        {"age": age, "smokes": np.where(smokes, "yes", "no"), "cigarettes": cigarettes,
         "died": died}
    )  # fmt: skip


def cars() -> pd.DataFrame:
    """Each make has its engines and its country, and one of three columns is 1."""
    pairs = [("Fiat", "1.0 Fire"), ("Fiat", "1.2 Fire"), ("Ford", "1.6 TDCi"), ("Ford", "2.0 TDCi"),
             ("Opel", "1.4 Turbo"), ("Audi", "2.0 TDI"), ("Audi", "3.0 TDI")]  # fmt: skip
    make, engine = zip(*(pairs[n] for n in RNG.integers(0, len(pairs), 2 * ROWS)), strict=True)
    country = {"Fiat": "Italy", "Ford": "USA", "Opel": "Germany", "Audi": "Germany"}
    frame = pd.DataFrame({"make": make, "engine": engine}).assign(
        country=[country[name] for name in make]
    )
    owner = RNG.integers(0, 3, 2 * ROWS)
    for number, name in enumerate(("private", "company", "hire")):
        frame[name] = (owner == number).astype(int)
    return frame.assign(km=RNG.integers(0, 200_000, 2 * ROWS), broken=drawn("yes", "no") * 2)


def tests_of_one_tube() -> pd.DataFrame:
    """Two results are missing together, a third mostly with them, a fourth mostly in one ward."""
    tested = RNG.random(ROWS) < 0.6
    in_ward = RNG.random(ROWS) < 0.4
    return with_column(
        sodium=when(tested, whole(120, 160)),
        potassium=when(tested, whole(30, 60)),
        crp=when(tested ^ (RNG.random(ROWS) < 0.1), whole(1, 90)),
        ward=np.where(in_ward, "A", "B"),
        lactate=when(in_ward | (RNG.random(ROWS) < 0.2), whole(5, 40)),
    )


def mothers(person: list[str]) -> list[str | None]:
    """Of most the identifier of an earlier person."""
    return [person[n // 2] if n % 3 else None for n in range(len(person))]


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
    "an identifier with blanks": table(
        {"case_no": sometimes([str(n) for n in RNG.permutation(9000)[:ROWS]], None)},
        {"case_no": "identifier"},
    ),
    "mothers among the rows": table(
        {"person_id": (person := [f"P{n:03}" for n in RNG.permutation(900)[:ROWS]]),
         "mother": mothers(person)},
        {"person_id": "identifier", "mother": "link"},
    ),
    "births and deaths": UglyTable(
        csv(births_and_deaths()), PLAIN | {"born": "date", "died_on": "date"}
    ),
    "children who smoke": UglyTable(
        csv(children()),
        {"age": "integer", "smokes": "boolean", "cigarettes": "integer", "died": "boolean"},
    ),
    "engines of other makes": UglyTable(
        csv(cars()),
        {"make": "category", "engine": "category", "country": "category", "private": "boolean",
         "company": "boolean", "hire": "boolean", "km": "integer", "broken": "boolean"},
    ),
    "results of one tube": UglyTable(
        csv(tests_of_one_tube()),
        PLAIN | {"sodium": "integer", "potassium": "integer", "crp": "integer",
                 "ward": "category", "lactate": "integer"},
    ),
}  # fmt: skip


def together(names: list[str]) -> UglyTable:
    """One table with the ugly columns of several."""
    columns, kinds = {}, {}
    for name in names:
        columns |= UGLY[name].columns
        kinds |= UGLY[name].kinds
    return table(columns, kinds)


#: The tables of ugly columns, several in one: a run of each takes half a second.
PLAIN_BUT_FOR_COLUMNS = [name for name in UGLY if UGLY[name].columns]
TOGETHER = {
    "; ".join(names): together(names)
    for first in range(0, len(PLAIN_BUT_FOR_COLUMNS), 8)
    if (names := PLAIN_BUT_FOR_COLUMNS[first : first + 8])
}

"""Whole runs over ugly files, wide tables, derived columns; and what must never leave a column."""

import time

import numpy as np
import pandas as pd
import pytest

import t2local
from t2local import pipeline
from t2local.errors import DictionaryError
from t2local.llm.scripted import ScriptedModel
from t2local.tables.dictionary_file import read_dictionary
from t2local.team import label_calibration

pytestmark = pytest.mark.usefixtures("fewest_fits")

LOOSE = {"trim.significance_level": 1, "trim.worst_share": 0, "trim.replicates": 20}


def ward(rows=40):
    """A small table with a label, as the frame that the ugly files are made of."""
    rng = np.random.default_rng(3)
    age = rng.integers(20, 90, rows)
    onset = pd.Timestamp("2021-02-01") + pd.to_timedelta(rng.integers(0, 200, rows), unit="D")
    return pd.DataFrame(
        {
            "age": age,
            "kg": rng.normal(70, 9, rows).round(1),
            "onset": onset.strftime("%d.%m.%Y"),
            "pain": rng.choice(["low", "medium", "high"], rows),
            "band": rng.choice(["10-14", "15-19", "20-24", "5-9"], rows),
            "code": rng.choice(["007", "012", "030"], rows),
            "rh": rng.choice(["+", "-"], rows),
            "died": np.where(age + rng.normal(0, 9, rows) > 55, "yes", "no"),
        }
    )


def csv(frame, **options):
    return frame.to_csv(index=False, **options)


#: For each ugly file its bytes, and the types that differ from those of the plain one.
UGLY = {
    "plain": (lambda f: csv(f).encode(), {}),
    "byte order mark": (lambda f: csv(f).encode("utf-8-sig"), {}),
    "windows": (
        lambda f: csv(f.rename(columns={"kg": "größe"}), sep=";").encode("cp1252"),
        {"größe": "decimal"},
    ),
    "utf-16": (lambda f: csv(f, sep="\t").encode("utf-16"), {}),
    "decimal commas": (lambda f: csv(f, sep=";", decimal=",").encode(), {}),
    "question marks": (
        lambda f: csv(
            f.astype(object)
            .where(np.random.default_rng(1).random(f.shape) > 0.1, "?")
            .assign(died=f["died"])
        ).encode(),
        {},
    ),
    "unknown": (
        lambda f: csv(f.assign(pain=f["pain"].where(f.index % 5 > 0, "Unknown"))).encode(),
        {},
    ),
    "minus 999": (lambda f: csv(f.assign(kg=f["kg"].where(f.index % 7 > 0, -999))).encode(), {}),
    "leading blanks": (lambda f: csv(f.map(lambda cell: f"  {cell} ")).encode(), {}),
    "an index without a name": (lambda f: f.to_csv().encode(), {}),
    "no header": (lambda f: csv(f, header=False).encode(), None),
    "double names": (
        lambda f: csv(f.assign(extra=f["kg"]).rename(columns={"extra": "kg"})).encode(),
        {"kg_2": "decimal"},
    ),
    "quotes inside": (
        lambda f: csv(
            f.assign(
                pain=f["pain"].map(
                    {"low": 'a "little", he said', "medium": "so;so", "high": "a\nlot"}
                )
            )
        ).encode(),
        {"pain": "category"},
    ),
    "a delimiter at every end": (
        lambda f: "\n".join(line + ";" for line in csv(f, sep=";").splitlines()).encode(),
        {},
    ),
    "american dates": (
        lambda f: csv(
            f.assign(onset=pd.to_datetime(f["onset"], format="%d.%m.%Y").dt.strftime("%m/%d/%Y"))
        ).encode(),
        {},
    ),
    "percents and words": (
        lambda f: csv(
            f.assign(pain=f["pain"].map({"low": "10 %", "medium": "one", "high": "two"}))
        ).encode(),
        {"pain": "category"},
    ),
}
TYPES = {
    "age": "integer",
    "kg": "decimal",
    "onset": "date",
    "pain": "ordinal",
    "band": "ordinal",
    "code": "category",
    "rh": "category",
    "died": "boolean",
}


@pytest.mark.parametrize("name", UGLY)
def test_ugly_files_are_described_and_generated(tmp_path, name):
    make, differ = UGLY[name]
    path = tmp_path / "t.csv"
    path.write_bytes(make(ward()))
    target = "died" if differ is not None else "column_8"
    known = t2local.describe(path, target=target)
    types = {feature.name: feature.type for feature in known.features}
    if differ is None:
        assert list(types.values()) == list(TYPES.values())
    else:
        expected = {column: kind for column, kind in TYPES.items() if column in types} | differ
        assert types == expected
        assert len(types) >= 8
    if name == "plain":
        assert known["band"].levels == ("5-9", "10-14", "15-19", "20-24")
        assert known["pain"].levels == ("low", "medium", "high")
    result = t2local.generate(
        path,
        target=target,
        model=ScriptedModel(),
        plan="data",
        rows=10,
        max_batches=3,
        settings=LOOSE,
        out=tmp_path / "out",
    )
    assert len(result.synthetic) == 10
    # What was written is read again as what it is.
    again = t2local.describe(tmp_path / "out" / "synthetic.csv", target=target)
    written = pipeline.read(tmp_path / "out" / "synthetic.csv")
    assert (
        list(written.cells)
        == [column for column in pipeline.read(path).cells if column in result.synthetic]
        or differ is None
    )
    assert again.target == known.target
    for feature in known.features if differ is not None else ():
        assert all(
            mask.all()
            for mask in feature.obeyed(feature.values(written.cells[feature.name])).values()
        ), feature.name


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("heart_failure.csv", "DEATH_EVENT"),
        ("titanic.csv", "Survived"),
        ("insurance_charges.csv", "charges"),
    ],
)
def test_real_tables_go_through(name, target, real_table, tmp_path):
    result = t2local.generate(
        real_table(name),
        model=ScriptedModel(),
        rows=10,
        max_batches=3,
        settings=LOOSE,
        out=tmp_path / "out",
    )
    assert result.dictionary.target == target
    assert len(result.synthetic) + len(result.rejected) == result.report["rows"]["generated"]
    columns = pipeline.read(real_table(name)).cells.columns
    assert list(result.synthetic) == [column for column in columns if column in result.synthetic]


def test_a_hundred_columns_go_through(monkeypatch):
    monkeypatch.setattr(label_calibration, "N_FOLDS", 2)  # models of all columns for each
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {f"m{i}": rng.normal(i, 1, 40).round(1) for i in range(60)}
        | {f"c{i}": rng.choice(["a", "b", "c"], 40) for i in range(40)}
    )
    frame["y"] = rng.choice(["0", "1"], 40)
    result = t2local.generate(
        frame,
        target="y",
        model=ScriptedModel(),
        rows=5,
        max_batches=2,
        settings={**LOOSE, "team.conditioning": "parents"},
    )
    assert len(result.synthetic) + len(result.rejected) == 10
    assert list(result.synthetic) == list(frame)
    assert len(result.plan.components) >= 3
    assert len(t2local.plan(frame, target="y", source="data").plan.components) >= 3


def test_names_of_any_kind_break_nothing():
    rng = np.random.default_rng(0)
    names = [
        "a b",
        'q"uote',
        "com,ma",
        "日本",
        "[x]",
        "{y}",
        "n" * 200,
        "7",
        "null",
        "a\nb",
        "`tick`",
        "{{ z }}",
        "<b>",
        "true",
    ]
    frame = pd.DataFrame(
        {
            name: rng.choice(names, 40) if i % 2 else rng.integers(0, 50, 40)
            for i, name in enumerate(names)
        }
    )
    frame["y"] = rng.choice(["0", "1"], 40)
    result = t2local.generate(
        frame, target="y", model=ScriptedModel(), rows=5, max_batches=2, settings=LOOSE
    )
    assert list(result.synthetic) == [str(name) for name in frame]
    assert len(result.synthetic) + len(result.rejected) == 10


def test_derived_columns_are_computed_and_never_shown(tmp_path):
    frame = ward()[["age", "kg", "died"]].assign(m=1.7)
    frame["m"] = np.random.default_rng(1).normal(1.7, 0.1, 40).round(2)
    frame.insert(1, "bmi", (frame["kg"] / frame["m"] ** 2).round(1))
    frame.to_csv(tmp_path / "t.csv", index=False)
    known = t2local.describe(frame.drop(columns="bmi"), target="died")
    text = (
        known.to_yaml()
        + "derived:\n- {name: bmi, formula: kg / (m * m), decimals: 1}  # by Quetelet\n"
    )
    (tmp_path / "d.yaml").write_text(text)
    model = ScriptedModel()
    result = t2local.generate(
        tmp_path / "t.csv",
        dictionary=tmp_path / "d.yaml",
        model=model,
        plan="data",
        rows=10,
        max_batches=3,
        settings=LOOSE,
        out=tmp_path / "out",
    )
    assert list(result.synthetic) == list(frame)
    assert np.allclose(
        result.synthetic["bmi"], (result.synthetic["kg"] / result.synthetic["m"] ** 2), atol=0.051
    )
    assert not any("bmi" in prompt for prompt in model.prompts)
    assert (
        tmp_path / "out" / "dictionary.yaml"
    ).read_text() == text  # the user's own file, comments and all
    for wrong, what in (
        ("kg / height", "no column 'height'"),
        ("kg +", "cannot be read"),
        ("died * 2", "levels, not numbers"),
    ):
        with pytest.raises(DictionaryError, match=what):
            read_dictionary(
                known.to_yaml() + f"derived:\n- {{name: x, formula: '{wrong}'}}\n", "d.yaml"
            )


def test_canaries_in_identifiers_and_texts_go_nowhere(tmp_path):
    rng = np.random.default_rng(8)
    canaries = [f"CANARY{n:06}" for n in rng.permutation(10**6)[:80]]
    frame = ward().assign(
        patient_id=canaries[:40],
        story=[f"{word} fell ill and told us of it" for word in canaries[40:]],
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    model, heard = ScriptedModel(), []
    result = t2local.generate(
        tmp_path / "t.csv",
        model=model,
        rows=10,
        max_batches=3,
        settings=LOOSE,
        out=tmp_path / "out",
        on_event=lambda event: heard.append(str(event)),
    )
    everything = (
        "".join(model.prompts)
        + "".join(heard)
        + "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    )
    assert [word for word in canaries if word in everything] == []
    assert result.synthetic["patient_id"].is_unique
    assert result.synthetic["story"].isna().all()


def test_five_thousand_rows_are_described_in_two_seconds():
    rng, rows = np.random.default_rng(0), 5000
    columns = {f"n{i}": rng.normal(0, 1, rows).round(3) for i in range(10)} | {
        f"i{i}": rng.integers(0, 100, rows) for i in range(8)
    }
    columns |= {f"c{i}": rng.choice(["a", "b", "c"], rows) for i in range(8)}
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D")
    columns |= {f"d{i}": days.strftime("%d.%m.%Y") for i in range(3)} | {
        "y": rng.choice(["0", "1"], rows)
    }
    cells = pipeline.read(pd.DataFrame(columns))
    began = time.process_time()
    known = t2local.tables.describe.describe(cells.cells, target="y")
    assert len(known.features) == 30
    # 2 s on a quiet machine; ten times as long would be another order of growth.
    assert time.process_time() - began < 10


def test_short_texts_are_written_for_kept_rows_and_real_ones_are_never_shown(tmp_path):
    frame = ward().assign(story=[f"SECRET{n} fell ill" for n in range(40)])
    frame.to_csv(tmp_path / "t.csv", index=False)
    text = t2local.describe(frame, target="died").to_yaml()
    assert "- name: story" in text
    edited = text.replace(
        "- name: story",
        "- name: story\n  make: text\n  max_length: 12\n"
        "  meaning: the complaint in the words of the patient",
    )
    (tmp_path / "d.yaml").write_text(edited)
    model = ScriptedModel(lambda written: b'My \\"leg\\"' if written.endswith(b'["') else b"")
    out = tmp_path / "out"
    result = t2local.generate(
        tmp_path / "t.csv",
        dictionary=tmp_path / "d.yaml",
        model=model,
        plan="data",
        rows=10,
        max_batches=3,
        settings=LOOSE,
        out=out,
    )
    assert list(result.synthetic) == list(frame)
    assert result.synthetic["story"].str.len().between(1, 12).all()
    assert result.synthetic["story"].str.startswith("M").all()
    assert "the complaint in the words of the patient (at most 12 letters)" in model.prompts[-1]
    assert "SECRET" not in "".join(model.prompts)
    assert "SECRET" not in (out / "synthetic.csv").read_text()
    assert result.augmented["story"].head(40).tolist() == frame["story"].tolist()

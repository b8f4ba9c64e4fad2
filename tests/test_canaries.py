"""Planted values of single patients, looked for in every byte that leaves a command.

Each table gets 50 values of each kind, and the commands run on it. What they print and write, with
the folders for caches and temporary files, must hold none of them (docs/security.md).
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from t2local.cli import main
from t2local.cli.exits import error_lines
from t2local.errors import T2LocalError
from t2local.run.resumption import ResumableWriter
from tests.batches import patients as make_patients
from tests.test_real_tables import ward
from tests.tiny import tiny

pytestmark = pytest.mark.usefixtures("fewest_fits")

ROOT = Path(__file__).parents[1]
ROWS = 150
#: Made tables, those of ``sample``, and real ones where they lie: name, columns, target.
TABLES = {
    "patients": (["age", "weight", "sex", "ward"], "outcome"),
    "ward": (["age", "kg", "pain", "band"], "died"),
    "iris": (["sepal length (cm)", "petal width (cm)"], "target"),
    "wine": (["alcohol", "hue", "proline"], "target"),
    "breast-cancer": (["mean radius", "mean texture"], "target"),
    "diabetes": (["age", "sex", "bmi"], "target"),
    "heart_failure.csv": (["age", "sex", "ejection_fraction"], "DEATH_EVENT"),
    "titanic.csv": (["Pclass", "Sex", "Age", "Embarked"], "Survived"),
    "insurance_charges.csv": (["age", "sex", "bmi", "region"], "charges"),
    "cleveland_heart.csv": (["age", "sex_male", "vessels"], "disease"),
}
#: A run takes ten seconds or more, so the other tables go with the tests that take minutes.
ALWAYS = ("patients", "ward", "titanic.csv")
#: On this table all commands run; on the others those that read the table, write rows, judge.
ALL_COMMANDS = ("patients",)


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def word(kind: str, number: int) -> str:
    """A text that nothing else holds."""
    return f"Zq{kind}{chr(97 + number // 26)}{chr(97 + number % 26)}x"


def values(kind: str, n: int = 50) -> list[str]:
    """The planted values of a kind."""
    numbers = range(n)
    return {
        "village": [word("vil", i) for i in numbers],
        "employer": [f"{word('emp', i)} & sons, shoes" for i in numbers],
        "name": [f"{word('first', i)} {word('last', i)}" for i in numbers],
        "mrn": [f"ZQ{730_000 + 37 * i}" for i in numbers],
        "story": [f"{word('told', i)} fell ill and came by bus" for i in numbers],
        "email": [f"{word('mail', i).lower()}@example.org" for i in numbers],
        "address": [f"{i + 1} {word('road', i)} Street" for i in numbers],
        "phone": [f"+49 731 {5_550_000 + 137 * i}" for i in numbers],
        "diagnosis": [f"Q{i:02}.73{i % 10}" for i in numbers],
    }[kind]


def table(name, real_table, folder) -> tuple[pd.DataFrame, str]:
    """150 rows of a table, and its target."""
    columns, target = TABLES[name]
    made = {"patients": make_patients, "ward": lambda: ward(ROWS)}
    if name in made:
        frame = made[name]()
    elif name.endswith(".csv"):
        frame = pd.read_csv(real_table(name))
    else:
        path = folder / "sample.csv"
        assert run("sample", name, "-o", path).exit_code == 0
        frame = pd.read_csv(path)
    rng = np.random.default_rng(5)
    frame = frame[frame[target].notna()][[*columns, target]]
    return frame.iloc[rng.integers(0, len(frame), ROWS)].reset_index(drop=True), target


def planted(frame: pd.DataFrame, target: str) -> tuple[pd.DataFrame, list[str], list[str]]:
    """The table with planted values; those that may leave nowhere, and the ends of its numbers."""
    rng = np.random.default_rng(6)
    columns = {}
    for kind, common in (
        ("village", ["north", "south"]),
        ("employer", ["the city, roads", "the city, schools"]),
        ("diagnosis", ["C50.1", "I21.0"]),
    ):
        rare = values(kind)
        cells = [*rare, *rng.choice(common, ROWS - len(rare))]
        columns[kind] = [cells[i] for i in rng.permutation(ROWS)]
    for kind in ("name", "email", "address", "phone", "story"):
        columns[kind] = np.tile(values(kind), 3)
    columns["mrn"] = values("mrn", ROWS)
    columns["referrer"] = rng.choice(values("mrn"), ROWS)
    income = np.round(rng.lognormal(10, 1, ROWS), 2)
    income[[3, 77]] = 1234567.89, 123.47
    columns["income"] = income
    day = pd.Timestamp("2019-06-01") + pd.to_timedelta(rng.integers(0, 400, ROWS), unit="D")
    seen = pd.Series(day.strftime("%Y-%m-%d"))
    seen.iloc[[5, 90]] = "2013-02-27", "2024-11-19"
    columns["seen"] = seen
    frame = pd.DataFrame(columns).join(frame)
    texts = [text for kind in columns if kind not in ("income", "seen") for text in columns[kind]]
    starts = ("ZQ", "Q", "+49 731 ")
    single = {text for text in texts if "Zq" in text or "zq" in text or text.startswith(starts)}
    return frame, sorted(single), ["1234567.89", "123.47", "2013-02-27", "2024-11-19"]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder for the data, and one for all that a program may write."""
    exits = tmp_path / "exits"
    for name in ("home", "cache", "tmp", "store"):
        (exits / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(exits / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(exits / "cache"))
    monkeypatch.setenv("T2LOCAL_HOME", str(exits / "store"))
    for variable in ("TMPDIR", "TMP", "TEMP"):
        monkeypatch.setenv(variable, str(exits / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "in").mkdir()
    tiny(tmp_path / "in" / "model.gguf")
    return tmp_path


def hits(canaries, folder: Path, printed: dict[str, str]) -> list[str]:
    """Where planted values stand: in files below a folder, or in what was printed."""
    texts = {
        str(path.relative_to(folder)): path.read_bytes().decode("utf-8", "replace")
        for path in folder.rglob("*")
        if path.is_file()
    }
    texts |= printed
    lowered = {place: text.casefold() for place, text in texts.items()}
    return [
        f"{place}: {canary}"
        for place, text in lowered.items()
        for canary in canaries
        if canary.casefold() in text
    ]


def stopped(command, monkeypatch):
    """The command, with Ctrl-C when its first block is on the disk."""
    write = ResumableWriter.write

    def interrupted(self, request, on_row):
        write(self, request, on_row)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ResumableWriter, "write", interrupted)
        return run(*command)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.model] * (name not in ALWAYS)) for name in TABLES],
)
def test_no_planted_value_leaves_any_command(name, real_table, workplace, monkeypatch):
    """Names, addresses, telephone numbers, e-mail addresses, identifiers, links to them and free
    text leave nowhere: not in a file, on the terminal, in a cache or a temporary file.
    """
    frame, target = table(name, real_table, workplace / "in")
    frame, canaries, ends = planted(frame, target)
    for kind in ("village", "employer", "name", "mrn", "story", "email", "address", "phone"):
        assert set(values(kind)) <= set(canaries)
    data, model = workplace / "in" / "data.csv", workplace / "in" / "model.gguf"
    frame.to_csv(data, index=False)
    exits = workplace / "exits"
    out = exits / "out"
    every = name in ALL_COMMANDS
    generate = [
        *("generate", data, "--target", target, "--model", model, "--out", out),
        *("--rows", "10", "--max-batches", "3", "--keep", "all"),
        *([] if every else ["--plan", "data"]),
    ]
    if every:
        done = stopped(generate, monkeypatch)
        assert done.exit_code == 130
        assert list((out / ".checkpoint").iterdir())
        assert hits([*canaries, *ends], exits, {"stopped": done.stdout + done.stderr}) == []
    commands = [
        ["describe", data, "--target", target, "-o", exits / "d.yaml"],
        *([["review", data, "--target", target, "--yes", "-o", exits / "r.yaml"]] * every),
        *([["ask", data, "--target", target, "--model", model, "-o", exits / "k.yaml"]] * every),
        *([["plan", data, "--target", target, "--model", model, "-o", exits / "p.yaml"]] * every),
        generate,
        *([["verify", out]] * every),
        ["trim", data, out / "synthetic.csv", "--target", target, "--out", exits / "trimmed"],
        *([["evaluate", data, out / "synthetic.csv", "--target", target]] * every),
    ]
    printed = {}
    for command in commands:
        done = run(*command)
        assert done.exit_code in (0, 5), done.output
        printed[" ".join(map(str, command[:1]))] = done.stdout + done.stderr
    assert hits([*canaries, *ends], exits, printed) == []
    for empty in ("home", "cache", "tmp"):
        assert not list((exits / empty).iterdir())
    written = pd.read_csv(out / "synthetic.csv", dtype=str)
    assert list(written) == list(frame)
    for kind in ("village", "employer", "diagnosis"):
        assert set(written[kind].dropna()) <= {*frame[kind].value_counts().index[:2], "other"}
    report = json.loads((out / "report.json").read_text())
    assert report["rows"]["generated"] == report["rows"]["kept"] + report["rows"]["rejected"] > 0


def test_classes_of_the_target_leave_however_rare_they_are(patients, workplace):
    frame = patients.assign(outcome=["rare class"] * 3 + ["ill", "well", "well"] * 19)
    data, out = workplace / "in" / "data.csv", workplace / "exits" / "out"
    frame.to_csv(data, index=False)
    options = ["--rows", "60", "--keep", "all", "--plan", "data"]
    model = workplace / "in" / "model.gguf"
    done = run("generate", data, "--target", "outcome", "--out", out, "--model", model, *options)
    assert done.exit_code == 0, done.output
    assert "rare class" in (out / "dictionary.yaml").read_text()
    shares = json.loads((out / "report.json").read_text())["labels"]["shares"]["real"]
    assert shares == {"well": 38 / 60, "ill": "not shown", "rare class": "under 11"}


DICTIONARY = """
target: died
fields:
- {name: age, type: integer, constraints: {minimum: 0, maximum: 120}}
- {name: village, type: string, pool: other, constraints: {enum: [north, south, other]}}
- {name: died, type: boolean, constraints: {enum: ["no", "yes"]}}
"""
#: What is wrong, as changes of the files; and the command. ``{z}`` is a planted village.
ERRORS = {
    "a mistyped level in a rule": {"d.yaml": f"{DICTIONARY}rules: ['village == \"Zqvilaa\"']\n"},
    "a rule about a column that is not there": {"d.yaml": f"{DICTIONARY}rules: [villag == 1]\n"},
    "texts where numbers are meant": {"d.yaml": DICTIONARY.replace("village", "name_")},
    "a column of texts as numbers": {
        "d.yaml": DICTIONARY.replace("string, pool: other", "integer").replace(
            "enum: [north, south, other]", "minimum: 1, maximum: 2"
        )
    },
    "levels that are not all there": {"d.yaml": DICTIONARY.replace("pool: other, ", "")},
    "a pool that is no level": {"d.yaml": DICTIONARY.replace("pool: other", "pool: rest")},
    "effects on a level that is not there": {
        "d.yaml": DICTIONARY.replace("pool", "level_effects: {{Zqvilaax: raises}}, pool")
    },
    "yaml that is none": {"d.yaml": DICTIONARY + "{["},
    "a condition on a planted level": {"options": ["--where", "village=Zqvilaa"]},
    "a condition that is no number": {"options": ["--where", "age>=Zq"]},
    "a share of a class that is not there": {"options": ["--balance", "ye=0.5,no=0.5"]},
    "a target that is not there": {"options": ["--target", "villages"]},
    "a rule that every row breaks by --where": {
        "d.yaml": f"{DICTIONARY}rules: ['age < 3']\n",
        "options": ["--where", "age>=80"],
    },
    "two conditions that leave nothing": {"options": ["--where", "age<3", "--where", "age>80"]},
    "a row that is too short": {"last": "Zqvilabx,7\n"},
    "an open quote": {"last": '"Zqvilabx,7,3\n'},
    "a cell that is too long": {"last": f"{'Zqvilabx' * 20_000},7,3,4,5\n"},
    "a wrong encoding": {"last": "Zqvil\udcff\udcfe\n"},
    "a plan with a column that is not there": {
        "p.yaml": "components: [{role: A, features: [Zqvilaa]}]\n",
        "options": ["--plan", "p.yaml"],
    },
    "beliefs about a level that is not there": {
        "k.yaml": "target: died\n"
        "beliefs: [{feature: village, level: Zqvilaa, direction: raises}]\n",
        "options": ["--knowledge", "k.yaml"],
    },
    "a wrong setting": {"options": ["--set", "table.min_count=0"]},
    "a level list for the target": {"d.yaml": DICTIONARY.replace('"no", "yes"', '"0", "1"')},
}


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("what", ERRORS)
def test_no_error_holds_a_planted_value(what, debug, workplace, monkeypatch):
    """No error holds a level that may not leave, whatever it is about."""
    error = ERRORS[what]
    frame = ward(ROWS)[["age", "died"]]
    frame, canaries, _ = planted(frame, "died")
    folder = workplace / "in"
    monkeypatch.chdir(folder)
    text = frame[["village", "age", "name", "story", "died"]].to_csv(index=False)
    text += error.get("last", "")
    (folder / "data.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    options = list(error.get("options", ()))
    for name in ("d.yaml", "p.yaml", "k.yaml"):
        if name in error:
            (folder / name).write_text(error[name].replace("{{", "{").replace("}}", "}"))
    if "d.yaml" in error:
        options += ["--dictionary", "d.yaml"]
    debugging = ["--debug"] if debug else []
    command = ["generate", "data.csv", "--model", "model.gguf", "--out", workplace / "exits" / "o"]
    done = run(*debugging, *command, *options)
    shown = done.stdout + done.stderr
    if debug:  # Python shows it
        assert isinstance(done.exception, T2LocalError)
        shown += "\n".join(error_lines(done.exception))
    assert done.exit_code in ((1,) if debug else (2, 3)), shown
    typed = [*options, *(text for key, text in error.items() if key.endswith("yaml"))]
    canaries = [canary for canary in canaries if not any(canary in str(each) for each in typed)]
    assert hits(canaries, workplace / "exits", {"shown": shown}) == []


def test_a_bug_shows_its_place_and_no_message(tmp_path):
    """An error of t2local itself shows where it happened and not its message, which might hold a
    cell.
    """
    code = """
import sys
from t2local import pipeline
from t2local.cli import main
from t2local.cli.exits import error_lines
from t2local.errors import T2LocalError
def describe(*_, **__):
    try: float("Zqvilaax")
    except ValueError as error: raise KeyError("Zqvilabx") from error
pipeline.describe = describe
main(["describe", "data.csv"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert "in describe" in done.stderr
    assert "ValueError: its message is not shown" in done.stderr
    assert "KeyError: its message is not shown" in done.stderr
    assert "Zq" not in done.stdout + done.stderr

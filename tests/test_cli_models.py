"""The commands that carry models, with a llama of random weights (tests/tiny.py)."""

import hashlib
import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from t2local.cli import main
from t2local.cli.known_models import known_model
from t2local.llm.catalog import entries
from tests.tiny import CONTEXT, tiny


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("T2LOCAL_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def added(home):
    done = run("models", "add", tiny(home / "own.gguf"), "--name", "mine")
    assert done.exit_code == 0, done.output
    return done


def test_models_are_listed_for_people_and_for_programs(home):
    assert "starter" in run("models", "list").stdout
    listed = json.loads(run("models", "list", "--format", "json").stdout)
    names = [entry["name"] for entry in listed]
    assert {"starter", "smollm2-135m"} <= set(names)
    assert len(names) == len(set(names))
    assert names == list(entries())  # the order of the catalogue


def test_a_model_of_the_catalogue_that_is_not_here(home):
    entry = entries()["smollm2-135m"]
    model = known_model("smollm2-135m", None)
    assert not model.here
    assert (model.bytes, model.context, model.licence) == (
        entry.bytes,
        entry.context,
        entry.licence,
    )
    assert "GB" in model.fits_reason
    shown = run("models", "show", "smollm2-135m")
    assert shown.exit_code == 0
    assert f"repository        {entry.repository}\n" in shown.stdout


def test_what_add_prints_leads_to_the_first_run(added, home):
    lines = added.stdout.splitlines()
    digest = hashlib.sha256((home / "own.gguf").read_bytes()).hexdigest()
    assert lines[0] == f"mine: {home / 'home' / 'models' / f'sha256-{digest}.gguf'}"
    assert lines[1].startswith(f"sha256 {digest}")
    assert lines[1].endswith("; licence: apache-2.0")
    assert lines[2] == "Next: python -m t2local generate data.csv --model mine"


def test_an_added_model_is_listed_after_the_catalogue_and_shown(added, home):
    listed = json.loads(run("models", "list", "--format", "json").stdout)
    assert listed[-1]["name"] == "mine"
    assert (listed[-1]["here"], listed[-1]["good_for"]) == (True, "added here")
    shown = json.loads(run("models", "show", "mine", "--format", "json").stdout)
    assert (shown["context"], shown["source"], shown["fits"]) == (CONTEXT, "file", True)
    assert shown["bytes"] == (home / "own.gguf").stat().st_size
    text = run("models", "show", "mine").stdout
    assert text.count("\nfiles ") == 1
    assert shown["files"][0] in text


def test_verify_names_every_model_that_changed(added, home):
    assert run("models", "verify", "mine").stdout == "mine: as it was\n"
    run("models", "add", tiny(home / "b.gguf", seed=2), "--name", "other")
    for path in (home / "home" / "models").glob("*.gguf"):
        tiny(path, seed=3)
    done = run("models", "verify", "mine", "other")
    assert done.exit_code == 4
    assert "  - mine: " in done.stderr
    assert "  - other: " in done.stderr
    unknown = run("models", "verify", "mine", "no", "nor this")
    assert unknown.exit_code == 4
    assert "  - no\n  - nor this\n" in unknown.stderr


def test_rm_says_what_it_frees_and_keeps_what_another_name_has(added, home):
    blob = run("models", "path", "mine").stdout.strip()
    run("models", "add", home / "own.gguf", "--name", "second")
    folder = home / "home" / "models"
    assert run("models", "rm", "mine").stdout.splitlines() == [
        f"deleted {folder / 'mine.manifest.json'}",
        "its files stay, as second has them too",
        "freed 0 MB",
    ]
    assert run("models", "path", "second").stdout.strip() == blob
    assert run("models", "rm", "second").stdout.splitlines() == [
        f"deleted {folder / 'second.manifest.json'}",
        f"deleted {blob}",
        "freed 0 MB",
    ]
    assert "mine" not in run("models", "list").stdout


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals")
def test_on_a_terminal_rm_asks(added, home):
    ours, theirs = os.openpty()
    os.write(ours, b"n\n")
    done = subprocess.run(
        [sys.executable, "-m", "t2local", "models", "rm", "mine"],
        stdin=theirs,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 2
    assert "Remove mine? It frees 0 MB" in done.stderr
    assert (home / "home" / "models" / "mine.manifest.json").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["models", "show", "nothing"], 4, "is not known here"),
        (["models", "rm", "nothing"], 4, "Next: "),
        (["models", "add", "nothing.gguf"], 4, "Next: "),
        (["models", "pull", "nothing"], 2, "not in the catalogue"),
        (["models", "pull", "starter"], 2, "pip install"),
        (["models", "path", "nothing"], 4, "models list"),
    ],
)
def test_a_name_that_nobody_knows(home, arguments, code, words):
    done = run(*arguments)
    assert done.exit_code == code
    assert words in done.stderr
    assert done.stdout == ""


def test_bundle_needs_a_new_folder_and_wheels_that_are_there(home):
    assert run("bundle").exit_code == 2
    there = run("bundle", "-o", home)
    assert (there.exit_code, "exists already" in there.stderr) == (2, True)
    missing = run("bundle", "-o", home / "kit", "--wheel", "a.whl", "--wheel", "b.whl")
    assert "  - a.whl\n  - b.whl\n" in missing.stderr
    assert not (home / "kit").exists()

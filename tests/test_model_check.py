"""Whether a model has all that a run needs: tiny models that have it, and some that do not."""

import json

import pytest
from click.testing import CliRunner

from t2local.cli import main
from t2local.errors import ModelError, ResourceError
from t2local.llm import manifest, model_check
from t2local.llm.decoder import Decoder
from t2local.llm.manifest import manifests
from t2local.llm.model_check import check_model
from tests.families import family
from tests.tiny import TOKENS, load, tiny

NAMES = [
    "file",
    "opening",
    "vocabulary",
    "chat format",
    "prefix sharing",
    "output layer",
    "memory",
    "writing",
]
#: Its marks are ordinary letters to tests/tiny.py.
ORDINARY_MARKS = (
    "{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"
)
NO_VOCABULARY = {
    "tokenizer.ggml.model": (8, "no_vocab"),
    "llama.vocab_size": (4, len(TOKENS)),
}
#: llama.cpp ends the process where it wants to write this byte.
WITHOUT_A_BYTE = [token if token != "<0xE2>" else "no byte" for token in TOKENS]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("T2LOCAL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(model_check, "_SECONDS", 0.1)
    return tmp_path


def test_a_model_that_has_all_passes_and_its_manifest_remembers(home):
    run("models", "add", tiny(home / "own.gguf"), "--name", "mine")
    old = manifests()["mine"]
    assert old.checked is None
    assert "checked" not in json.loads(old.path.read_text())  # as in manifests of before
    assert "checked" not in run("models", "list").stdout
    done = run("models", "check", "mine")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert [line[:16].strip() for line in lines] == NAMES
    assert all(line[16:].startswith("pass ") for line in lines)
    assert "allowed tokens" in lines[NAMES.index("output layer")]
    trial = manifests()["mine"].checked
    assert trial.faults == ()
    assert min(trial.speed.values()) > 0
    assert f"checked {trial.date[:10]}: passes" in run("models", "list").stdout
    assert manifests()["mine"].model_copy(update={"checked": None}) == old


def test_as_json_for_a_file_that_is_in_no_store(home):
    done = run("models", "check", tiny(home / "own.gguf"), "--format", "json")
    result = json.loads(done.stdout)
    assert done.exit_code == 0
    assert [finding["name"] for finding in result["findings"]] == NAMES
    assert all(finding["holds"] for finding in result["findings"])
    assert result["speed"]["rows_per_second"] > 0
    assert result["kept"] is False


def test_marks_that_are_ordinary_text_do_not_hold(home):
    path = tiny(home / "own.gguf", **{"tokenizer.chat_template": (8, ORDINARY_MARKS)})
    run("models", "add", path, "--name", "mine")
    done = run("models", "check", "mine")
    assert done.exit_code == 4
    assert "chat format     does not hold" in done.stdout
    assert "chat format: " in done.stderr
    assert "<|im_start|> <|im_end|>" in done.stderr
    assert "models add" in done.stderr
    assert "--chat" in done.stderr
    assert "does not hold all" in run("models", "list").stdout
    assert manifests()["mine"].checked.faults


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (NO_VOCABULARY, "no vocabulary"),
        ({"tokenizer.ggml.model": (8, "no_vocab")}, "refuses it"),
        ({"tokenizer.ggml.tokens": (9, (8, WITHOUT_A_BYTE))}, "crashed"),
        ({"tokenizer.chat_template": (8, "{{ messages[")}, "template"),
        ({"general.architecture": (8, "nothing")}, "refuses it"),
        ({"llama.attention.causal": (7, False)}, "not a text generator"),
    ],
)
def test_what_cannot_be_opened_says_what_to_do(home, keys, problem):
    done = run("models", "check", tiny(home / "own.gguf", **keys))
    assert done.exit_code == 4
    assert problem in done.stderr
    assert "\nNext: " in done.stderr


@pytest.mark.parametrize(
    ("architecture", "problem"), [("llada", "at once"), ("t5", "not a text generator")]
)
def test_an_architecture_that_only_llama_cpp_can_use_is_named(home, architecture, problem):
    keys = {"attention.relative_buckets_count": (4, 8)}
    done = run("models", "check", family(home / "own.gguf", architecture, **keys))
    assert done.exit_code == 4
    assert f"{architecture} " in done.stderr
    assert problem in done.stderr
    assert "\nNext: " in done.stderr


def test_a_model_without_a_vocabulary_is_refused_also_without_the_probe(home):
    path = tiny(home / "own.gguf", **NO_VOCABULARY)
    with pytest.raises(ModelError, match="no vocabulary"):
        load(path)


def test_rows_after_another_prompt_than_theirs_are_noticed(home, monkeypatch):
    prefill = Decoder.prefill
    monkeypatch.setattr(
        Decoder, "prefill", lambda self, prefix: prefill(self, [*prefix[:-1], prefix[0]])
    )
    path = family(home / "own.gguf", "qwen3", scale=1.0)
    findings = {f.name: f for f in check_model(str(path)).findings}
    assert not findings["prefix sharing"].holds


def test_a_model_too_slow_for_one_row_does_not_pass(home, monkeypatch):
    monkeypatch.setattr(model_check, "_MOST_SECONDS", 0.0)
    done = run("models", "check", tiny(home / "own.gguf"))
    assert done.exit_code == 4
    assert "writing         does not hold  no row was complete" in done.stdout


def test_the_result_is_shown_where_the_store_cannot_be_written(home, monkeypatch):
    run("models", "add", tiny(home / "own.gguf"), "--name", "mine")

    def full(*_):
        raise ResourceError("The disk is full.", next_step="free some disk")

    monkeypatch.setattr(manifest, "make_folder", full)
    done = run("models", "check", "mine", "--format", "json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["kept"] is False

"""The check of an installation, with a llama of random weights that llama.cpp loads for real."""

import math

import pytest
from click.testing import CliRunner

from t2local.airgap import doctor
from t2local.airgap.doctor import examine
from t2local.cli import main
from t2local.errors import ModelError
from t2local.llm import store, tuning_bench
from t2local.llm.scripted import ScriptedModel
from tests.tiny import tiny


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doctor")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("T2LOCAL_HOME", str(folder / "home"))
        store.add(tiny(folder / "own.gguf"), name="mine")
        yield folder


@pytest.fixture(scope="module")
def findings(home):
    return examine("mine")


def test_the_findings_stand_in_the_order_of_asking(findings):
    machine = ["python", "packages", "cpu", "threads", "model store", "devices", "gpu"]
    assert list(findings)[:9] == [*machine, "known problems", "model"]
    assert list(findings)[-1] == "decode"
    for value in findings.values():
        lines = value if isinstance(value, list) else [value]
        assert lines
        assert all(isinstance(line, str) and line for line in lines)


def test_the_model_is_named_with_file_hash_and_licence(findings, home):
    path = store.find("mine").path
    first, digest, licence = findings["model"]
    assert first == f"mine: {path}"
    assert digest.startswith(f"sha256 {store.find('mine').sha256}, ")
    assert licence == "apache-2.0"
    assert findings["model store"][0] == str(home / "home" / "models")
    assert findings["model store"][1].startswith("mine: ")


def test_whether_the_build_is_for_gpus_is_said(findings):
    kind, note = findings["gpu"]
    assert kind.startswith("this build of llama.cpp is for ")
    assert "never run" in note


def test_two_numbers_were_decoded_under_a_grammar(findings):
    assert findings["decode"].startswith("two numbers under a grammar: ok, ")
    assert findings["decode"].endswith(" s")


def test_decisions_carry_their_reasons(findings):
    for name in ("threads", "GPU layers", "tokens a pass", "chat format"):
        assert findings[name].endswith(")")
        assert " (" in findings[name]


def test_the_text_around_a_thought_is_shown_where_there_is_a_place_for_one(home):
    template = "{{ messages[0].content }}<a>{% if not thinking %}<think>\n</think>{% endif %}"
    path = tiny(home / "thinker.gguf", **{"tokenizer.chat_template": (8, template)})
    around = examine(str(path))["chat text"][2]
    assert around == r'before and after a thought ["<a><think>\n", "</think>"]'


def test_the_chat_format_is_shown_with_its_text_escaped(home):
    template = "<u>\x1b[31m\n{{ messages[0].content }}<|end|>"
    path = tiny(home / "chat.gguf", **{"tokenizer.chat_template": (8, template)})
    findings = examine(str(path))
    assert findings["chat format"] == "template (compiled from the template in the file)"
    before, after = findings["chat text"]  # and none around a thought
    assert before.endswith(r'"<u>\u001b[31m\n"')
    assert after.endswith('"<|end|>"')
    assert findings["chat marks"].startswith("<|end|> (no control tokens of this model")
    assert "not in the catalogue" in findings["model"][1]


def test_a_scripted_model_decodes_too():
    assert "ok" in doctor._decode(ScriptedModel(lambda text: b"7"))


def test_a_model_that_cannot_write_the_row_is_an_error():
    with pytest.raises(ModelError, match="do not fit the 3 of scripted"):
        doctor._decode(ScriptedModel(context_length=3))


def test_a_model_that_is_not_there_is_an_error(home):
    with pytest.raises(ModelError, match="'nothing' is neither"):
        examine("nothing")
    (home / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelError):
        examine(str(home / "broken.gguf"))


def test_the_command_prints_one_line_for_each_value(home, findings):
    done = CliRunner().invoke(main, ["doctor", "--model", "mine"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert len([line for line in lines if line.startswith("packages ")]) == len(
        findings["packages"]
    )
    assert lines[-1].startswith("decode            two numbers")


def test_the_bench_is_remembered_and_shown_with_the_way_to_forget_it(home, monkeypatch):
    monkeypatch.setattr(tuning_bench, "_ROWS", 8)
    monkeypatch.setattr(tuning_bench, "_BUSY", math.inf)
    assert examine("mine")["tuning"] == ["not measured on this machine: doctor --bench"]
    done = CliRunner().invoke(main, ["doctor", "--bench", "--model", "mine"])
    assert done.exit_code == 0, done.output
    assert "a block of short rows takes" in done.stderr
    first, *comparisons = examine("mine")["tuning"]
    assert first.startswith("measured on ")
    assert str(home / "home" / "tuning.json") in first
    assert all(line in done.stderr for line in comparisons if " times as fast" in line)
    (home / "home" / "tuning.json").unlink()
    assert examine("mine")["tuning"] == ["not measured on this machine: doctor --bench"]

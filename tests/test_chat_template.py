"""Templates of each family's shape, compiled; and templates that do what they may not."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import t2local
from t2local.llm.catalog import ChatFormat
from t2local.llm.chat_template import compile_template
from t2local.llm.checks import compile_apart
from tests.chat_corpus import FAMILIES, TEXTS, digest, expected, key

#: What stands behind the text that a template itself ends with.
BEFORE_ANSWERS = {
    "harmony: the channel of past answers": "<|channel|>final<|message|>",
    "switched off, and then the mark of past answers": "<|RESPONSE|>",
    "a thought that is left open": "\n</think>\n\n",
    "olmo 3, thinking": "</think>",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_control_text_of_the_families(family):
    template, opening, closing = FAMILIES[family]
    pieces = compile_template(template, "<s>", "</s>")
    assert (pieces.opening, pieces.closing) == (opening, closing)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_in_a_format_is_what_transformers_makes_of_it(family):
    template = FAMILIES[family][0]
    pieces = compile_template(template, "<s>", "</s>")
    closing = pieces.closing.removesuffix(BEFORE_ANSWERS.get(family, ""))
    chat = ChatFormat("template", pieces.opening, closing, trim=pieces.trim)
    texts = [chat.opening + "".join(chat.parts([text])) + chat.closing for text in TEXTS]
    assert expected()[key(template)] == digest(texts)


def test_white_space_around_a_prompt_of_several_parts_is_stripped_as_a_whole():
    parts = ["\n", " Rows:\n", "", "[1, 2]", "\n"]
    chat = ChatFormat("template", "<u>", "<a>", trim=True)
    assert chat.parts(parts) == ["Rows:\n", "", "[1, 2]"]
    assert chat.parts(["\n", " "]) == []
    assert replace(chat, trim=False).parts(parts) == parts


def test_what_was_done_about_thinking_is_noted():
    notes = {name: compile_template(parts[0]).note for name, parts in FAMILIES.items()}
    assert notes.pop("harmony: the channel of past answers").endswith("final<|message|>'")
    assert notes.pop("switched off, and then the mark of past answers").endswith("RESPONSE|>'")
    assert notes.pop("a thought that is left open") == "the thought that it opens is closed"
    assert notes.pop("olmo 3, thinking") == "the thought that it opens is closed"
    assert set(notes.values()) == {""}
    thinker = "{{ messages[0].content }}{# [THINK] #}"
    assert "the model may want to think first" in compile_template(thinker).note
    eraser = "{{ messages[0].content | replace('/no_think', '') }}"
    assert "takes marks of thoughts out" in compile_template(eraser).note


#: Where a format has a place for a thought: the text before a prompt, before and after a thought.
THOUGHTS = {
    "a thought that is left open": ("<s><U>", "<A><think>\n", "\n</think>\n\n"),
    "olmo 3, thinking": (
        FAMILIES["olmo 3, thinking"][1],
        "<|im_end|>\n<|im_start|>assistant\n<think>",
        "</think>",
    ),
    "switched off, and then the mark of past answers": (
        *("<|USER|>", "<|BOT|><|THINK|>"),
        "<|/THINK|><|RESPONSE|>",
    ),
    "hunyuan": ("<begin><|hy_User|>", "<|hy_Assistant|><think>\n", "\n</think>\n"),
    "thinking switched off": (
        *("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n<think>"),
        "</think>",
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_place_of_a_thought_is_found_where_a_family_has_one(family):
    assert compile_template(FAMILIES[family][0], "<s>", "</s>").thought == THOUGHTS.get(family)


def test_a_thought_stands_where_the_template_writes_that_of_a_past_answer():
    harmony = (
        "{{ 'Reasoning: ' + reasoning_effort | default('medium') }}<|start|>user<|message|>"
        "{{ messages[0].content }}<|end|><|start|>assistant{% if messages[1] is defined %}"
        "{% if messages[1].thinking %}<|channel|>analysis<|message|>{{ messages[1].thinking }}"
        "<|end|><|start|>assistant{% endif %}<|channel|>final<|message|>{{ messages[1].content }}"
        "{% endif %}{# 'low' #}"
    )
    pieces = compile_template(harmony)
    opening, closing = "<|start|>user<|message|>", "<|end|><|start|>assistant<|channel|>"
    assert (pieces.opening, pieces.closing) == (
        f"Reasoning: low{opening}",
        f"{closing}final<|message|>",
    )
    assert pieces.thought == (
        f"Reasoning: medium{opening}",
        f"{closing}analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    )


def test_a_thought_needs_control_text_that_does_not_depend_on_the_prompt():
    template = "{{ messages[0].content }}{{ messages[0].content | length if thinking }}<think>"
    assert compile_template(template + "{# </think> #}").thought is None


@pytest.mark.parametrize(
    ("known", "effort"),
    [("'low', 'none'", "none"), ("'no_think', 'high'", "no_think"), ("'high'", "unset")],
)
def test_the_least_effort_that_a_template_names_is_asked_for(known, effort):
    template = (
        f"{{% if reasoning_effort is defined and reasoning_effort not in [{known}] %}}"
        "{{ raise_exception('no such effort') }}{% endif %}"
        "{{ reasoning_effort | default('unset') }}|{{ messages[0].content }}"
    )
    assert compile_template(template).opening == f"{effort}|"


#: Templates from which no format can be made, and the reason.
REFUSED = [
    ("{{ raise_exception('\x1b[31mroles') }}", "TemplateError: \x1b[31mroles"),
    (
        (
            "{% if messages[0].role != 'system' %}{{ raise_exception('needs a system turn') }}"
            "{% endif %}{{ messages[1].content }}"
        ),
        "needs a system turn",
    ),
    ("{{ messages[1].content }}", "UndefinedError"),
    ("<u>{{ messages[0].content | upper }}<a>", "0 times, or changed"),
    ("<u>{{ messages[0].content }}{{ messages[0].content }}<a>", "2 times"),
    ("<u>{{ messages[0].content | tojson }}<a>", "0 times, or changed"),
    ("<u>{{ messages[0].content | length }}{{ messages[0].content }}<a>", "depends on the prompt"),
    ("<u>{{ messages[0].content.rstrip() }}<a>", "changes the white space"),
    ("{% for tool in tools %}{{ tool }}{% endfor %}{{ messages[0].content }}", "not iterable"),
    ("a text and nothing else", "0 times"),
    ("{% if %}", "TemplateSyntaxError"),
    ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
    # What gets out of a sandbox, where there is a way.
    ("{{ ''.__class__.__mro__ }}", "SecurityError"),
    ("{{ messages.__class__ }}{{ messages[0].content }}", "SecurityError"),
    ("{{ '' | attr('__class__') }}{{ messages[0].content }}", "SecurityError"),
    ("{{ cycler.__init__.__globals__.os.system('id') }}", "SecurityError"),
    ("{{ messages.append(messages[0]) }}", "SecurityError"),
    ("{% include '/etc/passwd' %}", "TypeError"),
    ("{{ raise_exception.__globals__ }}", "SecurityError"),
    # Memory, at once and by doubling.
    ("{{ 'x' * 10**10 }}", "memory"),
    ("{{ 'x' * 10**8 }}{{ messages[0].content }}", "65536 characters"),
    (
        (
            "{% set n = namespace(a='x' * 9999) %}{% for i in range(99) %}{% set n.a = n.a + n.a %}"
            "{% endfor %}"
        ),
        "memory",
    ),
]


@pytest.mark.parametrize(("template", "reason"), REFUSED)
def test_a_template_that_gives_no_format_is_refused_with_a_reason(template, reason):
    with pytest.raises(ValueError, match=re.escape(ascii(reason)[1:-1])) as caught:
        compile_apart(template, "<s>", "</s>")
    assert str(caught.value).isprintable()


def test_a_template_that_does_not_end_is_stopped():
    loop = "{% for i in range(99999) %}" * 3 + "{% endfor %}" * 3
    with pytest.raises(ValueError, match="too much time or memory"):
        compile_apart(loop, "", "")


def test_apart_it_gives_the_same_and_has_no_environment_to_read(monkeypatch):
    monkeypatch.setenv("PATIENTS", "secret")
    monkeypatch.setenv("PYTHONPATH", "")
    template, opening, closing = FAMILIES["llama3"]
    pieces = compile_apart(template, "<s>", "</s>")
    texts = {"opening": opening, "closing": closing, "note": ""}
    assert pieces == {**texts, "trim": True, "thought": []}
    spy = "import sys, json, os; json.dump({'problem': str(dict(os.environ))}, sys.stdout)"
    run = subprocess.run
    monkeypatch.setattr(
        "t2local.llm.checks.subprocess.run",
        lambda command, **more: run([command[0], "-c", spy], **more),
    )
    with pytest.raises(ValueError, match="PATH") as caught:
        compile_apart(template, "<s>", "</s>")
    assert "PATIENTS" not in str(caught.value)


def test_as_a_program_it_answers_in_json_on_stdout():
    request = {"template": FAMILIES["phi"][0], "begin": "", "end": ""}
    done = subprocess.run(
        [sys.executable, "-m", "t2local.llm.chat_template"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["opening"] == "<|user|>\n"
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limits")
def test_where_templates_run_no_file_can_be_written(tmp_path):
    code = """
from t2local.llm import chat_template
chat_template._limit()
try:
    with open("x", "w") as file: file.write("a")
except OSError: print("refused")
"""
    root = str(Path(t2local.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": root},
    )
    assert (done.stdout, (tmp_path / "x").read_text()) == ("refused\n", ""), done.stderr

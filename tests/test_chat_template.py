"""Templates of each family's shape, compiled; and templates that do what they may not."""

import json
import re
import subprocess
import sys

import pytest

from t2local.llm.chat_template import compile_template
from t2local.llm.checks import compile_apart

CHATML = """{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}"""
SWITCH = "{%- if enable_thinking is defined and not enable_thinking %}{{- '<think></think>' }}"
GEMMA = """{{ bos_token }}{% for message in messages %}
{% if message.role == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = message.role %}
{% endif %}
{{ '<start_of_turn>' + role + '\\n' + message.content | trim + '<end_of_turn>\\n' }}{% endfor %}
{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""
LLAMA = """{% for m in messages %}{% if loop.first %}{{ bos_token }}{% endif %}
{{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim }}
{{- '<|eot_id|>' }}{% endfor %}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"""
MISTRAL = """{{ bos_token }}{% for m in messages %}
{%- if (m.role == 'user') != loop.index0 is even %}
{{ raise_exception('roles must alternate') }}{% endif %}
{%- if m.role == 'user' %}{{ '[INST]' + m.content + '[/INST]' }}{% else %}
{{- ' ' + m.content + eos_token }}{% endif %}{% endfor %}"""
PHI = """{% for m in messages %}{{ '<|' + m.role + '|>\\n' + m.content + '<|end|>\\n' }}
{%- endfor %}{{ '<|assistant|>\\n' if add_generation_prompt }}"""
GRANITE = """{{ '<|start_of_role|>system<|end_of_role|>Today is ' + strftime_now('%B %d, %Y') }}
{{- '.<|end_of_text|>\\n' }}{% for m in messages %}
{{- '<|start_of_role|>' + m.role + '<|end_of_role|>' + m.content + '<|end_of_text|>\\n' }}
{%- endfor %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}"""
HARMONY = """{% for m in messages %}{% if m.role == 'user' %}
{{- '<|start|>user<|message|>' + m.content + '<|end|>' }}{% else %}
{{- '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|return|>' }}{% endif %}
{%- endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}"""
COMMAND = """{% for m in messages %}{% if m.role == 'user' %}{{ '<|USER|>' + m.content }}{% else %}
{{- '<|BOT|><|RESPONSE|>' + m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}
{{- '<|BOT|>' }}{% if not enable_thinking %}{{ '<|THINK|><|/THINK|>' }}{% endif %}{% endif %}"""
R1 = """{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '<U>' + m.content }}
{%- else %}{{ '<A>' + m.content.split('</think>')[-1] }}{% endif %}{% endfor %}
{%- if add_generation_prompt %}{{ '<A><think>\\n' }}{% endif %}"""

OPENED = "<|im_start|>user\n"
ASKED = "<|im_end|>\n<|im_start|>assistant\n"
HEADER = "<|start_header_id|>{}<|end_header_id|>\n\n"
FAMILIES = {
    "chatml": (CHATML + "{% endif %}", OPENED, ASKED),
    "gemma": (
        *(GEMMA, "<s><start_of_turn>user\n"),
        "<end_of_turn>\n<start_of_turn>model\n",
    ),
    "llama3": (
        *(LLAMA, "<s>" + HEADER.format("user")),
        "<|eot_id|>" + HEADER.format("assistant"),
    ),
    "mistral": (MISTRAL, "<s>[INST]", "[/INST]"),
    "phi": (PHI, "<|user|>\n", "<|end|>\n<|assistant|>\n"),
    "granite: no format depends on the day": (
        GRANITE,
        (
            "<|start_of_role|>system<|end_of_role|>Today is January 01, 2026.<|end_of_text|>\n"
            "<|start_of_role|>user<|end_of_role|>"
        ),
        "<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>",
    ),
    "harmony: the channel of past answers": (
        *(HARMONY, "<|start|>user<|message|>"),
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
    "thinking switched off": (
        *(CHATML + SWITCH + "{% endif %}{% endif %}", OPENED),
        ASKED + "<think></think>",
    ),
    "switched off, and then the mark of past answers": (
        *(COMMAND, "<|USER|>"),
        "<|BOT|><|THINK|><|/THINK|><|RESPONSE|>",
    ),
    "a thought that is left open": (R1, "<s><U>", "<A><think>\n\n</think>\n\n"),
    "what an assistant wrote, marked": (
        (
            "{% for m in messages %}{{ '<u>' + m.content }}{% generation %}{{ '<a>' }}"
            "{% endgeneration %}{% break %}{% endfor %}"
        ),
        *("<u>", "<a>"),
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_control_text_of_the_families(family):
    template, opening, closing = FAMILIES[family]
    pieces = compile_template(template, "<s>", "</s>")
    assert (pieces.opening, pieces.closing) == (opening, closing)


def test_what_was_done_about_thinking_is_noted():
    notes = {name: compile_template(parts[0]).note for name, parts in FAMILIES.items()}
    assert notes.pop("harmony: the channel of past answers").endswith("final<|message|>'")
    assert notes.pop("switched off, and then the mark of past answers").endswith("RESPONSE|>'")
    assert notes.pop("a thought that is left open") == "the thought that it opens is closed"
    assert set(notes.values()) == {""}
    thinker = "{{ messages[0].content }}{# [THINK] #}"
    assert "the model may want to think first" in compile_template(thinker).note


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
    assert pieces == {"opening": opening, "closing": closing, "note": ""}
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

"""Chat templates of real models: compiled to what a rendering by hand gives, or refused.

Where they come from: tests/vocabularies.py.
"""

import json
import os
from datetime import date
from pathlib import Path

import pytest
from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

from t2local.llm.catalog import chat_formats
from t2local.llm.checks import compile_apart

pytestmark = pytest.mark.model

FOLDER = os.environ.get("T2LOCAL_VOCABULARIES")
FILES = sorted(Path(FOLDER).glob("templates/*.jinja")) if FOLDER else []
#: From which no format can be made.
REFUSED = {"fireworks-ai-llama-3-firefunction-v2": "'functions' is undefined"}
#: What comes behind the text that a template asks for an answer with: what it writes before
#: answers of the past, or the end of a thought that it opens.
BEFORE_ANSWERS = {
    "Cohere2MoE": "<|START_TEXT|>",
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use": "<|START_RESPONSE|>",
    "Kimi-K2-Thinking": "<think></think>",
    "MiniMax-M2": "\n</think>\n\n",
    "NVIDIA-Nemotron-Nano-v2": "\n</think>\n\n",
    "StepFun3.5-Flash": "\n</think>\n",
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B": "\n</think>\n\n",
    "llama-cpp-deepseek-r1": "\n</think>\n\n",
    "meetkai-functionary-medium-v3.2": "all\n",
    "muse-glimmer": " to=user<|message|>",
    "openai-gpt-oss-120b": "<|channel|>final<|message|>",
    "upstage-Solar-Open-100B": "<|content|>",
}
#: The least effort of thinking, where a template names one that is less than its default.
EFFORTS = {
    "Cohere2MoE": "none",
    "tencent-Hy3": "no_think",
    "upstage-Solar-Open-100B": "minimal",
}
#: Formats of the catalogue that are those of a template.
SAME = {
    "Qwen3-Coder": "chatml",
    "LFM2-8B-A1B": "chatml",
    "google-gemma-2-2b-it": "gemma",
}
#: Models of which it cannot be told whether they begin with a thought.
MAY_THINK = {
    "Apriel-1.6-15b-Thinker-fixed",
    "LFM2.5-8B-A1B",
    "LFM2.5-Instruct",
    "mistralai-Ministral-3-14B-Reasoning-2512",
    "unsloth-Apriel-1.5",
}
PROMPT = "Rows of a table:\n[1, \"<b>x</b>\", 'y'] é"


class Generation(Extension):
    tags = frozenset({"generation"})

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def rendered(template: str, **effort: str) -> str:
    """As the documentation of transformers' ``apply_chat_template`` describes it."""

    def refuse(message):
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[Generation, "jinja2.ext.loopcontrols"],
    )
    environment.filters["tojson"] = lambda value, **options: json.dumps(
        value, **{"ensure_ascii": False, **options}
    )
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = date(2026, 1, 1).strftime
    return environment.from_string(template).render(
        messages=[{"role": "user", "content": PROMPT}],
        add_generation_prompt=True,
        bos_token="<BOS>",
        eos_token="<EOS>",
        enable_thinking=False,
        thinking=False,
        thinking_mode="disabled",
        thinking_option="off",
        thinking_budget=0,
        **effort,
    )


@pytest.fixture(params=FILES or [None], ids=lambda path: path.stem if path else "none")
def path(request):
    if request.param is None:
        pytest.skip("python tests/vocabularies.py FOLDER, then T2LOCAL_VOCABULARIES=FOLDER")
    return request.param


def test_every_template_is_compiled_exactly_or_refused_with_a_reason(path):
    template = path.read_text(encoding="utf-8")
    if path.stem in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[path.stem]):
            compile_apart(template, "<BOS>", "<EOS>")
        return
    pieces = compile_apart(template, "<BOS>", "<EOS>")
    before_answer = BEFORE_ANSWERS.get(path.stem, "")
    text = pieces["opening"] + PROMPT + pieces["closing"]
    effort = {}
    if path.stem in EFFORTS:
        effort = {"reasoning_effort": EFFORTS[path.stem]}
    assert text == rendered(template, **effort) + before_answer
    assert ("may want to think" in pieces["note"]) == (path.stem in MAY_THINK)
    assert bool(pieces["note"]) == bool(before_answer or path.stem in MAY_THINK)
    if path.stem in SAME:
        chat = chat_formats()[SAME[path.stem]]
        assert pieces["opening"].removeprefix("<BOS>") == chat.opening
        assert pieces["closing"] == chat.closing

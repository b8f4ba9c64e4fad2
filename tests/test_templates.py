"""Chat templates of real models: compiled to what transformers gives, or refused.

Where they come from: tests/vocabularies.py; what transformers gives: tests/chat_corpus.py.
"""

import os
from pathlib import Path

import pytest

from t2local.llm.catalog import ChatFormat, chat_formats
from t2local.llm.checks import compile_apart
from tests.chat_corpus import TEXTS, digest, expected, key

pytestmark = pytest.mark.model

FOLDER = os.environ.get("T2LOCAL_VOCABULARIES")
FILES = sorted(Path(FOLDER).glob("templates/*.jinja")) if FOLDER else []
#: From which no format can be made, most as transformers itself fails: without tools, and without
#: a list of special tokens that it had once. One strips the white space behind a prompt alone.
REFUSED = {
    "CohereForAI-c4ai-command-r-plus-tool_use": "'NoneType' object is not iterable",
    "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use": "'NoneType' object is not iterable",
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use": "'NoneType' object is not iterable",
    "ai-sage-GigaChat-20B-A3B-instruct": "'additional_special_tokens' is undefined",
    "bofenghuang-vigogne-2-70b-chat": "it changes the white space around a prompt",
    "fireworks-ai-llama-3-firefunction-v2": "'functions' is undefined",
}
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
#: Formats of the catalogue that are those of a template.
SAME = {
    "Qwen3-Coder": "chatml",
    "LFM2-8B-A1B": "chatml",
    "google-gemma-2-2b-it": "gemma",
}
#: Where a thought stands: the end of the text before it, and the text after it.
THOUGHTS = {
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use": (
        "<|START_THINKING|>",
        "<|END_THINKING|><|START_RESPONSE|>",
    ),
    "HuggingFaceTB-SmolLM3-3B": ("assistant\n<think>\n", "\n</think>\n"),
    "Qwen-Qwen3-0.6B": ("assistant\n<think>\n", "\n</think>\n\n"),
    "Qwen3.5-4B": ("assistant\n<think>\n", "\n</think>\n\n"),
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B": ("<think>\n", "\n</think>\n\n"),
    "google-gemma-4-31B-it": ("<|turn>model\n<|channel>thought\n", "<channel|>"),
    "openai-gpt-oss-120b": (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
}
#: Models of which it cannot be told whether they begin with a thought.
MAY_THINK = {
    "Apriel-1.6-15b-Thinker-fixed",
    "LFM2.5-8B-A1B",
    "LFM2.5-Instruct",
    "mistralai-Ministral-3-14B-Reasoning-2512",
    "unsloth-Apriel-1.5",
}


@pytest.fixture(params=FILES or [None], ids=lambda path: path.stem if path else "none")
def path(request):
    if request.param is None:
        pytest.skip("python tests/vocabularies.py FOLDER, then T2LOCAL_VOCABULARIES=FOLDER")
    return request.param


def test_every_template_is_compiled_exactly_or_refused_with_a_reason(path):
    template = path.read_text(encoding="utf-8")
    if path.stem in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[path.stem]):
            compile_apart(template, "<s>", "</s>")
        return
    pieces = compile_apart(template, "<s>", "</s>")
    before_answer = BEFORE_ANSWERS.get(path.stem, "")
    assert pieces["closing"].endswith(before_answer)
    closing = pieces["closing"].removesuffix(before_answer)
    chat = ChatFormat("template", pieces["opening"], closing, trim=pieces["trim"])
    texts = [chat.opening + "".join(chat.parts([text])) + chat.closing for text in TEXTS]
    assert expected()[key(template)] == digest(texts)
    assert ("may want to think" in pieces["note"]) == (path.stem in MAY_THINK)
    assert bool(pieces["note"]) == bool(before_answer or path.stem in MAY_THINK)
    if path.stem in THOUGHTS:
        before, after = THOUGHTS[path.stem]
        assert pieces["thought"][1].endswith(before)
        assert pieces["thought"][2] == after
    if path.stem in SAME:
        named = chat_formats()[SAME[path.stem]]
        assert chat.opening.removeprefix("<s>") == named.opening
        assert (chat.closing, chat.trim) == (named.closing, named.trim)

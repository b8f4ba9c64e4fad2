"""The forms of the families' chat templates, and the text that transformers makes of a prompt.

    pip install transformers    # in an environment of its own; it needs no torch
    python tests/chat_corpus.py FOLDER

renders these forms and the real templates in FOLDER/templates (tests/vocabularies.py) with the code
of transformers itself, thinking off, and writes tests/chat_corpus.json: for each template the hash
of what comes of all TEXTS, or the error. Real templates are under licences of their own, so the
file has their hashes alone.
"""

import hashlib
import json
import sys
from datetime import datetime
from pathlib import Path

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

GEMMA_3 = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}
{%- if messages[0]['content'] is string %}{% set start = messages[0]['content'] + '\n\n' %}
{%- else %}{% set start = messages[0]['content'][0]['text'] + '\n\n' %}{% endif %}
{%- set turns = messages[1:] %}{% else %}{% set start = '' %}{% set turns = messages %}{% endif %}
{%- for m in turns %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('roles must alternate') }}{% endif %}
{{- '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n' }}
{{- start if loop.first }}{% if m['content'] is string %}{{ m['content'] | trim }}
{%- elif m['content'] is iterable %}{% for part in m['content'] %}
{{ '<start_of_image>' if part['type'] == 'image' else part['text'] | trim }}{% endfor %}{% endif %}
{{- '<end_of_turn>\n' }}{% endfor %}{{ '<start_of_turn>model\n' if add_generation_prompt }}"""
PHI_4 = """{% for m in messages %}{{ '<|im_start|>' + m['role'] + '<|im_sep|>' + m['content'] }}
{{- '<|im_end|>' }}{% endfor %}{{ '<|im_start|>assistant<|im_sep|>' if add_generation_prompt }}"""
PHI_4_MINI = """{% for m in messages %}{% if m['role'] == 'system' and 'tools' in m %}
{{- '<|system|>' + m['content'] + '<|tool|>' + m['tools'] + '<|/tool|><|end|>' }}{% else %}
{{- '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endif %}{% endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"""
ZEPHYR = """{% for m in messages %}
{% if m['role'] == 'user' %}
{{ '<|user|>\n' + m['content'] + eos_token }}
{% elif m['role'] == 'assistant' %}
{{ '<|assistant|>\n'  + m['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""
OLMO_2 = """{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}
{{- '<|user|>\n' + m['content'] + '\n' }}{% else %}{{ '<|assistant|>\n' + m['content'] }}
{{- eos_token if not loop.last }}{% endif %}
{%- if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}"""
OLMO_3 = """{%- set has_system = messages | selectattr('role', 'equalto', 'system') | list %}
{%- if not has_system %}
{{- '<|im_start|>system\nYou are a helpful assistant. You have no functions.<|im_end|>\n' }}
{%- endif %}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] }}
{{- eos_token if m['role'] == 'assistant' and loop.last else '<|im_end|>\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>' }}{% endif %}{# </think> #}"""
LLAMA_4 = """{{- bos_token }}{%- for m in messages %}
    {{- '<|header_start|>' + m['role'] + '<|header_end|>\n\n' }}
    {%- if m['content'] is string %}{{- m['content'] }}{%- else %}
    {%- for part in m['content'] %}{{- '<|image|>' if part['type'] == 'image' else part['text'] }}
    {%- endfor %}{%- endif %}{{- '<|eot|>' }}
{%- endfor %}{%- if add_generation_prompt %}
    {{- '<|header_start|>assistant<|header_end|>\n\n' }}
{%- endif %}"""
LLAMA_2 = """{% for m in messages %}{% if m['role'] == 'user' %}
{{- bos_token + '[INST] ' + m['content'].strip() + ' [/INST]' }}{% else %}
{{- ' ' + m['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}"""
EXAONE = """{% for m in messages %}{% if loop.first and m['role'] != 'system' %}
{{- '[|system|][|endofturn|]\n' }}{% endif %}{{ '[|' + m['role'] + '|]' + m['content'] }}
{{- '\n' if m['role'] == 'user' else '[|endofturn|]\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %}"""
HUNYUAN = """{{ '<begin>' }}{% for m in messages %}{% if m['role'] == 'user' %}
{{- '<|hy_User|>' + m['content'] }}{% else %}{{ '<|hy_Assistant|>' + m['content'] + '<|eos|>' }}
{%- endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|hy_Assistant|>' }}
{%- if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n' }}
{%- endif %}{% endif %}"""
TOOLS = """{% if tools is not none %}{{ '[TOOLS]' + tools | tojson }}{% endif %}
{%- for m in messages %}{{ '[INST]' + m['content'] + '[/INST]' if m['role'] == 'user' }}
{{- m['content'] if m['role'] == 'assistant' }}{% endfor %}"""

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
    "gemma 3, medgemma": (
        *(GEMMA_3, "<s><start_of_turn>user\n"),
        "<end_of_turn>\n<start_of_turn>model\n",
    ),
    "phi-4": (PHI_4, "<|im_start|>user<|im_sep|>", "<|im_end|><|im_start|>assistant<|im_sep|>"),
    "phi-4-mini": (PHI_4_MINI, "<|user|>", "<|end|><|assistant|>"),
    "zephyr": (ZEPHYR, "<|user|>\n", "</s>\n<|assistant|>\n"),
    "olmo 2": (OLMO_2, "<s><|user|>\n", "\n<|assistant|>\n"),
    "olmo 3, thinking": (
        OLMO_3,
        (
            "<|im_start|>system\nYou are a helpful assistant. You have no functions.<|im_end|>\n"
            "<|im_start|>user\n"
        ),
        "<|im_end|>\n<|im_start|>assistant\n<think></think>",
    ),
    "llama 4": (
        *(LLAMA_4, "<s><|header_start|>user<|header_end|>\n\n"),
        "<|eot|><|header_start|>assistant<|header_end|>\n\n",
    ),
    "llama 2": (LLAMA_2, "<s>[INST] ", " [/INST]"),
    "exaone": (EXAONE, "[|system|][|endofturn|]\n[|user|]", "\n[|assistant|]"),
    "hunyuan": (
        *(HUNYUAN, "<begin><|hy_User|>"),
        "<|hy_Assistant|><think>\n\n</think>\n",
    ),
    "tools, which are none": (TOOLS, "[INST]", "[/INST]"),
}

#: Texts of a user: lines, white space around them, and what a template might escape or take out.
TEXTS = (
    "Rows of a table: [1, 2]",
    "Rows\nof a table:\n\n[1, 2]\n[3]",
    "  Rows of a table  ",
    "\n\nRows of a table\n\n",
    "Rows:\n",
    "\tRows\u00a0\r\n",
    "Two \"lines\" of <b>odd</b>\n{{text}} {% if %} & [1,2] \\ \u00e9 \u2581 'q'",
    "<table><td>x</td></table><!-- c --> &amp; </s> <|im_end|> <image> \U0001f600",
)
#: The least effort of thinking, where a template names one that is less than its default.
EFFORTS = {
    "Cohere2MoE": "none",
    "tencent-Hy3": "no_think",
    "upstage-Solar-Open-100B": "minimal",
}
THOUGHT_OFF = {
    "enable_thinking": False,
    "thinking": False,
    "thinking_mode": "disabled",
    "thinking_option": "off",
    "thinking_budget": 0,
}
RESULT = Path(__file__).with_suffix(".json")


def digest(texts: list[str]) -> str:
    """Of the texts that were made of all TEXTS."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def expected() -> dict[str, str]:
    """By the hash of a template: the digest of its texts, or transformers' error."""
    return json.loads(RESULT.read_text(encoding="utf-8"))["templates"]


def key(template: str) -> str:
    return hashlib.sha256(template.encode()).hexdigest()[:16]


def rendered(name: str, template: str) -> str:
    """What transformers makes of a template: a digest, or an error."""
    from transformers.utils import chat_template_utils

    class NewYear(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 1, tzinfo=tz)

    chat_template_utils.datetime = NewYear  # no format depends on the day
    options = {**THOUGHT_OFF, "bos_token": "<s>", "eos_token": "</s>"}
    if name in EFFORTS:
        options["reasoning_effort"] = EFFORTS[name]
    chats = [[{"role": "user", "content": text}] for text in TEXTS]
    try:
        texts, _ = chat_template_utils.render_jinja_template(
            chats, chat_template=template, add_generation_prompt=True, **options
        )
    except Exception as error:  # noqa: BLE001 -- a template may raise anything
        return f"{type(error).__name__}: {error}"
    return digest(texts)


def main(folder: Path) -> None:
    import transformers

    templates = [(name, parts[0]) for name, parts in FAMILIES.items()]
    paths = sorted(folder.glob("templates/*.jinja"))
    templates += [(path.stem, path.read_text(encoding="utf-8")) for path in paths]
    result = {
        "transformers": transformers.__version__,
        "templates": {key(text): rendered(name, text) for name, text in templates},
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

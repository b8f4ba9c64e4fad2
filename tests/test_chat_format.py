"""Which chat format a file has: its own, or one that a person chose."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from t2local.errors import ModelError
from t2local.llm.catalog import ChatFormat, Thought, chat_formats
from t2local.llm.chat_format import chosen_format, own_format
from t2local.llm.gguf import read_header
from t2local.llm.manifest import Manifest
from tests.tiny import tiny

TEMPLATE = "{{ bos_token }}<u>{{ messages[0].content }}{{ eos_token }}<a>"
PART = {"path": "a.gguf", "bytes": 1, "sha256": "0" * 64}


@pytest.fixture(scope="module")
def header(tmp_path_factory):
    return read_header(tiny(tmp_path_factory.mktemp("chat") / "a.gguf"))


def manifest(chat) -> Manifest:
    return Manifest.model_validate(
        {"name": "a", "files": [PART], "source": "file", "added": "now", "chat": chat}
    )


def test_a_file_without_a_template_is_a_base_model(header, tmp_path):
    chat = own_format(tmp_path / "a.gguf", header)
    assert (chat.name, chat.opening, chat.closing) == ("plain", "", "")
    assert chat.reason == "a base model: it has no chat template"


def test_the_template_of_a_file_is_compiled_with_the_tokens_of_its_header(header, tmp_path):
    chat = own_format(tmp_path / "a.gguf", replace(header, template=TEMPLATE))
    assert (chat.name, chat.opening, chat.closing) == ("template", "<s><u>", "</s><a>")
    assert chat.reason == "compiled from the template in the file"


def test_the_place_of_a_thought_comes_from_the_template(header, tmp_path):
    template = TEMPLATE + "{% if not thinking %}<think></think>{% endif %}"
    chat = own_format(tmp_path / "a.gguf", replace(header, template=template))
    assert chat.closing == "</s><a><think></think>"
    assert chat.thought == Thought("<s><u>", "</s><a><think>", "</think>")
    assert own_format(tmp_path / "a.gguf", replace(header, template=TEMPLATE)).thought is None


def test_a_template_that_cannot_be_compiled_is_never_plain_text(header, tmp_path):
    with pytest.raises(ModelError, match="needs a tool") as caught:
        own_format(
            tmp_path / "a.gguf", replace(header, template="{{ raise_exception('needs a tool') }}")
        )
    assert "--chat" in caught.value.next_step
    assert "chatml" in caught.value.next_step


def test_control_text_of_a_size_that_cannot_be_is_refused(header, tmp_path):
    with pytest.raises(ModelError, match="16384 characters"):
        own_format(
            tmp_path / "a.gguf",
            replace(header, template="{{ 'x' * 16385 }}{{ messages[0].content }}"),
        )


def test_control_text_that_no_tokenizer_takes_is_refused(header, tmp_path):
    template = r"{{ '\ud800' }}{{ messages[0].content }}"
    with pytest.raises(ModelError, match="surrogates not allowed"):
        own_format(tmp_path / "a.gguf", replace(header, template=template))


def test_a_person_chooses_by_name_or_by_file(header, tmp_path):
    chat = chosen_format("chatml", header)
    assert chat == replace(chat_formats()["chatml"], reason="chosen with --chat")
    path = tmp_path / "own.jinja"
    path.write_text(TEMPLATE)
    chat = chosen_format(str(path), header)
    assert (chat.opening, chat.reason) == ("<s><u>", "compiled from own.jinja")
    assert chosen_format(str(path)).opening == "<u>"  # a check before the model is here


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "neither the name"),
        (b"{{ messages[1].content }}", "cannot be used: UndefinedError"),
        (b"\xff\xfe", "cannot be used"),
    ],
)
def test_a_choice_that_is_none_lists_the_names(tmp_path, content, message):
    path = tmp_path / "own.jinja"
    if content:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        chosen_format(str(path))
    assert caught.value.exit_code == 4
    assert all(name in caught.value.next_step for name in chat_formats())


def test_a_manifest_keeps_a_format_or_the_name_of_one():
    thinker = ChatFormat("template", "<u>", "<a>", thought=Thought("<u>", "<a><think>", "</think>"))
    for chat in (None, "chatml", ChatFormat("template", "<u>", "<a>\n", "compiled"), thinker):
        written = manifest(chat)
        assert written.chat == chat
        assert Manifest.model_validate_json(written.model_dump_json(by_alias=True)) == written


@pytest.mark.parametrize(
    "chat",
    [
        "chatgpt",
        {"name": "template", "opening": "<u>"},
        {"name": "template", "opening": "", "closing": "", "reason": "", "run": "this"},
        {"name": "template", "opening": "x" * 20_000, "closing": "", "reason": ""},
        {"name": "template", "opening": "", "closing": 1, "reason": ""},
        {"name": "template", "opening": "", "closing": "", "reason": "\x1b[31m"},
        {"name": "\x07", "opening": "", "closing": "", "reason": ""},
        {"name": "template", "opening": "", "closing": "", "reason": "x" * 501},
        *(
            {"name": "template", "opening": "", "closing": "", "thought": thought}
            for thought in (
                "<think>",
                {"opening": "", "closing": ""},
                {"opening": "", "closing": "", "end": " \n"},  # a thought that nothing ends
                {"opening": "", "closing": "", "end": "x" * 20_000},
                {"opening": "", "closing": "", "end": "</think>", "run": "this"},
            )
        ),
    ],
)
def test_a_strangers_manifest_is_checked(chat):
    with pytest.raises(ValidationError):
        manifest(chat)

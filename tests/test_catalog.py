"""The catalogue: whole, and consistent with the chat formats."""

import re
from dataclasses import replace

from t2local.llm.catalog import KNOWS_LABELS, chat_formats, entries, knows_labels, memory_need


def test_the_catalogue_is_whole():
    catalogue = entries()
    assert {
        "starter",
        "smollm2-135m",
        "smollm2-1.7b",
        "qwen3-4b",
        "qwen2.5-7b",
        "llama-3.1-8b",
        "gemma-3-4b",
        "phi-4-mini",
        "llama-3.3-70b",
    } <= set(catalogue)
    for entry in catalogue.values():
        assert entry.chat in {"", *chat_formats()}
        assert (entry.kind == "base") == (entry.chat == "plain")
        assert entry.repository or entry.wheels
        assert entry.licence
        assert not entry.sha256 or re.fullmatch("[0-9a-f]{64}", entry.sha256)
        assert entry.cache in {"full", "window", "hybrid", "recurrent"}
        assert entry.thinking in {"no", "off", "unknown"}
        assert entry.gated in {"no", "yes", "unknown"}


def test_a_commit_is_named_with_the_hash_that_the_file_has_there():
    for entry in entries().values():
        assert not entry.commit or re.fullmatch("[0-9a-f]{40}", entry.commit)
        assert not entry.commit or entry.sha256


def test_names_files_and_hashes_are_given_once():
    catalogue = entries().values()
    for values in (
        [entry.file for entry in catalogue],
        [entry.sha256 for entry in catalogue if entry.sha256],
    ):
        assert len(values) == len(set(values))


def test_sizes_are_positive_and_larger_models_need_more_memory():
    for entry in entries().values():
        assert min(entry.bytes, entry.context, entry.kv_bytes_per_token) > 0
        assert memory_need(entry.bytes, entry.kv_bytes_per_token) > entry.bytes
    # Weights, 8192 tokens of cache, and half a gigabyte.
    assert memory_need(10, 3) == 10 + 8192 * 3 + 500_000_000


def test_a_chat_format_opens_and_closes_and_the_plain_one_has_no_text():
    for name, chat in chat_formats().items():
        assert chat.name == name
        if name == "plain":
            assert (chat.opening, chat.closing) == ("", "")
        else:
            assert chat.opening
            assert chat.closing


def test_a_file_is_not_put_together_from_some_of_its_parts(tmp_path, monkeypatch):
    package = tmp_path / "half_a_model"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "part0").write_text("x")
    monkeypatch.syspath_prepend(tmp_path)
    wheels = ("half_a_model/part0", "half_a_model/part1")
    entry = replace(entries()["starter"], wheels=wheels)
    assert entry.parts() == []
    (package / "part1").write_text("y")
    assert [path.name for path in entry.parts()] == ["part0", "part1"]


def test_the_word_of_a_measured_model_has_a_figure_of_its_own():
    assert knows_labels(entries()["starter"].sha256) < 0.05
    assert knows_labels("0" * 64) == KNOWS_LABELS
    assert knows_labels("") == KNOWS_LABELS  # no file is a model of the catalogue without a hash

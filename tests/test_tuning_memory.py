"""What was measured on a machine: kept for it alone, and ignored wherever it may not hold."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2local.events import Decision
from t2local.llm.tuning_memory import UNTUNED, Comparison, Tuning, path, recall, remember

MODEL, OTHER = "a" * 64, "b" * 64
TUNING = Tuning(
    date="2026-11-26",
    threads=3,
    slots=48,
    flash_attention="off",
    comparisons=(Comparison(what="threads 3 instead of 2", speeds=(1.5, 1.2, 1.4), taken=True),),
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("T2LOCAL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def rewrite(change):
    """Change what is in the file, as another machine or another version would have it."""
    content = json.loads(path().read_text())
    change(content)
    path().write_text(json.dumps(content))


def test_a_tuning_is_kept_for_its_model():
    assert recall(MODEL) == UNTUNED
    remember(MODEL, TUNING)
    assert recall(MODEL) == TUNING
    assert recall(OTHER) == UNTUNED
    path().unlink()
    assert recall(MODEL) == UNTUNED


def test_a_later_measurement_takes_the_place_of_an_earlier_one():
    remember(MODEL, TUNING)
    remember(OTHER, TUNING)
    remember(MODEL, Tuning(date="2026-12-01"))
    assert recall(MODEL) == Tuning(date="2026-12-01")
    assert recall(OTHER) == TUNING
    assert len(json.loads(path().read_text())["entries"]) == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cores", 999),
        ("devices", ["CPU: another"]),
        ("llama_cpp_python", "0.0.1"),
        ("build", "built anew"),
    ],
)
def test_another_machine_or_build_neither_reads_nor_loses_it(key, value):
    remember(MODEL, TUNING)
    rewrite(lambda content: content["entries"][0]["machine"].update({key: value}))
    assert recall(MODEL) == UNTUNED
    remember(MODEL, Tuning(date="2026-12-01"))  # on this one
    assert len(json.loads(path().read_text())["entries"]) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(format=2),
        lambda content: content.update(entries={}),
        lambda content: content["entries"][0].pop("model"),
        lambda content: content["entries"][0]["tuning"].update(threads=5000),
        lambda content: content["entries"][0]["tuning"].update(slots=-1),
        lambda content: content["entries"][0]["tuning"].update(flash_attention="fast"),
        lambda content: content["entries"][0]["tuning"].update(added_later=1),
    ],
)
def test_a_file_that_says_something_else_is_ignored(change):
    remember(MODEL, TUNING)
    rewrite(change)
    assert recall(MODEL) == UNTUNED
    remember(MODEL, TUNING)
    assert recall(MODEL) == TUNING


@given(st.binary(max_size=40))
def test_any_bytes_are_no_error(content):
    path().parent.mkdir(exist_ok=True)
    path().write_bytes(content)
    assert recall(MODEL) == UNTUNED


def test_what_was_faster_takes_the_place_of_a_rule_unless_something_is_asked_for():
    rule = Decision("threads", 2, "a rule")
    assert TUNING.apply(rule, TUNING.threads) == Decision(
        "threads", 3, "measured on this machine on 2026-11-26"
    )
    assert TUNING.apply(rule, TUNING.threads, requested=True) == rule
    assert UNTUNED.apply(rule, UNTUNED.threads) == rule


def test_a_comparison_says_how_noisy_it_was():
    assert str(TUNING.comparisons[0]) == (
        "threads 3 instead of 2: 1.40 times as fast (1.20 to 1.50 in 3 pairs), taken"
    )
    assert str(Comparison(what="slots")) == "slots: not measured, the time was over"

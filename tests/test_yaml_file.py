"""YAML and JSON of a person: what is read, what stays text, and what is refused."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.system.json_text import as_json
from t2local.tables.yaml_file import YamlFault, read_yaml


@pytest.mark.parametrize(
    "text", ["010", "1:30", "0x1F", "1_000", "1.50", "1e3", "+5", "-0", "2021-03-04", "2021-02-30"]
)
def test_numbers_in_another_form_than_the_shortest_and_dates_stay_text(text):
    assert read_yaml(f"[{text}]")[1] == [text]


def test_whole_numbers_truths_and_nothing_are_what_they_say():
    assert read_yaml("[0, -7, 123, true, no, null, ~, x]")[1] == [
        0, -7, 123, True, False, None, None, "x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x 1\nb: *x", "line 2, column 4: aliases are not allowed"),
        ("!!python/object:os.system x", "line 1, column 1: tags are not allowed"),
        ("- !!timestamp x", "line 1, column 3: tags are not allowed"),
        ("[" * 5000, "line 1, column 51: more than 50 levels"),
        ("- " * 5000, "more than 50 levels"),
        ("{" * 5000, "more than 50 levels"),
        ("a: [1", "line 1, column 6"),
        ("a\x07", "not YAML"),
        ("[a, {[b]: c}]", "unhashable"),
    ],
)
def test_what_would_run_unfold_or_not_end_is_refused_at_its_place(text, problem):
    with pytest.raises(YamlFault) as caught:
        read_yaml(text)
    assert problem in str(caught.value)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=50), st.lists(st.text())))  # YAML's keys end at 1,024
def test_json_is_read_as_json_whatever_the_characters(value):
    for text in (as_json(value), json.dumps(value)):  # as characters, and as pairs of halves
        node, content = read_yaml(text)
        assert content == value
        assert node is not None


@given(st.text(max_size=30))
def test_any_text_is_read_or_a_fault(text):
    try:
        read_yaml(text)
    except YamlFault as fault:
        assert str(fault)  # noqa: PT017 -- both outcomes are right

"""Summaries for people."""

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.cli.known_models import KnownModel
from t2local.cli.text import (
    facts_text,
    forecast_text,
    model_list,
    progress_line,
    run_summary,
    stage_counts,
    trim_summary,
    wrapped,
)
from t2local.events import Progress

REPORT = {
    "answers": {"light": "go", "use": "Yes.", "purpose": "To train.", "lost": "Nothing."},
    "verdict": "8 of the 10 rows asked for were kept.",
    "reasons": {f"reason {number}": 9 - number for number in range(7)},
    "rejected_by": {"sanity": 2, "cost": 0, "diversity": 5},
    "rows": {"kept": 8, "generated": 15},
    "seconds": {"total": 12.4},
    "tokens": {"prefix": 100, "rows": 23},
}
VALUES = st.text("XYZ", min_size=1)
FORECAST = {
    "rows": 200,
    "rows_at_most": 1000,
    "prompt": 1500,
    "stable": 600,
    "row": 39.6,
    "prompt_speed": 1234.5,
    "row_speed": 99.6,
    "context": 8192,
    "context_bytes": 84_000_000,
    "weight_bytes": 253_000_000,
    "seconds": 61.2,
    "seconds_at_most": 3600.0,
}


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (Progress(9, 1, 0, {}, 0.0, None), "1 row written, 0 of 9 kept, 0 tokens/s"),
        (Progress(9, 0, 0, {}, 0.0, None), "0 rows written, 0 of 9 kept, 0 tokens/s"),
        (
            Progress(9, 4, 3, {"cost": 1}, 2.6, 0.0),
            "4 rows written, 3 of 9 kept (rejected: cost 1), 3 tokens/s, about 0 s left",
        ),
    ],
)
def test_the_line_of_progress(progress, line):
    assert progress_line(progress) == line


@given(st.dictionaries(st.sampled_from(["sanity", "cost", "diversity"]), st.integers(0, 99)))
def test_each_stage_that_rejected_rows_is_named_once_with_its_count(counts):
    words = stage_counts(counts).split(", ")
    assert [word for word in words if word] == [f"{k} {n}" for k, n in counts.items() if n > 0]


def test_the_summary_of_a_run_is_three_answers_and_where_to_look():
    lines = run_summary(REPORT, Path("out")).splitlines()
    assert lines[:3] == [
        "May I use them? Yes.",
        "For what? To train.",
        "What was lost? Nothing.",
    ]
    assert lines[3].startswith("Look at out/report.html in a browser.")
    assert len(lines) == 4


def test_the_summary_of_trimmed_rows_has_the_commonest_reasons():
    lines = trim_summary(REPORT, Path("out")).splitlines()
    assert lines[3] == "      9  reason 0"
    assert len(lines) == 3 + 5 + 1
    nothing_for = {**REPORT, "answers": {**REPORT["answers"], "purpose": ""}, "reasons": {}}
    assert len(trim_summary(nothing_for, Path("out")).splitlines()) == 3


class Terminal(io.StringIO):
    def isatty(self):
        return True


@given(st.lists(st.text("abc-/", min_size=1, max_size=30), min_size=1, max_size=30))
def test_a_terminal_gets_whole_words_and_a_pipe_the_line_as_it_is(words):
    text = " ".join(words)
    assert wrapped(text, io.StringIO()) == wrapped(text, None) == text
    lines = wrapped(text, Terminal()).split("\n")
    assert " ".join(lines) == text
    assert all(len(line) <= 80 for line in lines)
    table = f"{text}  {text}  {text}"
    assert wrapped(table, Terminal()) == table


def test_the_forecast_in_units_of_people():
    first, *others = forecast_text(FORECAST).splitlines()
    assert first.startswith("prompt    1,500 tokens, the same for the whole team; 900 of them new ")
    assert others == [
        "row       40 tokens",
        "memory    253 MB of weights, 84 MB for 8,192 tokens; about 450 MB more",
        "speed     1,234 tokens/s of the prompt, 100 of rows, measured for 2 seconds",
        "time      61 s for 200 rows if no batch is refused",
        "at most   3,600 s, for 1000 rows",
    ]


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.text("ab ", min_size=1, max_size=17),
        VALUES | st.lists(VALUES, min_size=1),
        min_size=1,
    )
)
def test_facts_have_one_line_for_each_value(facts):
    lines = [(line[:18].rstrip(), line[18:]) for line in facts_text(facts).split("\n")]
    expected = []
    for name, value in facts.items():
        values = value if isinstance(value, list) else [value]
        expected += [(name.rstrip(), part) for part in values]
    assert lines == expected


def test_two_lines_for_each_model():
    large = KnownModel("large", bytes=42_500_000_000, fits_reason="needs 44.1 GB", licence="MIT")
    own = KnownModel("own", here=True, parameters="270M", fits=True, fits_reason="needs 0.7 GB")
    lines = model_list([large, own]).splitlines()
    assert len(lines) == 4
    assert lines[0].split() == ["large", "-", "42,500", "MB", "added", "here"]
    assert lines[1].strip() == "does not fit: needs 44.1 GB; MIT"
    assert lines[2].split()[:3] == ["own", "here", "270M"]
    assert lines[3].strip().startswith("fits: needs 0.7 GB")

"""Which rows are kept, and why the others are not: no row is lost, the first reason stands."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from t2local.trim.result import Rejection
from t2local.trim.verdict import Verdict, reasons, with_notes


@st.composite
def rejections(draw, size):
    """A sequence of rejections of any rows, each with a reason and a figure of its own."""
    masks = draw(st.lists(st.lists(st.booleans(), min_size=size, max_size=size), max_size=6))
    return [
        (np.array(mask, dtype=bool), f"stage {i % 3}", f"reason {i}", float(i))
        for i, mask in enumerate(masks)
    ]


@st.composite
def verdicts(draw):
    size = draw(st.integers(0, 12))
    steps = draw(rejections(size))
    verdict = Verdict(size)
    for mask, stage, reason, figure in steps:
        verdict.reject(mask, stage, reason, figure, figure / 2)
    return verdict, steps


@given(verdicts())
def test_every_row_is_kept_or_rejected_once(drawn):
    verdict, _ = drawn
    assert int(verdict.kept.sum()) + sum(verdict.rejected_by().values()) == verdict.size
    assert len(verdict.notes()) == verdict.size


@given(verdicts())
def test_the_first_rejection_of_a_row_stands(drawn):
    verdict, steps = drawn
    notes = verdict.notes()
    for row in range(verdict.size):
        first = next((step for step in steps if step[0][row]), None)
        if first is None:
            assert verdict.kept[row]
            assert verdict.reasons[row] == ""
            assert np.isnan(notes.loc[row, "figure"])
            continue
        _, stage, reason, figure = first
        assert not verdict.kept[row]
        assert (verdict.stages[row], verdict.reasons[row]) == (stage, reason)
        assert notes.loc[row, ["figure", "threshold"]].tolist() == [figure, figure / 2]


@given(verdicts(), st.randoms(use_true_random=False))
def test_a_verdict_that_is_put_by_parts_is_the_whole(drawn, random):
    verdict, steps = drawn
    places = list(range(verdict.size))
    random.shuffle(places)
    cut = random.randint(0, verdict.size)
    whole = Verdict(verdict.size)
    for part in (np.array(places[:cut], dtype=int), np.array(places[cut:], dtype=int)):
        partial = Verdict(len(part))
        for mask, stage, reason, figure in steps:
            partial.reject(mask[part], stage, reason, figure, figure / 2)
        whole.put(part, partial)
    assert (whole.stages, whole.reasons) == (verdict.stages, verdict.reasons)
    pd.testing.assert_frame_equal(whole.notes(), verdict.notes())


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.data())
def test_a_stage_that_saw_some_rows_rejects_none_of_the_others(judged, data):
    judged = np.array(judged)
    n_judged = int(judged.sum())
    mask = data.draw(st.lists(st.booleans(), min_size=n_judged, max_size=n_judged))
    verdict = Verdict(len(judged))
    figures = np.arange(n_judged, dtype=float)
    rejection = Rejection(np.array(mask, dtype=bool), "why", figures, 0.5)
    verdict.reject_among(judged, "toy", rejection)
    rejected = np.flatnonzero(~verdict.kept)
    assert rejected.tolist() == np.flatnonzero(judged)[np.array(mask, dtype=bool)].tolist()
    assert verdict.notes()["figure"][rejected].tolist() == figures[np.array(mask, bool)].tolist()


def test_notes_have_six_digits_and_none_for_kept_rows():
    verdict = Verdict(2)
    verdict.reject(np.array([True, False]), "cost", "too dear", 0.123456789, 1234567.0)
    notes = verdict.notes()
    assert notes.loc[0].tolist() == ["cost", "too dear", 0.123457, 1234570.0]
    assert notes.loc[1, "stage"] is None
    assert notes.loc[1, "reason"] == ""


def test_reasons_are_counted_without_their_figures_the_most_common_first():
    one, other = Verdict(3), Verdict(2)
    one.reject(np.array([True, False, False]), "cost", "no help: +0.1, needed +0.2")
    one.reject(np.array([False, True, False]), "sanity", "a copy")
    other.reject(np.array([True, True]), "cost", "no help: +0.3, needed +0.4")
    assert list(reasons([one, other]).items()) == [("no help", 3), ("a copy", 1)]
    assert reasons([]) == {}


def test_a_note_takes_underscores_until_its_name_is_free():
    rows = pd.DataFrame({"stage": [1], "stage_": [2], "reason": [3], "x": [4]})
    table = with_notes(Verdict(1).notes(), rows)
    assert list(table) == [
        *("stage__", "reason_", "figure", "threshold"),
        *("stage", "stage_", "reason", "x"),
    ]
    assert table[["stage", "stage_", "reason", "x"]].iloc[0].tolist() == [1, 2, 3, 4]

"""What a stage says of a batch, and what the verdict makes of it."""

import numpy as np
import pytest

from t2local.trim.result import Rejection, StageResult
from t2local.trim.verdict import Verdict


def applied(result, size):
    """The verdict on a batch that only this stage judged."""
    verdict = Verdict(size)
    for rejection in result.rejections:
        verdict.reject_among(np.ones(size, dtype=bool), "toy", rejection)
    return verdict


def test_a_row_that_two_rejections_name_keeps_the_first():
    first = Rejection(np.array([True, True, False]), "first", 1.0, 2.0)
    second = Rejection(np.array([False, True, True]), "second", 3.0, 4.0)
    verdict = applied(StageResult((first, second), None), 3)
    assert verdict.reasons == ["first", "first", "second"]
    assert verdict.notes()["figure"].tolist() == [1.0, 1.0, 3.0]
    assert verdict.notes()["threshold"].tolist() == [2.0, 2.0, 4.0]


def test_no_rejection_keeps_all_rows():
    assert applied(StageResult((), "figures"), 4).kept.all()


def test_without_figures_the_notes_have_none():
    verdict = applied(StageResult((Rejection(np.array([True, False]), "a reason"),), None), 2)
    assert verdict.notes()[["figure", "threshold"]].isna().all(axis=None)


def test_a_figure_of_each_row_stays_with_its_row():
    costs = np.array([0.1, 0.9, 0.5])
    verdict = applied(StageResult((Rejection(costs > 0.4, "cost", costs, 0.4),), None), 3)
    figures = verdict.notes()["figure"].to_numpy()
    assert np.isnan(figures[0])
    assert figures[1:] == pytest.approx([0.9, 0.5])

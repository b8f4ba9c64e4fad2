"""Stage 1: constraints of the dictionary, its rules, and copies."""

import numpy as np
import pytest

from t2local.tables.dictionary import Relation
from t2local.trim import sanity
from tests.batches import dictionary, fresh, inspect, new_inspector, real_rows


def judged(rows, inspector=None):
    state = (inspector or inspect()).state
    return sanity.judge(state.batch(rows), state)


def with_rule(rule):
    return dictionary().model_copy(update={"rules": (Relation(rule=rule),)})


def reasons_of(result, size):
    """The reasons of each row, in order."""
    return [[r.reason for r in result.rejections if r.rows[row]] for row in range(size)]


def test_stage_1_names_the_feature_and_the_constraint():
    rows = fresh(8)
    rows.loc[0, "age"] = 500.0
    rows.loc[1, "age"] = 30.5
    rows.loc[2, "sex"] = "X"
    rows.loc[3, "smoker"] = None
    rows.loc[4] = real_rows().loc[10]
    rows.loc[6] = rows.loc[5]
    verdict = inspect().judge(rows)
    expected = {
        0: "age breaks its maximum",
        1: "age breaks its step",
        2: "sex breaks its levels",
        3: "smoker breaks its missing",
        4: "copy of a real row",
        6: "copy of another row of its batch",
    }
    for i in range(8):
        assert (verdict.stages[i] == "sanity") == (i in expected)
        assert expected.get(i, "") in verdict.reasons[i]


def test_sane_rows_have_no_reason():
    result = judged(fresh(10))
    assert reasons_of(result, 10) == [[]] * 10
    assert result.figures == sanity.SanityFigures(0, 0, copies_by_chance=False)


def test_broken_constraints_and_copies_are_counted_apart():
    rows = fresh(4)
    rows.loc[0, "age"] = 500.5  # above the maximum, and no whole number
    rows.loc[1] = real_rows().loc[0]
    rows.loc[3] = rows.loc[2]
    figures = judged(rows).figures
    assert (figures.broken_constraints, figures.copies) == (2, 2)


def test_of_equal_rows_the_first_is_kept():
    rows = fresh(1).loc[[0, 0, 0]].reset_index(drop=True)
    verdict = inspect().judge(rows)
    assert [stage == "sanity" for stage in verdict.stages] == [False, True, True]


@pytest.mark.parametrize("rule", ["age < 200 or sex == 'F'", "age >= 20"])
def test_a_rule_that_all_rows_keep_rejects_none(rule):
    inspector = new_inspector(real_rows(), with_rule(rule))
    assert not any(r.rows.any() for r in judged(fresh(10), inspector).rejections)


def test_a_row_that_breaks_a_rule_is_rejected_with_it():
    real = real_rows()
    oldest = real["age"].max()
    table = with_rule(f"age <= {oldest:.0f} or sex == 'F'")
    rows = fresh(3)
    rows["age"] = [oldest + 1, oldest + 1, oldest]
    rows["sex"] = ["M", "F", "M"]
    reasons = reasons_of(judged(rows, new_inspector(real, table)), 3)
    broken = [[r for r in row if "breaks the rule" in r] for row in reasons]
    assert [len(row) for row in broken] == [1, 0, 0]


def test_a_copy_of_an_accepted_row_is_one_only_after_it_was_accepted():
    inspector = inspect()
    rows = fresh(3)
    assert judged(rows, inspector).figures.copies == 0
    inspector.state.accept(rows)
    result = judged(rows, inspector)
    assert result.figures.copies == 3
    assert np.logical_or.reduce([r.rows for r in result.rejections]).all()

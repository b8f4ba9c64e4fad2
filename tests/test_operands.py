"""Three-valued logic on columns, by plain loops."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from t2local.tables.operands import (
    Levels,
    RuleFault,
    Truth,
    did_you_mean,
    equality,
    is_missing,
    numbers,
    truth,
)

#: True, false and unknown, each with each.
PAIRS = list(product([True, False, None], repeat=2))


def truths(values):
    return Truth(np.array([v is True for v in values]), np.array([v is False for v in values]))


def values(outcome):
    return [
        {(True, False): True, (False, True): False, (False, False): None}[pair]
        for pair in zip(outcome.true.tolist(), outcome.false.tolist(), strict=True)
    ]


def test_kleenes_tables():
    first, second = (truths(column) for column in zip(*PAIRS, strict=True))
    both = [False if False in pair else None if None in pair else True for pair in PAIRS]
    either = [True if True in pair else None if None in pair else False for pair in PAIRS]
    assert values(first.both(second)) == both
    assert values(first.either(second)) == either
    assert values(first.negated()) == [{True: False, False: True}.get(a) for a, _ in PAIRS]


def test_levels_compare_with_levels_constants_and_numbers():
    grade = Levels("grade", ("0", "1"), pd.Series(["0", "1", None], dtype=object))
    other = Levels("other", ("1", "2"), pd.Series(["2", "1", "1"], dtype=object))
    assert values(equality(grade, other, 3)) == [False, True, None]
    assert values(equality(1.0, grade, 3)) == [False, True, None]
    assert values(equality(grade, np.array([0.0, np.nan, 1.0]), 3)) == [True, None, None]
    assert is_missing(grade).tolist() == [False, False, True]
    np.testing.assert_array_equal(numbers(grade), [0, 1, np.nan])


def test_what_is_no_number_or_condition_is_a_fault():
    sex = Levels("sex", ("F", "M"), pd.Series(["F"], dtype=object))
    for operand, what in ((sex, "has levels"), ("F", "a text"), (truths([True]), "a condition")):
        with pytest.raises(RuleFault, match=what):
            numbers(operand)
    with pytest.raises(RuleFault, match="join conditions"):
        truth(sex)
    with pytest.raises(RuleFault, match="'f' is not a level of sex; did you mean 'F'"):
        sex.level("f")


def test_a_hint_prefers_the_same_letters_in_another_case():
    assert did_you_mean("AGE", ["agee", "age"]) == "; did you mean 'age'?"
    assert did_you_mean("agee", ["age", "sex"]) == "; did you mean 'age'?"
    assert did_you_mean("zzz", ["age"]) == ""

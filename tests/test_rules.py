"""Rules between features: what they say, what they refuse, and that a missing cell breaks none."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import t2local
from t2local.errors import DictionaryError
from t2local.tables.dictionary_file import read_dictionary
from t2local.tables.rules import Rule, RuleFault, binding

pytestmark = pytest.mark.usefixtures("few_trees")

COLUMNS = {
    "a": (),
    "b": (),
    "ejection fraction": (),
    "sex": ("F", "M"),
    "grade": ("0", "1", "2"),
    "`": (),
}
ROWS = pd.DataFrame(
    {
        "a": [1.0, 2.0, 0.3, np.nan],
        "b": [1.0, 5.0, 0.1, 2.0],
        "ejection fraction": [30.0, 60.0, np.nan, 20.0],
        "sex": ["F", "M", None, "F"],
        "grade": ["0", "2", "1", None],
        "`": [0.0] * 4,
    }
)


@pytest.mark.parametrize(
    ("text", "obeyed"),
    [
        ("a <= b", [True, True, False, True]),
        ("a == b + 0.2", [False, False, True, True]),  # 0.1 + 0.2 is 0.3 here
        ("not a < b", [True, False, True, True]),
        ("0 < a < 2", [True, False, True, True]),
        ('sex == "F" or b > 4', [True, True, True, True]),
        ('sex == "M" and b > 4', [False, True, False, False]),
        ('sex != "F"', [False, True, True, False]),
        ("grade in (0, 2)", [True, True, False, True]),
        ("grade >= 1 or a == 1", [True, True, True, True]),
        ("grade not in [0]", [False, True, True, True]),
        ("isna(sex) or not isna(a)", [True, True, True, False]),
        ("not isna(`ejection fraction`)", [True, True, False, True]),
        ("`ejection fraction` / 10 > abs(-4)", [False, True, True, False]),
        ("max(a, b, 1) - min(a, b) <= 1", [True, False, True, True]),
        ("isna(0)", [False] * 4),
        ("isna(sex) == isna(a)", [True, True, False, False]),
        ('isna(`ejection fraction`) != (sex == "F")', [True, False, True, True]),
    ],
)
def test_a_rule_is_what_it_says(text, obeyed):
    assert Rule(text, COLUMNS).obeyed(ROWS).tolist() == obeyed


@pytest.mark.parametrize(
    ("text", "name", "numbers", "total"),
    [
        ("a == b + 2", "a", [3, 7, 2.1, 4], "a"),
        ("a == b + 2", "b", [-1, 0, -1.7, math.nan], "a"),
        ("10 * b == `ejection fraction`", "b", [3, 6, math.nan, 2], None),
        ("a == b * b", "b", [math.nan] * 4, "a"),  # not linear: nobody solves it
        ("a <= b", "a", [math.nan] * 4, None),
        ('sex == "F"', "a", [math.nan] * 4, None),
    ],
)
def test_an_equation_gives_the_number_that_makes_it_hold(text, name, numbers, total):
    rule = Rule(text, COLUMNS)
    assert np.allclose(rule.solution(name, ROWS), numbers, equal_nan=True)
    assert rule.total == total


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("aa < b", "did you mean 'a'"),
        ('sex == "f"', "did you mean 'F'"),
        ("sex < 3", "has levels, not numbers"),
        ('a == "one"', "cannot be compared"),
        ("a + b", "not a condition"),
        ("sex and a > 1", "join conditions"),
        ("a in b", "needs a list"),
        ("isna(a, b)", "needs one value"),
        ("a is b", "only =="),
        ("a <", "cannot be read"),
        ("__import__('os').system('true')", "not allowed"),
        ("a.__class__ == 1", "not allowed"),
        ("[x for x in (1,)] == a", "not allowed"),
        ("(lambda: 1)() < a", "not allowed"),
        ("a ** b > 1", "not allowed"),
        ("max(a, b, key=abs) > 1", "not allowed"),
        ("eval(a) > 1", "not allowed"),
        ("a > 1" + "0" * 400, "too large"),
        ("(" * 500 + "a" + ")" * 500, "cannot be read"),
        ("not " * 5000 + "a > 1", "cannot be read|too long"),
    ],
)
def test_what_is_not_a_rule_is_refused_with_what_was_meant(text, what):
    with pytest.raises(RuleFault, match=what.replace("(", r"\(")):
        Rule(text, COLUMNS)


numbers = st.recursive(
    st.one_of(st.sampled_from(["a", "b"]), st.integers(0, 9).map(str)),
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(
        lambda t: f"({t[0]} {t[1]} {t[2]})"
    ),
    max_leaves=4,
)
conditions = st.recursive(
    st.tuples(numbers, st.sampled_from(["<", "<=", ">", ">="]), numbers).map(
        lambda t: f"({t[0]} {t[1]} {t[2]})"
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        inner.map(lambda c: f"(not {c})"),
    ),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(
    conditions, st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=5)
)
def test_without_missing_cells_it_is_pythons_own_value(text, cells):
    rows = pd.DataFrame(cells, columns=["a", "b"], dtype=float)
    expected = [
        bool(eval(text, {"__builtins__": {}}, {"a": a, "b": b})) for a, b in cells
    ]  # a test may: hypothesis wrote the text
    assert Rule(text, {"a": (), "b": ()}).obeyed(rows).tolist() == expected


@settings(max_examples=100, deadline=None)
@given(conditions, st.integers(-9, 9))
def test_a_missing_cell_breaks_a_rule_only_if_every_value_would(text, a):
    rule = Rule(text, {"a": (), "b": ()})
    blank = rule.obeyed(pd.DataFrame({"a": [float(a)], "b": [math.nan]}))[0]
    filled = rule.obeyed(pd.DataFrame({"a": [float(a)] * 41, "b": np.arange(-20.0, 21.0)}))
    assert blank or not filled.any()


def test_a_rule_that_the_real_rows_break_is_not_enforced():
    rules = {text: Rule(text, COLUMNS) for text in ("a <= b", "b > 0", "b < 0")}
    holding, demoted = binding(rules, ROWS)
    assert list(holding) == ["b > 0"]
    assert demoted == {"a <= b": 1, "b < 0": 4}


def test_rules_live_in_the_dictionary_and_reject_rows_with_their_reason(patients):
    known = t2local.describe(patients, target="outcome")
    text = (
        known.to_yaml() + "rules:\n- rule: weight >= 40 or isna(weight)\n"
        "  reason: an adult weighs 40 kg or more\n- age >= 20\n- age > 60\n"
    )
    with_rules = read_dictionary(text, "d.yaml")
    assert read_dictionary(with_rules.to_yaml(), "d.yaml") == with_rules
    made = patients.assign(age=patients["age"] + 0.4, weight=[39.0] * 5 + [70.0] * 55)
    done = t2local.trim(patients, made, dictionary=with_rules, settings={"trim.replicates": 50})
    reasons = done.rejected.loc[:4, "reason"]
    assert (reasons == "breaks the rule 'an adult weighs 40 kg or more'").all()
    assert (
        not done.rejected["reason"].str.contains("age > 60").any()
    )  # most real patients are younger: it is a warning
    result = t2local.generate(
        patients,
        dictionary=with_rules,
        rows=5,
        plan="data",
        model=t2local.ScriptedModel(),
        max_batches=1,
        settings={"trim.replicates": 50},
    )
    assert (result.synthetic["age"] >= 20).all()


def test_faults_of_rules_name_their_lines(patients):
    text = (
        t2local.describe(patients, target="outcome").to_yaml() + "rules:\n- agee >= 20\n- age >\n"
    )
    with pytest.raises(DictionaryError) as error:
        read_dictionary(text, "d.yaml")
    assert len(error.value.faults) == 2
    assert "did you mean 'age'" in error.value.faults[0]
    assert all(fault.startswith("d.yaml, line ") for fault in error.value.faults)

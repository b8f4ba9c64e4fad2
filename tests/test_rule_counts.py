"""Rules in words with the rows that break them: written and kept, and no number of few patients."""

import numpy as np
import pandas as pd
import pytest

import t2local
from t2local.llm.scripted import ScriptedModel
from t2local.tables.dictionary import Feature, FeatureDictionary, Relation
from t2local.tables.rule_counts import RuleCount, rule_report

FEATURES = tuple(Feature(name=n, type="integer", minimum=0, maximum=99) for n in ("low", "high"))
ORDER = Relation(rule="low <= high", reason="low is never above high", support=40)
NEVER = Relation(rule="low < 50")


def dictionary(*rules):
    return FeatureDictionary(target=None, features=FEATURES, rules=rules)


def rows(*pairs):
    return pd.DataFrame(pairs, columns=["low", "high"], dtype=float)


def test_each_rule_is_said_in_words_with_the_rows_that_break_it():
    real = rows(*[(1, 2)] * 40)
    written = rows((1, 2), (3, 2), (60, 70), (60, 2), (np.nan, 0))
    kept = np.array([True, False, False, False, True])
    report = rule_report(dictionary(ORDER, NEVER), real, written, kept)
    assert (report.proposed, report.stated) == (1, 1)
    assert report.every == (
        RuleCount("low is never above high", 40, True, 2, 0),
        RuleCount("low < 50", None, True, 2, 0),
    )
    everything = rule_report(dictionary(ORDER), real, written, np.ones(5, dtype=bool))
    assert everything.every[0].kept == 2


def test_two_rules_of_one_reason_are_two():
    reason = "a doctor says so"
    both = dictionary(*(Relation(rule=rule, reason=reason) for rule in ("low < 50", "high > 1")))
    report = rule_report(both, rows(*[(1, 2)] * 40), rows((60, 0), (60, 2)), np.ones(2, dtype=bool))
    assert [(one.words, one.kept) for one in report.every] == [
        ("a doctor says so", 2),
        ("a doctor says so (high > 1)", 1),
    ]
    again = dictionary(NEVER, NEVER, NEVER)
    assert len(rule_report(again, rows((1, 2)), rows((60, 0)), np.ones(1, dtype=bool)).every) == 3


def test_a_rule_that_real_rows_break_binds_nobody():
    real = rows(*[(1, 2)] * 40, (60, 61))
    report = rule_report(dictionary(ORDER, NEVER), real, real, np.ones(41, dtype=bool))
    assert [(one.binds, one.kept) for one in report.every] == [(True, 0), (False, 1)]


@pytest.mark.parametrize(("support", "shown"), [(40, 40), (35, None), (29, 29), (10, None)])
def test_a_support_that_tells_of_few_patients_is_not_said(support, shown):
    real = rows(*[(1, 2)] * 40)
    rule = ORDER.model_copy(update={"support": support})
    (one,) = rule_report(dictionary(rule), real, real.head(0), np.ones(0, dtype=bool)).every
    assert (one.support, one.written, one.kept) == (shown, 0, 0)


@pytest.mark.usefixtures("few_trees")
def test_no_kept_row_of_a_run_breaks_a_rule_and_trim_counts_those_of_others(patients):
    known = t2local.describe(patients, target="outcome")
    stated = known.model_copy(update={"rules": (Relation(rule="weight < 200"),)})
    found = t2local.generate(
        patients, dictionary=stated, rows=10, model=ScriptedModel(), plan="data"
    )
    (rule,) = found.report["rules"]["every"]
    assert (rule["words"], rule["kept"]) == ("weight < 200", 0)
    foreign = patients.head(20).assign(weight=300.0)
    trimmed = t2local.trim(patients, foreign, dictionary=stated)
    (rule,) = trimmed.report["rules"]["every"]
    assert (rule["written"], rule["kept"]) == (20, 0)

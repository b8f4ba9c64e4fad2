"""Beliefs are used where they explain real labels better than their permutations, and not else."""

import numpy as np
import pandas as pd
import pytest

from t2local.events import Decision, Notice
from t2local.run.belief_evidence import LEAST_RANK, belief_event, hold_against
from t2local.tables.belief_file import Belief, Knowledge
from t2local.tables.describe import describe
from t2local.tables.files import from_frame

EFFECTS = {"a": 1.5, "b": -1.5, "c": 0.7, "d": -0.7, "e": 0.1, "f": 0.0}


def table(n=80, *, numeric=False, stated=None):
    """Rows whose label follows from the columns, and their dictionary."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, len(EFFECTS))).round(2)
    risk = x @ list(EFFECTS.values()) + rng.logistic(size=n)
    y = risk.round(2) if numeric else np.where(risk > 0, "yes", "no")
    frame = pd.DataFrame(x, columns=list(EFFECTS)).assign(y=y)
    dictionary = describe(from_frame(frame).cells, target="y")
    features = [
        feature.model_copy(update={"effect": (stated or {}).get(feature.name)})
        for feature in dictionary.features
    ]
    dictionary = dictionary.model_copy(update={"features": tuple(features)})
    return dictionary, dictionary.values(from_frame(frame).cells)


def believed(sign):
    beliefs = [
        Belief(
            feature=name,
            direction="raises" if sign * effect >= 0 else "lowers",
            strength=max(abs(effect), 0.05),  # 0 would say that there is no effect
        )
        for name, effect in EFFECTS.items()
    ]
    return Knowledge(target="y", model="oracle", beliefs=tuple(beliefs))


@pytest.mark.parametrize("numeric", [False, True])
def test_right_beliefs_are_used_and_wrong_ones_are_not(numeric):
    dictionary, values = table(numeric=numeric)
    right, wrong = (hold_against(believed(sign), dictionary, values, 1) for sign in (1, -1))
    assert right.used
    assert right.rank > 0.9
    assert not wrong.used
    assert wrong.rank <= LEAST_RANK


def test_a_run_says_what_became_of_beliefs():
    dictionary, values = table()
    used = belief_event(hold_against(believed(1), dictionary, values, 1))
    assert isinstance(used, Decision)
    assert "of oracle; they explain the real labels better than" in used.reason
    unused = belief_event(hold_against(believed(-1), dictionary, values, 1))
    assert isinstance(unused, Notice)
    assert "of oracle are not used" in unused.message


def test_a_run_says_how_many_beliefs_no_effect_can_be():
    dictionary, values = table()
    beliefs = [b for b in believed(1).beliefs if b.feature != "f"]
    mean = Belief(feature="f", direction="raises", strength=99.0)
    knowledge = Knowledge(target="y", model="oracle", beliefs=(*beliefs, mean))
    event = belief_event(hold_against(knowledge, dictionary, values, 1))
    assert event.value == "about 5 columns"
    assert "1 are left out" in event.reason


def test_a_persons_words_are_not_in_question():
    """They are wrong here, and the beliefs about the other columns are right."""
    dictionary, values = table(stated={"a": "lowers", "c": "lowers"})
    assert hold_against(believed(1), dictionary, values, 1).rank > 0.8


def test_where_a_person_has_said_all_no_belief_is_held():
    dictionary, values = table(stated=dict.fromkeys(EFFECTS, "raises"))
    evidence = hold_against(believed(1), dictionary, values, 1)
    assert (evidence.rank, evidence.used) == (None, False)
    assert (
        "say nothing of columns that the dictionary leaves open" in belief_event(evidence).message
    )

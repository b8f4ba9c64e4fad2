"""A file of beliefs comes back equal, names every fault with its place, and yields to a person."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.errors import KnowledgeError
from t2local.tables.belief_file import Belief, Knowledge, read_knowledge, with_beliefs
from t2local.tables.describe import describe
from t2local.tables.dictionary_file import read_dictionary
from t2local.tables.files import from_frame

FRAME = pd.DataFrame(
    {
        "age": [40.5, 51, 62, 73] * 5,
        "sex": ["F", "M"] * 10,
        "ward": ["a", "b", "c", "a"] * 5,
        "died": ["no", "yes", "yes", "no"] * 5,
    }
)
DICTIONARY = describe(from_frame(FRAME).cells, target="died")
BROKEN = """\
target: age
beliefs:
- feature: pulse
  direction: raises
- feature: ward
  direction: lowers
- feature: ward
  level: z
  direction: none
- feature: age
  direction: raises
- feature: age
  direction: lowers
"""


@st.composite
def knowledge(draw):
    pairs = [("age", ""), ("sex", "F"), ("sex", "M"), ("ward", "a"), ("ward", "b")]
    beliefs = [
        Belief(
            feature=feature,
            level=level,
            direction=draw(st.sampled_from(["raises", "lowers", "none"])),
            strength=draw(st.floats(0, 100)),
            spread=draw(st.none() | st.floats(0, 9)),
            agreement=draw(st.none() | st.floats(0, 1)),
        )
        for feature, level in draw(st.lists(st.sampled_from(pairs), unique=True))
    ]
    return Knowledge(target="died", positive="yes", model="m", sha256="0", beliefs=tuple(beliefs))


@settings(max_examples=40, deadline=None)
@given(knowledge())
def test_a_file_comes_back_equal(knowledge):
    assert read_knowledge(knowledge.to_yaml(), "k.yaml", DICTIONARY) == knowledge


@settings(max_examples=40, deadline=None)
@given(knowledge())
def test_a_feature_has_the_effects_that_are_believed(knowledge):
    believed = with_beliefs(DICTIONARY, knowledge)
    for feature in believed.features:
        by_level = {b.level: b.effect for b in knowledge.plausible if b.feature == feature.name}
        for level, effect in zip(feature.levels or ("",), feature.effects, strict=True):
            expected = by_level.get(level, math.nan)
            assert effect == expected or (math.isnan(effect) and math.isnan(expected))


def test_all_faults_come_in_one_message_with_their_places():
    with pytest.raises(KnowledgeError) as error:
        read_knowledge(BROKEN, "k.yaml", DICTIONARY)
    for expected in (
        "k.yaml, line 1, column 9: target: the target is 'died'",
        "line 3, column 12: beliefs.0.feature: there is no feature 'pulse'",
        "line 5, column 3: beliefs.1: a belief about a column of levels names one",
        "line 8, column 10: beliefs.2.level: not a level of this feature",
        "line 12, column 3: beliefs.4: there is a belief about this already",
        "t2local ask data.csv",
    ):
        assert expected in str(error.value)
    assert len(error.value.faults) == 5


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("beliefs: []", "target: Field required"),
        ("target: died\npositive: 'no'", "line 2, column 11: positive: the dictionary has effects"),
        ("target: died\nbeliefs: [{feature: age, direction: up}]", "beliefs.0.direction"),
        ("target: died\ncolour: red", "line 2, column 9: colour: Extra inputs"),
        ("- 1", "line 1, column 1: file"),
        ("a: &x [1]\nb: *x", "line 2, column 4: aliases are not allowed"),
        ("{", "line 1"),
        ("target: !!python/object:os.system {}", "line 1"),
    ],
)
def test_what_cannot_be_read_is_refused(text, fault):
    with pytest.raises(KnowledgeError, match=r"k\.yaml") as error:
        read_knowledge(text, "k.yaml", DICTIONARY)
    assert fault in str(error.value)


def test_what_a_person_says_beats_what_a_model_believes():
    beliefs = (
        Belief(feature="age", direction="raises"),
        Belief(feature="ward", level="a", direction="raises"),
        Belief(feature="sex", level="M", direction="raises"),
    )
    words = {"age": {"effect": "lowers"}, "ward": {"level_effects": {"b": "none"}}}
    stated = [
        feature.model_copy(update=words.get(feature.name, {})) for feature in DICTIONARY.features
    ]
    dictionary = DICTIONARY.model_copy(update={"features": tuple(stated)})
    believed = with_beliefs(dictionary, Knowledge(target="died", beliefs=beliefs))
    assert believed["age"].effects == (-1.0,)
    assert believed["ward"].effects == pytest.approx((math.nan, 0.0, math.nan), nan_ok=True)
    assert believed["sex"].effects == pytest.approx((math.nan, 1.0), nan_ok=True)


@pytest.mark.parametrize("strength", [29.0, 31.0])
def test_what_is_far_stronger_than_the_others_is_no_effect(strength):
    beliefs = (
        Belief(feature="age", direction="raises", strength=strength),
        Belief(feature="ward", level="a", direction="raises"),
        Belief(feature="sex", level="M", direction="lowers", strength=0.2),
    )
    believed = with_beliefs(DICTIONARY, Knowledge(target="died", beliefs=beliefs))
    assert math.isnan(believed["age"].effects[0]) == (strength > 30)
    assert believed["sex"].effects == pytest.approx((math.nan, -0.2), nan_ok=True)


def test_beliefs_stand_in_no_dictionary_file():
    knowledge = Knowledge(target="died", beliefs=(Belief(feature="age", direction="raises"),))
    text = with_beliefs(DICTIONARY, knowledge).to_yaml()
    assert read_dictionary(text, "d.yaml") == DICTIONARY

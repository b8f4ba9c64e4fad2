"""What a person says of columns: strengths, and every fault with a next step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from t2local.errors import DictionaryError
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.tables.effects import check_effects, states_effects, target_faults

AGE = {"name": "age", "type": "integer", "minimum": 0, "maximum": 90}
SMOKER = {"name": "smoker", "type": "category", "levels": ("never", "former", "current")}
STAGE = {"name": "stage", "type": "ordinal", "levels": ("I", "II", "III")}
DIED = {"name": "died", "type": "boolean", "levels": ("no", "yes")}


def strengths(fields, **effects):
    return pytest.approx(Feature(**fields, **effects).effects, nan_ok=True)


@pytest.mark.parametrize(
    ("effect", "strength"),
    [
        ("strongly raises", 2),
        ("raises", 1),
        ("none", 0),
        ("lowers", -1),
        ("strongly lowers", -2),
        (None, np.nan),
    ],
)
def test_a_number_has_one_strength(effect, strength):
    assert strengths(AGE, effect=effect) == (strength,)


def test_levels_have_one_each():
    by_level = {"current": "strongly raises", "never": "none"}
    assert strengths(SMOKER, level_effects=by_level) == (0, np.nan, 2)
    assert strengths(SMOKER) == (np.nan, np.nan, np.nan)
    assert strengths(SMOKER, effect="none") == (0, 0, 0)
    assert strengths(DIED, effect="raises") == (-1, 1)
    assert strengths(STAGE, effect="lowers") == (1, np.nan, -1)


@given(
    st.integers(2, 8), st.sampled_from(["strongly raises", "raises", "lowers", "strongly lowers"])
)
def test_an_effect_of_ordered_levels_goes_up_in_equal_steps_with_the_size_of_a_number(n, effect):
    number = Feature(**AGE, effect=effect).effects[0]
    levels = Feature(name="x", type="ordinal", levels=tuple("abcdefgh"[:n]), effect=effect).effects
    steps = np.nan_to_num(levels)
    assert np.allclose(np.diff(steps, 2), 0)
    assert steps[0] == pytest.approx(-steps[-1])
    assert np.sign(steps[-1]) == np.sign(number)
    assert np.abs(steps[steps != 0]).mean() == pytest.approx(abs(number))


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({**SMOKER, "effect": "raises"}, "3 levels have no direction: say level_effects"),
        ({**SMOKER, "level_effects": {"sometimes": "raises"}}, "names 1 that are not among"),
        ({**AGE, "level_effects": {"90": "raises"}}, "a number has no level_effects: say effect"),
        ({**AGE, "positive": "90"}, "positive is not one of the levels"),
        ({**DIED, "positive": "dead"}, "positive is not one of the levels"),
        ({**DIED, "effect": "raises", "level_effects": {"no": "lowers"}}, "leave one of them out"),
        ({**DIED, "levels": ("no",), "type": "category", "effect": "lowers"}, "has no effect"),
        ({**AGE, "effect": "increases"}, "Input should be 'raises', 'strongly raises'"),
    ],
)
def test_a_fault_of_a_feature_says_what_to_do_and_no_level(fields, fault):
    with pytest.raises(ValidationError) as caught:
        Feature(**fields)
    (error,) = caught.value.errors()
    assert fault in error["msg"]
    assert "sometimes" not in error["msg"]


def test_numbers_as_levels_and_as_the_positive_one_are_texts():
    feature = Feature(name="y", type="category", levels=(1, 2), level_effects={1: "raises"})
    assert feature.level_effects == {"1": "raises"}
    assert Feature(name="y", type="boolean", levels=(0, 1), positive=0).positive_class == 0


def test_effects_are_on_the_second_of_two_classes_or_on_the_named_one():
    assert Feature(**DIED).positive_class == 1
    assert Feature(**DIED, positive="no").positive_class == 0
    assert Feature(**SMOKER, positive="current").positive_class == 2


def faults(*features, target="died"):
    return [fault for _, fault in target_faults(target, features)]


def test_faults_between_features_come_all_at_once():
    expected = [
        "only the target has a positive level",
        "effects are on the target; it has none itself",
        "effects are on one of 3 classes: name it, as in positive: LEVEL",
    ]
    target = {**SMOKER, "name": "died", "level_effects": {"never": "lowers"}}
    assert faults({**SMOKER, "positive": "never"}, "no field", target) == expected
    features = [Feature(**{**SMOKER, "positive": "never"}), Feature(**target)]
    with pytest.raises(DictionaryError) as caught:
        check_effects("died", features)
    assert list(caught.value.faults) == expected
    assert "mend effect" in caught.value.next_step


def test_three_classes_need_a_positive_one_only_where_effects_are_stated():
    target = {**SMOKER, "name": "died"}
    assert faults(AGE, target) == []
    assert faults({**AGE, "effect": "raises"}, {**target, "positive": "never"}) == []
    assert len(faults({**AGE, "effect": "none"}, target)) == 1


def test_a_number_as_target_needs_no_positive_level():
    assert faults({**AGE, "effect": "raises"}, {**AGE, "name": "died"}) == []


def test_that_a_column_has_no_effect_is_said_too():
    assert states_effects(Feature(**AGE, effect="none"))
    assert states_effects(Feature(**SMOKER, level_effects={"never": "none"}))
    assert not states_effects(Feature(**AGE))


def test_a_table_is_not_read_with_effects_that_cannot_be_used(patients):
    features = (Feature(**AGE), Feature(**DIED, effect="raises"))
    with pytest.raises(DictionaryError, match="it has none itself"):
        FeatureDictionary(target="died", features=features).check_table(patients, [], "t.csv")

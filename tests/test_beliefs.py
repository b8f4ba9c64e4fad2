"""What a model believes of columns: read from its words, and not from what it says of anything."""

import numpy as np
import pandas as pd
import pytest

from t2local.llm.scripted import ScriptedModel
from t2local.settings import DecoderSettings
from t2local.tables.describe import describe
from t2local.tables.files import from_frame
from t2local.team.beliefs import ask


def table(**columns):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age_years": rng.normal(50, 9, 60).round(1),
            "priorVisits": rng.integers(0, 40, 60),
            "smoker": rng.choice(["no", "yes"], 60),
            "ward": rng.choice(["surgery", "cardiology", "children"], 60),
            **columns,
            "died": rng.choice(["no", "yes"], 60),
        }
    )
    return describe(from_frame(frame).cells, target="died")


def believing(*up):
    """A model that ends a sentence about one of these phrases either way, any other downward."""

    def script(text):
        sentence = text.decode().rpartition("\n")[2]
        # "lower" and "less" alike begin with it.
        return b"" if any(phrase in sentence for phrase in up) else b"l"

    return ScriptedModel(script)


def beliefs(model, dictionary):
    knowledge = ask(model, dictionary, DecoderSettings())
    return {(b.feature, b.level): b for b in knowledge.beliefs}


def test_what_is_said_of_more_and_not_of_less_is_a_belief():
    found = beliefs(believing("higher age", "fewer prior visits"), table())
    directions = {key: belief.direction for key, belief in found.items()}
    assert directions["age_years", ""] == "raises"
    assert directions["priorVisits", ""] == "lowers"


@pytest.mark.parametrize("up", ["", "nothing of the kind"])
def test_what_is_said_of_anything_is_no_belief(up):
    assert not beliefs(believing(up), table())


def test_levels_are_held_against_the_mean_of_their_column():
    found = beliefs(believing("ward surgery"), table())
    effects = {
        level: found["ward", level].effect for level in ("surgery", "cardiology", "children")
    }
    assert effects["surgery"] > 0 > effects["cardiology"] == effects["children"]
    assert sum(effects.values()) == pytest.approx(0, abs=0.01)
    assert ("age_years", "") not in found


def test_a_column_of_yes_and_no_is_a_statement():
    found = beliefs(believing("with smoker is", "with smoker?", "with smoker are"), table())
    assert found["smoker", "yes"].effect > 0 > found["smoker", "no"].effect


def test_a_unit_of_strength_is_the_root_mean_square_of_a_phrasing():
    found = beliefs(believing("higher age", "fewer prior visits", "ward surgery"), table())
    squares = [belief.effect**2 for belief in found.values()]
    assert sum(squares) == pytest.approx(7, abs=0.01)  # subjects: two numbers, five levels
    assert {belief.spread for belief in found.values()} == {0.0}
    assert {belief.agreement for belief in found.values() if belief.strength} == {1.0}


def test_phrasings_that_do_not_agree_make_a_weak_belief():
    one, all_of_them = believing("the risk with a higher age"), believing("higher age")
    weak, strong = (beliefs(model, table())["age_years", ""] for model in (one, all_of_them))
    assert weak.agreement < 1 == strong.agreement
    assert weak.strength < strong.strength
    assert weak.spread > strong.spread == 0


def test_names_and_levels_without_meaning_get_no_belief():
    n = np.arange(60)
    codes = {"V1": n % 31, "x3": n % 29, "hgb": n % 23, "group": np.array(["A1", "B2"])[n % 2]}
    everything = believing("higher", "more", "with smoker is", "with smoker?", "ward surgery")
    features = {feature for feature, _ in beliefs(everything, table(**codes))}
    assert features == {"age_years", "priorVisits", "smoker", "ward"}


def test_a_description_gives_a_code_its_meaning():
    dictionary = table(hgb=np.arange(60) % 23)
    described = [
        feature.model_copy(update={"meaning": "Hemoglobin in the blood."})
        if feature.name == "hgb"
        else feature
        for feature in dictionary.features
    ]
    dictionary = dictionary.model_copy(update={"features": tuple(described)})
    found = beliefs(believing("higher hemoglobin in the blood"), dictionary)
    assert found["hgb", ""].direction == "raises"


def test_whose_beliefs_they_are_and_on_what():
    knowledge = ask(believing(), table(), DecoderSettings())
    assert (knowledge.target, knowledge.positive) == ("died", "yes")
    assert (knowledge.model, knowledge.sha256) == ("scripted", "0" * 64)


def test_a_table_of_codes_alone_asks_nothing():
    frame = pd.DataFrame({"V1": np.arange(40) % 17, "V2": np.arange(40) % 13, "y": [0, 1] * 20})
    dictionary = describe(from_frame(frame).cells, target="y")
    assert ask(believing(), dictionary, DecoderSettings()).beliefs == ()


@pytest.mark.parametrize(
    ("target", "labels", "named"),
    [("target", [0, 1], False), ("class", [0, 1], False), ("class", ["benign", "malignant"], True)],
)
def test_of_an_outcome_without_a_name_nothing_is_believed(target, labels, named):
    frame = pd.DataFrame({"age": np.arange(60) % 31, target: labels * 30})
    dictionary = describe(from_frame(frame).cells, target=target)
    assert bool(beliefs(believing("higher age"), dictionary)) == named

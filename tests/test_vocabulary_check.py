"""What a vocabulary has no tokens for is said at once, before the model is asked for anything."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import t2local
from t2local.errors import DecodeError, ModelError
from t2local.llm.scripted import ScriptedModel
from t2local.tables.dictionary import LeftOut
from t2local.team.vocabulary_check import check_vocabulary
from tests.strategies import dictionaries
from tests.teams import dictionary_and_values
from tests.tiny import KINDS, load, tiny


@pytest.fixture(scope="module")
def ascii_model(tmp_path_factory):
    """A model that has no token for a byte beyond ASCII: those are ordinary texts to it."""
    kinds = [1 if 3 + 128 <= token < 3 + 256 else kind for token, kind in enumerate(KINDS)]
    path = tmp_path_factory.mktemp("vocabulary") / "a.gguf"
    model = load(tiny(path, **{"tokenizer.ggml.token_type": (9, (5, kinds))}))
    yield model
    model.close()


def test_all_columns_are_named_and_no_level_is(ascii_model, patients):
    dictionary, _ = dictionary_and_values(patients)
    ward, weight = dictionary["ward"], dictionary["weight"]
    odd = {
        "ward": ward.model_copy(update={"levels": ("a", "Straße", "b", "5 µg", "c<b>")}),
        "weight": weight.model_copy(update={"name": "größe", "unit": "µg", "meaning": "½"}),
    }
    changed = dictionary.model_copy(
        update={
            "description": "日本",
            "features": tuple(odd.get(f.name, f) for f in dictionary.features),
            "left_out": (
                LeftOut(name="note", reason="text", make="text", meaning="für"),
                LeftOut(name="über", reason="an identifier", make="identifier"),
            ),
        }
    )
    with pytest.raises(ModelError) as caught:
        check_vocabulary(ascii_model, changed)
    assert caught.value.exit_code == 4
    assert caught.value.faults == (
        "the description of the table",
        "column 'größe': its name",
        "column 'größe': its meaning",
        "column 'größe': its unit",
        "column 'ward': 2 of its 5 levels (in the dictionary: 2, 4)",
        "column 'note': its name or its meaning",
    )
    assert "Straße" not in str(caught.value)
    check_vocabulary(ScriptedModel(), changed)


@settings(max_examples=40, deadline=None)
@given(dictionary=dictionaries(most=5), more=st.text(max_size=3))
def test_it_refuses_exactly_what_the_vocabulary_lacks(ascii_model, dictionary, more):
    first = dictionary.features[0].model_copy(update={"meaning": more})
    dictionary = dictionary.model_copy(update={"features": (first, *dictionary.features[1:])})
    parts = [dictionary.description, more, *dictionary.names]
    parts += [f.unit + "".join(f.levels) for f in dictionary.features]
    if "".join(parts).isascii():
        check_vocabulary(ascii_model, dictionary)
    else:
        with pytest.raises(ModelError, match="no tokens for some characters"):
            check_vocabulary(ascii_model, dictionary)


@pytest.mark.parametrize("plan", ["manager", "data"])
def test_a_run_ends_before_the_model_is_asked(patients, plan):
    model = ScriptedModel(lambda text: pytest.fail("it was asked"))
    write = model.tokenize

    def tokenize(text, **options):
        if not text.isascii():
            raise DecodeError("no token", next_step="none")
        return write(text, **options)

    model.tokenize = tokenize
    table = patients.assign(ward=patients["ward"].map({"A, left": "Ä"}).fillna("B"))
    with pytest.raises(ModelError, match="column 'ward': 1 of its 2 levels"):
        t2local.generate(pd.DataFrame(table), target="outcome", model=model, plan=plan, rows=5)

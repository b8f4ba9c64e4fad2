"""What is delivered: the columns and types of the input, in its order."""

import pandas as pd
import pytest

from t2local.tables.delivery import deliver
from t2local.tables.dictionary import Derived, Feature, FeatureDictionary, LeftOut
from t2local.tables.files import from_frame

FRAME = pd.DataFrame(
    {
        "id": ["P1", "P2", "P3"],
        "story": ["a", "b", "c"],
        "age": [30, 40, 50],
        "twice": [60.0, 80.0, 100.0],
        "died": ["yes", "no", "no"],
        "note": ["x", "y", "z"],
    }
)
DICTIONARY = FeatureDictionary(
    target="died",
    features=(
        Feature(name="age", type="integer", minimum=0, maximum=90, missing=True),
        Feature(name="died", type="boolean", levels=("no", "yes")),
    ),
    derived=(
        Derived(name="twice", formula="2 * age", decimals=1),
        Derived(name="half", formula="age / 2"),
    ),
    left_out=(
        LeftOut(name="id", reason="an identifier", make="identifier"),
        LeftOut(name="story", reason="free text", make="text"),
        LeftOut(name="note", reason="free text"),
    ),
)
KEPT = pd.DataFrame({"age": [33.0, None], "died": ["yes", "no"]}, index=[4, 9])
ORDER = ["id", "story", "age", "twice", "died", "note", "half"]


@pytest.mark.parametrize("frame", [None, FRAME])
def test_columns_stand_in_the_order_of_the_input_and_new_ones_last(frame):
    table = from_frame(FRAME)
    delivery = deliver(DICTIONARY, table, frame, KEPT, {"story": ["s", None]}, seed=1)
    for part in (delivery.cells, delivery.synthetic, delivery.augmented):
        assert list(part) == ORDER
    assert len(delivery.augmented) == 5
    assert delivery.augmented["age"].tolist()[:4] == [30, 40, 50, 33]
    assert delivery.augmented["story"].tolist()[:4] == ["a", "b", "c", "s"]
    assert not set(delivery.synthetic["id"]) & set(FRAME["id"])


def test_a_column_that_is_left_out_is_blank_or_dropped():
    written = {"story": ["s", None]}
    delivery = deliver(DICTIONARY, from_frame(FRAME), FRAME, KEPT, written, seed=1)
    assert delivery.cells["note"].tolist() == [None, None]
    assert delivery.synthetic["note"].isna().all()
    assert delivery.augmented["note"].tolist()[:3] == ["x", "y", "z"]
    dropped = deliver(
        DICTIONARY, from_frame(FRAME), FRAME, KEPT, written, seed=1, left_out="dropped"
    )
    for part in (dropped.cells, dropped.synthetic, dropped.augmented):
        assert list(part) == [name for name in ORDER if name != "note"]


def test_cells_are_text_with_the_decimals_of_the_dictionary():
    delivery = deliver(DICTIONARY, from_frame(FRAME), None, KEPT, {"story": ["s", None]}, seed=1)
    assert delivery.cells["age"].tolist() == ["33", None]
    assert delivery.cells["twice"].tolist() == ["66.0", None]
    assert delivery.cells["half"].tolist() == ["16.50", None]
    assert delivery.cells["story"].tolist() == ["s", None]


def test_types_are_those_of_the_callers_frame_where_no_cell_is_missing():
    whole = KEPT.assign(age=[33.0, 35.0])
    delivery = deliver(DICTIONARY, from_frame(FRAME), FRAME, whole, {"story": ["s", "t"]}, seed=1)
    assert delivery.synthetic["age"].dtype == FRAME["age"].dtype
    blank = deliver(DICTIONARY, from_frame(FRAME), FRAME, KEPT, {"story": ["s", "t"]}, seed=1)
    assert blank.synthetic["age"].isna().tolist() == [False, True]


def test_a_pool_is_delivered_as_text_whatever_the_type_of_the_column():
    frame = FRAME[["age", "died"]].assign(ward=pd.Categorical(["mill", "mill", "inn"]))
    ward = Feature(name="ward", type="category", levels=("mill", "other"), pool="other")
    dictionary = FeatureDictionary(target="died", features=(*DICTIONARY.features, ward))
    kept = KEPT.assign(ward=["other", "mill"])
    delivery = deliver(dictionary, from_frame(frame), frame, kept, {}, seed=1)
    assert delivery.synthetic["ward"].tolist() == ["other", "mill"]
    assert delivery.cells["ward"].tolist() == ["other", "mill"]

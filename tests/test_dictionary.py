import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.errors import DictionaryError, InputError
from t2local.tables.dictionary_file import read_dictionary
from t2local.tables.files import from_frame
from tests.strategies import dictionaries, frame_of, values


@settings(max_examples=200, deadline=None)
@given(dictionaries())
def test_a_dictionary_comes_back_equal_from_its_file(dictionary):
    assert read_dictionary(dictionary.to_yaml(), "d.yaml") == dictionary


@settings(max_examples=200, deadline=None)
@given(data=st.data(), dictionary=dictionaries())
def test_values_come_back_equal_from_their_cells(data, dictionary):
    frame = frame_of(
        dictionary, [{f.name: data.draw(values(f)) for f in dictionary.features} for _ in range(3)]
    )
    cells = dictionary.cells(frame)
    pd.testing.assert_frame_equal(dictionary.values(cells), frame)
    assert all(mask.all() for f in dictionary.features for mask in f.obeyed(frame[f.name]).values())


AGES = "target: y\nfeatures:\n- {name: age, type: integer, minimum: 0, maximum: 50}\n- {name: y, type: category, levels: [a, b]}\n"
BROKEN = """\
target: nope
features:
- name: age
  type: integer
  minimum: 90
  maximum: 18
- name: sex
  type: category
- name: age
  type: decimal
  minimum: 0
  maximum: 1
  decimals: 99
  colour: red
- type: boolean
  levels: [a, a]
"""


def test_all_faults_of_a_file_come_in_one_message_with_their_places():
    with pytest.raises(DictionaryError) as caught:
        read_dictionary(BROKEN, "d.yaml")
    message = str(caught.value)
    expected = [
        "d.yaml, line 1, column 9: target",
        "line 3, column 3: features.0: Value error, minimum is above maximum",
        "line 7, column 3: features.1: Value error, a category needs levels",
        "line 9, column 9: features.2.name: the name 'age' stands there twice",
        "line 13, column 13: features.2.decimals",
        "line 14, column 11: features.2.colour",
        "features.3.name: Field required",
    ]
    assert [fault for fault in expected if fault not in message] == []
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "just words",
        "a: [",
        "target: *x",
        "target: &x y\nfeatures: [*x, *x]",
        "features: !!python/object:os.system {}",
    ],
)
def test_no_text_is_more_than_a_dictionary_error(text):
    with pytest.raises(DictionaryError):
        read_dictionary(text, "d.yaml")


def test_a_table_that_does_not_fit_is_told_by_place_and_never_by_value():
    text = AGES + "- {name: gone, type: category, levels: [q]}\n"
    cells = from_frame(
        pd.DataFrame({"age": ["40", "SECRET", "70"], "y": ["a", "b", "PRIVATE"]})
    ).cells
    with pytest.raises(InputError) as caught:
        read_dictionary(text, "d.yaml").check_table(cells, [2, 3, 4], "t.csv")
    message = str(caught.value)
    assert "t.csv, line 3, column 'age': not an integer" in message
    assert "t.csv, line 4, column 'y': not one of its levels" in message
    assert "'gone' is not in t.csv" in message
    assert "SECRET" not in message
    assert "PRIVATE" not in message


def test_real_rows_outside_a_range_are_a_warning():
    cells = from_frame(pd.DataFrame({"age": ["40", "70"], "y": ["a", "b"]})).cells
    assert read_dictionary(AGES, "d.yaml").check_table(cells, [2, 3], "t.csv") == [
        "age: 1 real rows break its maximum"
    ]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(["a", "a", "a"], "only one class"), (["a", None, "b"], "line 3, column 'y': no label")],
)
def test_labels_that_cannot_be_judged_with_are_refused(labels, expected):
    cells = from_frame(pd.DataFrame({"age": ["1", "2", "3"], "y": labels})).cells
    with pytest.raises(InputError, match=expected):
        read_dictionary(AGES, "d.yaml").check_table(cells, [2, 3, 4], "t.csv")

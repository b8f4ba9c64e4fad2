"""REDCap's branching logic, choices and bounds."""

import pytest

from t2local.tables.redcap import NAME, TYPE, read_redcap, to_rule, without_html


@pytest.mark.parametrize(
    ("logic", "rule"),
    [
        ("[a] = '1'", '`a` == "1"'),
        (
            "[a(3)]='1' or ([b] <> '' and [c]>=2.5)",
            '`a___3` == "1" or ( not isna(`b`) and `c` >= 2.5 )',
        ),
        ("[a] = ''", "isna(`a`)"),
        ('NOT [a] = "x"', 'not `a` == "x"'),
        ("datediff([a], [b], 'd') > 3", None),
        ("[event][a] = '1' and", '`event` `a` == "1" and'),
        ("[a-b] = 1", None),
        ("$", None),
    ],
)
def test_branching_logic_is_translated_or_left_out(logic, rule):
    assert to_rule(logic) == rule


def field(name, kind, **columns):
    return {NAME: name, TYPE: kind, **columns}


CHOICES = "Choices, Calculations, OR Slider Labels"
LOW, HIGH = "Text Validation Min", "Text Validation Max"


def test_a_short_row_says_less_and_breaks_nothing():
    codebook = read_redcap([field("id", "text"), field("age", "text"), {NAME: "x"}], "b.csv")
    assert list(codebook.hidden) == ["id"]
    assert codebook.facts == {"age": {"meaning": ""}, "x": {"meaning": ""}}


def test_a_checkbox_is_a_column_for_each_choice_and_blank_where_it_is_not_shown():
    logic = "Branching Logic (Show field only if...)"
    box = field("drug", "checkbox", **{CHOICES: "1, Aspirin | 2, Statin | none", logic: "[a] = 1"})
    codebook = read_redcap([field("id", "text"), box], "b.csv")
    assert list(codebook.facts) == ["drug___1", "drug___2"]
    assert [relation.rule for relation in codebook.relations] == [
        'isna(`drug___1`) or `drug___1` == "0" or (`a` == 1)',
        'isna(`drug___2`) or `drug___2` == "0" or (`a` == 1)',
    ]


def test_a_slider_goes_from_0_to_100_unless_the_dictionary_says_otherwise():
    rows = [field("id", "text"), field("a", "slider"), field("b", "slider", **{HIGH: "10"})]
    facts = read_redcap(rows, "b.csv").facts
    assert (facts["a"]["minimum"], facts["a"]["maximum"]) == (0, 100)
    assert (facts["b"]["minimum"], facts["b"]["maximum"]) == (0, 10)


def test_labels_lose_their_html():
    assert without_html("<b>Age</b>  in<br>years ") == "Age in years"

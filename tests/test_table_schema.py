"""Our words and those of Frictionless Table Schema."""

import pytest

from t2local.tables.table_schema import field_from_file, field_to_file, from_file, place_in_file


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"type": "number", "format": "default"}, {"type": "decimal"}),
        ({"type": "year", "title": "Year"}, {"type": "integer"}),
        ({"type": "any", "constraints": None}, {"type": "category", "missing": True}),
        (
            {"type": "string", "constraints": {"required": True}},
            {"type": "category", "missing": False},
        ),
        ({"constraints": {"minimum": 1, "unique": True}}, {"missing": True, "minimum": 1}),
        ({"constraints": 5}, {"constraints": 5, "missing": True}),
        ({"categories": ["a", {"value": 1, "label": "one"}]}, {"levels": ["a", "1"]}),
        ({"type": "string", "categoriesOrdered": True}, {"type": "ordinal"}),
        ({"trueValues": ["y", "yes"], "falseValues": ["n"]}, {"levels": ["n", "y"]}),
        ({"trueValues": ["y"]}, {}),
        ({"missingValues": ["", "-9"]}, {"missing_values": ["-9", "NA"]}),
        ({"missingValues": 5, "colour": "red"}, {"colour": "red"}),
    ],
)
def test_a_field_in_our_words(entry, field):
    field = {"missing_values": ["NA"], **field}
    assert field_from_file(entry, ["", "NA"]) == field


def test_a_field_in_the_words_of_a_file_says_only_what_is_so():
    entry = {"name": "x", "type": "ordinal", "levels": ("a", "b"), "missing_values": ("-9",)}
    written = field_to_file({**entry, "missing": True, "reason": "by hand"})
    assert written == {
        "name": "x",
        "type": "string",
        "categoriesOrdered": True,
        "constraints": {"enum": ["a", "b"], "required": False},
        "missingValues": ["-9"],
        "reason": "by hand",
    }
    assert field_from_file(written, []) == {
        "name": "x",
        "type": "ordinal",
        "levels": ["a", "b"],
        "missing": True,
        "missing_values": ["-9"],
        "reason": "by hand",
    }


def test_effects_have_the_same_words_in_a_file():
    entry = {"name": "x", "type": "category", "levels": ("a", "b", "c"), "missing": True}
    effects = {"level_effects": {"a": "raises"}, "positive": "c"}
    written = field_to_file({**entry, **effects, "effect": None})
    assert {key: written.get(key) for key in ("effect", *effects)} == {"effect": None, **effects}
    assert field_from_file(written, []) == {**entry, "levels": ["a", "b", "c"], **effects}


def test_words_about_other_tables_are_passed_over():
    assert from_file({"$schema": "x", "primaryKey": "id", "fields": 5}) == {"features": 5}
    assert from_file({"fields": [7]}) == {"features": [7]}


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("target",), ("target",)),
        (("features",), ("fields",)),
        (("features", 2), ("fields", 2)),
        (("features", 2, "levels", 0), ("fields", 2, "constraints", "enum", 0)),
        (("features", 2, "meaning"), ("fields", 2, "description")),
        (("features", 2, "unit"), ("fields", 2, "unit")),
    ],
)
def test_a_fault_is_placed_where_the_file_says_it(path, place):
    assert place_in_file(path, {"fields": []}) == place
    assert place_in_file(path, {"features": []}) == path
    assert place_in_file(path, None) == path

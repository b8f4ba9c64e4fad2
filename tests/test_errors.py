"""The tree of errors: exit codes, the form of the message, and the drawing at its top."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2local import errors
from t2local.errors import T2LocalError

TREE = [
    error
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, T2LocalError)
]
LINES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)


def test_every_error_has_an_exit_code_and_the_drawing_shows_it():
    tree = [error for error in TREE if error is not T2LocalError]
    assert [
        error
        for error in tree
        if not re.search(rf"{error.__name__} +{error.exit_code}\b", errors.__doc__)
    ] == []


def test_the_drawing_is_the_tree():
    """Each line is indented by two columns more than its parent's, which stands above it."""
    drawn, path = {}, []
    for indent, name, code in re.findall(r"^( *)\* (\w+) +(\d+) ", errors.__doc__, re.MULTILINE):
        path[len(indent) // 2 :] = [name]
        drawn[name] = (path[-2] if len(path) > 1 else "Exception", int(code))
    assert drawn == {
        error.__name__: (error.__bases__[0].__name__, error.exit_code) for error in TREE
    }


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("T2LocalError", 1),
        ("NetworkRefused", 1),
        ("UsageError", 2),
        ("InputError", 3),
        ("DictionaryError", 3),
        ("PlanError", 3),
        ("ModelError", 4),
        ("DecodeError", 4),
        ("NothingKept", 5),
        ("ResourceError", 6),
        ("Interrupted", 130),
    ],
)
def test_exit_codes_stay_as_scripts_know_them(name, code):
    assert getattr(errors, name).exit_code == code


@pytest.mark.parametrize("error", TREE)
@given(message=LINES, next_step=LINES, faults=st.lists(LINES, max_size=30))
def test_a_message_is_what_happened_the_faults_and_the_next_step(error, message, next_step, faults):
    lines = str(error(message, next_step=next_step, faults=faults)).split("\n")
    assert (lines[0], lines[-1]) == (message, f"Next: {next_step}")
    shown = [line.removeprefix("  - ") for line in lines[1:-1]]
    assert shown[:20] == faults[:20]
    assert shown[20:] == [f"and {len(faults) - 20} more"] * (len(faults) > 20)


def test_what_was_given_is_kept_whole():
    faults = [f"line {number}" for number in range(5000)]
    error = errors.InputError("Many.", next_step="mend them", faults=faults)
    assert error.faults == tuple(faults)
    assert (error.message, error.next_step) == ("Many.", "mend them")
    assert str(error).count("\n") == 22


def test_the_next_step_cannot_be_left_out():
    with pytest.raises(TypeError, match="next_step"):
        T2LocalError("What now?")

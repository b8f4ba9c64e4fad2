"""The bench of broken inputs: what it draws ends well, and what ends badly it sees."""

import pytest

outcomes = pytest.importorskip(
    "bench.fuzz.outcomes", reason="bench/ is not beside an installed package"
)

from bench.fuzz import checks  # noqa: E402
from bench.fuzz.inputs import SECRET  # noqa: E402
from t2local.errors import InputError  # noqa: E402

#: 1,000 inputs, as each takes 20 ms; `python -m bench.fuzz` draws 20,000. They come in parts, so
#: that processes can share them.
PARTS, INPUTS = 8, 125


@pytest.mark.parametrize("part", range(PARTS))
def test_broken_inputs_end_in_a_clear_error_or_in_a_result_that_agrees_with_itself(part):
    numbers = range(part * INPUTS, (part + 1) * INPUTS)
    ends = [outcomes.outcome_of(2, number) for number in numbers]
    assert [(end.fault, end.content) for end in ends if end.fault] == []
    assert {end.kind for end in ends} == set(checks.KINDS)
    assert {"result", "InputError", "DictionaryError"} <= {end.end for end in ends}


def test_an_input_is_the_same_for_the_same_seed():
    first, second = (outcomes.outcome_of(3, 0) for _ in range(2))
    assert first.content == second.content
    assert outcomes.outcome_of(4, 0).content != first.content


def ends_with(monkeypatch, check, content=b"a,b\n1,2\n"):
    kind = checks.Kind(lambda rng: content, "data.csv", check)
    monkeypatch.setitem(checks.KINDS, "csv", kind)
    return outcomes.tried("csv", content)


def test_errors_of_python_warnings_cells_and_hangs_are_faults(monkeypatch):
    def crash(path):
        raise IndexError

    def leak(path):
        raise InputError(f"a cell: {SECRET}", next_step="none")

    def silence(path):
        raise InputError("it is wrong", next_step="")

    def hang(path):
        while True:
            pass

    monkeypatch.setattr(outcomes, "LIMIT", 0.05)
    assert ends_with(monkeypatch, crash).fault == "csv: IndexError in test_bench_fuzz.py, crash"
    assert "a cell in an error" in ends_with(monkeypatch, leak).fault
    assert not ends_with(monkeypatch, leak, f"a,{SECRET}\n1,2\n".encode()).fault  # a name
    assert not ends_with(
        monkeypatch, leak, f'"\n",{SECRET}\n1,2\n'.encode()
    ).fault  # beside another
    assert "without a next step" in ends_with(monkeypatch, silence).fault
    assert "Hang" in ends_with(monkeypatch, hang).fault


def test_a_failing_input_is_made_smaller_as_long_as_it_fails_likewise(monkeypatch):
    def check(path):
        checks.expect(b"x" not in path.read_bytes(), "an x")

    failing = ends_with(monkeypatch, check, b"a,b\n1,2\nx,3\n" * 20)
    assert outcomes.shrunk(failing).content == b"x"

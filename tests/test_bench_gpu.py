"""The bench of GPUs on a CPU: what it compares, that it goes on where it stopped."""

import json

import pytest

gpu = pytest.importorskip("bench.gpu", reason="bench/ is not beside an installed package")

from tests.tiny import tiny  # noqa: E402


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A function that runs a step with a tiny model and returns what it wrote."""
    monkeypatch.setenv("T2LOCAL_HOME", str(tmp_path))
    model = str(tiny(tmp_path / "a.gguf"))

    def run(step, out, *arguments):
        gpu.main([step, "--model", model, "--out", str(tmp_path / out), *arguments])
        return json.loads((tmp_path / out).read_text())

    return run


def test_a_device_agrees_with_itself_and_its_rows_are_valid(bench, tmp_path):
    reference = bench("reference", "reference.json")
    assert len(reference["scores, one by one"]) == gpu.SCORED
    assert len(reference["rows"]) == gpu.WRITTEN
    [figures] = bench(
        "measure",
        "out.json",
        "--reference",
        str(tmp_path / "reference.json"),
        "--slots",
        "2",
        "32",
        "--seconds",
        "0.2",
    ).values()
    correctness = figures["correctness"]
    assert correctness["within rounding"]
    assert correctness["equal when written again"]
    assert correctness["valid rows"] == correctness["rows equal to the reference's"] == 1
    assert correctness["scores, one by one"] == {"mean": 0, "largest": 0}
    assert figures["2 slots, flash attention auto"]["rows/s"] > 0
    assert {"32 slots, flash attention auto", "32 slots, flash attention off"} <= set(figures)
    assert set(figures["caches, 32 rows"]) == {"slots", "prompt", "equal steps"}


def test_another_device_is_noticed():
    scores = [[-1.0, -2.0], [-3.0]]
    assert gpu.difference(scores, [[-1.0, -2.5], [-3.1]]) == pytest.approx(
        {"mean": 0.2, "largest": 0.5}
    )
    assert gpu.is_valid("[1,2,3,4,5,6,7,8,99]")
    for text in ("", "[1]", "[1,2,3,4,5,6,7,8,100]", "[1,2,3"):
        assert not gpu.is_valid(text)


def test_cells_that_are_there_are_not_measured_again(bench):
    first = bench("measure", "out.json", "--slots", "1", "--seconds", "0.1")
    again = bench("measure", "out.json", "--slots", "1", "2", "--seconds", "0.1")
    [before], [after] = first.values(), again.values()
    assert {name: after[name] for name in before} == before
    assert "2 slots, flash attention auto" in set(after) - set(before)


def test_a_reference_of_another_model_is_refused(bench, tmp_path):
    reference = bench("reference", "reference.json")
    (tmp_path / "reference.json").write_text(json.dumps({**reference, "sha256": "0" * 64}))
    with pytest.raises(SystemExit, match="another model"):
        bench("measure", "out.json", "--reference", str(tmp_path / "reference.json"))

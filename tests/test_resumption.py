"""A run that did not come to its end goes on, to the bytes of one that did."""

import json
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import t2local
from t2local.errors import UsageError
from t2local.events import ignore
from t2local.llm.counters import Counters
from t2local.llm.scripted import ScriptedModel
from t2local.run import resumption
from t2local.run.checkpoint import Checkpoint
from t2local.run.fingerprint import check_machine
from t2local.run.inputs import new_run
from t2local.run.resumption import ResumableScorer, ResumableWriter, block_of
from t2local.run.verification import check_files
from t2local.settings import Settings
from t2local.team.scoring import RowScores
from t2local.team.writer import Block, BlockRequest
from tests.teams import dictionary_and_values

pytestmark = pytest.mark.usefixtures("few_trees")

FILES = ("synthetic.csv", "rejected.csv", "dictionary.yaml", "plan.yaml", "journal.jsonl")
OWN = {"trim.replicates": 20, "team.block_rows": 10, "team.examples": 8}


class Killed(BaseException):
    """Stands for a process that ends at once: nothing but `finally` runs after it."""


@pytest.fixture
def generate(patients, tmp_path):
    def run(name="run", **options):
        options = {"rows": 24, "model": ScriptedModel(), "settings": OWN, **options}
        return t2local.generate(patients, out=tmp_path / name, **options)

    return run


@pytest.fixture
def kill_at(monkeypatch):
    """Let a run end at the n-th entry that it keeps, before the entry is there."""

    def at(point: int) -> None:
        put, left = Checkpoint.put, [point]

        def killing(self, *arguments):
            left[0] -= 1
            if not left[0]:
                monkeypatch.setattr(Checkpoint, "put", put)
                raise Killed
            return put(self, *arguments)

        monkeypatch.setattr(Checkpoint, "put", killing)

    return at


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def plain(folder: Path) -> dict:
    """The report without times and tokens."""
    report = json.loads((folder / "report.json").read_text())
    return {name: part for name, part in report.items() if name not in ("seconds", "tokens")}


def test_a_run_that_is_killed_again_and_again_comes_to_the_same_bytes(generate, kill_at, tmp_path):
    generate("whole")
    heard = []
    # Before the fingerprint, the plan, the machine; then each run keeps one entry more: the answers
    # about real rows, and blocks.
    for point in (1, 2, 3, 2, 2, 2, 2):
        kill_at(point)
        with pytest.raises(Killed):
            generate(on_event=heard.append)
        assert not (tmp_path / "run").exists()
    generate(on_event=heard.append)
    taken_over = [
        str(event) for event in heard if "of the earlier run are taken over" in str(event)
    ]
    assert len(taken_over) == 5
    assert "'0 rows of the earlier run" in taken_over[0]
    assert "'0 rows of the earlier run" not in taken_over[-1]
    assert content(tmp_path / "run") == content(tmp_path / "whole")
    assert plain(tmp_path / "run") == plain(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "whole"]
    assert check_files(tmp_path / "run") == 7
    assert not list((tmp_path / "run").glob(".*"))


class Silent(ScriptedModel):
    """A model that must not be asked any more."""

    def context(self, cells, sequences):
        context = super().context(cells, sequences)

        def decode(*arguments, **options):
            raise AssertionError("the model was asked once more")

        context.decode = decode
        return context


def test_what_was_asked_once_is_not_asked_again(generate, monkeypatch, tmp_path):
    def stop(*arguments):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("t2local.pipeline.finish", stop)
        with pytest.raises(Killed):
            generate()
    result = generate(model=Silent())
    assert result.report["rows"]["kept"] == 24
    assert result.report["tokens"]["rows"] > result.report["tokens"]["calibration"] > 0


def test_another_run_is_refused_with_what_differs_and_takes_its_place_on_request(
    generate, kill_at, tmp_path
):
    kill_at(6)
    with pytest.raises(Killed):
        generate()
    with pytest.raises(UsageError, match="of an unfinished run that is not this one") as caught:
        generate(seed=2, settings={**OWN, "team.temperature": 0.5})
    assert caught.value.faults == ("seed", "team.temperature")
    assert "replace" in caught.value.next_step
    with pytest.raises(UsageError):  # --resume never gives rows up
        generate(seed=2, replace=True, resume=True)
    generate(resume=True)
    generate(seed=2, replace=True)
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["seed"] == 2


def test_without_an_unfinished_run_resume_is_an_error_and_leaves_nothing(generate, tmp_path):
    with pytest.raises(UsageError, match="There is no unfinished run"):
        generate(resume=True)
    assert not list(tmp_path.iterdir())


def test_after_ctrl_c_the_same_command_goes_on_and_the_rows_so_far_stay_until_then(
    generate, monkeypatch, tmp_path
):
    blocks = []
    write = ResumableWriter.write

    def interrupting(self, request, on_row):
        blocks.append(request.number)
        if len(blocks) == 2:
            raise KeyboardInterrupt
        return write(self, request, on_row)

    with monkeypatch.context() as patch:
        patch.setattr(ResumableWriter, "write", interrupting)
        assert generate().report["interrupted"]
    run = tmp_path / "run"
    assert check_files(run) == 7
    before = content(run)
    with pytest.raises(UsageError, match="10 rows of an unfinished run that is not this one"):
        generate(seed=2)
    assert content(run) == before
    assert not generate().report["interrupted"]
    generate("whole")
    assert content(run) == content(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "whole"]
    with pytest.raises(UsageError, match="holds a finished result"):
        generate()


def test_a_block_that_is_kept_is_delivered_when_ctrl_c_comes_just_then(
    generate, monkeypatch, tmp_path
):
    calls = []

    def interrupting(answer, dictionary):
        calls.append(answer)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return block_of(answer, dictionary)

    monkeypatch.setattr(resumption, "block_of", interrupting)
    report = generate().report
    assert report["interrupted"]
    kept = Checkpoint(tmp_path / "run" / ".checkpoint").rows
    assert report["rows"]["generated"] == kept == 20


def test_a_block_comes_back_with_the_types_that_it_had(patients, tmp_path):
    dictionary, values = dictionary_and_values(patients)
    # What a block of the pool has: predictions, levels in an object column, cells that are missing.
    block = Block(
        0, values.head(7), 1, "sha", interrupted=False, predictions=np.log(np.eye(7, 2) + 0.1)
    )

    class Writer:
        def write(self, request, on_row):
            counters.row_tokens += 5
            return block

    request, counters = BlockRequest(0, 8, 0, ["0", "1"]), Counters()
    runs = [new_run(Settings(), 1, 10, ignore) for _ in range(2)]
    for run in runs:
        object.__setattr__(run, "checkpoint", Checkpoint(tmp_path))
        again = ResumableWriter(Writer(), run, dictionary, counters).write(request)
        pd.testing.assert_frame_equal(again.rows, block.rows)
        np.testing.assert_array_equal(again.predictions, block.predictions)
        assert (again.number, again.failed, again.prompt_sha256) == (0, 1, "sha")
    assert counters.row_tokens == 5  # it was written once
    assert (runs[1].ledger.earlier_rows, runs[1].ledger.earlier_tokens.row_tokens) == (7, 5)


def test_real_rows_are_not_kept_with_what_was_asked_about_them(patients, tmp_path):
    _, values = dictionary_and_values(patients.assign(ward=[f"CANARY{i}" for i in range(60)]))
    scores = RowScores(pd.DataFrame({"age": [-1.5, -0.25]}, index=[3, 9]), None)

    class Scorer:
        def score(self, rows, *, prompt=None, with_cells=True):
            return scores

    run = new_run(Settings(), 1, 10, ignore)
    object.__setattr__(run, "checkpoint", Checkpoint(tmp_path))
    scorer = ResumableScorer(Scorer(), run, Counters())
    for _ in range(2):
        again = scorer.score(values.iloc[[3, 9]], prompt=list(b"[71,CANARY3]"))
        pd.testing.assert_frame_equal(again.cells, scores.cells)
        assert again.labels is None
    (file,) = tmp_path.iterdir()
    assert "CANARY" not in file.read_text()
    assert str(list(b"[71,")).strip("[]") not in file.read_text()


def test_a_machine_that_would_compute_otherwise_is_refused(tmp_path):
    def run(slots):
        run = new_run(Settings(), 1, 10, ignore)
        object.__setattr__(run, "checkpoint", Checkpoint(tmp_path))
        run.tell(t2local.Decision("rows side by side", slots, "a reason that may differ"))
        return run

    check_machine(run(32))
    check_machine(run(32))
    with pytest.raises(UsageError) as caught:
        check_machine(run(16))
    assert caught.value.faults == ("rows side by side: 32 then, 16 now",)

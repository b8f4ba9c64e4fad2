"""A run that is told to stop, in each of its phases; then it goes on.

    python -m tests.faults.signals                       # 50 signals; minutes
    python -m tests.faults.signals --every 19 --cheap    # a sample with few trees, as in the suite

The command line runs for real, with a scripted model that takes its time for each pass. Each run is
a child of this process, so that nothing is imported twice. Linux only.
"""

import argparse
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import numpy as np

from tests.faults import points
from tests.patients import patients

#: The parts of a run, by the functions of `t2local.pipeline` that do them, and how often each is
#: entered: a signal comes in one of these times.
PHASES = {
    "ask": 1, "make_plan": 1, "calibrate_team": 1, "assemble": 3, "trim": 3, "measure": 1,
    "hand_over": 1, "render": 1,
}  # fmt: skip
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
N_SIGNALS = 50
#: Seconds of a pass through the model.
PASS = 0.01
OPTIONS = [
    "--rows=24", "--target=outcome", "--quiet",
    *(f"--set={s}" for s in ("trim.replicates=20", "team.block_rows=10", "team.examples=8")),
    "--set=team.beliefs=always",
]  # fmt: skip


def slow_model():
    """A scripted model whose passes take time, and end as those of llama.cpp do."""
    from t2local.llm.scripted import ScriptedContext, ScriptedModel
    from t2local.system.interrupts import held_back

    class SlowContext(ScriptedContext):
        def decode(self, *arguments, **options):
            with held_back():
                time.sleep(PASS)
                return super().decode(*arguments, **options)

    class SlowModel(ScriptedModel):
        def context(self, n_tokens, n_sequences):
            return SlowContext(self, n_tokens, n_sequences)

    return SlowModel()


def start(folder: Path) -> tuple[int, int]:
    """Run the command in a child; its process, and a pipe in which it names its phases."""
    reading, writing = os.pipe()
    if process := os.fork():
        os.close(writing)
        return process, reading
    os.close(reading)
    code = 1
    try:
        code = command(folder, writing)
    finally:
        os._exit(code)


def command(folder: Path, marks: int) -> int:
    """The command line in this process; its exit code."""
    from t2local import pipeline
    from t2local.cli import main, outcome
    from t2local.run import models

    def marked(name):
        owner = {"ask": models, "render": outcome}.get(name, pipeline)
        function = getattr(owner, name)

        def entered(*arguments, **options):
            os.write(marks, f"{name}\n".encode())
            return function(*arguments, **options)

        return patch.object(owner, name, entered)

    # What a shell starts in the background ignores Ctrl-C, and t2local would go on ignoring it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    generate = pipeline.generate
    os.chdir(folder)
    for stream, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    with ExitStack() as stack:
        for name in PHASES:
            stack.enter_context(marked(name))
        stack.enter_context(
            patch.object(
                pipeline,
                "generate",
                lambda data, **options: generate(data, **{**options, "model": slow_model()}),
            )
        )
        try:
            main(["generate", "data.csv", "--out", "run", *OPTIONS], prog_name="t2local")
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def wait(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def durations(folder: Path) -> dict[str, float]:
    """Run to the end; the mean seconds from entering a phase to entering the next."""
    process, reading = start(folder)
    times = []
    with os.fdopen(reading) as marks:
        times.extend((line.strip(), time.monotonic()) for line in marks)
        times.append(("end", time.monotonic()))
    assert wait(process) == 0, (folder / "stderr").read_text()
    spans = [(n, later - now) for (n, now), (_, later) in itertools.pairwise(times)]
    return {name: float(np.mean([s for n, s in spans if n == name])) for name in PHASES}


def interrupt(
    folder: Path, phase: str, entry: int, delay: float, number: int
) -> tuple[str, int, float, float]:
    """Send a signal so many seconds after a phase is entered for the n-th time.

    Returns the phase in which it came, the exit code, and from the signal to the end: seconds, and
    seconds of processor time.
    """
    process, reading = start(folder)
    with os.fdopen(reading, "rb", buffering=0) as marks:
        while entry and (line := marks.readline()):
            entry -= line.decode().strip() == phase
        time.sleep(delay)
        os.set_blocking(reading, False)
        passed = (marks.read() or b"").decode().split()
        spent = processor_seconds(process)
        began = time.monotonic()
        os.kill(process, number)
        _, status, usage = os.wait4(process, 0)
    code = os.waitstatus_to_exitcode(status)
    spent = usage.ru_utime + usage.ru_stime - spent
    return [phase, *passed][-1], code, time.monotonic() - began, spent


def processor_seconds(process: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def blocks(folder: Path) -> int:
    """Rows in the blocks that are complete, wherever they are."""
    from t2local.run.checkpoint import Checkpoint

    return max(Checkpoint(folder / name / ".checkpoint").rows for name in (".run.part", "run"))


def faults(folder: Path, whole: Path, phase: str, code: int, number: int) -> list[str]:
    """What is wrong after a signal, and after the same command once more."""
    from t2local.errors import InputError
    from t2local.run.verification import check_files

    out, wrong = folder / "run", []
    finished = (out / "manifest.json").exists() and not (out / ".checkpoint").exists()
    # What is at its end already comes to its end.
    at_end = finished and phase in ("measure", "hand_over", "render")
    if code != 128 + number and not (at_end and code in (0, -number)):
        wrong.append(f"exit code {code}")
    message = (folder / "stderr").read_text()
    if "Traceback" in message or (code > 0 and message.count("Error: ") != 1):
        wrong.append(f"message: {message}")
    if (out / "manifest.json").exists():
        try:
            check_files(out)
        except InputError as error:
            wrong.append(str(error))
        n_rows = json.loads((out / "report.json").read_text())["rows"]["generated"]
        if not finished and n_rows < blocks(folder):
            wrong.append(f"{n_rows} rows delivered of {blocks(folder)} in complete blocks")
    elif blocks(folder):
        wrong.append("rows of complete blocks were not delivered")
    if not finished and wait(start(folder)[0]):
        wrong.append(f"once more: {(folder / 'stderr').read_text()}")
    elif points.content(out) != points.content(whole / "run"):
        wrong.append("other bytes")
    left = {path.name for path in folder.iterdir()} - {"run", "data.csv", "stdout", "stderr"}
    if left or list(out.glob(".*")):
        wrong.append(f"left over: {left} {list(out.glob('.*'))}")
    return wrong


def try_signals(table, every: int) -> dict[str, object]:
    """Signals in all phases in turn, or every n-th; prints what is wrong, and counts."""
    rng = np.random.default_rng(1)
    seconds, n_wrong = [], 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = folder / "whole"
        whole.mkdir()
        table.to_csv(whole / "data.csv", index=False)
        points.run(folder / "first")  # so that no child imports anything
        spans = durations(whole)
        for case in range(0, N_SIGNALS, every):
            phase = list(PHASES)[case % len(PHASES)]
            number = SIGNALS[case % len(SIGNALS)]
            entry = int(rng.integers(1, PHASES[phase] + 1))
            delay = float(rng.uniform(0, spans[phase]))
            place = folder / "case"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            shutil.copy(whole / "data.csv", place)
            phase, code, *times = interrupt(place, phase, entry, delay, number)
            wrong = faults(place, whole, phase, code, number)
            seconds.append(times)
            n_wrong += bool(wrong)
            print(
                f"{number.name} in {phase}: exit code {code} after "
                f"{times[0]:.2f} s, {times[1]:.2f} s of processor time: "
                f"{wrong or 'as it should be'}",
                flush=True,
            )
    wall, processor = np.array(seconds).T
    return {
        "signals": len(seconds),
        "wrong": n_wrong,
        "seconds": [round(float(f(wall)), 2) for f in (np.median, np.max)],
        "processor_seconds": [round(float(f(processor)), 2) for f in (np.median, np.max)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only every n-th signal")
    parser.add_argument("--cheap", action="store_true", help="a smaller table, few trees")
    arguments = parser.parse_args()
    table = patients()
    if arguments.cheap:
        points.cheap_fits()
        table = points.small_table()
    print(json.dumps(try_signals(table, arguments.every)))


if __name__ == "__main__":
    sys.exit(main())

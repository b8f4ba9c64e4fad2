"""A run that dies, or finds the disk full, at each call that changes its folder; then it goes on.

    python -m tests.faults.points                  # all points; minutes
    python -m tests.faults.points --every 12       # only every twelfth call
    python -m tests.faults.points --one            # one of each kind, as in the suite

It starts itself once more with the library of preload.c in front of libc; each run is a child of
that process, so that nothing is imported twice. Linux only.
"""

import argparse
import ctypes
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

SOURCE = Path(__file__).with_name("preload.c")
COUNT, KILL, FULL = range(3)
NAMES = {KILL: "killed", FULL: "disk full"}
#: A run makes at least so many calls of each kind.
FEWEST = 60
#: What an unbroken run and one that went on have in common; the others hold times.
SAME = ("synthetic.csv", "rejected.csv", "dictionary.yaml", "plan.yaml", "journal.jsonl")
OPTIONS = {
    "rows": 14,
    "settings": {"trim.replicates": 20, "team.block_rows": 10, "team.examples": 8},
}


def small_table():
    """40 patients."""
    from tests.patients import patients

    return patients()[["age", "sex", "outcome"]].head(40)


def run(out: Path, **options) -> None:
    """A run of some blocks, with a manager and questions about real rows."""
    import t2local

    t2local.generate(
        small_table(), model=t2local.ScriptedModel(), out=out, **{**OPTIONS, **options}
    )


def child(out: Path, mode: int = COUNT, point: int = 0, **options) -> tuple[int, int]:
    """Run in a child: its exit code, and the calls that it made."""
    reading, writing = os.pipe()
    if process := os.fork():
        os.close(writing)
        _, status = os.waitpid(process, 0)
        with os.fdopen(reading) as pipe:
            calls = pipe.read()
        return os.waitstatus_to_exitcode(status), int(calls or 0)
    code = 0
    library = ctypes.CDLL(None)
    try:
        library.fault_arm(str(out.parent).encode(), mode, point)
        run(out, **options)
    except BaseException as error:  # noqa: BLE001 -- the child has to say how it ended
        code = getattr(error, "exit_code", 1)
        if code == 1:
            traceback.print_exc()
    calls = library.fault_calls()
    library.fault_arm(b"nothing", COUNT, 0)
    os.write(writing, str(calls).encode())
    os._exit(code)


def content(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in SAME}


def faults(root: Path, whole: Path, old: Path | None, mode: int, point: int) -> list[str]:
    """What is wrong after a fault at a point, and after the same command once more."""
    from t2local.errors import InputError
    from t2local.run.verification import check_files

    out = root / "run"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    if old:
        shutil.copytree(old, out)
    wrong = []
    code, _ = child(out, mode, point, replace=bool(old))
    expected = {KILL: (9,), FULL: (6,)}[mode]
    if code not in expected:
        wrong.append(f"exit code {code}")
    if (out / "manifest.json").exists():
        try:
            check_files(out)
        except InputError as error:
            wrong.append(str(error))
        if content(out) not in ([content(old)] if old else []) + [content(whole)]:
            wrong.append("neither the old nor the new result is there")
    elif old and not (root / ".run.before").is_dir():
        wrong.append("the old result is gone")
    # A run that died after its files had got their name is finished: the next one is another run.
    again, _ = child(out, replace=True)
    if again or content(out) != content(whole):
        wrong.append(f"once more: exit code {again}, or other bytes")
    if left := {path.name for path in root.iterdir()} - {"run"}:
        wrong.append(f"left over: {left}")
    if hidden := [path.name for path in out.iterdir() if path.name.startswith(".")]:
        wrong.append(f"left over in the result: {hidden}")
    return wrong


def cheap_fits() -> None:
    """Few trees; what one run fits its children have, as they run on the same rows."""
    from t2local.stats import ensemble
    from t2local.team import calibration, label_calibration
    from t2local.trim import benefit
    from tests.fits import members, mixtures

    benefit._TREES, benefit._REPEATS, label_calibration._TREES_OF_A_FOLD = 2, 1, 2
    ensemble._fit_one = members(ensemble._fit_one)
    calibration.ColumnMixture = mixtures(calibration.ColumnMixture)


def points(folder: Path, old: Path, every: int) -> list[tuple[int, Path | None, int]]:
    """All points of four kinds of runs, or every n-th, in random order."""
    chosen = []
    for mode in (KILL, FULL):
        for before in (None, old):
            root = folder / "faults"
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            if before:
                shutil.copytree(before, root / "run")
            never = 10**6
            _, calls = child(root / "run", mode, never, replace=bool(before))
            chosen += [(mode, before, point) for point in range(1, calls + 1, every)]
    # A part of them then says something about all.
    random.Random(1).shuffle(chosen)
    return chosen


def one_of_each(old: Path) -> list[tuple[int, Path | None, int]]:
    """A point of each kind of run, without a run to count them."""
    rng = random.Random(1)
    return [
        (mode, before, rng.randint(1, FEWEST)) for mode in (KILL, FULL) for before in (None, old)
    ]


def try_points(every: int) -> dict[str, int]:
    """Prints what is wrong at each point, and counts; ``every`` 0: at one of each kind."""
    cheap_fits()
    counts = {"points": 0, "wrong": 0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, old = folder / "whole" / "run", folder / "old" / "run"
        for path, seed in ((whole, 1), (old, 2)):  # here, so that no child imports anything
            path.parent.mkdir()
            run(path, seed=seed)
        chosen = points(folder, old, every) if every else one_of_each(old)
        for mode, before, point in chosen:
            wrong = faults(folder / "faults", whole, before, mode, point)
            counts["points"] += 1
            counts["wrong"] += bool(wrong)
            place = "over an old result" if before else "in a new folder"
            print(
                f"{NAMES[mode]} at call {point} {place}: {wrong or 'as it should be'}", flush=True
            )
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only every n-th call")
    parser.add_argument("--one", action="store_true", help="only one call of each kind of run")
    arguments = parser.parse_args()
    if "LD_PRELOAD" in os.environ:
        print(json.dumps(try_points(0 if arguments.one else arguments.every)))
        return
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "preload.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
        # Threads of OpenMP do not survive a fork.
        environment = {**os.environ, "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "tests.faults.points", *sys.argv[1:]]
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()

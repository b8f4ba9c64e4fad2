"""A run that dies, or finds the disk full, at each call that changes its folder; then it goes on.

    python -m tests.faults.points                  # all points; minutes
    python -m tests.faults.points --every 12       # a sample, as in the suite

It starts itself once more with the library of preload.c in front of libc; each run is a child of
that process, so that nothing is imported twice. Linux only.
"""

import argparse
import ctypes
import hashlib
import importlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path

SOURCE = Path(__file__).with_name("preload.c")
COUNT, KILL, FULL = range(3)
NAMES = {KILL: "killed", FULL: "disk full"}
#: What an unbroken run and one that went on have in common; the others hold times.
SAME = ("synthetic.csv", "rejected.csv", "dictionary.yaml", "plan.yaml", "journal.jsonl")
OPTIONS = {
    "rows": 24,
    "settings": {"trim.replicates": 20, "team.block_rows": 10, "team.examples": 8},
}


def run(out: Path, **options) -> None:
    """A run of some blocks, with a manager and questions about real rows."""
    import t2local
    from tests.batches import patients

    t2local.generate(patients(), model=t2local.ScriptedModel(), out=out, **{**OPTIONS, **options})


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
    (out.parent.parent / "modules").write_text("\n".join(sys.modules))
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


def all_points(every: int, first: int) -> dict[str, int]:
    """Every point of four kinds of runs; prints what is wrong, and counts."""
    from t2local.team import label_calibration
    from t2local.trim import benefit

    benefit._TREES, benefit._REPEATS, label_calibration._TREES_OF_A_FOLD = 2, 1, 10
    counts = {"points": 0, "wrong": 0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, old = folder / "whole" / "run", folder / "old" / "run"
        for path, seed in ((whole, 1), (old, 2)):
            path.parent.mkdir()
            assert child(path, seed=seed)[0] == 0
            # What a run imports on its way is imported once, for all children.
            for module in (folder / "modules").read_text().splitlines():
                with suppress(Exception):
                    importlib.import_module(module)
        points = []
        for mode in (KILL, FULL):
            for before in (None, old):
                root = folder / "faults"
                shutil.rmtree(root, ignore_errors=True)
                root.mkdir()
                if before:
                    shutil.copytree(before, root / "run")
                never = 10**6
                _, calls = child(root / "run", mode, never, replace=bool(before))
                points += [(mode, before, point) for point in range(first, calls + 1, every)]
        # In random order, so that a part of them says something about all.
        random.Random(1).shuffle(points)
        for mode, before, point in points:
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
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    arguments = parser.parse_args()
    if "LD_PRELOAD" in os.environ:
        print(json.dumps(all_points(arguments.every, arguments.first)))
        return
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "preload.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
        environment = {**os.environ, "LD_PRELOAD": str(library)}
        command = [sys.executable, "-m", "tests.faults.points", *sys.argv[1:]]
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()

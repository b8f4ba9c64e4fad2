"""That a run uses no network, shown from outside: a small generation without one, watched system call by system call.

An audit hook sees Python only. Here the kernel is the witness: ``unshare`` gives the run a network namespace that has no
device, and ``strace`` writes down every network system call of all its processes.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from t2local.errors import NetworkRefused, T2LocalError
from t2local.system.atomic import atomic
from t2local.system.environment import environment

_ROWS, _BATCHES = 10, 1
#: Exit codes of a run that did all its work; 5: no row passed the quality stages.
_COMPLETE = (0, 5)
_CALL = re.compile(r"^(?:\d+ +)?(?:[\d:.]+ +)?(\w+)\(")


def prove(model: str | None, transcript: Path) -> dict[str, list[str]]:
    """Generate rows for a shipped table without a network, watched; what was found, by name, also in a file.

    **Raises** `NetworkRefused` when a network call was seen, `T2LocalError` when the run failed.
    """
    wrapped, said = _wrappers()
    with tempfile.TemporaryDirectory() as folder:
        calls = Path(folder) / "calls.txt"
        own = [sys.executable, "-m", "t2local"]
        subprocess.run(
            [*own, "sample", "diabetes", "-o", "data.csv"],
            cwd=folder,
            check=True,
            capture_output=True,
        )
        job = [
            *own,
            "generate",
            "data.csv",
            "--rows",
            str(_ROWS),
            "--max-batches",
            str(_BATCHES),
            "--quiet",
            *(["--model", model] if model else []),
        ]
        command = [part.format(calls=calls) for part in wrapped] + job
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        seen = (
            [
                line
                for line in calls.read_text(encoding="utf-8", errors="replace").splitlines()
                if _CALL.match(line)
            ]
            if calls.is_file()
            else []
        )
    if "strace" in wrapped:
        said.append(f"{len(seen)} network system calls")
    else:
        said.append("network system calls were not counted: strace is not here")
    said.append(f"{_ROWS} rows written and judged, exit code {done.returncode}")
    facts = [f"{name}: {value}" for name, value in environment().items()]
    with atomic(transcript) as file:
        file.write(
            "\n".join(
                [
                    f"t2local, offline proof, {datetime.now(UTC).isoformat(timespec='seconds')}",
                    *facts,
                    "",
                    "$ " + " ".join(command),
                    "",
                    *said,
                    *seen,
                ]
            )
            + "\n"
        )
    if seen:
        raise NetworkRefused(
            f"{len(seen)} network system calls were seen.",
            next_step=f"send {transcript} with your report of this bug",
        )
    if done.returncode not in _COMPLETE:
        raise T2LocalError(
            "The run failed.",
            faults=done.stderr.strip().splitlines()[-3:],
            next_step="python -m t2local doctor",
        )
    return {"offline proof": [*said, f"written to {transcript}"]}


def _wrappers() -> tuple[list[str], list[str]]:
    """The programs around the run, and what they do here, or why they cannot."""
    command, said = [], []
    if not shutil.which("unshare"):
        said.append("network namespace: not used, unshare is not here")
    elif (
        tried := subprocess.run(
            ["unshare", "-rn", "true"], capture_output=True, text=True, check=False
        )
    ).returncode:
        said.append(
            f"network namespace: not used, it is refused here ({tried.stderr.strip() or tried.returncode})"
        )
    else:
        command += ["unshare", "-rn"]
        said.append("network namespace: the run had no network device")
    if (
        shutil.which("strace")
        and not subprocess.run(
            ["strace", "-o", "/dev/null", "true"], capture_output=True, check=False
        ).returncode
    ):
        command += ["strace", "-f", "-e", "trace=%network", "-o", "{calls}"]
    return command, said

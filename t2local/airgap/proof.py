"""Proof from outside that a run uses no network: the kernel watches a small generation.

An audit hook sees Python only. Here ``unshare`` gives the run a network namespace that has no
device, and ``strace`` writes down every network system call of all its processes.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from t2local.errors import NetworkRefused, T2LocalError
from t2local.system.atomic import atomic
from t2local.system.environment import environment
from t2local.system.json_text import to_json

#: One batch of rows goes through every part of a run, and takes a minute on two cores.
_N_ROWS, _N_BATCHES = 10, 1
#: Exit codes of a run that did all its work; 5: no row passed the quality stages.
_COMPLETE = (0, 5)
#: A system call in the output of strace: process, time of day, name. Other lines are signals.
_CALL = re.compile(r"^(?:\d+ +)?(?:[\d:.]+ +)?(\w+)\(")
#: Of the output of a failed run, the lines that hold its error.
_LINES_SHOWN = 3


@dataclass(frozen=True)
class _Run:
    """A run and what was seen of it from outside."""

    command: list[str]
    exit_code: int
    stderr: str
    calls: list[str]  # lines of strace


def prove(model: str | None, transcript: Path) -> dict[str, list[str]]:
    """Generate rows for a shipped table without a network, watched by the kernel.

    **Parameters:**

    * **model**: a name or a GGUF file; none: the starter model.
    * **transcript**: file that gets versions, command, result and every network system call.

    **Returns** the result in sentences, under "offline proof".

    **Raises** `NetworkRefused` when there was a network system call, `T2LocalError` when the run
    failed.
    """
    namespace, statement = _namespace()
    with tempfile.TemporaryDirectory() as folder:
        run = _watched_run(Path(folder), namespace, model)
    statements = [
        statement,
        _counted_calls(run),
        f"{_N_ROWS} rows written and judged, exit code {run.exit_code}",
    ]
    _write(transcript, run, statements)
    _check(run, transcript)
    return {"offline proof": [*statements, f"written to {transcript}"]}


def _check(run: _Run, transcript: Path) -> None:
    if run.calls:
        raise NetworkRefused(
            f"{len(run.calls)} network system calls were seen.",
            next_step=f"send {transcript} with your report of this bug",
        )
    if run.exit_code not in _COMPLETE:
        raise T2LocalError(
            "The run failed.",
            faults=run.stderr.strip().splitlines()[-_LINES_SHOWN:],
            next_step="python -m t2local doctor",
        )


def _watched_run(folder: Path, namespace: Sequence[str], model: str | None) -> _Run:
    calls = folder / "calls.txt"
    own = [sys.executable, "-m", "t2local"]
    sample = [*own, "sample", "diabetes", "-o", "data.csv"]
    subprocess.run(sample, cwd=folder, check=True, capture_output=True)
    job = [*own, "generate", "data.csv", "--quiet"]
    job += ["--rows", str(_N_ROWS), "--max-batches", str(_N_BATCHES)]
    if model:
        job += ["--model", model]
    command = [*namespace, *_tracer(calls), *job]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return _Run(command, done.returncode, done.stderr, _network_calls(calls))


def _namespace() -> tuple[list[str], str]:
    """The program that takes the network away, or none; and a sentence that says which."""
    if not shutil.which("unshare"):
        return [], "network namespace: not used, unshare is not here"
    command = ["unshare", "-rn"]
    trial = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if trial.returncode:
        # Containers and some distributions do not let a user make namespaces.
        reason = trial.stderr.strip() or trial.returncode
        return [], f"network namespace: not used, it is refused here ({reason})"
    return command, "network namespace: the run had no network device"


def _tracer(calls: Path) -> list[str]:
    """The program that writes the network system calls to a file; empty where it cannot run."""
    if not shutil.which("strace"):
        return []
    trial = ["strace", "-o", "/dev/null", "true"]
    if subprocess.run(trial, capture_output=True, check=False).returncode:
        return []
    return ["strace", "-f", "-e", "trace=%network", "-o", str(calls)]


def _network_calls(path: Path) -> list[str]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if _CALL.match(line)]


def _counted_calls(run: _Run) -> str:
    if "strace" in run.command:
        return f"{len(run.calls)} network system calls"
    return "network system calls were not counted: strace is not here"


def _write(transcript: Path, run: _Run, statements: Sequence[str]) -> None:
    lines = [
        f"t2local, offline proof, {datetime.now(UTC).isoformat(timespec='seconds')}",
        *(f"{name}: {value}" for name, value in to_json(environment()).items()),
        "",
        "$ " + " ".join(run.command),
        "",
        *statements,
        *run.calls,
    ]
    with atomic(transcript) as file:
        file.write("\n".join(lines) + "\n")

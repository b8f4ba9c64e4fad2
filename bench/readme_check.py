"""The README's commands with another model: seconds and memory of each, on two cores, offline.

A new virtual environment sees the packages of this one by a ``.pth`` file, and gets the wheels of
the model by pip, as the README says. Then the commands below ``<!-- run -->`` run in an empty
folder, with ``--model``, in a network namespace without devices where ``unshare`` makes one; else
t2local's own ban of sockets holds alone.

*Memory* is that of the whole tree of processes: every 50 ms the high-water marks (VmHWM, which
counts the pages of the model file that are in memory) of all that live are added up, as if they had
been reached at the same time; the greatest sum counts. It is never below that of the largest
process (rusage). Linux only. *Load* is that of the last minute before a command: other programs on
the two cores make it slow.

    python -m bench.readme_check --model qwen-1.5b --out bench/results/readme_check.json

Results stand under the name of the model; those of other models in the file stay.
"""

import argparse
import json
import os
import shlex
import shutil
import site
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from t2local.airgap.proof import _namespace
from t2local.system.atomic import atomic
from t2local.system.environment import environment
from t2local.system.json_text import as_json

ROOT = Path(__file__).parents[1]
#: Seconds between two looks at the memory: a process that lives for less may not be seen.
PAUSE = 0.05
#: Bytes: a laptop of 8 GB with 2 GB for all other programs.
MOST_MEMORY = 6e9


def commands(model: str, python: Path) -> list[list[str]]:
    """The commands of the README in words, for an interpreter and a model."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split("<!-- run -->")[1].split("```sh\n")[1].split("```")[0]
    jobs = [shlex.split(part) for part in block.split("&&")]
    return [
        [str(python), *words[1:], *(["--model", model] if "generate" in words else [])]
        for words in jobs
    ]


def new_environment(folder: Path, model: str) -> Path:
    """The interpreter of a new environment that has the wheels of a model."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    wheels = project["optional-dependencies"][model]
    subprocess.run([python, "-m", "pip", "install", "-q", *wheels], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    paths = [str(ROOT), *site.getsitepackages()]
    (packages / "shared.pth").write_text("\n".join(paths) + "\n", encoding="utf-8")
    return python


def measured(command: list[str], folder: Path) -> dict[str, Any]:
    """Run a command on two cores; its seconds, its exit code and the memory of its tree."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    own = {"HOME": str(folder), "T2LOCAL_HOME": str(folder / "home")}
    load, began, peak = os.getloadavg()[0], time.perf_counter(), 0
    process = subprocess.Popen(
        [*_two_cores(), *_namespace()[0], *command], cwd=folder, env={**kept, **own}
    )
    while process.poll() is None:
        peak = max(peak, sum(map(high_water, tree(process.pid))))
        time.sleep(PAUSE)
    seconds = time.perf_counter() - began
    # No rusage: its figure counts this program's own memory, of which the other began as a copy.
    return {"load": load, "seconds": seconds, "peak bytes": peak, "exit code": process.returncode}


def tree(pid: int) -> Iterator[int]:
    """A process and all below it that live."""
    yield pid
    try:
        below = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it ended meanwhile
        return
    for child in " ".join(below).split():
        yield from tree(int(child))


def high_water(pid: int) -> int:
    """The most bytes that a process had in memory at once; 0 when it is gone.

    0 too before it runs a program of its own: until then it is a copy of this one.
    """
    try:
        if Path(f"/proc/{pid}/cmdline").read_bytes() == Path("/proc/self/cmdline").read_bytes():
            return 0
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _two_cores() -> list[str]:
    cores = sorted(os.sched_getaffinity(0))[:2]
    return ["taskset", "-c", ",".join(map(str, cores))]


def check(model: str) -> dict[str, Any]:
    """The figures of all commands of the README with a model."""
    with tempfile.TemporaryDirectory() as name:
        python, work = new_environment(Path(name) / "venv", model), Path(name) / "work"
        work.mkdir()
        runs = []
        for command in commands(model, python):
            words = " ".join(["python", *command[1:]])
            runs.append({"command": words, **measured(command, work)})
            print(f"{words}: {json.dumps(runs[-1])}", flush=True)
        [report] = work.glob("*.t2local/report.json")
        facts = json.loads(report.read_text(encoding="utf-8"))
    return {
        "environment": environment(),
        "network": _namespace()[1],
        "cores": len(_two_cores()[2].split(",")),
        "commands": runs,
        "rows": facts["rows"],
        "below 6 GB": max(run["peak bytes"] for run in runs) < MOST_MEMORY,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="qwen-1.5b")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if not shutil.which("taskset"):
        sys.exit("taskset is needed: apt install util-linux")
    results = {options.model: check(options.model)}
    if options.out:
        if options.out.exists():
            results = json.loads(options.out.read_text(encoding="utf-8")) | results
        with atomic(options.out) as file:
            file.write(as_json(results, indent=1))
    if not results[options.model]["below 6 GB"]:
        sys.exit("more than 6 GB")


if __name__ == "__main__":
    main()

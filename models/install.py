"""Install t2local from this kit, without a network: python3 install.py [FOLDER]

FOLDER gets a virtual environment (default: t2local-env beside the place where you are). Every file
of the kit is held against SHA256SUMS first. Models go to the model store: $T2LOCAL_HOME, else
~/.cache/t2local. Nothing but Python itself is needed.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
import venv
from pathlib import Path

KIT = Path(__file__).resolve().parent


def main() -> int:
    """Check, install, verify; the exit code of the first step that fails."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "t2local-env").resolve()
    kit = json.loads((KIT / "kit.json").read_text(encoding="utf-8"))
    here = {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "system": platform.system(),
        "processor": platform.machine(),
    }
    faults = [
        f"{name}: the kit was made for {wanted}, this is {here[name]}"
        for name, wanted in kit["machine"].items()
        if here[name] != wanted
    ]
    cpu = Path("/proc/cpuinfo")
    flags = (
        next(
            (line.split() for line in cpu.read_text().splitlines() if line.startswith("flags")),
            None,
        )
        if cpu.is_file()
        else None
    )
    if flags and (missing := [flag for flag in kit["cpu"] if flag not in flags]):
        faults.append(
            f"CPU: the kit's llama.cpp uses {', '.join(missing)}, which this one does not have"
        )
    if faults:
        return stop(
            "This kit is for another kind of machine:",
            faults,
            "run install.py with another Python, or make the kit on a machine like this one",
        )
    if faults := altered():
        return stop("Some files of the kit are not what they were:", faults, "copy the kit again")
    if target.exists():
        return stop(f"{target} exists already.", [], "pass another folder")
    print(f"The kit is complete. Installing into {target} ...", flush=True)
    venv.create(target, with_pip=True)
    python = target / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    steps = [
        [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-index",
            "--find-links",
            str(KIT / "wheels"),
            "t2local",
        ]
    ]
    steps += [
        ["-m", "t2local", "models", "add", str(KIT / "models" / name)] for name in kit["models"]
    ]
    steps += [["-m", "t2local", "models", "verify"], ["-m", "t2local", "doctor"]]
    for step in steps:
        done = subprocess.run([str(python), *step], check=False)
        if done.returncode:
            return stop(f"This step failed: python {' '.join(step)}", [], "see its message above")
    print(f"\nDone. Next: {python} -m t2local generate data.csv")
    return 0


def altered() -> list[str]:
    """The files of the kit that are missing, or have another hash."""
    found = []
    for line in (KIT / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        expected, name = line.split("  ", 1)
        path = KIT / name
        if not path.is_file():
            found.append(f"{name}: missing")
            continue
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        if digest.hexdigest() != expected:
            found.append(f"{name}: another hash")
    return found


def stop(problem: str, faults: list[str], next_step: str) -> int:
    """Say what is wrong; the exit code."""
    print(
        "\n".join(
            [f"Error: {problem}", *(f"  - {fault}" for fault in faults), f"Next: {next_step}"]
        ),
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""Install t2local from this kit, without a network: python3 install.py [FOLDER]

FOLDER gets a virtual environment (default: t2local-env in the folder where you are). Every file of
the kit is checked against SHA256SUMS first, and there may be no other. Models go to the model
store: $T2LOCAL_HOME, else ~/.cache/t2local. Nothing but Python itself is needed.
"""

import os
import sys

if __name__ == "__main__":
    # Python looks for modules beside its script first: an added hashlib.py would run unchecked.
    # (These two are there before any script begins.)
    own = os.path.realpath(__file__ + "/..")
    sys.path = [entry for entry in sys.path if os.path.realpath(entry) != own]

import hashlib
import json
import platform
import subprocess
import venv
from pathlib import Path

KIT = Path(__file__).resolve().parent
#: Bytes read at once: models are larger than the memory of small machines.
CHUNK = 1 << 20


def main() -> int:
    """Check, install, verify; the exit code is 1 after the first step that fails."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "t2local-env").resolve()
    kit = json.loads((KIT / "kit.json").read_text(encoding="utf-8"))
    if faults := [*other_machine(kit["machine"]), *missing_instructions(kit["cpu"])]:
        return stop(
            "This kit is for another kind of machine:",
            faults,
            "run install.py with another Python, or make the kit on a machine like this one",
        )
    if target.is_relative_to(KIT):
        return stop(f"{target} would be inside the kit.", [], "pass a folder beside the kit")
    if faults := altered():
        return stop("The kit is not what it was:", faults, "copy it anew, all of it and no more")
    if target.exists():
        return stop(f"{target} exists already.", [], "pass another folder")
    print(f"The kit is complete. Installing into {target} ...", flush=True)
    return install(target, kit["models"])


def other_machine(expected: dict[str, str]) -> list[str]:
    """Where this machine is not like the one that the kit was made on."""
    here = {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "system": platform.system(),
        "processor": platform.machine(),
    }
    return [
        f"{name}: the kit was made for {value}, this is {here[name]}"
        for name, value in expected.items()
        if here[name] != value
    ]


def missing_instructions(needed: list[str], cpu: Path = Path("/proc/cpuinfo")) -> list[str]:
    """What the kit's llama.cpp needs and this CPU lacks; only Linux on x86 says what a CPU has."""
    if not cpu.is_file():
        return []
    for line in cpu.read_text().splitlines():
        if line.startswith("flags"):
            missing = ", ".join(flag for flag in needed if flag not in line.split())
            fault = f"CPU: the kit's llama.cpp uses {missing}, which this one does not have"
            return [fault] if missing else []
    return []


def altered() -> list[str]:
    """The files of the kit that are missing or have another hash, and those that are not of it."""
    faults, names = [], {"SHA256SUMS"}
    for line in (KIT / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        expected, name = line.split("  ", 1)
        path = KIT / name
        names.add(name)
        if not path.is_file():
            faults.append(f"{name}: missing")
        elif sha256(path) != expected:
            faults.append(f"{name}: another hash")
    # pip would take a wheel that somebody has put beside the others.
    paths = (path for path in KIT.rglob("*") if path.is_symlink() or not path.is_dir())
    present = {path.relative_to(KIT).as_posix() for path in paths}
    return [*faults, *(f"{name}: not of the kit" for name in sorted(present - names))]


def sha256(path: Path) -> str:
    """The hash of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def install(target: Path, models: list[str]) -> int:
    """Make the virtual environment, add the models, and check both with t2local's own commands."""
    venv.create(target, with_pip=True)
    python = target / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wheels = ["--no-index", "--find-links", str(KIT / "wheels")]
    steps = [
        ["pip", "install", "--quiet", "--disable-pip-version-check", *wheels, "t2local"],
        *(["t2local", "models", "add", str(KIT / "models" / name)] for name in models),
        ["t2local", "models", "verify"],
        ["t2local", "doctor"],
    ]
    for step in steps:
        if subprocess.run([str(python), "-m", *step], check=False).returncode:
            return stop(
                f"This step failed: python -m {' '.join(step)}", [], "see its message above"
            )
    print(f"\nDone. Next: {python} -m t2local generate data.csv")
    return 0


def stop(problem: str, faults: list[str], next_step: str) -> int:
    """Say what is wrong; the exit code."""
    lines = [f"Error: {problem}", *(f"  - {fault}" for fault in faults), f"Next: {next_step}"]
    print("\n".join(lines), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""A kit for a machine without a network: packages, model, checksums, and a script that installs and verifies them.

The kit holds the versions that run here, so what was tried on the connected twin is what runs behind the gap. pip fetches
or builds the packages in a process of its own; this one opens no socket.
"""

import hashlib
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from t2local.errors import ResourceError, UsageError
from t2local.llm import store
from t2local.llm.catalog import entries
from t2local.llm.manifest import manifests
from t2local.settings import shipped

#: Of pip's output, the lines that say what went wrong.
_LINES_SHOWN = 8


@dataclass(frozen=True)
class Kit:
    """What was collected."""

    wheels: int
    models: tuple[str, ...]
    bytes: int


def make_kit(target: Path, names: Sequence[str], given: Sequence[Path] = ()) -> Kit:
    """Collect a kit in the new folder ``target``.

    **Parameters:**

    * **names**: models of the store; **given**: wheels to use instead of those that pip finds.

    **Raises** `UsageError` when the folder exists or a wheel is missing, `ModelError` for a model, `ResourceError` when pip fails.
    """
    if target.exists():
        raise UsageError(f"{target} exists already.", next_step="choose another folder with -o")
    if missing := [str(path) for path in given if not path.is_file()]:
        raise UsageError(
            "These wheels are not there:",
            faults=missing,
            next_step="pass the path of a .whl file with --wheel",
        )
    files = {name: store.find(name) for name in names}
    try:
        (target / "wheels").mkdir(parents=True)
        (target / "models").mkdir()
        wheels = _collect(target / "wheels", given)
        first = [_carry(file, target / "models") for file in files.values()]
        shutil.copy(shipped("models") / "install.py", target / "install.py")
        shutil.copy(shipped("models") / "catalog.toml", target / "catalog.toml")
        (target / "kit.json").write_text(
            json.dumps({"machine": machine(), "cpu": _cpu(given), "models": first}, indent=2)
            + "\n",
            encoding="utf-8",
        )
        paths = sorted(path for path in target.rglob("*") if path.is_file())
        lines = [f"{_sha256(path)}  {path.relative_to(target).as_posix()}\n" for path in paths]
        (target / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise ResourceError(
            f"{target} cannot be written: {error.strerror}.",
            next_step="free some disk, or choose another folder with -o",
        ) from error
    return Kit(wheels, tuple(names), sum(path.stat().st_size for path in paths))


def machine() -> dict[str, str]:
    """What a machine must have in common with this one, for wheels that hold compiled code."""
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "system": platform.system(),
        "processor": platform.machine(),
    }


def _cpu(given: Sequence[Path]) -> list[str]:
    """The instruction sets that llama.cpp was built for here; of a wheel that was given nothing is known."""
    from t2local.llm.machine import instruction_sets

    return (
        []
        if any(path.name.startswith("llama_cpp_python") for path in given)
        else instruction_sets()
    )


def requirements(name: str = "t2local") -> dict[str, str]:
    """Every package that ``name`` needs on a machine like this one, and its version here; without extras but those that are asked for by name."""
    found: dict[str, str] = {}
    waiting = [Requirement(name)]
    while waiting:
        wanted = waiting.pop()
        known = canonicalize_name(wanted.name) in found
        try:
            here = distribution(wanted.name)
        except PackageNotFoundError as error:
            raise UsageError(
                f"The package {wanted.name} is missing here.",
                next_step=f"pip install {wanted.name}",
            ) from error
        found[canonicalize_name(wanted.name)] = here.version
        if not known or wanted.extras:
            waiting += _needs(here.requires or [], wanted.extras, found)
    return found


def _needs(lines: Sequence[str], extras: set[str], found: dict[str, str]) -> Iterator[Requirement]:
    for line in lines:
        needed = Requirement(line)
        wanted = not needed.marker or any(
            needed.marker.evaluate({"extra": extra}) for extra in extras or {""}
        )
        if wanted and (needed.extras or canonicalize_name(needed.name) not in found):
            yield needed


def _collect(folder: Path, given: Sequence[Path]) -> int:
    """Fill a folder with the wheels of all packages; pip builds those that exist as source only, or takes them from its cache."""
    for path in given:
        shutil.copy(path, folder)
    have = {canonicalize_name(path.name.split("-")[0]) for path in given}
    pins = [
        f"{name}=={version}"
        for name, version in requirements().items()
        if name not in have | {"t2local"}
    ]
    own = [] if "t2local" in have else [_source()]
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--wheel-dir",
        str(folder),
    ]
    for wanted in (pins, own):
        done = (
            subprocess.run([*command, *wanted], capture_output=True, text=True, check=False)
            if wanted
            else None
        )
        if done and done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()][-_LINES_SHOWN:]
            raise ResourceError(
                "pip could not collect the packages:",
                faults=lines,
                next_step="check the network of this machine, or pass what is missing with --wheel FILE",
            )
    return len(list(folder.glob("*.whl")))


def _source() -> str:
    """Where t2local itself came from: a checkout, the wheel that it was installed from, or an index."""
    checkout = Path(__file__).parents[1]
    if (checkout / "pyproject.toml").is_file():
        return str(checkout)
    here = distribution("t2local")
    origin = json.loads(here.read_text("direct_url.json") or "{}").get("url", "")
    return origin if origin.startswith("file:") else f"t2local=={here.version}"


def _carry(file: store.ModelFile, folder: Path) -> str:
    """Copy a model with its manifest; the name of its first file."""
    manifest = manifests().get(file.name)
    for path in manifest.paths() if manifest else [file.path]:
        shutil.copy(path, folder)
    if manifest:
        carried = manifest.model_copy(
            update={
                "files": tuple(
                    p.model_copy(update={"path": Path(p.path).name}) for p in manifest.files
                ),
                "source": "file",
            }
        )
        (folder / f"{file.path.name}.json").write_text(
            carried.model_dump_json(indent=2) + "\n", encoding="utf-8"
        )
    elif file.name not in entries():
        raise UsageError(
            f"{file.name} is not in the store.",
            next_step=f"python -m t2local models add '{file.path}'",
        )
    return file.path.name


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

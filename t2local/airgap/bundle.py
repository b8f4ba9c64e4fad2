"""A kit for a machine without a network: packages, models, hashes, and an install script.

What goes into it is what runs here, version by version, so that a connected twin shows what will
run behind the gap. pip fetches or builds the packages in a process of its own; this process opens
no socket.
"""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from t2local.errors import ResourceError, UsageError
from t2local.llm import store
from t2local.llm.catalog import entries
from t2local.llm.gguf import file_names
from t2local.llm.manifest import manifests
from t2local.settings import shipped
from t2local.system.hashes import file_sha256
from t2local.system.json_text import as_json

#: Of pip's output, the lines that say what went wrong.
_LINES_SHOWN = 8
#: One wheel for each pinned version; dependencies are pinned one by one, so pip adds none itself.
_PIP_WHEEL = ("-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps")


@dataclass(frozen=True)
class Kit:
    """What a kit holds: number of packages, names of models, size in bytes."""

    n_packages: int
    models: tuple[str, ...]
    bytes: int


def make_kit(target: Path, names: Sequence[str], wheels: Sequence[Path] = ()) -> Kit:
    """Collect a kit in the new folder ``target``.

    **Parameters:**

    * **names**: models of the store.
    * **wheels**: files to use instead of what pip finds for the same packages.

    **Raises** `UsageError` when the folder exists or a wheel is missing, `ModelError` for a model,
    `ResourceError` when pip fails or the folder cannot be written.
    """
    if target.exists():
        raise UsageError(f"{target} exists already.", next_step="choose another folder with -o")
    if missing := [str(path) for path in wheels if not path.is_file()]:
        raise UsageError(
            "These wheels are not there:",
            faults=missing,
            next_step="pass the path of a .whl file with --wheel",
        )
    # Before pip starts: a missing or altered model is said at once, not after minutes.
    models = [store.find(name) for name in names]
    try:
        n_packages = _fill(target, models, wheels)
        size = _seal(target)
    except OSError as error:
        raise ResourceError(
            f"{target} cannot be written: {error.strerror}.",
            next_step="free some disk, or choose another folder with -o",
        ) from error
    return Kit(n_packages, tuple(names), size)


def machine() -> dict[str, str]:
    """What a machine must have in common with this one, for wheels that hold compiled code."""
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "system": platform.system(),
        "processor": platform.machine(),
    }


def requirements(name: str = "t2local") -> dict[str, str]:
    """Every package that ``name`` needs on a machine like this one, and its version here.

    Extras are left out, unless a package asks for them by name.

    **Raises** `UsageError` when one of them is not installed.
    """
    versions: dict[str, str] = {}
    pending = [Requirement(name)]
    while pending:
        requirement = pending.pop()
        key = canonicalize_name(requirement.name)
        new = key not in versions
        package = _installed(requirement.name)
        versions[key] = package.version
        # A package that is there already is looked at again for the sake of its extras.
        if new or requirement.extras:
            pending += _dependencies(package, requirement.extras, versions)
    return versions


def _fill(target: Path, models: Sequence[store.ModelFile], wheels: Sequence[Path]) -> int:
    """Put everything but the hashes into a new folder; the number of packages."""
    (target / "wheels").mkdir(parents=True)
    (target / "models").mkdir()
    n_packages = _collect(target / "wheels", wheels)
    files = [_copy_model(model, target / "models") for model in models]
    for name in ("install.py", "catalog.toml"):
        shutil.copy(shipped("models") / name, target / name)
    facts = {
        "machine": machine(),
        "cpu": _instruction_sets(wheels),
        "models": files,
    }
    (target / "kit.json").write_text(as_json(facts), encoding="utf-8")
    return n_packages


def _seal(target: Path) -> int:
    """Write the hash of every file to SHA256SUMS, in the form of sha256sum; all their bytes."""
    paths = sorted(path for path in target.rglob("*") if path.is_file())
    lines = [f"{file_sha256(path)}  {path.relative_to(target).as_posix()}\n" for path in paths]
    (target / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    return sum(path.stat().st_size for path in paths)


def _instruction_sets(wheels: Sequence[Path]) -> list[str]:
    """What the kit's llama.cpp needs of a CPU; nothing is known of a wheel that the user gave."""
    from t2local.llm.machine import instruction_sets

    if any(path.name.startswith("llama_cpp_python") for path in wheels):
        return []
    return instruction_sets()


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise UsageError(
            f"The package {name} is missing here.", next_step=f"pip install {name}"
        ) from error


def _dependencies(
    package: Distribution, extras: set[str], seen: Collection[str]
) -> Iterator[Requirement]:
    """What a package asks for on this machine, and what was not looked at yet."""
    for line in package.requires or []:
        requirement = Requirement(line)
        new = canonicalize_name(requirement.name) not in seen
        if _applies(requirement, extras) and (requirement.extras or new):
            yield requirement


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    # PEP 508: without extras a marker is read with the empty extra.
    return not marker or any(marker.evaluate({"extra": extra}) for extra in extras or {""})


def _collect(folder: Path, wheels: Sequence[Path]) -> int:
    """Fill a folder with the wheels of all packages, and count them.

    pip builds those that exist as source only, or takes them from its cache.
    """
    for path in wheels:
        shutil.copy(path, folder)
    present = {canonicalize_name(path.name.split("-")[0]) for path in wheels}
    pins = {name: version for name, version in requirements().items() if name not in present}
    own = pins.pop("t2local", None)
    if pins:
        _pip_wheel(folder, [f"{name}=={version}" for name, version in pins.items()])
    if own:
        _pip_wheel(folder, [_source()])
    return len(list(folder.glob("*.whl")))


def _pip_wheel(folder: Path, packages: Sequence[str]) -> None:
    command = [sys.executable, *_PIP_WHEEL, "--wheel-dir", str(folder), *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise ResourceError(
            "pip could not collect the packages:",
            faults=lines[-_LINES_SHOWN:],
            next_step="check the network of this machine, "
            "or pass what is missing with --wheel FILE",
        )


def _source() -> str:
    """Where t2local itself came from: a checkout, the wheel it was installed from, or an index."""
    checkout = Path(__file__).parents[2]
    if (checkout / "pyproject.toml").is_file():
        return str(checkout)
    package = distribution("t2local")
    # PEP 610: pip writes down the origin of a package that did not come from an index.
    origin = json.loads(package.read_text("direct_url.json") or "{}").get("url", "")
    return origin if origin.startswith("file:") else f"t2local=={package.version}"


def _copy_model(model: store.ModelFile, folder: Path) -> str:
    """Copy all parts of a model, with its manifest if it is a model of the store.

    **Returns** the name of its first file there.
    """
    manifest = manifests().get(model.name)
    if manifest is None and model.name not in entries():
        raise UsageError(
            f"{model.name} is not in the store.",
            next_step=f"python -m t2local models add '{model.path}'",
        )
    if manifest is None:
        name = entries()[model.name].file
        shutil.copy(model.path, folder / name)
        return name
    # Behind the gap the files lie beside their manifest and have its name, whatever they have here.
    names = file_names(manifest.name, len(manifest.files))
    for path, name in zip(manifest.paths(), names, strict=True):
        shutil.copy(path, folder / name)
    files = tuple(
        part.model_copy(update={"path": name})
        for part, name in zip(manifest.files, names, strict=True)
    )
    carried = manifest.model_copy(update={"files": files, "source": "file"})
    text = carried.model_dump_json(indent=2) + "\n"
    (folder / f"{names[0]}.json").write_text(text, encoding="utf-8")
    return names[0]

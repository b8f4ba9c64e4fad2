"""Versions and machine: what must be equal for two runs to be equal."""

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

#: Packages whose versions can change a result: they write, constrain, read or judge the rows.
_PACKAGES = (
    "t2local",
    "llama-cpp-python",
    "outlines",
    "llguidance",
    "pandas",
    "numpy",
    "scikit-learn",
    "networkx",
)


@dataclass(frozen=True)
class Environment:
    """What a result depends on beside its input.

    * ``python``: its version.
    * ``system``: operating system, its release and the processor.
    * ``packages``: installed version by package, or "not installed".
    """

    python: str
    system: str
    packages: dict[str, str]


def environment() -> Environment:
    """The environment of this process, for manifests and reports."""
    packages = {package: _version(package) for package in _PACKAGES}
    return Environment(platform.python_version(), platform.platform(), packages)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"

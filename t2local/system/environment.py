"""Versions and machine: what must be equal for two runs to be equal."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

#: Packages whose versions can change a result.
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


def environment() -> dict[str, Any]:
    """Versions and machine, for the manifest: what must be equal for two runs to be equal."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": versions(),
    }


def versions() -> dict[str, str]:
    """Installed versions of the packages that can change a result."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found

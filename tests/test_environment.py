"""What a manifest says of the machine."""

import json
import platform
import sys
from dataclasses import FrozenInstanceError
from importlib.metadata import version

import pytest

from t2local.system import environment as module
from t2local.system.environment import environment
from t2local.system.json_text import to_json


def test_versions_are_those_that_are_installed():
    here = environment()
    assert here.python == ".".join(map(str, sys.version_info[:3]))
    assert here.system == platform.platform()
    for name in ("numpy", "pandas", "scikit-learn", "llama-cpp-python"):
        assert here.packages[name] == version(name)


def test_a_package_that_is_missing_is_said(monkeypatch):
    monkeypatch.setattr(module, "_PACKAGES", ("numpy", "no-such-package"))
    assert environment().packages == {
        "numpy": version("numpy"),
        "no-such-package": "not installed",
    }


def test_two_looks_are_equal_and_nothing_can_be_changed():
    here = environment()
    assert here == environment()
    with pytest.raises(FrozenInstanceError):
        here.python = "4"


def test_as_json_it_has_the_keys_of_the_manifest():
    plain = to_json(environment())
    assert list(plain) == ["python", "system", "packages"]
    assert json.loads(json.dumps(plain)) == plain

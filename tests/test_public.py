"""The public door: few names, all there, none of them slow, and the names of yesterday."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import t2local

ROOT = str(Path(t2local.__file__).parents[1])


def fresh(code):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ROOT},
    ).stdout


def test_the_public_door_is_all_there_and_small():
    assert sorted(t2local.__all__) == t2local.__all__
    assert len(t2local.__all__) <= 20
    assert set(t2local.__all__) == set(t2local._HOMES)
    assert all(getattr(t2local, name) for name in t2local.__all__)


@pytest.mark.parametrize("name", t2local.__all__)
def test_every_public_name_says_what_it_is_and_can_be_called(name):
    public = getattr(t2local, name)
    assert public.__doc__
    assert callable(public)


@pytest.mark.parametrize(("old", "new"), [("Decided", "Decision"), ("Noticed", "Notice")])
def test_a_name_of_yesterday_is_the_same_thing_and_warns(old, new):
    with pytest.warns(DeprecationWarning, match=f"t2local.{old} is now t2local.{new}") as caught:
        assert getattr(t2local, old) is getattr(t2local, new)
    assert caught[0].filename == __file__
    assert old not in t2local.__all__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        getattr(t2local, new)


def test_a_name_that_is_none_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Decide'"):
        _ = t2local.Decide
    assert not hasattr(t2local, "pipelines")


def test_importing_the_package_imports_nothing_heavy():
    heavy = ("pandas", "numpy", "sklearn", "llama_cpp", "outlines", "pydantic", "click")
    assert fresh(f"import sys, t2local; print([m for m in {heavy} if m in sys.modules])") == "[]\n"
    code = "import sys, t2local; t2local.T2LocalError; print('pandas' in sys.modules)"
    assert fresh(code) == "False\n"


def test_trim_and_evaluate_are_functions_whatever_is_imported_from_their_packages():
    code = """
import t2local, t2local.trim.plugin, t2local.evaluate.report
from t2local.trim import stages
from t2local import evaluate
print(t2local.trim.__name__, t2local.evaluate is evaluate, stages.__name__)
"""
    assert fresh(code) == "trim True t2local.trim.stages\n"


def test_a_notebook_completes_the_public_names():
    code = "import t2local; print(dir(t2local) == t2local.__all__)"
    assert fresh(code) == "True\n"


def test_the_types_are_there_for_those_who_check_them():
    assert (Path(t2local.__file__).parent / "py.typed").is_file()


def test_nothing_imports_a_network_client_and_no_cache_is_opened():
    code = """
import sys
opened = []

def hook(event, args):
    if event in ("open", "sqlite3.connect"):
        opened.append(str(args[0]))

sys.addaudithook(hook)
import t2local.pipeline, t2local.llm.grammar, t2local.llm.backbone
clients = ("huggingface_hub", "requests", "httpx", "httpx2", "urllib3")
print([m for m in clients if m in sys.modules])
print([name for name in opened if "cache.db" in name or "/.cache/" in name])
"""
    assert fresh(code) == "[]\n[]\n"

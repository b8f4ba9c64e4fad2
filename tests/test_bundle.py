"""The kit for a machine without a network; a whole one is carried over in test_air_gap."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import t2local
from t2local.airgap import bundle
from t2local.airgap.bundle import machine, make_kit, requirements
from t2local.errors import ModelError, ResourceError, UsageError
from t2local.llm import store
from t2local.llm.catalog import entries
from tests.tiny import tiny


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("T2LOCAL_HOME", str(folder / "home"))
        store.add(tiny(folder / "own.gguf"), name="mine")
        yield folder


@pytest.fixture(scope="module")
def wheels(home):
    """A stand-in for the wheel of every package: pip has nothing left to fetch."""
    (home / "wheels").mkdir()
    paths = [home / "wheels" / f"{name.replace('-', '_')}-1-py3.whl" for name in requirements()]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


@pytest.fixture(scope="module")
def kit(home, wheels):
    made = make_kit(home / "kit", ["mine"], wheels)
    return home / "kit", made


def test_a_kit_holds_packages_models_hashes_and_the_way_to_install_them(kit, wheels):
    folder, made = kit
    assert {path.name for path in folder.iterdir()} == {
        "wheels",
        "models",
        "install.py",
        "catalog.toml",
        "kit.json",
        "SHA256SUMS",
    }
    assert {path.name for path in (folder / "wheels").iterdir()} == {path.name for path in wheels}
    assert made.n_packages == len(wheels)
    assert made.models == ("mine",)
    paths = [path for path in folder.rglob("*") if path.is_file()]
    sums = (folder / "SHA256SUMS").stat().st_size
    assert made.bytes == sum(path.stat().st_size for path in paths) - sums


def test_every_file_of_a_kit_has_its_hash(kit):
    folder, _ = kit
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    hashes = {name: digest for digest, name in (line.split("  ") for line in lines)}
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert hashes.keys() == names - {"SHA256SUMS"}
    for name, digest in hashes.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_a_kit_says_for_which_machine_it_is(kit):
    facts = json.loads((kit[0] / "kit.json").read_text())
    assert facts["machine"] == machine()
    assert facts["models"] == ["mine.gguf"]
    assert facts["cpu"] == []  # of a llama.cpp that the user brought nothing is known
    assert "avx" in bundle._instruction_sets([]) or sys.platform != "linux"
    assert machine()["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"


def test_a_model_travels_with_a_manifest_that_fits_the_kit(kit, home, monkeypatch):
    folder, _ = kit
    manifest = json.loads((folder / "models" / "mine.gguf.json").read_text())
    assert [part["path"] for part in manifest["files"]] == ["mine.gguf"]
    assert manifest["source"] == "file"
    monkeypatch.setenv("T2LOCAL_HOME", str(home / "other"))
    assert store.add(folder / "models" / "mine.gguf").name == "mine"


def test_a_model_that_came_with_pip_is_carried_under_the_catalogues_file_name(
    home, wheels, monkeypatch
):
    path = tiny(home / "home" / "models" / "small.gguf", seed=4)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = replace(entries()["qwen-1.5b"], file=path.name, sha256=digest)
    monkeypatch.setitem(entries(), "qwen-1.5b", entry)
    make_kit(home / "pip", ["mine", "qwen-1.5b"], wheels)
    facts = json.loads((home / "pip" / "kit.json").read_text())
    assert facts["models"] == ["mine.gguf", "small.gguf"]
    monkeypatch.setenv("T2LOCAL_HOME", str(home / "other"))
    # As install.py adds it: by its hash it is the model of the catalogue.
    assert store.add(home / "pip" / "models" / "small.gguf").name == "qwen-1.5b"


def test_a_linked_model_is_carried_as_a_file(home, wheels):
    store.add(tiny(home / "linked.gguf", seed=2), link=True, name="far")
    make_kit(home / "second", ["far"], wheels)
    manifest = json.loads((home / "second" / "models" / "far.gguf.json").read_text())
    assert (manifest["source"], manifest["files"][0]["path"]) == ("file", "far.gguf")
    store.remove("far")


@pytest.mark.parametrize(
    ("target", "names", "given", "error", "words"),
    [
        (".", ["mine"], [], UsageError, "exists already"),
        ("new", ["mine"], ["a.whl", "b.whl"], UsageError, "These wheels are not there"),
        ("new", ["nothing"], [], ModelError, "'nothing' is neither"),
    ],
)
def test_a_kit_that_cannot_be_made_is_not_begun(home, target, names, given, error, words):
    with pytest.raises(error, match=words) as caught:
        make_kit(home / target, names, [home / name for name in given])
    assert len(caught.value.faults) == len(given)
    assert not (home / "new").exists()


def test_a_folder_that_cannot_be_written_is_a_resource_error(home, wheels):
    with pytest.raises(ResourceError, match="cannot be written: Not a directory"):
        make_kit(home / "own.gguf" / "kit", ["mine"], wheels)


def test_a_file_outside_the_store_is_no_part_of_a_kit(home, wheels, tmp_path):
    path = tiny(tmp_path / "stray.gguf", seed=5)
    with pytest.raises(UsageError, match="stray is not in the store") as caught:
        make_kit(tmp_path / "kit", [str(path)], wheels)
    assert f"models add '{path}'" in caught.value.next_step


def test_what_pip_says_is_passed_on(home, wheels, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    some = [path for path in wheels if not path.name.startswith("click")]
    with pytest.raises(ResourceError, match="pip could not collect the packages") as caught:
        make_kit(home / "third", ["mine"], some)
    assert 0 < len(caught.value.faults) <= 8
    assert any("click" in fault for fault in caught.value.faults)


def test_requirements_are_all_that_is_asked_for_here_and_nothing_else():
    """The same closure by a plain loop over the metadata until it grows no more."""
    reached = {("t2local", "")}
    while True:
        size = len(reached)
        for name, extra in sorted(reached):
            for line in requires(name) or []:
                wanted = Requirement(line)
                if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
                    continue
                key = wanted.name.lower().replace("_", "-").replace(".", "-")
                reached |= {(key, ""), *((key, other) for other in wanted.extras)}
        if len(reached) == size:
            break
    versions = requirements()
    assert set(versions) == {name for name, _ in reached}
    assert all(version(name) == number for name, number in versions.items())
    assert "pytest" not in versions  # an extra of ours, not asked for


def test_a_package_that_is_missing_is_named():
    with pytest.raises(UsageError, match="no-such-package is missing") as caught:
        requirements("no-such-package")
    assert caught.value.next_step == "pip install no-such-package"


def test_the_source_of_a_checkout_is_the_checkout():
    root = Path(t2local.__file__).parents[1]
    if not (root / "pyproject.toml").is_file():
        pytest.skip("this is no checkout")
    assert bundle._source() == str(root)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda kit: (kit / "catalog.toml").write_text("x"), "catalog.toml: another hash"),
        (lambda kit: (kit / "models" / "mine.gguf").unlink(), "models/mine.gguf: missing"),
        (
            lambda kit: (kit / "wheels" / "numpy-99.whl").write_text(""),
            "wheels/numpy-99.whl: not of",
        ),
        (lambda kit: (kit / "wheels" / "more").symlink_to("/usr"), "wheels/more: not of"),
        (lambda kit: (kit / "hashlib.py").write_text("print('run')"), "hashlib.py: not of"),
    ],
)
def test_the_script_of_a_damaged_kit_installs_nothing(kit, tmp_path, change, words):
    copy = tmp_path / "kit"
    subprocess.run(["cp", "-r", str(kit[0]), str(copy)], check=True)
    change(copy)
    done = subprocess.run(
        [sys.executable, str(copy / "install.py"), str(tmp_path / "env")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"  - {words}" in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "env").exists()

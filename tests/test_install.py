"""The script inside a kit, as far as it goes without pip; the rest is in test_air_gap."""

import hashlib
import json
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location

import pytest

from t2local.airgap.bundle import machine
from t2local.settings import shipped

SCRIPT = shipped("models") / "install.py"
FLAGS = "processor\t: 0\nflags\t\t: fpu avx avx2 fma\nbugs\t\t:\nprocessor\t: 1\n"


@pytest.fixture(scope="module")
def install():
    spec = spec_from_file_location("install", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def kit(tmp_path):
    """A kit of two files."""
    folder = tmp_path / "kit"
    folder.mkdir()
    (folder / "install.py").write_bytes(SCRIPT.read_bytes())
    facts = {"machine": machine(), "cpu": [], "models": []}
    (folder / "kit.json").write_text(json.dumps(facts))
    digests = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("install.py", "kit.json")
    }
    lines = [f"{digest}  {name}\n" for name, digest in digests.items()]
    (folder / "SHA256SUMS").write_text("".join(lines))
    return folder


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-I", str(folder / "install.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder.parent,
    )


def test_it_needs_nothing_but_python():
    names = {
        line.split()[1].partition(".")[0]
        for line in SCRIPT.read_text().splitlines()
        if line.startswith(("import ", "from "))
    }
    assert names <= sys.stdlib_module_names


def test_this_machine_is_like_itself_and_unlike_another(install):
    assert install.other_machine(machine()) == []
    faults = install.other_machine({**machine(), "python": "2.7", "processor": "vax"})
    assert len(faults) == 2
    assert faults[0].startswith("python: the kit was made for 2.7, this is 3.")


@pytest.mark.parametrize(
    ("needed", "faults"),
    [
        ([], []),
        (["avx", "fma"], []),
        (["avx", "avx512f", "amx_int8"], ["avx512f, amx_int8"]),
        (["av"], ["av"]),  # a part of a name is not the name
    ],
)
def test_what_the_cpu_lacks_is_named(install, tmp_path, needed, faults):
    (tmp_path / "cpuinfo").write_text(FLAGS)
    expected = [
        f"CPU: the kit's llama.cpp uses {part}, which this one does not have" for part in faults
    ]
    assert install.missing_instructions(needed, tmp_path / "cpuinfo") == expected


def test_a_machine_that_does_not_say_what_its_cpu_has_is_let_through(install, tmp_path):
    assert install.missing_instructions(["avx"], tmp_path / "none") == []
    (tmp_path / "cpuinfo").write_text("processor : 0\nFeatures : neon\n")
    assert install.missing_instructions(["avx"], tmp_path / "cpuinfo") == []


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_a_hash_is_that_of_the_whole_file(install, tmp_path, size):
    (tmp_path / "f").write_bytes(os.urandom(size))
    digest = hashlib.sha256((tmp_path / "f").read_bytes()).hexdigest()
    assert install.sha256(tmp_path / "f") == digest


def test_a_kit_for_another_machine_stops_before_anything_is_hashed(kit):
    facts = {"machine": {**machine(), "system": "Plan 9"}, "cpu": [], "models": []}
    (kit / "kit.json").write_text(json.dumps(facts))
    (kit / "SHA256SUMS").unlink()
    done = run(kit)
    assert done.returncode == 1
    assert "Error: This kit is for another kind of machine:\n  - system: " in done.stderr
    assert "\nNext: " in done.stderr


def test_a_folder_that_exists_is_not_installed_into(kit, tmp_path):
    (tmp_path / "t2local-env").mkdir()
    done = run(kit)
    assert done.returncode == 1
    assert "t2local-env exists already" in done.stderr
    assert list((tmp_path / "t2local-env").iterdir()) == []


def test_nothing_is_installed_into_the_kit_itself(kit):
    done = run(kit, str(kit / "env"))
    assert (done.returncode, "would be inside the kit" in done.stderr) == (1, True)
    assert {path.name for path in kit.iterdir()} == {"install.py", "kit.json", "SHA256SUMS"}

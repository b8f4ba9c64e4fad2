"""What must be known to repeat a run; never a cell."""

import hashlib

import pandas as pd
import pytest

from t2local.events import Decision
from t2local.run.inputs import Run, read_inputs
from t2local.run.ledger import Ledger
from t2local.run.manifest import TableFingerprint, manifest_of
from t2local.run.models import ModelIdentity
from t2local.settings import Settings
from t2local.system.json_text import to_json
from t2local.tables.files import from_frame

MODEL = ModelIdentity("tiny", "f" * 64)


@pytest.fixture
def manifest(patients):
    run = Run(Settings.load({"trim.kappa": 0.25}), 7, Ledger(30, 10, 9), print)
    inputs = read_inputs(run, patients, None, None, "data")
    run.ledger.decisions.append(Decision("threads", 4, "asked for"))
    return to_json(manifest_of(run, inputs, MODEL, None))


def test_it_names_input_model_seed_settings_and_versions(manifest, patients):
    assert manifest["synthetic"] is True
    assert manifest["seed"] == 7
    assert manifest["model"] == {"name": "tiny", "sha256": "f" * 64}
    assert manifest["manager"] is None
    assert manifest["request"] == {"rows": 30, "batch_size": 10, "max_batches": 9}
    assert manifest["settings"]["trim"]["kappa"] == 0.25
    assert manifest["input"]["rows"] == len(patients)
    assert {"t2local", "numpy", "llama-cpp-python"} <= manifest["packages"].keys()
    assert manifest["started"] <= manifest["ended"]


def test_decisions_are_words(manifest):
    assert {"what": "threads", "value": "4", "reason": "asked for"} in manifest["decisions"]


def test_a_fingerprint_changes_with_any_cell_and_with_nothing_else():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    same = TableFingerprint.of(from_frame(frame.copy()))
    assert TableFingerprint.of(from_frame(frame)) == same
    assert same.cells_sha256 == hashlib.sha256(b"a,b\n1,x\n2,\n").hexdigest()
    other = TableFingerprint.of(from_frame(frame.assign(a=[1, 3])))
    assert (other.rows, other.columns) == (2, 2)
    assert other.cells_sha256 != same.cells_sha256

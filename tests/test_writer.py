"""Blocks of rows: each row gets what it should, whatever is written beside it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import t2local
from t2local.errors import DecodeError
from t2local.llm.scripted import ScriptedModel
from t2local.settings import Settings
from t2local.stats.column_mixture import ColumnMixture
from t2local.stats.streams import Stream, generator
from t2local.team.calibration import Calibration, calibrate, uncalibrated
from t2local.team.cell_calibration import CellMixture
from t2local.team.conditions import read_conditions
from t2local.team.plan import from_data
from t2local.team.team import Team
from t2local.team.writer import BlockRequest, RowWriter
from tests.teams import Stumbling, dictionary_and_values, team_of

pytestmark = pytest.mark.usefixtures("few_trees")

LOOSE = {"trim.significance_level": 1, "trim.worst_share": 0, "trim.replicates": 50}


@pytest.mark.parametrize("conditioning", ["row", "parents"])
def test_blocks_are_the_same_rows_in_any_order_and_company(patients, conditioning):
    requests = [BlockRequest(0, 12, 0), BlockRequest(1, 5, 12), BlockRequest(2, 9, 250)]
    written = []
    for order in (requests, requests[::-1]):
        with team_of(patients, conditioning=conditioning, labels="worker", examples=6) as team:
            writer = RowWriter(team, Calibration())
            blocks = {request.number: writer.write(request) for request in order}
        written.append([blocks[request.number] for request in requests])
    for one, other in zip(*written, strict=True):
        assert one.rows.equals(other.rows)
        assert one.prompt_sha256 == other.prompt_sha256
    first, second, third = written[0]
    assert first.prompt_sha256 == second.prompt_sha256 != third.prompt_sha256
    with team_of(patients, conditioning=conditioning, labels="worker", examples=6) as team:
        fewer = RowWriter(team, Calibration()).write(BlockRequest(0, 4, 0))
    assert fewer.rows.equals(first.rows.head(4))


def test_every_row_obeys_the_dictionary_and_is_announced(patients):
    announced = []
    with team_of(patients, labels="worker") as team:
        request = BlockRequest(3, 25, 0)
        block = RowWriter(team, uncalibrated(team)).write(request, lambda: announced.append(1))
    assert (block.number, len(block.rows), block.failed, block.interrupted) == (3, 25, 0, False)
    assert len(announced) == 25
    assert list(block.rows) == team.dictionary.names
    for feature in team.dictionary.features:
        assert all(mask.all() for mask in feature.obeyed(block.rows[feature.name]).values())


@pytest.mark.parametrize("conditioning", ["row", "parents"])
@pytest.mark.parametrize("policy", ["calibrated", "worker", "classifier"])
def test_every_policy_gives_every_row_a_label(patients, patients_pool, policy, conditioning):
    model = ScriptedModel()
    with team_of(patients, model=model, labels=policy, conditioning=conditioning) as team:
        assert team.label_policy == policy
        writer = RowWriter(team, Calibration(pool=None if policy == "worker" else patients_pool))
        block = writer.write(BlockRequest(0, 20, 0))
        assert writer.write(BlockRequest(1, 0, 20)).rows.empty
    assert len(block.rows) == 20
    assert block.rows["outcome"].isin(["0", "1"]).all()
    examples = model.prompts[-1].split("Rows:\n")[1].splitlines()[0]
    assert (examples.count("[") > 1) == (conditioning == "parents" or policy == "calibrated")


def test_a_run_says_whose_labels_it_has(patients):
    settings = {"trim.replicates": 50, "team.labels": "worker"}
    result = t2local.generate(
        patients,
        target="outcome",
        rows=20,
        plan="data",
        model=ScriptedModel(),
        max_batches=2,
        settings=settings,
    )
    written = pd.concat([result.synthetic, result.rejected])
    assert len(written) == 20
    assert written["outcome"].isin([0, 1]).all()
    assert result.report["labels"]["policy"] == "worker"


@pytest.mark.parametrize("conditioning", ["row", "parents"])
def test_wanted_labels_are_written_row_by_row(patients, conditioning):
    dictionary, real = dictionary_and_values(patients)
    wanted = read_conditions(dictionary, ["sex=F"], "uniform")
    chosen = Settings.load({"team.conditioning": conditioning})
    labels = ["1", "0", "0", "1", "1", "0"]
    plan = from_data(real, dictionary)
    with Team(ScriptedModel(), dictionary, plan, real, chosen, 1, wanted) as team:
        writer = RowWriter(team, calibrate(team))
        block = writer.write(BlockRequest(0, 6, 0, labels))
    assert block.rows["outcome"].tolist() == labels
    assert set(block.rows["sex"]) == {"F"}
    assert block.rows["smoker"].nunique() == 2


def test_all_cells_may_be_given(patients, patients_pool):
    with team_of(patients, labels="classifier") as team:
        columns = ColumnMixture(team.dictionary.input_features, team.real, 1)
        mixture = CellMixture(columns, dict.fromkeys(team.dictionary.inputs, 0.0))
        block = RowWriter(team, Calibration(pool=patients_pool, cell_mixture=mixture)).write(
            BlockRequest(0, 30, 0)
        )
        assert team.counters.sampled_tokens == 0
    assert len(block.rows) == 30
    assert set(block.rows["ward"]) <= set(team.real["ward"])
    assert set(block.rows["outcome"]) <= {"0", "1"}


@pytest.mark.parametrize("conditioning", ["row", "parents"])
def test_given_cells_enter_the_rows_and_the_run_says_how_often(patients, conditioning):
    sampled = {}
    for cells in ("calibrated", "worker"):
        chosen = {"cells": cells, "conditioning": conditioning, "labels": "worker"}
        with team_of(patients, **chosen) as team:
            calibration = calibrate(team)
            before = team.counters.sampled_tokens
            rows = RowWriter(team, calibration).write(BlockRequest(0, 40, 0)).rows
            sampled[cells] = team.counters.sampled_tokens - before
        assert (calibration.cell_mixture is not None) == (cells == "calibrated")
        if cells == "calibrated":
            assert abs(rows["weight"].median() - patients["weight"].median()) < 10
            weights = calibration.cells.weights
            assert set(weights) == set(patients.columns) - {"outcome"}
            # A model without knowledge writes far less likely numbers than the columns' own.
            assert weights["weight"] < 0.3
    assert sampled["calibrated"] < sampled["worker"]


def test_the_report_of_a_run_has_the_weights_of_the_columns(patients):
    result = t2local.generate(
        patients,
        model=ScriptedModel(),
        plan="data",
        rows=10,
        max_batches=2,
        settings={**LOOSE, "team.cells": "calibrated", "team.labels": "worker"},
    )
    assert result.report["cells"]["policy"] == "calibrated"
    assert set(result.report["cells"]["weights"]) == set(patients.columns) - {"outcome"}


def test_a_decode_that_goes_wrong_costs_no_row(patients):
    with team_of(patients, labels="worker") as team:
        smooth = RowWriter(team, Calibration()).write(BlockRequest(0, 20, 0))
    for wrong in ({1, 12}, {14}):
        with team_of(patients, model=Stumbling(wrong), labels="worker") as team:
            block = RowWriter(team, Calibration()).write(BlockRequest(0, 20, 0))
            assert team.counters.failed_decodes == len(wrong)
        assert (len(block.rows), block.failed) == (20, 0)
        assert block.prompt_sha256 == smooth.prompt_sha256
    # Rows that were complete before stay; the others have the random numbers of their attempt.
    same = (block.rows == smooth.rows) | (block.rows.isna() & smooth.rows.isna())
    assert 0 < same.all(axis=1).sum() < 20


def test_decodes_that_keep_going_wrong_are_an_error(patients):
    with (
        team_of(patients, model=Stumbling(range(10_000)), labels="worker", attempts=2) as team,
        pytest.raises(DecodeError),
    ):
        RowWriter(team, Calibration()).write(BlockRequest(0, 3, 0))


def test_ctrl_c_ends_a_block_with_the_rows_that_are_complete(patients):
    done = []

    def on_row():
        done.append(1)
        if len(done) == 7:
            raise KeyboardInterrupt

    with team_of(patients, labels="worker") as team:
        block = RowWriter(team, Calibration()).write(BlockRequest(0, 20, 0), on_row)
    assert block.interrupted
    assert len(block.rows) == 7
    assert block.failed == 0


def test_labels_are_the_likeliest_or_drawn_by_their_probabilities(patients, patients_pool):
    written = {}
    for choice in ("likeliest", "drawn"):
        with team_of(patients, labels="classifier", label_choice=choice) as team:
            writer = RowWriter(team, Calibration(pool=patients_pool))
            written[choice] = writer.write(BlockRequest(4, 60, 0)).rows
            assert writer.write(BlockRequest(4, 60, 0)).rows.equals(written[choice])
    likeliest, drawn = written["likeliest"], written["drawn"]
    assert drawn[team.dictionary.inputs].equals(likeliest[team.dictionary.inputs])
    predictions = patients_pool.predict(likeliest, None)
    levels = np.array(["0", "1"], dtype=object)
    assert likeliest["outcome"].tolist() == levels[predictions.argmax(axis=1)].tolist()
    rng = generator(1, Stream.DRAWN_LABELS, 4)
    assert drawn["outcome"].equals(patients_pool.labels(predictions, "drawn", rng))
    assert not drawn["outcome"].equals(likeliest["outcome"])


def test_the_label_workers_predictions_count_by_their_weight(patients, patients_pool):
    """All the weight is the worker's, who says 1 for every row."""

    def yes(text: bytes) -> bytes:
        return b"1" if text.rsplit(b"\n", 1)[-1].endswith(b"][") else b""

    heard = replace(patients_pool.calibration, worker_weight=1.0, ensemble_weight=0.0)
    with team_of(patients, yes, label_choice="likeliest") as team:
        writer = RowWriter(team, Calibration(pool=replace(patients_pool, calibration=heard)))
        block = writer.write(BlockRequest(0, 20, 0))
    assert set(block.rows["outcome"]) == {"1"}
    assert (block.predictions.argmax(axis=1) == 1).all()


def test_a_block_says_what_its_labels_were_chosen_by(patients, patients_pool):
    """Log-probabilities of the pool; none where the worker's own label counts, or one is given."""
    with team_of(patients, labels="classifier") as team:
        block = RowWriter(team, Calibration(pool=patients_pool)).write(BlockRequest(0, 30, 0))
        empty = RowWriter(team, Calibration(pool=patients_pool)).write(BlockRequest(1, 0, 30))
    assert np.allclose(block.predictions, patients_pool.predict(block.rows, None))
    assert empty.predictions.shape == (0, 2)
    with team_of(patients, labels="worker") as team:
        assert RowWriter(team, Calibration()).write(BlockRequest(0, 5, 0)).predictions is None


def test_the_labels_of_a_block_keep_the_shares_of_the_real_ones(patients, patients_pool):
    with team_of(patients, labels="classifier") as team:
        rows = RowWriter(team, Calibration(pool=patients_pool)).write(BlockRequest(0, 60, 0)).rows
    assert sorted(rows["outcome"]) == sorted(team.real["outcome"])

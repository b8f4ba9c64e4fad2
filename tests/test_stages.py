"""One contract for every stage of the tuple; a further one needs a module and one line."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import t2local
from t2local.errors import UsageError
from t2local.settings import Settings
from t2local.trim import benefit, stages
from t2local.trim.result import Rejection, StageResult
from t2local.trim.stages import Stage, stages_of
from t2local.trim.state import Pool, Wanted
from t2local.trim.verdict import Verdict
from tests.batches import (
    dictionary,
    flipped,
    fresh,
    inspect,
    new_inspector,
    real_rows,
    trim_settings,
)
from tests.patients import patients


def far_out():
    """Rows that break the dictionary in every column but the label."""
    rows = fresh(6).assign(age=500.5, weight=-3.0, sex="X", smoker=None)
    return rows.assign(ward=None)


BATCHES = {
    "fresh": fresh(10),
    "one row": fresh(1),
    "one flipped row": flipped(fresh(1)),
    "all flipped": flipped(fresh(10)),
    "all copies": real_rows().head(8),
    "one row repeated": fresh(1).loc[[0] * 6].reset_index(drop=True),
    "all far out": far_out(),
    "one label": fresh(10).assign(outcome="1"),
    "odd index": fresh(10).set_index(np.arange(10) * 7 + 3),
    "index with repeats": fresh(10).set_index(np.zeros(10, dtype=int)),
}
NAMES = [stage.name for stage in stages.STAGES]
#: Every stage as it judges batches, and as it judges all rows of a source, of which three are kept.
CASES = [(stage, gate) for stage in stages.STAGES for gate in ("utility", "source")]
EVERY_STAGE = pytest.mark.parametrize(
    ("stage", "gate"), CASES, ids=[f"{stage.name}-{gate}" for stage, gate in CASES]
)
EVERY_BATCH = pytest.mark.parametrize("case", list(BATCHES))


def pool(rows, gate):
    """Of a source three rows are wanted, and the last ones are the clearest."""
    if gate == "utility":
        return Pool()
    return Pool(wanted=Wanted("outcome", 3), clearness=np.log(np.linspace(0.5, 0.9, len(rows))))


def state_of(gate, rows):
    state = inspect(gate=gate).state
    state.pool = pool(rows, gate)
    return state


def judged(stage, gate, rows):
    state = state_of(gate, rows)
    return stage.judge(state.batch(rows, np.ones(len(rows), dtype=bool)), state)


@EVERY_STAGE
@EVERY_BATCH
def test_rejections_are_masks_of_the_batch_with_a_reason(stage, gate, case):
    rows = BATCHES[case]
    for rejection in judged(stage, gate, rows).rejections:
        assert rejection.rows.shape == (len(rows),)
        assert rejection.rows.dtype == np.bool_
        assert rejection.reason
        assert np.shape(rejection.measured) in {(), (len(rows),)}
        assert np.ndim(rejection.threshold) == 0


@EVERY_STAGE
@EVERY_BATCH
def test_a_stage_changes_neither_the_batch_nor_the_state(stage, gate, case):
    rows = BATCHES[case]
    before, real = rows.copy(deep=True), real_rows().copy(deep=True)
    state = state_of(gate, rows)
    n_hashes, clusters = len(state.hashes), state.clusters.copy()
    stage.judge(state.batch(rows), state)
    pd.testing.assert_frame_equal(rows, before)
    pd.testing.assert_frame_equal(real_rows(), real)
    assert (state.accepted, state.n_batches, len(state.hashes)) == ([], 0, n_hashes)
    assert np.array_equal(state.clusters, clusters)


@EVERY_STAGE
@EVERY_BATCH
def test_a_stage_says_the_same_again_under_a_seed(stage, gate, case):
    first, again = (judged(stage, gate, BATCHES[case]) for _ in range(2))
    assert first.figures == again.figures
    assert len(first.rejections) == len(again.rejections)
    for one, other in zip(first.rejections, again.rejections, strict=True):
        assert np.array_equal(one.rows, other.rows)
        assert one.reason == other.reason
        assert np.array_equal(one.measured, other.measured, equal_nan=True)


@EVERY_STAGE
@EVERY_BATCH
def test_a_stage_alone_loses_no_row(stage, gate, case):
    rows = BATCHES[case]
    verdict = inspect(stages=stage.name, gate=gate).judge_source(rows, pool(rows, gate))
    assert int(verdict.kept.sum()) + verdict.rejected_by()[stage.name] == len(rows)
    # Batches are not chosen from: what passes is kept.
    chooses_nothing = (stage.name, gate) == ("choice", "utility")
    assert set(verdict.figures) == {stage.name} - ({stage.name} if chooses_nothing else set())
    assert verdict.kept.all() or not chooses_nothing


@pytest.mark.parametrize("gate", ["utility", "source"])
@pytest.mark.parametrize("case", ["all copies", "all far out"])
def test_where_all_rows_are_bad_no_later_stage_sees_them(case, gate):
    verdict = inspect(gate=gate).judge(BATCHES[case])
    assert verdict.rejected_by() == {"sanity": len(BATCHES[case])}
    assert set(verdict.figures) == {"sanity"}


def test_all_stages_run_in_order_without_a_choice():
    assert stages_of(trim_settings()) == stages.STAGES
    assert NAMES == ["sanity", "cost", "diversity", "choice"]
    # What is wanted is counted over all rows, those of a new class included.
    assert [stage.judges_new_classes for stage in stages.STAGES] == [True, False, False, True]


@pytest.mark.parametrize("choice", ["diversity,sanity", "sanity,diversity"])
def test_chosen_stages_keep_our_order(choice):
    names = [stage.name for stage in stages_of(trim_settings(stages=choice))]
    assert names == ["sanity", "diversity"]


def test_unknown_stages_are_all_named_beside_those_that_there_are():
    settings = Settings.load({"trim.stages": "sanity,insanity,costs"}).trim
    with pytest.raises(UsageError) as error:
        stages_of(settings)
    assert error.value.faults == (
        "trim.stages: there is no stage 'insanity'",
        "trim.stages: there is no stage 'costs'",
    )
    assert error.value.next_step == f"choose among: {', '.join(NAMES)}"
    with pytest.raises(UsageError):
        new_inspector(real_rows(), dictionary(), stages="insanity")


@dataclass(frozen=True)
class AgeFigures:
    oldest: float


def reject_old(batch, state):
    """A toy stage: nobody above 70."""
    ages = batch.rows["age"].to_numpy(dtype=float)
    rejection = Rejection(ages > 70, "is too old for the toy", ages, 70.0)
    return StageResult((rejection,), AgeFigures(float(ages.max())))


@pytest.fixture
def toy(monkeypatch):
    """A further stage, by one line."""
    monkeypatch.setattr(stages, "STAGES", (*stages.STAGES, Stage("toy", reject_old)))
    monkeypatch.setattr(benefit, "_TREES", 2)


def test_a_further_stage_judges_what_the_others_keep(toy):
    batches = [fresh(10, seed) for seed in range(12)]
    inspector = new_inspector(real_rows(), dictionary())
    verdicts = [inspector.judge(rows) for rows in batches]
    assert sum(verdict.rejected_by()["toy"] for verdict in verdicts) > 0
    for rows, verdict in zip(batches, verdicts, strict=True):
        notes = verdict.notes()
        rejected = (notes["stage"] == "toy").to_numpy()
        assert (rows["age"][rejected] > 70).all()
        assert (rows["age"][verdict.kept] <= 70).all()
        assert notes["figure"][rejected].tolist() == rows["age"][rejected].tolist()
        assert ("toy" in verdict.figures) == bool(rejected.any() or verdict.kept.any())


def test_a_further_stage_can_be_chosen_alone_and_is_listed(toy):
    rows = fresh(10)
    verdict = new_inspector(real_rows(), dictionary(), stages="toy").judge(rows)
    assert verdict.kept.tolist() == (rows["age"] <= 70).tolist()
    assert verdict.figures == {"toy": AgeFigures(rows["age"].max())}
    with pytest.raises(UsageError) as error:
        stages_of(trim_settings(stages="tot"))
    assert error.value.next_step == f"choose among: {', '.join(NAMES)}, toy"


def test_a_further_stage_is_left_out_where_it_is_not_chosen(toy):
    inspector = new_inspector(real_rows(), dictionary(), stages="sanity")
    assert set(inspector.judge(fresh(10)).figures) == {"sanity"}


def test_a_further_stage_is_counted_by_the_plug_in(toy):
    rows = fresh(30)
    rows["outcome"] = rows["outcome"].astype(int)
    settings = {"trim.stages": "sanity,toy"}
    done = t2local.trim(patients(), rows, target="outcome", settings=settings)
    old = int((rows["age"] > 70).sum())
    assert old > 0
    assert done.report["rejected_by"] == dict.fromkeys(NAMES, 0) | {"toy": old}
    assert done.report["reasons"] == {"is too old for the toy": old}
    assert set(done.rejected["stage"]) == {"toy"}
    assert done.report["batches"][0]["figures"]["toy"] == {"oldest": rows["age"].max()}


def test_a_stage_that_judges_no_new_classes_does_not_see_them(monkeypatch):
    monkeypatch.setattr(stages, "STAGES", (Stage("toy", reject_old),))
    table = dictionary()
    target = table["outcome"].model_copy(update={"type": "category", "levels": ("0", "1", "2")})
    wider = table.model_copy(update={"features": (*table.features[:-1], target)})
    rows = fresh(4).assign(outcome=["2", "2", "0", "1"], age=80.0)
    verdict = new_inspector(real_rows(), wider).judge(rows)
    assert verdict.kept.tolist() == [True, True, False, False]
    monkeypatch.setattr(stages, "STAGES", (Stage("toy", reject_old, judges_new_classes=True),))
    assert not new_inspector(real_rows(), wider).judge(rows).kept.any()
    assert isinstance(verdict, Verdict)

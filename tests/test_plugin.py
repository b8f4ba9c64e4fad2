"""The stages for the rows of any generator: nothing lost, nothing changed, the same again."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import t2local
from t2local.errors import InputError
from t2local.settings import Settings
from t2local.trim import stages
from tests.patients import patients as patient_rows

FAST = {"trim.replicates": 50}
BY_BATCH = {"trim.gate": "utility"}
CHOICES = [
    {},
    BY_BATCH,
    {"trim.gate": "ig_refit", "trim.diversity": "relative"},
    {"trim.gate": "ig_plugin"},
    {**BY_BATCH, "trim.model": "svm"},
]


pytestmark = pytest.mark.usefixtures("few_trees")


def trim(real, synthetic, **options):
    settings = {**FAST, **options.pop("settings", {})}
    return t2local.trim(real, synthetic, target="outcome", settings=settings, **options)


def smote(real: pd.DataFrame, rows: int, seed: int = 3) -> pd.DataFrame:
    """Between a row and one of its five neighbours of the same class.

    Levels are the row's own (SMOTE-NC takes the neighbours').
    """
    rng = np.random.default_rng(seed)
    numbers = real[["age", "weight"]].astype(float).fillna(real["weight"].mean())
    new_rows = []
    for place in rng.integers(0, len(real), rows):
        same = np.flatnonzero(real["outcome"] == real["outcome"].iloc[place])
        distances = ((numbers.iloc[same] - numbers.iloc[place]) ** 2).sum(axis=1)
        near = same[np.argsort(distances)][1:6]
        share = rng.random()
        step = numbers.iloc[rng.choice(near)] - numbers.iloc[place]
        moved = numbers.iloc[place] + share * step
        new_rows.append(real.iloc[place].to_dict() | moved.to_dict())
    frame = pd.DataFrame(new_rows, columns=real.columns, index=[f"s{i}" for i in range(rows)])
    return frame.astype({"outcome": real["outcome"].dtype})


@pytest.mark.parametrize("choice", CHOICES)
def test_smote_rows_are_kept_or_rejected_as_they_came(patients, choice):
    rows = smote(patients, 60)
    before = rows.copy(deep=True), patients.copy(deep=True)
    done, again = (trim(patients, rows, batch_size=10, settings=choice) for _ in range(2))
    pd.testing.assert_frame_equal(rows, before[0])
    pd.testing.assert_frame_equal(patients, before[1])
    pd.testing.assert_frame_equal(done.kept, again.kept)
    pd.testing.assert_frame_equal(done.rejected, again.rejected)
    assert done.report == again.report
    both = pd.concat([done.kept, done.rejected[list(rows)]]).loc[rows.index]
    pd.testing.assert_frame_equal(both, rows)
    assert done.kept.index.equals(rows.index[rows.index.isin(done.kept.index)])
    assert done.rejected["reason"].str.len().gt(0).all()
    n_kept, n_rejected = len(done.kept), len(done.rejected)
    assert done.report["rows"] == {"generated": 60, "kept": n_kept, "rejected": n_rejected}
    assert sum(done.report["rejected_by"].values()) == n_rejected
    # Means of neighbours have more decimals than measurements.
    assert set(done.report["rounded"]) == {"age", "weight"}


def test_the_batches_of_the_report_add_up(patients):
    report = trim(patients, smote(patients, 25), batch_size=10, settings=BY_BATCH).report
    batches = report["batches"]
    assert [batch["rows"] for batch in batches] == [10, 10, 5]
    assert sum(batch["kept"] for batch in batches) == report["rows"]["kept"]
    for stage, count in report["rejected_by"].items():
        assert sum(batch["rejected_by"].get(stage, 0) for batch in batches) == count
    assert sum(report["reasons"].values()) == report["rows"]["rejected"]
    for batch in batches:
        assert batch["rows"] == batch["kept"] + sum(batch["rejected_by"].values())


@pytest.mark.parametrize("batch_size", [None, 1, 10])
def test_by_default_all_rows_are_judged_together_however_they_are_batched(patients, batch_size):
    rows = smote(patients, 25)
    whole, parts = trim(patients, rows), trim(patients, rows, batch_size=batch_size)
    pd.testing.assert_frame_equal(whole.kept, parts.kept)
    assert whole.report == parts.report
    (source,) = whole.report["batches"]
    assert source["rows"] == 25
    assert source["kept"] == len(whole.kept)
    assert source["rejected_by"] == {k: n for k, n in whole.report["rejected_by"].items() if n}
    assert source["figures"]["cost"]["accepted"]


def test_of_a_source_nobody_chooses(patients):
    report = trim(patients, smote(patients, 60)).report
    assert report["rejected_by"]["choice"] == 0
    assert "choice" not in report["batches"][0]["figures"]


@pytest.mark.parametrize("choice", [{}, BY_BATCH])
def test_good_rows_are_kept_and_flipped_labels_are_not(patients, choice):
    rows = smote(patients, 60)
    flipped = rows.assign(outcome=1 - rows["outcome"])
    assert len(trim(patients, rows, settings=choice).kept) > 30
    done = trim(patients, flipped, settings=choice)
    assert done.kept.empty
    assert done.report["verdict"] == "0 of 60 rows were kept (rejected by cost 60)."
    assert done.report["benefit"] is None


def test_settings_may_be_an_object(patients):
    rows = smote(patients, 10)
    chosen = Settings.load({"trim.stages": "sanity"})
    done = t2local.trim(patients, rows, target="outcome", settings=chosen)
    assert len(done.kept) == 10
    assert set(done.report["batches"][0]["figures"]) == {"sanity"}


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_hand_made_rows_of_any_kind_are_accounted_for(data):
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 9, 30), rng.choice(["x", "y"], 30)
    real = pd.DataFrame({"a": a, "b": b, "y": np.arange(30) % 2})
    words = st.sampled_from(["x", "y", "z", "seven", " ", "inf", "1e400"])
    cell = st.one_of(st.integers(-5, 15), st.none(), words)
    cells = data.draw(st.lists(st.tuples(cell, cell, cell), max_size=8))
    rows = pd.DataFrame(cells, columns=["a", "b", "y"])
    batch_size = data.draw(st.sampled_from([None, 1, 3]))
    done = t2local.trim(real, rows, target="y", batch_size=batch_size, settings=FAST)
    assert sorted([*done.kept.index, *done.rejected.index]) == list(rows.index)
    assert done.kept["b"].isin(["x", "y"]).all()
    assert done.rejected["stage"].isin([stage.name for stage in stages.STAGES]).all()


def test_copies_and_cells_that_are_no_numbers_are_rejected_with_their_reason(patients):
    heavy = patients.iloc[2:4].assign(weight="heavy")
    done = trim(patients, pd.concat([patients.iloc[:2], heavy], ignore_index=True))
    assert done.kept.empty
    assert done.rejected["stage"].tolist() == ["sanity"] * 4
    assert "copy" in done.rejected["reason"].iloc[0]
    assert done.rejected["reason"].iloc[2] == "weight cannot be read as its type in the dictionary"
    assert "heavy" not in str(done.report)


def test_of_two_unreadable_cells_the_first_column_is_named(patients):
    rows = smote(patients, 3).astype({"age": object, "weight": object})
    rows.iloc[1, [0, 1]] = ["old", "heavy"]
    rejected = trim(patients, rows, settings={"trim.stages": "sanity"}).rejected
    assert rejected.index.tolist() == ["s1"]
    assert rejected.loc["s1", "reason"] == "age cannot be read as its type in the dictionary"


def test_the_index_may_repeat_and_is_kept(patients):
    rows = smote(patients, 12)
    rows.index = pd.Index([0, 1] * 6)
    done = trim(patients, rows)
    assert len(done.kept) + len(done.rejected) == 12
    assert set(done.kept.index) | set(done.rejected.index) == {0, 1}


def test_an_empty_frame_and_a_column_of_blanks(patients):
    nothing = trim(patients, patients.iloc[:0])
    assert nothing.kept.empty
    assert nothing.rejected.empty
    blank = smote(patients, 5).assign(ward=None)
    assert len(trim(patients, blank).rejected) == 5


def test_other_columns_are_an_error_that_names_them_all(patients):
    rows = smote(patients, 5).rename(columns={"age": "alter"}).drop(columns="sex")
    with pytest.raises(InputError) as error:
        trim(patients, rows)
    assert len(error.value.faults) == 3
    twice = smote(patients, 5)
    with pytest.raises(InputError, match="different columns"):
        trim(patients, pd.concat([twice, twice[["age"]]], axis=1))


@pytest.mark.parametrize(
    ("choice", "reason"),
    [(BY_BATCH, "held-out likelihood"), ({}, "in another way than the real ones")],
)
def test_rejected_rows_carry_the_figure_and_the_threshold(patients, choice, reason):
    rows = smote(patients, 40)
    rows.iloc[0, rows.columns.get_loc("age")] = 900
    flipped = rows.assign(outcome=1 - rows["outcome"])
    refused = trim(patients, flipped, batch_size=10, settings=choice).rejected
    cost = refused[refused["stage"] == "cost"]
    assert len(cost) >= 20
    explained = cost[cost["reason"].str.contains(reason)]
    assert len(explained)
    assert (explained["figure"] <= explained["threshold"]).all()
    why = refused.loc["s0", ["stage", "reason"]].tolist()
    assert why == ["sanity", "age breaks its maximum in the dictionary"]
    assert np.isnan(refused.loc["s0", "figure"])


def test_the_worst_rows_of_an_accepted_batch_carry_their_cost(patients):
    kept = trim(patients, smote(patients, 40), batch_size=10, settings=BY_BATCH)
    trimmed = kept.rejected[kept.rejected["reason"].str.contains("fit its features least")]
    assert len(trimmed)
    assert (trimmed["figure"] > trimmed["threshold"]).all()


def renamed(frame):
    """Columns with the names of the notes."""
    return frame.rename(columns={"ward": "stage", "smoker": "reason"})


def test_columns_with_the_names_of_the_notes_stay_apart(patients):
    table = renamed(patients)
    done = trim(table, renamed(smote(patients, 20)).assign(age=900))
    assert list(done.rejected)[:4] == ["stage_", "reason_", "figure", "threshold"]
    assert set(done.rejected["stage"]) <= set(table["stage"])


def test_they_stay_apart_in_the_files_of_a_run(tmp_path):
    result = t2local.generate(
        renamed(patient_rows()),
        target="outcome",
        model=t2local.ScriptedModel(),
        plan="data",
        rows=10,
        max_batches=1,
        out=tmp_path / "run",
    )
    header = (tmp_path / "run" / "rejected.csv").read_text().splitlines()[0]
    assert header.startswith("row,stage_,reason_,figure,threshold,")
    assert len(result.rejected) + len(result.synthetic) == 10


def test_rows_that_were_kept_against_a_stage_are_counted_in_the_report_and_the_verdict():
    real = patient_rows()
    good = smote(real, 60)
    wrong = good.assign(outcome=1 - good["outcome"].astype(int))
    assert trim(real, wrong).report["rejected_by"]["cost"] == 60
    done = trim(real, wrong, settings={"trim.keep": "all"})
    assert len(done.kept) == done.report["overruled_by"]["cost"] == 60
    assert "rejected: cost 60." in done.report["verdict"]


def test_a_rare_real_level_is_judged_as_the_pool_and_an_invented_one_is_refused():
    real = patient_rows().assign(ward=["mill"] * 38 + ["port"] * 20 + ["inn", "farm"])
    rows = smote(real, 20).assign(ward=[*["mill"] * 17, "inn", "other", "castle"])
    result = trim(real, rows, settings={"trim.keep": "all"})
    reasons = result.rejected["reason"].to_dict()
    assert reasons["s19"] == "ward cannot be read as its type in the dictionary"
    assert result.kept.loc[["s17", "s18"], "ward"].tolist() == ["inn", "other"]

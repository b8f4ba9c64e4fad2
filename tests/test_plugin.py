"""The contract of the stages for the rows of any generator: nothing lost, nothing changed, the same again under a seed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import t2local
from t2local.errors import InputError, UsageError

FAST = {"trim.replicates": 50}
STAGES = [
    {},
    {"trim.gate": "ig_refit", "trim.diversity": "relative"},
    {"trim.gate": "ig_plugin"},
    {"trim.model": "svm"},
]


def smote(real: pd.DataFrame, rows: int, seed: int = 3) -> pd.DataFrame:
    """Between a row and one of its five neighbours of the same class; levels are the row's own (SMOTE-NC takes the neighbours')."""
    rng = np.random.default_rng(seed)
    numbers = real[["age", "weight"]].astype(float).fillna(real["weight"].mean())
    made = []
    for place in rng.integers(0, len(real), rows):
        same = np.flatnonzero(real["outcome"] == real["outcome"].iloc[place])
        near = same[np.argsort(((numbers.iloc[same] - numbers.iloc[place]) ** 2).sum(axis=1))][1:6]
        row = real.iloc[place].to_dict()
        row |= (
            numbers.iloc[place]
            + rng.random() * (numbers.iloc[rng.choice(near)] - numbers.iloc[place])
        ).to_dict()
        made.append(row)
    return pd.DataFrame(made, columns=real.columns, index=[f"s{i}" for i in range(rows)]).astype(
        {"outcome": real["outcome"].dtype}
    )


@pytest.mark.parametrize("chosen", STAGES)
def test_smote_rows_are_kept_or_rejected_as_they_came(patients, chosen):
    made = smote(patients, 60)
    before = made.copy(deep=True), patients.copy(deep=True)
    done = t2local.trim(
        patients, made, target="outcome", batch_size=10, settings={**FAST, **chosen}
    )
    again = t2local.trim(
        patients, made, target="outcome", batch_size=10, settings={**FAST, **chosen}
    )
    pd.testing.assert_frame_equal(made, before[0])
    pd.testing.assert_frame_equal(patients, before[1])
    pd.testing.assert_frame_equal(done.kept, again.kept)
    pd.testing.assert_frame_equal(done.rejected, again.rejected)
    both = pd.concat([done.kept, done.rejected[list(made)]]).loc[made.index]
    pd.testing.assert_frame_equal(both, made)
    assert done.kept.index.equals(made.index[made.index.isin(done.kept.index)])
    assert done.rejected["reason"].str.len().gt(0).all()
    assert done.report["rows"] == {
        "generated": 60,
        "kept": len(done.kept),
        "rejected": len(done.rejected),
    }
    assert sum(done.report["rejected_by"].values()) == len(done.rejected)
    assert set(done.report["rounded"]) == {
        "age",
        "weight",
    }  # means of neighbours have more decimals than measurements


def test_good_rows_are_kept_and_flipped_labels_are_not(patients):
    made = smote(patients, 60)
    flipped = made.assign(outcome=1 - made["outcome"])
    assert len(t2local.trim(patients, made, target="outcome", settings=FAST).kept) > 30
    assert t2local.trim(patients, flipped, target="outcome", settings=FAST).kept.empty


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_hand_made_rows_of_any_kind_are_accounted_for(data):
    rng = np.random.default_rng(1)
    real = pd.DataFrame(
        {"a": rng.integers(0, 9, 30), "b": rng.choice(["x", "y"], 30), "y": np.arange(30) % 2}
    )
    cell = st.one_of(
        st.integers(-5, 15),
        st.none(),
        st.sampled_from(["x", "y", "z", "seven", " ", "inf", "1e400"]),
    )
    made = pd.DataFrame(
        data.draw(st.lists(st.tuples(cell, cell, cell), max_size=8)), columns=["a", "b", "y"]
    )
    done = t2local.trim(
        real, made, target="y", batch_size=data.draw(st.sampled_from([None, 1, 3])), settings=FAST
    )
    assert sorted([*done.kept.index, *done.rejected.index]) == list(made.index)
    assert done.kept["b"].isin(["x", "y"]).all()
    assert done.rejected["stage"].isin(["sanity", "cost", "diversity"]).all()


def test_copies_and_cells_that_are_no_numbers_are_rejected_with_their_reason(patients):
    made = pd.concat(
        [patients.iloc[:2], patients.iloc[2:4].assign(weight="heavy")], ignore_index=True
    )
    done = t2local.trim(patients, made, target="outcome", settings=FAST)
    assert done.kept.empty
    assert done.rejected["stage"].tolist() == ["sanity"] * 4
    assert "copy" in done.rejected["reason"].iloc[0]
    assert done.rejected["reason"].iloc[2] == "weight cannot be read as its type in the dictionary"
    assert "heavy" not in str(done.report)


def test_an_empty_frame_and_a_column_of_blanks(patients):
    nothing = t2local.trim(patients, patients.iloc[:0], target="outcome", settings=FAST)
    assert nothing.kept.empty
    assert nothing.rejected.empty
    blank = smote(patients, 5).assign(ward=None)
    assert len(t2local.trim(patients, blank, target="outcome", settings=FAST).rejected) == 5


def test_other_columns_are_an_error_that_names_them_all(patients):
    made = smote(patients, 5).rename(columns={"age": "alter"}).drop(columns="sex")
    with pytest.raises(InputError) as error:
        t2local.trim(patients, made, target="outcome", settings=FAST)
    assert len(error.value.faults) == 3
    with pytest.raises(UsageError):
        t2local.trim(patients, smote(patients, 5), target="outcome", batch_size=0)


def test_rejected_rows_carry_the_figure_and_the_threshold(patients):
    made = smote(patients, 40)
    made.iloc[0, made.columns.get_loc("age")] = 900
    flipped = made.assign(outcome=1 - made["outcome"])
    refused = t2local.trim(
        patients, flipped, target="outcome", batch_size=10, settings=FAST
    ).rejected
    cost = refused[refused["stage"] == "cost"]
    assert len(cost) >= 20
    likelihood = cost[cost["reason"].str.contains("held-out likelihood")]
    assert (likelihood["figure"] <= likelihood["threshold"]).all()
    assert refused.loc["s0", ["stage", "reason"]].tolist() == [
        "sanity",
        "age breaks its maximum in the dictionary",
    ]
    assert np.isnan(refused.loc["s0", "figure"])
    kept = t2local.trim(patients, made, target="outcome", batch_size=10, settings=FAST)
    trimmed = kept.rejected[kept.rejected["reason"].str.contains("fit its features least")]
    assert (trimmed["figure"] > trimmed["threshold"]).all()


def test_columns_with_the_names_of_the_notes_stay_apart(patients, tmp_path):
    table = patients.rename(columns={"ward": "stage", "smoker": "reason"})
    made = smote(patients, 20).rename(columns={"ward": "stage", "smoker": "reason"})
    made["age"] = 900
    done = t2local.trim(table, made, target="outcome", settings=FAST)
    assert list(done.rejected)[:4] == ["stage_", "reason_", "figure", "threshold"]
    assert set(done.rejected["stage"]) <= set(table["stage"])
    result = t2local.generate(
        table,
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

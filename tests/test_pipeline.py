"""Whole runs with the scripted model: every part is real but the weights."""

import json
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest

import t2local
from t2local import pipeline
from t2local.errors import DecodeError, InputError, PlanError, UsageError
from t2local.events import ignore
from t2local.llm.grammar import Masks
from t2local.llm.scripted import ScriptedModel
from t2local.run import judging
from t2local.run.inputs import Run
from t2local.run.judging import BatchJudge
from t2local.run.ledger import Ledger
from t2local.tables.files import from_frame
from t2local.team.writer import Block
from t2local.trim.inspector import Inspector

pytestmark = pytest.mark.usefixtures("few_trees")

FAST = {"trim.replicates": 50}


def generate(data, **options):
    options = {"model": ScriptedModel(), "plan": "data", "rows": 20, "settings": FAST, **options}
    return t2local.generate(data, **options)


@pytest.mark.parametrize("conditioning", ["row", "parents"])
def test_every_written_row_is_kept_or_rejected_and_obeys_the_dictionary(patients, conditioning):
    result = generate(patients, settings={**FAST, "team.conditioning": conditioning})
    rows = result.report["rows"]
    assert rows["generated"] == rows["kept"] + rows["rejected"] > 0
    assert (len(result.synthetic), len(result.rejected)) == (rows["kept"], rows["rejected"])
    assert sum(result.report["rejected_by"].values()) == rows["rejected"]
    assert sum(batch["rows"] for batch in result.report["batches"]) == rows["generated"]
    every = pd.concat([result.synthetic, result.rejected[list(patients)]])
    assert every["age"].between(*result.dictionary["age"].bounds).all()
    assert set(every["ward"]) <= set(patients["ward"])
    assert set(every["outcome"]) <= {0, 1}
    assert every[["age", "sex", "outcome"]].notna().all().all()


def test_types_and_columns_are_those_of_the_input(patients):
    patients = patients.assign(
        flag=patients["age"] > 50,
        note=[f"text number {i}" for i in range(60)],
        weight=patients["weight"].astype("float32"),
    )
    patients["sex"] = patients["sex"].astype("category")
    result = generate(
        patients,
        rows=30,
        target="outcome",
        settings={**FAST, "trim.gate_sd": 0, "trim.patience": 20},
    )
    assert list(result.synthetic) == list(patients)
    assert result.synthetic["note"].isna().all()
    assert len(result.augmented) == 60 + len(result.synthetic)
    pd.testing.assert_frame_equal(result.augmented.head(60), patients)
    if len(result.synthetic):
        assert result.synthetic.dtypes.to_dict() == patients.dtypes.to_dict()


@pytest.mark.usefixtures("fits_anew")
def test_one_seed_gives_one_result_and_another_seed_another(patients):
    first, again, other = (generate(patients, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first.rejected, again.rejected)
    pd.testing.assert_frame_equal(first.synthetic, again.synthetic)
    assert not first.rejected.equals(other.rejected)


def test_more_is_never_kept_than_asked_for_and_the_rest_is_surplus(patients):
    dictionary = t2local.describe(patients)
    real = dictionary.values(from_frame(patients).cells)
    # Rows of the real distribution: some batches of them pass, and one that does is needed here.
    for seed in range(20):
        rng = np.random.default_rng(seed)
        good = real.sample(30, random_state=seed).reset_index(drop=True)
        good["weight"] = (good["weight"].fillna(70) + rng.uniform(0.1, 3, 30)).round(1)
        run = Run(t2local.Settings.load({"trim.gate": "utility"}), 1, Ledger(3, 10, 9), ignore)
        judge = BatchJudge(run, Inspector(real, dictionary, run.settings.trim, 1))
        pipeline.trim(run, Block(0, good, 0, "", interrupted=False), judge, None)
        if run.ledger.kept == 3:
            break
    kept, rejected, notes = run.ledger.rows(dictionary)
    assert (len(kept), len(rejected), run.ledger.generated) == (3, 27, 30)
    assert (notes["stage"] == "surplus").sum() == run.ledger.rejected_by["surplus"] > 0


def test_by_default_the_wanted_rows_are_chosen_among_a_quarter_more(patients):
    result = generate(patients, rows=40, settings={**FAST, "team.block_rows": 20})
    report = result.report
    passed = report["rows"]["kept"] + report["rejected_by"]["choice"]
    assert report["rows"]["kept"] == len(result.synthetic) == 40
    assert passed >= 50
    assert report["rejected_by"]["surplus"] == 0
    # The classes have the shares of the real ones by largest remainders.
    n_ill = round(40 * patients["outcome"].mean())
    assert result.synthetic["outcome"].value_counts().to_dict() == {1: n_ill, 0: 40 - n_ill}
    assert len(report["batches"]) >= 3
    assert sum(batch["kept"] for batch in report["batches"]) == 40


def test_rows_are_by_default_ten_times_the_real_ones_within_bounds(patients):
    heard = []
    result = generate(patients.head(8), rows=None, max_batches=1, on_event=heard.append)
    assert result.report["rows"]["wanted"] == 200
    (rows,) = [event for event in heard if getattr(event, "what", "") == "rows"]
    assert rows.value == "200"
    assert "ten times the 8 real rows" in rows.reason


def test_the_prompt_shows_real_rows_in_the_form_in_which_rows_are_written(patients):
    model = ScriptedModel()
    generate(patients, model=model, settings={**FAST, "team.examples": 5}, rows=10)
    head, rows = model.prompts[-1].split("Rows:\n")
    assert "A Group 1: " in head
    assert len(rows.splitlines()) == 5
    assert all(line.startswith("[") and line.endswith("]") for line in rows.splitlines())


def test_the_folder_has_all_files_and_they_agree(patients, tmp_path):
    path = tmp_path / "p.csv"
    patients.to_csv(path, index=False, sep=";")
    out = tmp_path / "out"
    result = generate(path, out=out)
    assert sorted(p.name for p in out.iterdir()) == [
        "dictionary.yaml",
        "journal.jsonl",
        "manifest.json",
        "plan.yaml",
        "rejected.csv",
        "report.html",
        "report.json",
        "synthetic.csv",
    ]
    assert len(pd.read_csv(out / "synthetic.csv", sep=";")) == len(result.synthetic)
    rejected = pd.read_csv(out / "rejected.csv", sep=";")
    assert list(rejected)[:5] == ["row", "stage", "reason", "figure", "threshold"]
    assert len(rejected) == len(result.rejected)
    report = json.loads((out / "report.json").read_text())
    assert report["rows"] == result.report["rows"]
    assert {
        "rows",
        "rejected_by",
        "batches",
        "tokens",
        "seconds",
        "plan",
        "model",
        "seed",
        "verdict",
    } <= report.keys()
    assert {"total", "load", "decode", "trim"} <= report["seconds"].keys()
    assert {"prefix", "rows", "per_kept_row"} <= report["tokens"].keys()
    assert len((out / "journal.jsonl").read_text().splitlines()) == len(report["batches"])
    again = generate(
        path, out=tmp_path / "again", dictionary=out / "dictionary.yaml", plan=out / "plan.yaml"
    )
    assert (tmp_path / "again" / "rejected.csv").read_bytes() == (out / "rejected.csv").read_bytes()
    assert again.plan.source == "file"


def test_no_value_of_a_cell_reaches_log_report_manifest_or_journal(patients, tmp_path):
    canaries = [f"CANARY{i:02d}X" for i in range(60)]
    frame = patients.assign(
        ward=[f"WARDCANARY{i % 6}" for i in range(60)],  # ten rows each
        name=canaries,
        weight=patients["weight"] + 0.0098765,
    )
    heard: list[object] = []
    generate(frame, target="outcome", out=tmp_path / "out", on_event=heard.append)
    texts = [
        (tmp_path / "out" / name).read_text()
        for name in ("report.json", "report.html", "manifest.json", "journal.jsonl", "plan.yaml")
    ] + [str(heard)]
    weights = [
        repr(weight) for weight in frame["weight"].dropna()
    ]  # seven decimals: no figure is one by chance
    assert [
        text for text in texts if "CANARY" in text or any(weight in text for weight in weights)
    ] == []
    kept = [
        (tmp_path / "out" / name).read_text()
        for name in ("dictionary.yaml", "synthetic.csv", "rejected.csv")
    ]
    assert [canary for canary in canaries for text in kept if canary in text] == []


@pytest.mark.parametrize("rows", [2, 5])
def test_very_few_rows_still_deliver_what_can_be_delivered(patients, rows):
    few = patients.groupby("outcome").head(3).head(rows)
    few = (
        few
        if few["outcome"].nunique() == 2
        else pd.concat(
            [few.iloc[:-1], patients[patients["outcome"] != few["outcome"].iloc[0]].head(1)]
        )
    )
    result = generate(few, rows=10)
    assert (
        result.report["rows"]["generated"]
        == result.report["rows"]["kept"] + result.report["rows"]["rejected"]
        > 0
    )


def test_the_paper_preset_tries_a_fixed_number_of_batches(patients):
    result = generate(patients, preset="paper", rows=30)
    assert len(result.report["batches"]) == 3


def interrupting(after: int):
    calls = 0

    def script(text: bytes) -> bytes:
        nonlocal calls
        calls += 1
        if calls > after:
            raise KeyboardInterrupt
        return b""

    return script


def test_ctrl_c_delivers_the_rows_that_are_complete(patients, tmp_path):
    written = {**FAST, "team.cells": "worker"}
    result = generate(
        patients,
        rows=100,
        model=ScriptedModel(interrupting(900)),
        settings=written,
        out=tmp_path / "out",
    )
    assert result.report["interrupted"]
    rows = result.report["rows"]
    assert 0 < rows["generated"] < 100
    assert rows["generated"] == rows["kept"] + rows["rejected"]
    assert (tmp_path / "out" / "synthetic.csv").is_file()


def test_ctrl_c_before_the_first_judgement_keeps_all_complete_rows(patients, monkeypatch):
    """As in a notebook, without a folder: the result comes back, and says that it is a part."""
    monkeypatch.setattr(judging, "_can_wait", lambda *_: True)
    settings = {**FAST, "team.cells": "worker", "team.block_rows": 10}
    model = ScriptedModel(interrupting(1800))
    result = generate(patients, rows=100, model=model, settings=settings)
    assert result.report["interrupted"]
    assert result.report["rows"]["generated"] > 10
    assert len(result.synthetic) + len(result.rejected) == result.report["rows"]["generated"]
    assert "Interrupted" in result.summary()


def test_ctrl_c_before_the_first_row_gives_a_result_without_rows(patients, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "calibrate", interrupted)
    result = generate(patients)
    assert result.report["interrupted"]
    assert len(result.synthetic) == len(result.rejected) == 0


@pytest.mark.parametrize(
    ("owner", "name"), [(Inspector, "judge"), (t2local.FeatureDictionary, "native")]
)
def test_ctrl_c_while_a_block_is_judged_or_delivered_loses_none_of_its_rows(
    owner, name, patients, tmp_path, monkeypatch
):
    done, sent = getattr(owner, name), []

    def interrupted_once(*arguments):
        if not sent:
            sent.append(signal.raise_signal(signal.SIGINT))
        return done(*arguments)

    monkeypatch.setattr(owner, name, interrupted_once)
    report = generate(patients, rows=40, out=tmp_path / "out").report
    assert sent
    assert report["interrupted"] == (
        name == "judge"
    )  # while the last figures are made nothing is left to be stopped
    assert report["rows"]["generated"] == report["rows"]["kept"] + report["rows"]["rejected"] >= 40
    assert len(pd.read_csv(tmp_path / "out" / "rejected.csv")) == report["rows"]["rejected"]


def test_bad_input_is_refused_before_anything_is_written(patients, tmp_path):
    for wrong, error in [
        ({"data": patients.assign(outcome=1), "target": "outcome"}, InputError),
        ({"data": patients, "target": "nope"}, InputError),
        ({"data": patients, "dictionary": tmp_path / "none.yaml"}, InputError),
        ({"data": patients, "plan": tmp_path / "none.yaml"}, PlanError),
        ({"data": patients, "seed": 0}, UsageError),
        ({"data": patients, "settings": {"trim.kapa": 1, "team.examples": -3}}, UsageError),
        ({"data": pd.concat([patients, patients], axis=1)}, InputError),
    ]:
        with pytest.raises(error) as caught:
            generate(**{"out": tmp_path / "out", **wrong})
        assert "\nNext: " in str(caught.value)
        assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_a_run_is_never_written_into(patients, tmp_path):
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(UsageError, match="not of a run"):
        generate(patients, out=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


def test_a_column_that_is_not_generated_comes_back_blank_or_is_dropped(patients):
    blank = patients.assign(empty=None)[["empty", *patients]]
    result = generate(blank, rows=10)
    assert list(result.synthetic) == ["empty", *patients]
    assert result.synthetic["empty"].isna().all()
    dropped = generate(blank, rows=10, settings={**FAST, "table.left_out": "dropped"})
    pd.testing.assert_frame_equal(dropped.synthetic, result.synthetic[list(patients)])


def test_rows_without_a_label_are_not_used_and_the_others_stay_as_they_are(patients):
    blank = patients.assign(outcome=patients["outcome"].astype(object))
    blank.loc[[0, 7], "outcome"] = None
    heard: list[str] = []
    result = generate(blank, rows=10, on_event=lambda event: heard.append(str(event)))
    assert any("2 of 60 rows have no outcome: they are not used" in event for event in heard)
    assert len(result.augmented) == 58 + len(result.synthetic)
    assert result.augmented["age"].tolist()[:58] == blank.drop([0, 7])["age"].tolist()
    assert result.synthetic["outcome"].notna().all()


class Stumbling(ScriptedModel):
    """Its decodes of these numbers go wrong."""

    def __init__(self, wrong):
        super().__init__()
        self.wrong, self.decodes = wrong, 0

    def context(self, cells, sequences):
        context = super().context(cells, sequences)
        decode = context.decode

        def stumble(*arguments, **options):
            self.decodes += 1
            if self.decodes in self.wrong:
                raise DecodeError("llama.cpp could not go on: error -3.", next_step="try again")
            return decode(*arguments, **options)

        context.decode = stumble
        return context


@pytest.mark.parametrize("wrong", [{1}, {3}, {9, 16}])
def test_a_decode_that_goes_wrong_is_tried_again_and_counted(patients, wrong):
    # One block: what was written before the fault stays, the others come at the next attempt.
    result = generate(patients, model=Stumbling(wrong), max_batches=2, rows=20)
    assert result.report["rows"]["generated"] == 20
    assert result.report["tokens"]["failed_decodes"] == len(wrong)


def test_a_failed_decode_leaves_no_masks_being_filled(patients, monkeypatch):
    busy, fill, model = threading.Lock(), Masks.fill, Stumbling({9, 16})

    def slow(self, matchers):
        assert busy.acquire(blocking=False), "two threads fill the same masks"
        # So the masks of a step are still being filled when its decode goes wrong; the thread may
        # start before this decode is counted.
        if model.wrong & {model.decodes, model.decodes + 1}:
            time.sleep(0.2)
        busy.release()
        return fill(self, matchers)

    monkeypatch.setattr(Masks, "fill", slow)
    result = generate(patients, model=model, max_batches=2, rows=20)
    assert (result.report["tokens"]["failed_decodes"], result.report["tokens"]["failed_rows"]) == (
        2,
        0,
    )


def test_decodes_that_keep_going_wrong_end_the_run_with_an_error(patients):
    with pytest.raises(DecodeError):
        generate(patients, model=Stumbling(range(4, 10_000)))


def test_a_prompt_that_does_not_fit_is_said_before_a_row_is_written(patients, tmp_path):
    model = ScriptedModel(context_length=700)
    with pytest.raises(DecodeError, match="do not fit") as error:
        generate(patients, model=model, out=tmp_path / "run")
    assert 'settings={"team.examples": 5}' in error.value.next_step
    assert not list(tmp_path.glob("run/*.csv"))


def test_the_plan_may_come_from_another_model_that_is_gone_when_rows_are_written(patients):
    manager, worker = ScriptedModel(), ScriptedModel()
    manager.name = "another"
    result = generate(patients, model=worker, manager_model=manager, plan="manager", max_batches=1)
    assert len(manager.prompts) == 1
    assert not any("Plan:" in prompt for prompt in worker.prompts)
    assert result.report["manager"]["name"] == "another"
    assert result.manifest["manager"]["name"] == "another"
    assert result.plan.source == "manager"
    assert generate(patients, plan="manager", max_batches=1).report["manager"]["name"] == "scripted"
    with pytest.raises(UsageError, match="not the manager's"):
        generate(patients, manager_model=manager, plan="data")

"""A result in a notebook: what it says of itself, and that its folder can be read back."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import t2local
from t2local.errors import InputError, UsageError
from t2local.llm.scripted import ScriptedModel
from tests.patients import patients

pytestmark = pytest.mark.usefixtures("fewest_fits")

OPTIONS = {"model": ScriptedModel(), "plan": "data", "settings": {"trim.replicates": 50}}


def table() -> pd.DataFrame:
    """Columns of all kinds: numbers, levels, dates, texts, and what is not generated."""
    frame = patients()
    return frame.assign(
        patient_id=range(1001, 1061),
        sex=frame["sex"].astype("category"),
        seen=pd.to_datetime("2024-01-01") + pd.to_timedelta(frame["age"], unit="D"),
        note=[f"a text with the number {n}" for n in range(60)],
        weight=frame["weight"].astype("float32"),
    )


def generate(data, rows=20, **options):
    return t2local.generate(data, target="outcome", rows=rows, **{**OPTIONS, **options})


@pytest.fixture(scope="module")
def result():
    return generate(table())


def test_it_says_in_a_few_lines_what_it_holds(result):
    text = repr(result)
    assert len(text) < 300
    assert f"{len(result.synthetic)} rows of 9 columns, {len(result.rejected)} rejected" in text
    assert "target: outcome, seed: 1" in text
    assert "FeatureDictionary" not in text


def test_the_summary_has_the_three_answers_and_the_counts(result):
    text = result.summary()
    answers, rows = result.report["answers"], result.report["rows"]
    for answer in (answers["use"], answers["purpose"], answers["lost"]):
        assert answer in text
    assert f"{rows['generated']} rows were written" in text
    assert f"{rows['kept']} kept" in text
    rejected = {s: n for s, n in result.report["rejected_by"].items() if n}
    assert all(f", {count} rejected by {stage}" in text for stage, count in rejected.items())
    assert "model: scripted, seed: 1" in text


def test_a_notebook_shows_the_first_sections_of_the_page(result, tmp_path):
    result.save(tmp_path / "saved")
    for shown in (result, t2local.load(tmp_path / "saved")):
        html = shown._repr_html_()
        assert "May I use them?" in html
        assert html == result._repr_html_()


@pytest.mark.parametrize("as_path", [str, Path])
def test_what_is_saved_is_read_back_with_the_real_rows_or_without(result, tmp_path, as_path):
    folder = as_path(tmp_path / "saved")
    result.save(folder)
    loaded = t2local.load(folder, table())
    for name in ("synthetic", "rejected", "augmented"):
        pd.testing.assert_frame_equal(getattr(loaded, name), getattr(result, name))
    assert loaded.report == result.report
    assert loaded.plan == result.plan
    assert loaded.predictor.predict(table()).tolist() == result.predictor.predict(table()).tolist()
    alone = t2local.load(folder)
    assert list(alone.synthetic) == list(result.synthetic)
    pd.testing.assert_frame_equal(alone.rejected, result.rejected)
    assert alone.synthetic["patient_id"].tolist() == result.synthetic["patient_id"].tolist()
    for name in ("augmented", "predictor"):
        with pytest.raises(InputError, match="holds no real rows"):
            getattr(alone, name)


def test_the_folder_is_that_of_a_run_and_passes_its_check(result, tmp_path):
    out = generate(table(), out=tmp_path / "out")
    result.save(tmp_path / "saved")
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    saved = {path.name: path.read_bytes() for path in (tmp_path / "saved").iterdir()}
    assert files.keys() == saved.keys()
    for name in ("synthetic.csv", "rejected.csv", "dictionary.yaml", "plan.yaml"):
        assert files[name] == saved[name]
    hashes = json.loads(saved["manifest.json"])["files"]
    assert hashes["synthetic.csv"] == out.manifest["files"]["synthetic.csv"]
    assert t2local.load(tmp_path / "out").synthetic.shape == out.synthetic.shape


def test_nothing_is_written_over_and_no_hidden_file_stays(result, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "file").write_text("")
    for name in ("mine", "file"):
        with pytest.raises(UsageError, match=f"{name} is there already"):
            result.save(tmp_path / name)
    result.save(tmp_path / "saved")
    with pytest.raises(UsageError, match="saved is there already"):
        result.save(tmp_path / "saved")
    t2local.load(tmp_path / "saved").save(tmp_path / "copy")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["copy", "file", "mine", "saved"]
    assert t2local.load(tmp_path / "copy").synthetic.shape == result.synthetic.shape


def test_a_changed_file_and_other_data_are_refused(result, tmp_path):
    result.save(tmp_path / "saved")
    with pytest.raises(InputError, match="are not those of then") as caught:
        t2local.load(tmp_path / "saved", table().assign(age=50))
    assert caught.value.next_step == "pass the DataFrame as it was: 60 rows, 9 columns"
    path = tmp_path / "saved" / "synthetic.csv"
    path.write_text(path.read_text().replace("1", "2"))
    with pytest.raises(InputError, match="is not as it was written"):
        t2local.load(tmp_path / "saved")
    with pytest.raises(InputError, match=r"There is no file .*manifest.json"):
        t2local.load(tmp_path)


@pytest.mark.parametrize("header", [True, False])
def test_a_file_with_decimal_commas_comes_back_with_a_header_and_without(tmp_path, header):
    path = tmp_path / "data.csv"
    frame = patients().assign(weight=np.arange(60) / 7 + 60)
    frame.to_csv(path, sep=";", decimal=",", index=False, header=header, float_format="%.3f")
    target = "outcome" if header else "column_6"
    result = t2local.generate(path, target=target, rows=10, **OPTIONS)
    result.save(tmp_path / "saved")
    loaded = t2local.load(tmp_path / "saved", path)
    for name in ("synthetic", "rejected", "augmented"):
        pd.testing.assert_frame_equal(getattr(loaded, name), getattr(result, name))


@pytest.mark.parametrize("header", [True, False])
def test_a_result_without_a_row_comes_back(tmp_path, header):
    """A file without a header is then empty."""
    path = tmp_path / "data.csv"
    patients().to_csv(path, index=False, header=header)
    settings = {"trim.gate": "utility", "trim.significance_level": 1e-9, "trim.gate_sd": 3}
    result = t2local.generate(path, rows=2, max_batches=1, **{**OPTIONS, "settings": settings})
    result.save(tmp_path / "saved")
    loaded = t2local.load(tmp_path / "saved", path)
    assert loaded.synthetic.shape == result.synthetic.shape == (0, 6)
    assert len(loaded.augmented) == 60
    pd.testing.assert_frame_equal(loaded.rejected, result.rejected)

"""The verdict on privacy, in sentences."""

from dataclasses import replace

import pandas as pd
import pytest

from t2local.evaluate import privacy_report as module
from t2local.evaluate.privacy_report import privacy_report
from t2local.system.json_text import as_json
from tests.pairs import pair_of, two, values


def report_of(rows, holdout=None, real=None):
    pair = pair_of(two(60) if real is None else real, rows)
    return privacy_report(pair, holdout and values(holdout, pair.dictionary)[1])


def test_a_leak_is_said_first_and_its_rows_are_numbered():
    rows = pd.concat([two(60, seed=2), two(60).head(8)], ignore_index=True)
    found = report_of(rows)
    assert found.finding == "leak"
    assert found.sentences[0].startswith("These rows give real rows away")
    assert "Rows 61, 62, 63, 64, 65, 66, 67, 68 of 68: equal to a real row" in found.sentences[1]
    assert "not tested" in found.sentences[3]
    assert found.warning == found.sentences[0]


def test_a_single_copy_is_no_leak_of_the_generator_but_goes_out():
    rows = pd.concat([two(60, seed=2), two(60).head(1)], ignore_index=True)
    found = report_of(rows)
    assert found.finding == "copies"
    assert "Row 61 of 61" in found.sentences[1]


def test_new_rows_are_no_finding_and_no_proof():
    found = report_of(two(60, seed=2))
    assert found.finding == "none found"
    assert "no proof" in found.sentences[0]
    assert found.warning == ""
    assert found.sentences[1] == "None of the 60 rows is a copy of a real row in all columns."
    assert found == report_of(two(60, seed=2))


def test_how_many_rows_stand_out_is_said_in_grammatical_words():
    near = report_of(two(60, seed=2)).near_copies
    words = [module._near(replace(near, near=tuple(range(n)), expected=72.66)) for n in range(3)]
    assert [one.partition(" out ")[0] for one in words] == [
        "None of them stands",
        "1 of them stands",
        "2 of them stand",
    ]
    assert "about 73 would be by chance" in words[0]


def test_copies_are_chance_where_real_rows_are_equal_too():
    columns = ["kind", "y"]
    found = report_of(two(60, seed=2)[columns], real=two(60)[columns])
    assert found.finding == "none found"
    assert "chance makes such rows" in found.sentences[1]
    assert "no leak" in found.sentences[-1]


def test_held_out_rows_are_used_and_the_limit_is_said():
    pair = pair_of(two(60), two(60))
    own = privacy_report(pair, values(two(60, seed=3), pair.dictionary)[1])
    assert own.finding == "leak"
    assert own.near_copies.level == pytest.approx(0.01)
    assert "test of 60 against 60 rows: p = 0.0002" in own.sentences[3]
    assert own.sentences[4].endswith("sees no leak below 5 rows.")


def test_too_few_rows_are_not_looked_at():
    pair = pair_of(two(60), two(60, seed=2))
    assert privacy_report(replace(pair, synthetic=pair.synthetic.head(9))) is None


def test_no_cell_stands_in_the_report():
    real = two(60).assign(kind=["hemi", "demi"] * 30, p=lambda rows: rows["p"] + 7331)
    text = as_json(report_of(real, real=real))
    assert "copies" in text
    assert not [cell for cell in ("hemi", "demi", "733") if cell in text]

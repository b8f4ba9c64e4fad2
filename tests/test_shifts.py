"""What distinguishes kept rows from real ones: the level holds, planted shifts are found."""

import numpy as np
import pandas as pd
import pytest

from t2local.system.json_text import as_json
from t2local.trim import shifts as module
from t2local.trim.shifts import shifts
from tests.visits import DICTIONARY, visits

THIRDS = {"well": 1 / 3, "ill": 1 / 3, "dead": 1 / 3}


def kinds(found):
    return {finding.kind for finding in found.findings}


def test_ideal_generators_pass_19_times_of_20():
    """Independent samples of one population; the level itself is measured in docs/method.md."""
    passed = [
        shifts(visits(30, 100 + seed), visits(60, 900 + seed), DICTIONARY, seed).passed
        for seed in range(60)
    ]
    assert 0.85 <= np.mean(passed) <= 0.99


def test_balanced_rows_of_the_same_classes_pass_as_often():
    passed = []
    for seed in range(40):
        kept = visits(2000, 1000 + seed)
        drawn = np.random.default_rng(seed).choice(list(THIRDS), 90)
        parts = [kept[kept["outcome"] == label].head((drawn == label).sum()) for label in THIRDS]
        found = shifts(visits(100, seed), pd.concat(parts), DICTIONARY, seed, wanted_shares=THIRDS)
        passed.append(found.passed)
    assert np.mean(passed) >= 0.85


REAL = visits(150, 11)


def test_a_lost_class_comes_first_and_once():
    kept = visits(700, 9)
    found = shifts(REAL, kept[kept["outcome"] != "dead"], DICTIONARY, 1)
    assert not found.passed
    assert found.sentences()[0].startswith("No kept row has outcome 'dead', where ")
    assert sum("'dead'" in sentence for sentence in found.sentences()) == 1
    assert [share.label for share in found.classes if share.lost] == ["dead"]


def test_ages_cut_at_the_80th_percentile_are_a_lost_range():
    kept = visits(700, 9)
    found = shifts(REAL, kept[kept["age"] < 70], DICTIONARY, 1)
    assert found.lost_ranges[0].column == "age"
    assert found.findings[0].kind == "lost_range"
    assert "No kept row has age as high as the highest" in found.sentences()[0]


def test_a_mean_moved_by_half_a_deviation_is_a_marginal():
    kept = visits(400, 9)
    found = shifts(REAL, kept.assign(bmi=kept["bmi"] + 2), DICTIONARY, 1)
    assert [(finding.kind, finding.columns) for finding in found.findings] == [
        ("marginal", ("bmi",))
    ]
    assert "bmi is higher in the kept rows" in found.sentences()[0]


def test_a_doubled_share_is_found():
    kept = visits(3000, 9)
    doubled = pd.concat(
        [kept[kept["outcome"] == label].head(n) for label, n in (("dead", 120), ("ill", 280))]
    )
    found = shifts(REAL, doubled, DICTIONARY, 1)
    assert found.findings[0].kind in {"lost_class", "class_shares"}
    assert "class_shares" in kinds(found)


def test_independent_columns_lose_their_association():
    rng = np.random.default_rng(1)
    kept = visits(400, 9)
    kept = kept.assign(**{name: rng.permutation(kept[name]) for name in kept})
    found = shifts(REAL, kept, DICTIONARY, 1)
    assert kinds(found) == {"target_association"}
    assert set(found.findings[0].columns) == {"age", "outcome"}


def test_of_two_pairs_that_differ_the_one_with_the_target_is_told_too():
    kept = visits(400, 9)
    closer = kept.assign(crp=3 * kept["bmi"].fillna(27), bmi=kept["age"] / 2)
    pairs = {
        finding.kind: set(finding.columns)
        for finding in shifts(REAL, closer, DICTIONARY, 1).findings
    }
    assert "outcome" in pairs["target_association"]
    assert "outcome" not in pairs["association"]


def test_the_worst_comes_first():
    kept = visits(900, 9)
    kept = kept[(kept["outcome"] != "dead") & (kept["age"] < 70)].head(400)
    found = shifts(REAL, kept.assign(bmi=30.0), DICTIONARY, 1)
    order = ["lost_class", "lost_range", "class_shares", "target_association", "marginal"]
    order += ["missing", "association"]
    places = [order.index(finding.kind) for finding in found.findings]
    assert places == sorted(places)
    assert {"lost_class", "lost_range", "marginal", "missing"} <= kinds(found)


def test_real_rows_that_were_not_asked_for_are_left_aside():
    matches = (REAL["age"] >= 65).to_numpy()
    kept = visits(900, 9)
    kept = kept[kept["age"] >= 65]
    assert not shifts(REAL, kept, DICTIONARY, 1).passed
    found = shifts(REAL, kept, DICTIONARY, 1, matches=matches)
    assert found.passed
    assert (found.n_real, found.n_kept) == (matches.sum(), len(kept))


@pytest.mark.parametrize(("n_real", "n_kept"), [(0, 50), (30, 0), (1, 1), (1, 50), (2, 1), (3, 2)])
def test_few_rows_are_no_error_and_no_shift(n_real, n_kept):
    found = shifts(REAL.head(n_real), visits(50, 9).head(n_kept), DICTIONARY, 1)
    assert found.passed
    assert found.sentences() == []
    assert not shifts(REAL, visits(50, 9), DICTIONARY, 1, matches=np.zeros(150, bool)).findings


def test_figures_are_the_same_again_and_change_no_table():
    real, kept = REAL.copy(), visits(100, 9)
    before = kept.copy()
    assert shifts(real, kept, DICTIONARY, 5) == shifts(real, kept, DICTIONARY, 5)
    pd.testing.assert_frame_equal(real, REAL)
    pd.testing.assert_frame_equal(kept, before)


def test_large_tables_are_thinned_out_but_no_class_is_lost_by_it(monkeypatch):
    monkeypatch.setattr(module, "_MAX_ROWS", 100)
    kept = visits(400, 9)
    rare = pd.concat([kept[kept["outcome"] != "dead"], kept[kept["outcome"] == "dead"].head(1)])
    found = shifts(REAL, rare, DICTIONARY, 1)
    assert not any(share.lost for share in found.classes)
    assert found.n_kept == len(rare)


def test_the_report_has_no_cell_of_few_real_rows():
    """Rare levels, and the largest numbers, are in no sentence and in no figure."""
    real, kept = visits(40, 7), visits(400, 9)
    kept = kept[(kept["age"] < 62) & (kept["outcome"] != "dead")]
    kept = kept.assign(rare="yes", site="h", bmi=70.5, crp=9000.0)
    found = shifts(real, kept, DICTIONARY, 1)
    text = as_json(found)
    assert len(found.findings) >= 6
    assert "'yes'" not in text
    assert "'h'" not in text
    for name in ("age", "bmi", "crp"):
        largest = DICTIONARY[name].cell(real[name].max())
        assert not any(largest in sentence for sentence in found.sentences())


def test_how_columns_of_ten_patients_go_together_is_not_said():
    kept = visits(50, 9)
    found = shifts(REAL, kept, DICTIONARY, 1, matches=np.arange(150) < 10)
    assert found.associations == ()
    assert {share.expected for share in found.classes} == {None}
    assert shifts(REAL, kept, DICTIONARY, 1, matches=np.arange(150) < 11).associations

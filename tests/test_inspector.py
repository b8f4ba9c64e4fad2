"""All stages over batches: nothing lost, nothing changed, the same again under a seed."""

import numpy as np
import pandas as pd
import pytest

from t2local.trim import clusters
from t2local.trim.state import Pool
from t2local.trim.verdict import joined, overruled_sentence
from tests.batches import (
    described,
    dictionary,
    flipped,
    fresh,
    inspect,
    new_inspector,
    real_rows,
)
from tests.patients import patients

BATCHES = {
    "ten": fresh(10),
    "one": fresh(1),
    "none": fresh(10).head(0),
    "a blank column": fresh(10).assign(weight=np.nan),
    "odd index": fresh(10).set_index(np.arange(10) * 7 + 3),
}


def test_the_utility_gate_tells_good_batches_from_flipped_ones():
    n_good = 0
    n_flipped = 0
    for seed in range(20):
        good = fresh(10, seed)
        n_good += inspect().judge(good).figures["cost"].accepted
        n_flipped += inspect().judge(flipped(good)).figures["cost"].accepted
    assert n_good >= 3 * n_flipped
    assert n_good >= 10


def test_a_class_that_the_real_rows_lack_is_kept_unverified():
    table = dictionary()
    target = table["outcome"].model_copy(update={"type": "category", "levels": ("0", "1", "2")})
    wider = table.model_copy(update={"features": (*table.features[:-1], target)})
    rows = fresh(10).assign(outcome=["2"] * 3 + ["0", "1"] * 3 + ["1"])
    verdict = new_inspector(real_rows(), wider).judge(rows)
    assert verdict.kept[:3].all()
    assert verdict.figures["unverified"].rows == 3
    assert "not in the real rows" in verdict.figures["unverified"].why


@pytest.mark.parametrize(
    "gate", ["source", "utility", "ig_refit", "ig_plugin", "predictive_entropy"]
)
@pytest.mark.parametrize("case", list(BATCHES))
def test_contract_of_all_stages(gate, case):
    rows = BATCHES[case]
    before = rows.copy(deep=True)
    verdict, again = (inspect(gate=gate, replicates=50).judge(rows) for _ in range(2))
    pd.testing.assert_frame_equal(rows, before)
    assert (verdict.stages, verdict.reasons) == (again.stages, again.reasons)
    assert verdict.figures == again.figures
    assert len(verdict.stages) == len(rows)
    assert int(verdict.kept.sum()) + sum(verdict.rejected_by().values()) == len(rows)
    for reason, stage in zip(verdict.reasons, verdict.stages, strict=True):
        assert bool(reason) == (stage is not None)


def test_two_inspectors_of_one_seed_say_the_same():
    shared = inspect()
    own = new_inspector(real_rows(), dictionary())
    for seed in range(4):
        rows = fresh(10, seed)
        one, other = shared.judge(rows), own.judge(rows)
        assert (one.reasons, one.figures) == (other.reasons, other.figures)


def test_what_is_kept_counts_as_accepted():
    inspector = inspect()
    n_kept = 0
    for seed in range(5):
        n_kept += int(inspector.judge(fresh(10, seed)).kept.sum())
    state = inspector.state
    assert sum(map(len, state.accepted)) == n_kept > 0
    assert state.n_batches == 5
    assert len(state.clusters) == 60 + n_kept


def test_the_gate_alone_says_what_the_second_stage_would():
    inspector = inspect()
    for rows in (fresh(10), flipped(fresh(10))):
        result = inspector.gate(rows)
        assert inspector.state.accepted == []
        figures = inspect(stages="cost").judge(rows).figures["cost"]
        assert result.figures == figures
        assert bool(result.reason) == (not figures.accepted)


@pytest.mark.parametrize("n", [2, 3, 5, 9, 12])
@pytest.mark.parametrize("gate", ["source", "utility", "ig_refit"])
def test_few_real_rows_are_judged_as_far_as_they_go(n, gate):
    few = real_rows().groupby("outcome").head(-(-n // 2)).head(n).reset_index(drop=True)
    verdict = new_inspector(few, dictionary(), gate=gate, replicates=50).judge(fresh(10))
    assert int(verdict.kept.sum()) + sum(verdict.rejected_by().values()) == 10
    if n < clusters.MIN_ROWS and verdict.kept.any():
        assert "fewer than 9" in verdict.figures["diversity"].skipped


def test_a_number_as_target_is_judged_too():
    frame = patients()
    noise = np.random.default_rng(1).normal(size=60).round(2)
    real, table = described(frame.assign(outcome=frame["age"] * 3.0 + noise))
    good = fresh(real=real)
    bad = good.assign(outcome=good["outcome"].to_numpy()[::-1])
    inspector = new_inspector(real, table)
    good_figures = inspector.gate(good).figures
    bad_figures = inspector.judge(bad).figures["cost"]
    assert good_figures.measured > bad_figures.measured
    assert not bad_figures.accepted


def test_with_keep_all_the_stages_say_what_they_would_reject_and_only_sanity_rejects():
    rows = pd.concat([flipped(fresh(20)), fresh(4).assign(age=500.5)], ignore_index=True)
    settings = {"gate": "source", "keep": "all"}
    refused = inspect(gate="source").judge_source(rows, Pool())
    kept = inspect(**settings).judge_source(rows, Pool())
    assert refused.rejected_by() == {"sanity": 4, "cost": 20}
    assert kept.rejected_by() == {"sanity": 4}
    assert kept.overruled["cost"] == 20
    both = joined([kept, kept])
    assert both.overruled["cost"] == 40
    assert "rejected: cost 40." in overruled_sentence(both.overruled)
    assert overruled_sentence(refused.overruled) == ""

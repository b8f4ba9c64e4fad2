"""The paper's k by cross-validation, and when there is nothing to choose."""

import numpy as np
import pytest

from t2local.trim.tuning import (
    CANDIDATES,
    MIN_ROWS,
    MIN_ROWS_OF_A_CLASS,
    can_tune,
    choose_k,
    untuned_k,
)
from tests.batches import (
    dictionary,
    flipped,
    fresh,
    inspect,
    new_inspector,
    real_rows,
    reference,
    trim_settings,
)

PAPER = {"gate": "ig_refit", "replicates": 50}
GOOD = [fresh(10, seed) for seed in range(8)]


def chosen(batches):
    inspector = inspect(**PAPER)
    inspector.tune(batches)
    return inspector.state.k


def test_k_is_chosen_by_what_held_out_rows_say():
    # Information gain likes flipped labels: only a high k keeps them out. With good rows a low one
    # lets more in.
    assert chosen([flipped(rows) for rows in GOOD]) >= 2.5 > chosen(GOOD)


@pytest.mark.parametrize("trim", [{"gate": "utility"}, {"gate": "ig_refit", "gate_sd": 0.5}])
def test_a_k_that_is_given_or_not_needed_stays(trim):
    inspector = inspect(**trim)
    before = inspector.state.k
    inspector.tune(GOOD)
    assert inspector.state.k == before == trim.get("gate_sd", 0.0)


def test_few_rows_take_the_middle():
    few = new_inspector(real_rows().head(20), dictionary(), gate="ig_refit")
    few.tune(GOOD)
    assert few.state.k == 1.0


def test_the_k_to_begin_with():
    assert untuned_k(trim_settings(gate="utility")) == 0.0
    assert untuned_k(trim_settings(gate="ig_plugin")) == 1.0
    assert untuned_k(trim_settings(gate="ig_plugin", gate_sd=0)) == 0.0
    assert untuned_k(trim_settings(gate="utility", gate_sd=2.5)) == 2.5


def with_labels(y):
    """The reference of as many patients with these labels."""
    real = real_rows().head(len(y)).assign(outcome=y.astype(str))
    return new_inspector(real, dictionary(), **PAPER).state.reference


def test_rows_and_rows_of_each_class_must_be_enough():
    half = np.arange(60) % 2
    assert can_tune(with_labels(half))
    assert can_tune(with_labels(half[:MIN_ROWS]))
    assert not can_tune(with_labels(half[: MIN_ROWS - 1]))
    assert can_tune(with_labels((np.arange(60) < MIN_ROWS_OF_A_CLASS).astype(int)))
    assert not can_tune(with_labels((np.arange(60) < MIN_ROWS_OF_A_CLASS - 1).astype(int)))


def test_without_batches_all_k_are_equal_and_the_largest_is_taken():
    assert choose_k(reference(**PAPER), []) == CANDIDATES[-1] == 3.0


def test_the_choice_is_the_same_again():
    real = inspect(**PAPER).state
    batches = [real.batch(rows) for rows in GOOD[:3]]
    assert choose_k(real.reference, batches) == choose_k(real.reference, batches)


def test_insane_rows_are_no_candidates():
    copies = [real_rows().iloc[i : i + 10] for i in (0, 10)]
    inspector = inspect(**PAPER)
    inspector.tune(copies)
    assert inspector.state.k == 1.0


def test_a_new_k_makes_new_thresholds():
    inspector = inspect(**PAPER)
    before = inspector.gate(GOOD[0]).figures
    inspector.state.use_k(3.0)
    after = inspector.gate(GOOD[0]).figures
    assert after.control_mean == before.control_mean
    assert after.threshold == pytest.approx(after.control_mean + 3 * after.control_sd)
    assert before.threshold == pytest.approx(before.control_mean + before.control_sd)

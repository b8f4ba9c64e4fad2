"""Mean and deviation of what brings nothing new, and the level above them."""

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2local.trim.threshold import Threshold

numbers = st.floats(-1e3, 1e3)


def test_the_level_is_k_deviations_above_the_mean():
    assert Threshold(mean=0.5, sd=0.25, k=2.0).level == 1.0
    assert Threshold(mean=-1.0, sd=0.5, k=0.0).level == -1.0


@given(numbers, st.floats(0, 1e3), st.floats(0, 3), st.floats(0, 3))
def test_a_larger_k_never_asks_for_less(mean, sd, k, more):
    low = Threshold(mean, sd, k)
    high = Threshold(mean, sd, k + more)
    assert low.mean <= low.level <= high.level
    assert high.level - low.level == pytest.approx(more * sd, abs=1e-9)


def test_without_deviation_k_does_not_matter():
    assert {Threshold(0.1, 0.0, k).level for k in (0.0, 1.0, 3.0)} == {0.1}


def test_a_threshold_cannot_be_changed_after_batches_were_held_against_it():
    with pytest.raises(FrozenInstanceError):
        Threshold(0.0, 1.0, 1.0).k = 2.0

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.stats.rates import Rate, residual_risk, wilson


def test_wilsons_interval_is_the_one_of_the_textbook():
    """Newcombe (1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<857), table I."""
    rate = wilson(81, 263)
    assert (rate.value, rate.low, rate.high) == pytest.approx((0.308, 0.2553, 0.3662), abs=5e-5)
    none = wilson(0, 20)
    assert (none.value, none.low, none.high) == pytest.approx((0, 0, 0.1611), abs=5e-5)


@settings(max_examples=40)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share_and_grows_narrow(counts):
    successes, trials = counts
    rate = wilson(successes, trials)
    assert 0 <= rate.low <= rate.value <= rate.high <= 1
    many = wilson(successes * 10, trials * 10)
    assert many.high - many.low < rate.high - rate.low


def test_what_the_control_explains_is_no_risk():
    """As anonymeter 1.1.0 has it for 60 and 30 successes of 100 (`residual_success`)."""
    risk = residual_risk(wilson(60, 100), wilson(30, 100))
    assert (risk.value, risk.low, risk.high) == pytest.approx((0.4171, 0.2620, 0.5723), abs=5e-5)
    assert residual_risk(wilson(30, 100), wilson(30, 100)).value == pytest.approx(0)
    assert residual_risk(wilson(10, 100), wilson(60, 100)) == Rate(0.0, 0.0, 0.0)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from t2local.stats.likelihoods import (
    PROBABILITY_FLOOR,
    class_log_likelihood,
    normal_log_likelihood,
)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6).filter(lambda p: sum(p) > 0.01))
def test_floored_probabilities_are_finite_and_still_sum_to_one(p):
    p = np.array(p) / sum(p)
    log_p = class_log_likelihood(p, len(p))
    assert np.isfinite(log_p).all()
    assert np.exp(log_p).sum() == pytest.approx(1)
    assert log_p.min() >= np.log(PROBABILITY_FLOOR / len(p)) - 1e-12
    assert (np.diff(log_p[np.argsort(p)]) >= 0).all()  # the order stays


def test_the_normal_is_scipys():
    residuals = np.linspace(-4, 4, 9)
    assert normal_log_likelihood(residuals) == pytest.approx(norm.logpdf(residuals))

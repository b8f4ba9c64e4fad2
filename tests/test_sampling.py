"""One token of the allowed ones: masks, the draw, and the random numbers of a row."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.llm.sampling import RowStream, allowed_tokens, draw

seeds = st.integers(0, 2**32 - 1)
uniforms = st.floats(0, 1, exclude_max=True)
logit_lists = st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=12)


@given(st.sets(st.integers(0, 319), min_size=1))
def test_allowed_tokens_are_the_set_bits(tokens):
    bits = np.zeros(10, dtype=np.uint32)
    for token in tokens:
        bits[token // 32] |= np.uint32(1 << (token % 32))
    assert allowed_tokens(bits.view(np.int32)).tolist() == sorted(tokens)


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=6))
def test_allowed_tokens_are_those_of_a_plain_loop(words):
    bits = np.array(words, dtype=np.int32)
    expected = [
        32 * i + bit for i, word in enumerate(words) for bit in range(32) if word >> bit & 1
    ]
    assert allowed_tokens(bits).tolist() == expected


def test_an_empty_mask_allows_nothing():
    assert allowed_tokens(np.zeros(3, dtype=np.int32)).tolist() == []


@settings(max_examples=20)
@given(seeds, st.floats(0.2, 3))
def test_the_draw_is_the_dense_softmax_over_the_allowed_set(seed, temperature):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, 50).astype(np.float32)
    allowed = np.sort(rng.choice(50, 7, replace=False))
    dense = np.full(50, -np.inf)
    dense[allowed] = logits[allowed].astype(np.float64) / temperature
    dense = np.exp(dense - dense.max())
    dense /= dense.sum()
    # The draw inverts the cumulative distribution: an even grid of uniforms gives each token its
    # share, up to one point of the grid at each end of its interval.
    grid = (np.arange(1000) + 0.5) / 1000
    drawn = np.bincount(
        [draw(logits[allowed], allowed, temperature, u)[0] for u in grid], minlength=50
    ) / len(grid)
    assert np.abs(drawn - dense).max() < 1.01 / 1000


@given(logit_lists, st.floats(0.2, 3), uniforms)
def test_the_draw_inverts_the_cumulative_distribution(values, temperature, uniform):
    logits = np.array(values, dtype=np.float32)
    allowed = np.arange(len(values)) * 3 + 1
    token, _ = draw(logits, allowed, temperature, uniform)
    place = allowed.tolist().index(token)
    weights = [math.exp((float(x) - float(logits.max())) / temperature) for x in logits]
    total = math.fsum(weights)
    assert math.fsum(weights[:place]) / total <= uniform + 1e-12
    assert uniform - 1e-12 <= math.fsum(weights[: place + 1]) / total


@given(logit_lists, uniforms)
def test_log_probabilities_are_those_of_temperature_one_whatever_the_temperature(values, uniform):
    logits = np.array(values, dtype=np.float32)
    allowed = np.arange(len(values))
    for temperature in (0.0, 0.5, 2.0):
        token, logprob = draw(logits, allowed, temperature, uniform)
        exponentials = [math.exp(float(x) - float(logits.max())) for x in logits]
        expected = math.log(exponentials[token] / math.fsum(exponentials))
        assert math.isclose(logprob, expected, abs_tol=1e-9)


def test_temperature_zero_takes_the_most_likely_and_logprob_is_under_the_grammar():
    logits = np.array([9.0, 1.0, 2.0, 3.0], dtype=np.float32)
    token, logprob = draw(logits[[1, 2, 3]], np.array([1, 2, 3]), 0.0, 0.99)
    assert token == 3
    assert np.isclose(logprob, 3 - np.log(np.exp([1, 2, 3]).sum()))


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
def test_the_ends_of_the_unit_interval_are_the_first_and_the_last_token(uniform):
    logits = np.zeros(3, dtype=np.float32)
    token, logprob = draw(logits, np.array([4, 5, 9]), 1.0, uniform)
    assert token == (9 if uniform else 4)
    assert np.isclose(logprob, -np.log(3))


def test_large_logits_do_not_overflow_and_are_not_changed():
    logits = np.array([3e38, -3e38], dtype=np.float32)
    before = logits.copy()
    assert draw(logits, np.array([0, 1]), 1.0, 0.999) == (0, 0.0)
    assert (logits == before).all()


def test_a_rows_numbers_depend_on_its_name_alone():
    row = RowStream(seed=3, block=2, row=5)
    assert (row.uniforms(10) == row.uniforms(500)[:10]).all()
    others = [
        RowStream(4, 2, 5),
        RowStream(3, 1, 5),
        RowStream(3, 2, 4),
        RowStream(3, 2, 5, attempt=1),
    ]
    assert all((other.uniforms(10) != row.uniforms(10)).all() for other in others)

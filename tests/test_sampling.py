import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from t2local.llm.sampling import RowStream, allowed_tokens, draw


@given(st.sets(st.integers(0, 319), min_size=1))
def test_allowed_tokens_are_the_set_bits(tokens):
    bits = np.zeros(10, dtype=np.uint32)
    for token in tokens:
        bits[token // 32] |= np.uint32(1 << (token % 32))
    assert allowed_tokens(bits.view(np.int32)).tolist() == sorted(tokens)


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 3))
def test_the_draw_is_the_dense_softmax_over_the_allowed_set(seed, temperature):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, 50).astype(np.float32)
    allowed = np.sort(rng.choice(50, 7, replace=False))
    dense = np.full(50, -np.inf)
    dense[allowed] = logits[allowed].astype(np.float64) / temperature
    dense = np.exp(dense - dense.max())
    dense /= dense.sum()
    # The draw inverts the cumulative distribution: an even grid of uniforms gives each token its share.
    grid = (np.arange(4000) + 0.5) / 4000
    drawn = np.bincount(
        [draw(logits[allowed], allowed, temperature, u)[0] for u in grid], minlength=50
    ) / len(grid)
    assert np.abs(drawn - dense).max() < 1 / 1000


def test_temperature_zero_takes_the_most_likely_and_logprob_is_under_the_grammar():
    logits = np.array([9.0, 1.0, 2.0, 3.0], dtype=np.float32)
    token, logprob = draw(logits[[1, 2, 3]], np.array([1, 2, 3]), 0.0, 0.99)
    assert token == 3
    assert np.isclose(logprob, 3 - np.log(np.exp([1, 2, 3]).sum()))


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

"""Totals of several decoders add up."""

from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from t2local.llm.counters import Counters

counts = st.integers(0, 10**9)
counters = st.builds(
    Counters,
    context_tokens=counts,
    context_bytes=counts,
    prefix_tokens=counts,
    row_tokens=counts,
    sampled_tokens=counts,
    failed_rows=counts,
    failed_decodes=counts,
    requeued_rows=counts,
    decode_seconds=counts.map(float),
)


@given(st.lists(counters, min_size=1, max_size=5))
def test_everything_is_summed_but_the_context_which_is_the_largest(several):
    total = asdict(sum(several, Counters()))
    for name in ("context_tokens", "context_bytes"):
        assert total.pop(name) == max(getattr(one, name) for one in several)
    for name, value in total.items():
        assert value == sum(getattr(one, name) for one in several)


@given(counters, counters)
def test_the_order_of_a_sum_does_not_matter_and_its_terms_stay(one, other):
    before = asdict(one), asdict(other)
    assert one + other == other + one
    assert (one + other).decoded_tokens == one.decoded_tokens + other.decoded_tokens
    assert (asdict(one), asdict(other)) == before


def test_sampled_tokens_are_not_decoded_twice():
    assert Counters(prefix_tokens=7, row_tokens=5, sampled_tokens=4).decoded_tokens == 12

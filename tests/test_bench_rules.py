"""The bench of found rules counts the other rows that break them."""

import pytest

rules = pytest.importorskip("bench.rules", reason="bench/ is not beside an installed package")

from t2local.tables.files import from_frame  # noqa: E402
from tests.test_rule_search import stays  # noqa: E402


def test_rules_are_held_against_rows_that_they_were_not_found_in():
    frame = stays(600)
    shares, any_share = rules.broken_shares(from_frame(frame).cells, 200, 0)
    assert len(shares) >= 5
    assert any_share == 0
    # Errors in one of twenty rows: five rows in twelve are free of them, and have the rule.
    frame.loc[::20, "score"] += 1
    runs = [rules.broken_shares(from_frame(frame).cells, 12, seed) for seed in range(4)]
    assert 0.02 < max(any_share for _, any_share in runs) < 0.08

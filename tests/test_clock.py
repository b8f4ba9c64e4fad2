"""Seconds by part of a run."""

import time

from t2local.run.clock import Clock


def test_every_second_belongs_to_one_part():
    clock = Clock()
    for part in ("read", "plan", "read"):
        time.sleep(0.01)
        clock.lap(part)
    total = clock.total
    assert set(clock.seconds) == {"read", "plan"}
    assert clock.seconds["read"] >= 0.02
    assert clock.seconds["plan"] >= 0.01
    assert sum(clock.seconds.values()) <= total
    # Nothing happened since the last lap but this test's own lines.
    assert total - sum(clock.seconds.values()) < 0.05


def test_a_part_that_goes_on_counts_up_to_now():
    clock = Clock()
    time.sleep(0.01)
    clock.lap("assembly")
    time.sleep(0.01)
    assert clock.seconds_with_current_lap("assembly") >= clock.seconds["assembly"] + 0.01
    assert clock.seconds_with_current_lap("trim") >= 0.01  # a part that has only begun


def test_a_part_that_never_was_took_no_time():
    assert Clock().seconds["texts"] == 0

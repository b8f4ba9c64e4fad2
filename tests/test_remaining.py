"""What is left of a run: guessed first, then measured."""

import pytest

from t2local.run import remaining as module
from t2local.run.remaining import Remaining


@pytest.fixture
def now(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(module.time, "process_time", lambda: clock[0] / 2)
    return clock


def known(**options):
    """A run of 100 rows with the starter's size on two cores: 0.15 s a row."""
    remaining = Remaining()
    remaining.expect(12 * 0.25e9, 2, 100, **{"plans": True, "fits": True, **options})
    return remaining


def test_nothing_is_known_before_the_model_is_there(now):
    remaining = Remaining()
    remaining.enter("loading")
    assert remaining.seconds() is None


def test_what_a_part_took_is_the_measure_of_those_to_come(now):
    remaining = known()
    remaining.enter("training")
    now[0] = 7
    remaining.rows_asked = 50
    remaining.enter("asking")
    now[0] = 7 + 50 * 0.5  # slower than was guessed
    remaining.enter("writing")
    measuring = 7 * (1 + 100 / module._ROWS_OF_A_FIT) + module._MORE_MEASURING
    assert remaining.seconds() == pytest.approx(100 * 0.5 + measuring)
    remaining.pay(20, 25, 75)
    assert remaining.seconds() == pytest.approx(75 * 0.8 + measuring)
    remaining.enter("measuring")
    now[0] += 4
    assert remaining.seconds() == pytest.approx(measuring - 4)
    now[0] += 100  # it is never told to be over before it is
    assert remaining.seconds() == pytest.approx(0.1 * measuring)


def test_many_rows_take_longer_to_be_measured(now):
    """Each of 10,000 rows is learned from, and of 100,000 as many as `benefit` takes."""
    seconds = {}
    for n_rows in (10_000, 20_000, 100_000):
        remaining = Remaining()
        remaining.expect(12 * 0.25e9, 2, n_rows, plans=False, fits=True)
        remaining.enter("training")
        now[0] += 2
        remaining.enter("measuring")
        seconds[n_rows] = remaining.seconds()
    assert 10 < seconds[10_000] < 18
    assert seconds[10_000] < seconds[20_000] == seconds[100_000]


def test_a_run_without_a_plan_or_labels_is_shorter(now):
    remaining = known(plans=False, fits=False)
    assert remaining.seconds() == pytest.approx(100 * 0.15 + module._MORE_MEASURING)
    assert known().seconds() > remaining.seconds()


def test_on_a_machine_that_is_half_busy_with_others_all_takes_twice_as_long(now):
    busy = Remaining()
    now[0] = 3
    busy.expect(12 * 0.25e9, 2, 100, plans=False, fits=False)
    assert busy.seconds() == pytest.approx(2 * 100 * 0.15 + module._MORE_MEASURING)

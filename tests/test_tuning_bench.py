"""What is fastest is measured with a real llama; what is taken is decided on seconds by script."""

import itertools
import math
import time

import pytest

from t2local.errors import ResourceError
from t2local.llm import tuning_bench
from t2local.llm.backbone import Backbone
from t2local.llm.store import find
from t2local.llm.tuning_bench import Block, Trial, measure
from tests.tiny import tiny

USUAL, OTHER = Trial(2, 32, "auto"), Trial(2, 64, "auto")


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A tiny model, and blocks of few rows: other tests may run on the same cores."""
    monkeypatch.setenv("T2LOCAL_HOME", str(tmp_path))
    monkeypatch.setattr(tuning_bench, "_ROWS", 8)
    monkeypatch.setattr(tuning_bench, "_BUSY", math.inf)
    model = Backbone(find(str(tiny(tmp_path / "a.gguf"))), threads=2)
    yield model
    model.close()


class Seconds:
    """A block whose seconds are given: the usual way always takes one."""

    def __init__(self, *speeds):
        self.speeds = iter(speeds)
        self.trials = []

    def seconds(self, model, trial):
        self.trials.append(trial)
        return 1.0 if trial == USUAL else 1 / next(self.speeds)


def compare(block, deadline=math.inf):
    return tuning_bench._compare("other", None, block, USUAL, OTHER, deadline)


@pytest.mark.parametrize(
    ("speeds", "taken"),
    [
        ((1.5, 1.5, 1.5, 1.5, 1.5), True),
        ((1.1, 1.06, 1.5, 1.04, 0.5), True),  # one pair may have met another program
        ((1.5, 1.5, 0.9, 0.9, 1.5), False),  # two of five: too noisy to tell
        ((1.04, 1.04, 1.04, 1.2, 1.2), False),  # not clearly faster
        ((0.5, 0.5, 1.5, 1.5, 1.5), False),
    ],
)
def test_another_setting_is_taken_when_it_wins_nearly_all_pairs_clearly(speeds, taken):
    assert compare(Seconds(*speeds)).taken == taken


def test_both_ways_come_first_in_turn_and_a_loser_is_dropped_early():
    block = Seconds(1.5, 1.4, 1.3, 1.2, 1.1)
    assert compare(block).speeds == pytest.approx((1.5, 1.4, 1.3, 1.2, 1.1))
    assert block.trials[:4] == [USUAL, OTHER, OTHER, USUAL]
    assert len(compare(Seconds(0.5, 0.6)).speeds) == 2


def test_nothing_is_measured_and_nothing_taken_when_the_time_is_over():
    comparison = compare(Seconds(), deadline=time.perf_counter())
    assert comparison.speeds == ()
    assert not comparison.taken


def test_all_settings_are_measured_and_what_was_taken_is_what_changes(model):
    lines = []
    tuning = measure(model, lines.append)
    assert lines[1:] == [str(comparison) for comparison in tuning.comparisons]
    for setting in ("threads 1", "slots 16", "slots 64", "flash attention ", "a cache"):
        assert any(line.startswith(setting) for line in lines)
    assert all(speed > 0 for each in tuning.comparisons for speed in each.speeds)
    # A way of attention must win after a long prompt too.
    taken = {each.what.partition(" ")[0] for each in tuning.comparisons if each.taken}
    changes = {"threads": tuning.threads, "slots": tuning.slots, "flash": tuning.flash_attention}
    assert taken == {name for name, value in changes.items() if value}


def test_a_block_is_rows_of_numbers_after_a_prompt(model):
    block = Block.of(model, 128, 2)
    assert (len(block.prompt), len(block.requests)) == (128, 8)
    assert block.seconds(model, Trial(1, 8, "off")) > 0


@pytest.mark.parametrize("is_busy", [True, False])
def test_nothing_is_measured_while_other_programs_compute(monkeypatch, is_busy):
    seconds = itertools.chain([5000], itertools.repeat(5000 + is_busy * 100))
    monkeypatch.setattr(tuning_bench, "computing_seconds", lambda: next(seconds))
    others = tuning_bench._Others()
    if not is_busy:
        others.check()
        return
    with pytest.raises(ResourceError, match="of the cores meanwhile"):
        others.check()

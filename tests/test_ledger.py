"""The accounting: generated = kept + rejected after every batch, whatever happens."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.run.ledger import CHOICE, SURPLUS, Ledger
from t2local.tables.describe import describe
from t2local.tables.files import from_frame
from t2local.team.writer import Block
from t2local.trim.stages import STAGES
from t2local.trim.verdict import Verdict

FRAME = pd.DataFrame({"x": [2 * i + i % 7 for i in range(30)], "y": ["a", "b", "b"] * 10})
DICTIONARY = describe(from_frame(FRAME).cells, target="y")
VALUES = DICTIONARY.values(from_frame(FRAME).cells)


def block(rows: pd.DataFrame, number: int = 0, failed: int = 0, *, interrupted=False) -> Block:
    return Block(number, rows, failed, "sha", interrupted)


def batch(ledger: Ledger, rows: pd.DataFrame, refused: list[bool]):
    """Judge a batch: some rows are refused, and what is more than wanted is surplus."""
    verdict = Verdict(len(rows))
    verdict.reject(np.array(refused, dtype=bool), "sanity", "broken: 1")
    verdict.reject(ledger.surplus(rows, verdict), SURPLUS, "the wanted rows were already there")
    return ledger.add_batch(block(rows), rows, verdict, seed=1)


refusals = st.lists(st.lists(st.booleans(), min_size=1, max_size=10), max_size=6)


@settings(max_examples=60, deadline=None)
@given(refused=refusals, wanted=st.integers(1, 25))
def test_every_row_is_kept_or_rejected_and_never_more_are_kept_than_wanted(refused, wanted):
    ledger = Ledger(wanted, 10, 100)
    for rows in refused:
        batch(ledger, VALUES.head(len(rows)), rows)
        assert ledger.generated == ledger.kept + sum(ledger.rejected_by.values())
        assert ledger.kept <= wanted
    assert ledger.generated == sum(map(len, refused))
    assert ledger.kept == min(wanted, sum(not bad for rows in refused for bad in rows))
    kept, rejected, notes = ledger.rows(DICTIONARY)
    assert (len(kept), len(rejected)) == (ledger.kept, ledger.generated - ledger.kept)
    assert len(notes) == len(rejected)
    assert sum(ledger.rejected_by_stage().values()) == len(rejected)
    assert list(kept) == list(rejected) == DICTIONARY.names


@settings(max_examples=60, deadline=None)
@given(refused=refusals, quotas=st.tuples(st.integers(0, 8), st.integers(0, 8)))
def test_with_quotas_no_label_is_kept_more_often_than_asked_for(refused, quotas):
    ledger = Ledger(sum(quotas), 10, 100)
    wanted = dict(zip("ab", quotas, strict=True))
    ledger.want_labels("y", wanted)
    for rows in refused:
        batch(ledger, VALUES.sample(len(rows), random_state=len(rows)), rows)
    kept = ledger.rows(DICTIONARY).kept["y"].value_counts()
    for label, quota in wanted.items():
        assert kept.get(label, 0) <= quota
        assert ledger.missing_labels[label] == quota - kept.get(label, 0)


def test_the_notes_say_which_row_of_all_was_rejected_by_whom():
    ledger = Ledger(3, 4, 9)
    batch(ledger, VALUES.head(4), [True, False, False, True])
    batch(ledger, VALUES.iloc[4:8], [False, False, True, False])
    kept, rejected, notes = ledger.rows(DICTIONARY)
    assert notes["row"].tolist() == [1, 4, 6, 7, 8]
    assert notes["stage"].tolist() == ["sanity", "sanity", SURPLUS, "sanity", SURPLUS]
    assert kept["x"].tolist() == VALUES["x"].iloc[[1, 2, 4]].tolist()
    assert rejected["x"].tolist() == VALUES["x"].iloc[[0, 3, 5, 6, 7]].tolist()


def test_stages_are_counted_in_the_order_in_which_they_stand_and_surplus_last():
    ledger = Ledger(1, 10, 9)
    names = [stage.name for stage in STAGES]
    assert list(ledger.rejected_by_stage()) == [*names, SURPLUS]
    assert set(ledger.rejected_by_stage().values()) == {0}


def test_nothing_written_is_an_empty_frame_with_the_types_of_the_table():
    kept, rejected, notes = Ledger(1, 10, 9).rows(DICTIONARY)
    assert len(kept) == len(rejected) == len(notes) == 0
    assert kept.dtypes.to_dict() == VALUES.head(0).dtypes.to_dict()
    assert "row" in notes


@pytest.mark.parametrize(
    ("kept", "generated", "most", "rows"),
    [
        (0, 0, 100, 50),  # nothing is known yet: as many as are wanted
        (40, 50, 100, 20),  # 10 are missing at 80 %: 12.5 rows, in whole batches
        (10, 50, 100, 80),  # 40 are missing at 20 %, counted as 50 %: at most twice the gap
        (0, 50, 30, 30),  # never more than a block holds
        (0, 90, 100, 10),  # what is left of the batches
    ],
)
def test_a_block_fills_the_gap_at_the_acceptance_so_far(kept, generated, most, rows):
    ledger = Ledger(50, 10, 10)
    ledger.kept = ledger.passed = kept
    ledger.generated = generated
    if generated == 50 and kept != 0:
        ledger.max_batches = 100
    assert ledger.next_block(most) == rows


@settings(max_examples=100, deadline=None)
@given(
    kept=st.integers(0, 60),
    rejected=st.integers(0, 60),
    most=st.integers(1, 200),
    size=st.integers(1, 30),
)
def test_a_block_is_whole_batches_within_its_limits(kept, rejected, most, size):
    ledger = Ledger(50, size, 40)
    ledger.kept = ledger.passed = kept
    ledger.generated = kept + rejected
    rows = ledger.next_block(most)
    assert rows % size == 0
    assert size <= rows <= max(most + size - 1, size)


def test_the_run_is_done_when_rows_or_batches_or_patience_end():
    ledger = Ledger(2, 10, 3)
    assert not ledger.done
    ledger.failed = 30
    assert ledger.done
    ledger = Ledger(2, 10, 3)
    ledger.kept = 2
    assert ledger.done
    assert ledger.full
    ledger = Ledger(2, 10, 3)
    ledger.end_block(block(VALUES.head(0), failed=4, interrupted=True))
    assert ledger.done
    assert (ledger.blocks, ledger.failed, ledger.tried) == (1, 4, 4)


def test_an_interruption_is_not_forgotten_by_the_next_block():
    ledger = Ledger(2, 10, 3)
    ledger.interrupted = True
    ledger.end_block(block(VALUES.head(0)))
    assert ledger.interrupted


def test_rows_left_is_what_the_acceptance_lets_expect():
    ledger = Ledger(100, 10, 50)
    assert ledger.rows_left(0) == 100
    ledger.kept = ledger.passed = 20
    ledger.generated = 40
    assert ledger.rows_left(40) == 160  # 80 are missing, half of the rows are kept
    assert ledger.rows_left(50) == 150
    ledger.kept = ledger.passed = 0
    assert ledger.rows_left(40) == 460  # not endless: what is left of 50 batches


def test_of_rows_that_wait_to_be_judged_as_many_are_expected_to_pass_as_of_the_others():
    ledger = Ledger(1000, 10, 500)
    ledger.kept, ledger.passed, ledger.generated = 400, 400, 800
    assert ledger.rows_left(800) == 1200
    ledger.generated, ledger.waiting = 840, 40
    assert (ledger.acceptance, ledger.gap) == (0.5, 580)
    assert ledger.rows_left(840) == 1160


def test_an_entry_has_counts_and_figures_and_never_a_cell():
    ledger = Ledger(5, 10, 9)
    entry = batch(ledger, VALUES.head(4), [True, False, False, False])
    assert (entry.rows, entry.kept, dict(entry.rejected_by)) == (4, 3, {"sanity": 1})
    assert (entry.batch, entry.block, entry.seed) == (0, 0, 1)
    assert not any(isinstance(value, pd.DataFrame) for value in vars(entry).values())
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.rows = 9


def settled(ledger: Ledger, stages: list[str | None], n_new: int):
    """Take a verdict on all rows so far, of which the last ``n_new`` are a new block."""
    rows = pd.concat([VALUES] * (len(stages) // len(VALUES) + 1), ignore_index=True)
    rows = rows.head(len(stages))
    verdict = Verdict(len(stages))
    for place, stage in enumerate(stages):
        if stage:
            verdict.reject(np.arange(len(stages)) == place, stage, f"why: {place}")
    return ledger.settle(block(rows.tail(n_new), len(ledger.batches)), rows, verdict, seed=1)


verdicts = st.lists(
    st.lists(st.sampled_from([None, "sanity", "cost", CHOICE]), min_size=1, max_size=9), max_size=5
)


@settings(max_examples=60, deadline=None)
@given(verdicts, st.randoms())
def test_the_last_verdict_on_all_rows_is_the_one_that_counts(blocks, random):
    ledger = Ledger(10, 10, 100, candidates=15)
    ledger.want_labels("y", {"a": 5, "b": 10})
    stages: list[str | None] = []
    for new in blocks:
        random.shuffle(stages)  # the earlier rows are decided anew
        stages += new
        entry = settled(ledger, stages, len(new))
        kept, passed = stages.count(None), stages.count(None) + stages.count(CHOICE)
        assert (ledger.generated, ledger.kept, ledger.passed) == (len(stages), kept, passed)
        assert ledger.generated == ledger.kept + sum(ledger.rejected_by.values())
        assert entry == ledger.batches[-1]
        first = 0
        for entry, rows in zip(ledger.batches, blocks, strict=False):
            own = stages[first : first + len(rows)]
            assert (entry.rows, entry.kept) == (len(rows), own.count(None))
            assert entry.rejected_by == {s: own.count(s) for s in set(own) - {None}}
            first += len(rows)
        labels = [VALUES["y"].iloc[place % 30] for place in range(len(stages))]
        for label, quota in ledger.quotas.items():
            n_passed = sum(
                own == label and stage in (None, CHOICE)
                for own, stage in zip(labels, stages, strict=True)
            )
            assert ledger.missing_labels[label] == max(0, quota - n_passed)
    judged = ledger.rows(DICTIONARY)
    assert judged.notes["row"].tolist() == [n for n, stage in enumerate(stages, 1) if stage]
    assert judged.notes["stage"].tolist() == [stage for stage in stages if stage]


def test_an_earlier_entry_keeps_what_was_measured_then():
    ledger = Ledger(10, 10, 100)
    verdict = Verdict(4, figures={"cost": 1})
    ledger.settle(block(VALUES.head(4), 0), VALUES.head(4), verdict, seed=1)
    later = Verdict(6, figures={"cost": 2})
    later.reject(np.arange(6) < 2, "cost", "wrong")
    ledger.settle(block(VALUES.iloc[4:6], 1), VALUES.head(6), later, seed=1)
    assert [entry.figures for entry in ledger.batches] == [{"cost": 1}, {"cost": 2}]
    assert [(entry.batch, entry.block, entry.kept) for entry in ledger.batches] == [
        (0, 0, 2),
        (1, 1, 2),
    ]


def test_rows_are_written_until_there_are_enough_candidates_to_choose_among():
    ledger = Ledger(10, 5, 100, candidates=15)
    assert (ledger.gap, ledger.next_block(100)) == (15, 15)
    settled(ledger, [None] * 10 + ["sanity"] * 2, 12)
    assert not ledger.full
    assert (ledger.acceptance, ledger.gap) == (10 / 12, 5)
    assert ledger.next_block(100) == 10  # 5 at 83 % are 6 rows, in whole batches
    settled(ledger, [None] * 10 + ["sanity"] * 2 + [CHOICE] * 5, 5)
    assert ledger.full
    assert ledger.acceptance == 15 / 17  # what is chosen from is no failure
    assert ledger.done


def test_candidates_enough_and_a_class_that_lacks_rows_is_one_more_block():
    ledger = Ledger(10, 5, 100, candidates=15)
    settled(ledger, [None] * 9 + [CHOICE] * 11, 20)
    assert not ledger.full
    assert (ledger.gap, ledger.next_block(100)) == (1, 5)

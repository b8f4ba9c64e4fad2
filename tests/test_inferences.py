"""Singling out, linkability and inference."""

import numpy as np
import pandas as pd
import pytest

from t2local.evaluate.inferences import _Guesses, inference_risks
from t2local.evaluate.membership import AttackedRows
from tests.pairs import pair_of, two, values


def risks(synthetic, n_holdout=60):
    pair = pair_of(two(60), synthetic)
    others = values(two(n_holdout, seed=3), pair.dictionary)[1] if n_holdout else None
    found = inference_risks(AttackedRows.of(pair, others))
    return {risk.column or risk.name: risk for risk in found}


def test_who_has_the_table_itself_knows_all_of_it():
    found = risks(two(60))
    assert list(found) == ["singling out", "linkability", "p", "q", "kind", "y"]
    for risk in found.values():
        assert risk.attack.value == 1.0
        assert risk.naive.value < 0.9
        assert risk.control.value < 1.0
        assert risk.risk.low > 0
    assert found["linkability"].guesses == 60
    assert found["p"].name == "inference"


def test_new_rows_are_no_better_on_the_table_than_on_other_rows():
    found = risks(two(60, seed=2))
    for risk in found.values():
        assert risk.attack.low <= risk.control.high
        assert risk.risk.low == 0.0


def test_attack_and_control_have_equally_many_rows():
    assert risks(two(60, seed=2), 30)["p"].guesses == 30


def test_without_held_out_rows_there_is_no_control():
    for risk in risks(two(60, seed=2), 0).values():
        assert (risk.control, risk.risk) == (None, None)


def test_a_label_that_follows_from_the_others_is_inferred_of_anybody():
    """That is knowledge of the population: the control succeeds too."""
    real, others, made = (
        two(200, seed=seed).assign(y=lambda rows: rows["kind"]) for seed in (1, 2, 3)
    )
    pair = pair_of(real, made)
    found = inference_risks(AttackedRows.of(pair, values(others, pair.dictionary)[1]))
    label = next(risk for risk in found if risk.column == "y")
    assert label.attack.value > 0.8 > label.naive.high
    assert label.risk.low == 0.0


def test_guesses_are_true_of_one_synthetic_row_alone():
    rng = np.random.default_rng(1)
    rows = np.column_stack([rng.normal(size=(50, 2)), rng.integers(0, 3, 50)])
    rows[:4, 1] = np.nan
    numeric = np.array([True, True, False])
    guesses = _Guesses.chosen(rows, numeric, rng)
    assert (guesses.matches(rows).sum(axis=1) == 1).all()
    assert (guesses.columns == [0, 1, 2]).all()
    slow = [
        [all(true(row[c], v, s) for c, v, s in zip(*guess, strict=True)) for row in rows]
        for guess in zip(guesses.columns, guesses.values, guesses.signs, strict=True)
    ]
    assert np.array_equal(guesses.matches(rows), slow)


def true(cell, value, sign):
    """One part of a guess, as a sentence says it."""
    if np.isnan(value):
        return bool(np.isnan(cell))
    return {0: cell == value, 1: cell >= value, -1: cell <= value}[int(sign)]


def test_two_columns_are_too_few_to_single_out_by_three():
    real, made = (two(40, seed=seed)[["p", "y"]] for seed in (1, 2))
    found = inference_risks(AttackedRows.of(pair_of(real, made), None))
    assert [risk.name for risk in found] == ["linkability", "inference", "inference"]
    assert pd.notna(found[0].attack.value)
    assert found[0].attack.value == pytest.approx(0, abs=0.2)

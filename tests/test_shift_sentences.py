"""Sentences about shifts: plain, and without a level or figure of ten real rows or fewer."""

import numpy as np
import pytest

from t2local.stats.two_samples import BinShares, Splits, number_codes
from t2local.tables.dictionary import Feature
from t2local.trim import shift_sentences as sentences

LEVELS = Feature(name="smoker", type="category", levels=("no", "former", "yes"), missing=True)
NUMBER = Feature(name="age", type="integer", minimum=0, maximum=120)


def shares_of(real_codes, kept_codes):
    codes = np.concatenate([real_codes, kept_codes])
    splits = Splits.of(
        len(real_codes), np.zeros(len(codes), dtype=int), 2, np.random.default_rng(0)
    )
    return BinShares.of(codes, splits)


def of_levels(real, kept):
    real_codes = np.repeat([0, 1, 2], real)
    return sentences.of_levels(
        LEVELS, shares_of(real_codes, np.repeat([0, 1, 2], kept)), real_codes
    )


def of_missing(real, kept):
    first, second = np.repeat([0, 1], real), np.repeat([0, 1], kept)
    return sentences.of_missing_cells(LEVELS, shares_of(first, second), first == 1)


def of_numbers(real, kept):
    codes = number_codes(np.concatenate([real, kept]).astype(float))
    return sentences.of_numbers(NUMBER, shares_of(codes[: len(real)], codes[len(real) :]))


def test_classes_are_named_with_their_shares():
    assert sentences.of_lost_class("outcome", "yes", 0.05) == (
        "No kept row has outcome 'yes', where 5 % is to be expected."
    )
    label = Feature(name="outcome", type="boolean", levels=("no", "yes"))
    assert sentences.of_class(label, 1, 0.0525, 0.323, shown=True) == (
        "outcome is 'yes' in 32 % of the kept rows, where 5.2 % is to be expected."
    )


def test_a_rare_class_is_named_without_its_share():
    label = Feature(name="outcome", type="boolean", levels=("no", "yes"))
    assert sentences.of_class(label, 1, 0.0525, 0.323, shown=False) == (
        "outcome: 'yes' is more common in the kept rows than in the real ones."
    )
    assert sentences.of_lost_class("outcome", "yes", None) == (
        "No kept row has outcome 'yes', where a few rows of it are to be expected."
    )


def test_a_level_of_enough_rows_has_its_name_and_shares():
    assert of_levels([60, 25, 15], [60, 5, 35]) == (
        "smoker is 'former' in 5 % of the kept rows, where 25 % is to be expected."
    )


def test_a_level_of_few_rows_has_neither_name_nor_share():
    said = of_levels([60, 30, 10], [50, 20, 30])
    assert said == "smoker: one level is more common in the kept rows than in the real ones."


def test_a_level_that_all_but_a_few_rows_have_has_no_share():
    """What is left of it would be that of the few."""
    said = of_levels([90, 10, 0], [60, 40, 0])
    assert said == "smoker: 'no' is rarer in the kept rows than in the real ones."


@pytest.mark.parametrize(
    ("real", "kept", "said"),
    [
        ([80, 20], [99, 1], "smoker is missing in 1 % of the kept rows, where 20 % is to be"),
        ([90, 10], [100, 0], "smoker: a missing cell is rarer in the kept rows than in the"),
        ([10, 90], [100, 0], "smoker: a missing cell is rarer in the kept rows than in the"),
        ([100, 0], [50, 50], "smoker: a missing cell is more common in the kept rows than"),
    ],
)
def test_missing_cells_by_their_share_where_enough_rows_have_one(real, kept, said):
    assert of_missing(real, kept).startswith(said)


def test_a_number_is_higher_lower_or_spread_otherwise():
    assert of_numbers([1, 2, 3, 4], [3, 4, 5, 6]) == (
        "age is higher in the kept rows: a kept row is higher than a real one in 88 % of all "
        "pairs, where 50 % is to be expected."
    )
    assert of_numbers([3, 4, 5, 6], [1, 2, 3, 4]).startswith("age is lower in the kept rows")
    assert of_numbers(np.arange(8), [2, 3, 4, 5, 3, 4, 2, 5]) == (
        "age is spread otherwise: where the middle 50 % of the real rows lie, 100 % of the kept "
        "rows do."
    )


def test_an_association_has_both_correlations():
    assert sentences.of_association(("age", "outcome"), 0.451, -0.02) == (
        "age and outcome are related otherwise: their correlation is -0.02 in the kept rows, where "
        "0.45 is to be expected."
    )


def test_the_limit_of_a_range_is_written_as_in_the_table():
    date = Feature(name="entry", type="date", minimum=0, maximum=20_000, format="%d.%m.%Y")
    numbers = np.arange(100.0)
    said = sentences.of_lost_range(date, "highest", numbers, numbers > 70)
    assert said.endswith("the highest 29 % of the real rows (above 1970-03-12).")

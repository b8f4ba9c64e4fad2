import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.evaluate.marginals import marginals
from t2local.tables.describe import describe
from t2local.tables.disclosure import MIN_ROWS
from t2local.tables.files import from_frame


def of_column(real, kept, weights=None, target="y"):
    """The marginal of a column, among rows that have a label."""
    frames = [
        pd.DataFrame({"x": pd.Series(cells, dtype=object), target: ["a", "b"] * (len(cells) // 2)})
        for cells in (real, kept)
    ]
    cells = [from_frame(frame).cells for frame in frames]
    dictionary = describe(cells[0], target=target)
    values = [dictionary.values(one) for one in cells]
    if weights is None:
        weights = np.ones(len(real))
    return marginals(*values, dictionary, np.asarray(weights))[0]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-500, 500), min_size=22, max_size=120).filter(lambda x: len(x) % 2 == 0)
)
def test_every_part_of_a_number_has_eleven_real_rows_and_the_shares_are_those_of_the_labels(x):
    x = x[: len(x) // 2 * 2]
    marginal = of_column(x, x)
    for part in marginal.parts:
        low, high = re.fullmatch(r"(?:≥?(-?\d+))?(?: to )?(?:<(-?\d+))?", part.label).groups()
        numbers = np.array(x)
        inside = (numbers >= float(low or -1e9)) & (numbers < float(high or 1e9))
        assert inside.sum() >= MIN_ROWS
        assert part.real == part.kept == pytest.approx(inside.mean())
        assert part.low <= part.real <= part.high
    assert len(marginal.parts) != 1


def test_rare_levels_stand_together_without_their_names():
    real = ["common"] * 40 + ["second"] * 15 + ["third"] * 12 + ["rare"] * 3
    kept = ["common"] * 10 + ["rare"] * 10
    labels = {part.label: part for part in of_column(real, kept).parts}
    # The number of "rare" alone would follow from that of all rows, so "third" goes with it.
    assert set(labels) == {"common", "second", "2 other levels"}
    assert labels["2 other levels"].real == pytest.approx(15 / 70)
    assert labels["2 other levels"].kept == pytest.approx(0.5)


def test_a_part_of_one_number_is_called_by_it_at_the_ends_too():
    labels = [part.label for part in of_column([0, 1, 2] * 20, [0, 1, 2] * 20).parts]
    assert labels == ["0", "1", "2"]


def test_parts_of_dates_begin_with_a_month_or_a_year():
    days = pd.date_range("2019-01-07", periods=120, freq="9D")
    edges = [re.findall(r"\d{4}-(\d\d-\d\d)", part.label) for part in of_dates(days)]
    assert {end[3:] for ends in edges for end in ends} == {"01"}
    births = pd.date_range("1931-03-07", periods=120, freq="170D")
    edges = [re.findall(r"\d{4}-(\d\d-\d\d)", part.label) for part in of_dates(births)]
    assert {end for ends in edges for end in ends} == {"01-01"}


def of_dates(days):
    cells = list(days.strftime("%d.%m.%Y"))
    return of_column(cells, cells).parts


def test_of_few_rows_nothing_is_shown():
    assert of_column(["F", "M"] * 10, ["F", "M"] * 10).parts == ()
    assert of_column([1, 5, 9, 3] * 5, [1, 5, 9, 3] * 5).parts == ()


def test_missing_cells_are_shown_where_eleven_are_missing_and_eleven_are_there():
    real = [None] * 12 + [2, 9, 4, 4] * 7
    assert of_column(real, real).missing.real == pytest.approx(0.3)
    assert of_column([None] * 10 + [2, 9, 4] * 10, real).missing is None


def test_chance_alone_leaves_the_bands_of_a_table_in_5_of_100_cases():
    rng = np.random.default_rng(3)
    within = []
    for _ in range(200):
        real, kept = (rng.choice(["a", "b", "c"], 100, p=[0.6, 0.25, 0.15]) for _ in range(2))
        parts = of_column(list(real), list(kept)).parts
        within.append(all(part.low <= part.kept <= part.high for part in parts))
    assert 0.92 < np.mean(within) < 0.98


def test_a_shift_leaves_the_bands():
    rng = np.random.default_rng(4)
    real = rng.choice(["a", "b", "c"], 100, p=[0.6, 0.25, 0.15])
    kept = rng.choice(["a", "b", "c"], 100, p=[0.2, 0.4, 0.4])
    parts = of_column(list(real), list(kept)).parts
    assert not all(part.low <= part.kept <= part.high for part in parts)


def test_real_rows_count_by_their_weights():
    real = ["F"] * 20 + ["M"] * 20
    part = of_column(real, real, weights=[1.0] * 20 + [3.0] * 20).parts[0]
    assert part.real == pytest.approx(0.25)

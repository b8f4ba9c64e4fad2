"""Statistics in a prompt: never of fewer than eleven rows, not even by what follows from them."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.team.aggregates import MIN_ROWS, aggregates
from tests.teams import dictionary_and_values


def test_figures_of_few_rows_are_not_said():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(50, 10, 60).round(1),
            "few": [1.5, 2.5, 3.5] + [None] * 57,
            "level": ["a"] * 40 + ["b"] * 15 + ["c"] * 5,
            "spread": ["a"] * 38 + ["b"] * 11 + ["c"] * 6 + ["d"] * 5,
            "y": ["no"] * 54 + ["yes"] * 6,
        }
    )
    known, real = dictionary_and_values(frame, "y")
    told = aggregates(real, known)
    assert told["few"] == ""
    assert "mean" in told["x"]
    assert "where" not in told["x"]  # the small class would follow from the large one and the whole
    assert told["level"] == "shares not shown"  # so would the five
    assert told["spread"] == "a 63 %, b 18 %, others rare"
    assert told["y"] == "shares not shown"
    known, real = dictionary_and_values(frame.assign(y=["no", "yes"] * 30), "y")
    found = aggregates(real, known)
    assert found["y"] == "no 50 %, yes 50 %"
    mean = real.loc[real["y"] == "no", "x"].mean()
    assert f"where y is no: mean {mean:.3g}" in found["x"]


def one_feature(feature: Feature, values: list, labels: list[str]) -> str:
    target = Feature(name="y", type="category", levels=tuple(sorted(set(labels))))
    dictionary = FeatureDictionary(target="y", features=(feature, target))
    real = pd.DataFrame({feature.name: feature.values(pd.Series(values)), "y": labels})
    return aggregates(real, dictionary)[feature.name]


def test_a_column_without_spread_shows_no_value():
    feature = Feature(name="x", type="integer", minimum=0, maximum=50)
    assert one_feature(feature, [7] * 20, ["a"] * 20) == "about 25; where y is a: about 25"


def test_missing_cells_are_counted_from_eleven_on():
    feature = Feature(name="x", type="integer", minimum=0, maximum=50, missing=True)
    for n_missing, words in ((10, ""), (11, "; missing 35 %")):
        values = [*range(20), *[None] * n_missing]
        text = one_feature(feature, values, ["a", "b", "b"] + ["c"] * (17 + n_missing))
        assert text == f"mean 9.5, sd 5.92{words}"


def test_a_mean_day_is_said_to_the_month():
    feature = Feature(
        name="x", type="date", format="%Y-%m-%d", minimum="2020-01-01", maximum="2020-12-31"
    )
    days = [feature.minimum + day for day in range(12)]
    assert one_feature(feature, days, ["a", "b"] * 6) == "mean 2020-01"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=60), st.integers(0, 99))
def test_no_share_of_fewer_rows_is_said_or_follows(levels, seed):
    feature = Feature(name="x", type="category", levels=("a", "b", "c", "d"))
    text = one_feature(feature, levels, ["one"] * len(levels)).split("; ")[0]
    counts = {level: levels.count(level) for level in "abcd"}
    rare = sum(count for count in counts.values() if count < MIN_ROWS)
    if len(levels) < MIN_ROWS or 0 < rare < MIN_ROWS or max(counts.values()) < MIN_ROWS:
        assert "%" not in text
        return
    for level, count in counts.items():
        assert (f"{level} {100 * count / len(levels):.0f} %" in text) == (count >= MIN_ROWS)
    assert ("others rare" in text) == (min(counts.values()) < MIN_ROWS)


def test_figures_have_three_digits_at_most():
    feature = Feature(name="x", type="decimal", minimum=0, maximum=1e6, decimals=3)
    rng = np.random.default_rng(0)
    text = one_feature(feature, (rng.random(40) * 1e5).round(3).tolist(), ["a"] * 40)
    words = text.replace(",", " ").replace(";", " ").split()
    digits = [
        len(word.split("e")[0].replace(".", "").lstrip("0")) for word in words if word[0].isdigit()
    ]
    assert digits
    assert max(digits) <= 3

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.stats.edit_distance import MOST_CHARACTERS, edit_distances

texts = st.lists(st.text("ab1.é", max_size=9), min_size=1, max_size=6)


def by_the_table(first, second):
    """Wagner and Fischer's table, cell by cell."""
    row = list(range(len(second) + 1))
    for place, letter in enumerate(first, 1):
        above, row = row, [place]
        for other, letter_there in enumerate(second, 1):
            step = above[other - 1] + (letter != letter_there)
            row.append(min(step, above[other] + 1, row[-1] + 1))
    return row[-1]


@settings(max_examples=40)
@given(texts, texts)
def test_distances_are_those_of_the_table(first, second):
    expected = [[by_the_table(one, other) for other in second] for one in first]
    assert np.array_equal(edit_distances(first, second), expected)


def test_texts_as_long_as_a_word_of_bits_and_longer_ones():
    full = "0123456789abcdef" * (MOST_CHARACTERS // 16)
    texts = [full, full[1:], "x" + full[1:], full + "more"]
    assert edit_distances(texts, texts).tolist() == [
        [0, 1, 1, 0],
        [1, 0, 1, 1],
        [1, 1, 0, 1],
        [0, 1, 1, 0],
    ]
    assert edit_distances([full[::-1]], [full]) == by_the_table(full[::-1], full)


def test_nothing_is_as_far_from_a_text_as_it_is_long():
    assert edit_distances(["", "abc"], ["", "xy"]).tolist() == [[0, 2], [3, 3]]

"""Levenshtein's distance between many short texts at once.

The bits of a word stand for the differences of one column of the table of distances, so that all
characters of a text are compared in one step: Myers (1999, doi 10.1145/316542.316550) in the form
of Hyyrö (2003).
"""

from collections.abc import Sequence

import numpy as np

from t2local.stats.arrays import IntArray

#: Characters of a text that count: the bits of a word.
MOST_CHARACTERS = 64
_ONE = np.uint64(1)


def edit_distances(first: Sequence[str], second: Sequence[str]) -> IntArray:
    """Insertions, deletions and replacements between each two texts, (len(first), len(second)).

    Of each text the first 64 characters count.
    """
    rows = [text[:MOST_CHARACTERS] for text in first]
    others = [text[:MOST_CHARACTERS] for text in second]
    characters = {letter: place for place, letter in enumerate(sorted(set("".join(others))))}
    matches = np.zeros((len(rows), len(characters) + 1), dtype=np.uint64)
    for row, text in enumerate(rows):
        for place, letter in enumerate(text):
            matches[row, characters.get(letter, -1)] |= _ONE << np.uint64(place)
    matches[:, -1] = 0  # letters that no other text has, and the ends of short texts
    lengths = np.array([len(text) for text in rows], dtype=np.intp)
    codes = np.full((len(others), max(map(len, others), default=0)), -1, dtype=np.intp)
    for row, text in enumerate(others):
        codes[row, : len(text)] = [characters[letter] for letter in text]
    distances = _compared(matches, lengths, codes)
    distances[lengths == 0] = (codes >= 0).sum(axis=1)
    return distances


def _compared(matches: np.ndarray, lengths: IntArray, codes: IntArray) -> IntArray:
    """The distances of texts that are not empty.

    **Parameters:**

    * **matches**: bits of the places of each letter in each first text, (n, letters).
    * **codes**: the letters of each second text, (m, length), -1 after its end.
    """
    last = (_ONE << np.maximum(lengths - 1, 0).astype(np.uint64))[:, None]
    shape = len(lengths), len(codes)
    distances: IntArray = np.broadcast_to(lengths[:, None], shape).astype(np.intp)
    up, down = np.full(shape, ~np.uint64(0)), np.zeros(shape, dtype=np.uint64)
    for letters in codes.T:
        equal = matches[:, letters]
        vertical = equal | down
        horizontal = (((equal & up) + up) ^ up) | equal
        more, fewer = down | ~(horizontal | up), up & horizontal
        step = ((more & last) != 0).astype(np.intp) - ((fewer & last) != 0)
        distances += step * (letters >= 0)
        more, fewer = (more << _ONE) | _ONE, fewer << _ONE
        up, down = fewer | ~(vertical | more), more & vertical
    return distances

"""New identifiers for new rows: made by code, never by a model, and equal to no real one."""

import string
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from t2local.stats.streams import Stream, generator

#: Draws for one identifier before longer ones are made: short shapes can all be taken.
_DRAWS = 50
#: The shape of new identifiers where no real one shows any.
_DEFAULT_SHAPE = "A000000"
_HEXADECIMAL = "abcdef"
#: The last of longer numbers may be missing from a sample, which compares them as doubles.
_EXACT_DIGITS = 15


def new_identifiers(
    real: pd.Series, rows: int, seed: int, others: Sequence[str | None] | None = None
) -> list[str]:
    """As many different identifiers that look like the real ones.

    Numbers that count on go on counting; in any other the digits and letters are drawn anew. Of a
    sample not all real ones are known: new ones are larger than the last number, or longer.

    **Parameters:**

    * **real**: the cells of the column (None for missing); its name is its own.
    * **rows**: how many are needed.
    * **others**: for a sample of rows, cells of others, the last number among them (`files.Table`).
    """
    ends = [text for text in others or () if text is not None]
    texts = [*real.dropna().tolist(), *ends]
    if next_numbers := _next_numbers(texts, rows, has_last=bool(ends)):
        return next_numbers
    rng = generator(seed, Stream.IDENTIFIERS, zlib.crc32(str(real.name).encode()))
    shapes = sorted(set(texts)) or [_DEFAULT_SHAPE]
    letters = _letters(shapes)
    if others is not None:
        length = max(map(len, shapes)) + 1
        shapes = [shape.ljust(length, "0") for shape in shapes]
    taken = set(texts)
    identifiers: list[str] = []
    for _ in range(rows):
        shape = shapes[int(rng.integers(len(shapes)))]
        identifier = next(text for text in _draws(shape, letters, rng) if text not in taken)
        taken.add(identifier)
        identifiers.append(identifier)
    return identifiers


def _next_numbers(texts: list[str], rows: int, *, has_last: bool) -> list[str]:
    """Numbers that go on from these, as wide as they are; none where these do not count on.

    Those of a sample have gaps: that the last one is among them (``has_last``) will do.
    """
    if not texts or not all(text.isdecimal() for text in texts):
        return []
    numbers = [int(text) for text in texts]
    longest = max(map(len, texts))
    if longest > _EXACT_DIGITS if has_last else not (np.diff(numbers) == 1).all():
        return []
    width = longest if any(text.startswith("0") for text in texts) else 0
    last = max(numbers)
    return [f"{number:0{width}}" for number in range(last + 1, last + 1 + rows)]


def _letters(shapes: list[str]) -> str:
    """The letters to draw from: those of hexadecimal numbers where the real ones look like some."""
    chars = set("".join(shapes))
    letters = {char for char in chars if char.isalpha()}
    has_digits = any(char.isdecimal() for char in chars)
    if has_digits and letters <= {*_HEXADECIMAL, *_HEXADECIMAL.upper()}:
        return _HEXADECIMAL
    return string.ascii_lowercase


def numbered(cells: pd.Series) -> pd.Series:
    """Identifiers as whole numbers where all of them are; Int64 where some are missing."""
    present = cells.dropna()
    if present.empty or not all(map(_is_whole, present)):
        return cells
    numbers = present.astype("int64")
    if len(present) == len(cells):
        return numbers
    # By way of floats, as for int64 with blanks, long numbers would lose their last digits.
    return numbers.astype("Int64").reindex(cells.index)


def _is_whole(text: str) -> bool:
    """Whether a text is a whole number in its shortest form, which int64 holds."""
    return text.isdecimal() and str(int(text)) == text and len(text) < 18


def _draws(shape: str, letters: str, rng: np.random.Generator) -> Iterator[str]:
    """Texts of this shape, and after a while of longer and longer ones, without end."""
    for _ in range(_DRAWS):
        yield _drawn(shape, letters, rng)
    while True:
        shape += "0"
        yield _drawn(shape, letters, rng)


def _drawn(shape: str, letters: str, rng: np.random.Generator) -> str:
    """Another text of the same shape."""
    return "".join(_other(char, letters, rng) for char in shape)


def _other(char: str, letters: str, rng: np.random.Generator) -> str:
    if char.isdecimal():
        return str(rng.integers(10))
    if not char.isalpha():
        return char
    letter = letters[int(rng.integers(len(letters)))]
    return letter.upper() if char.isupper() else letter

"""New identifiers for new rows: made by code, never by a model, and equal to no real one."""

import string
import zlib

import numpy as np
import pandas as pd

from t2local.stats.streams import Stream, generator

#: Draws for one identifier before longer ones are made: short shapes can all be taken.
_DRAWS = 50


def new_identifiers(real: pd.Series, rows: int, seed: int) -> list[str]:
    """As many different identifiers that look like the real ones.

    Numbers that count on go on counting; in any other the digits and letters are drawn anew.

    **Parameters:**

    * **real**: the cells of the column; its name is its own.
    """
    known = set(real.dropna())
    if known and all(text.isdecimal() for text in known):
        numbers = [int(text) for text in real.dropna()]
        if (np.diff(numbers) == 1).all():
            width = len(str(real.iloc[0])) if str(real.iloc[0]).startswith("0") else 0
            return [f"{max(numbers) + 1 + row:0{width}}" for row in range(rows)]
    rng, shapes, result = (
        generator(seed, Stream.IDENTIFIERS, zlib.crc32(str(real.name).encode())),
        sorted(known) or ["A000000"],
        list[str](),
    )
    letters = {char for text in shapes for char in text if char.isalpha()}
    pool = (
        "abcdef"
        if letters <= set("abcdefABCDEF")
        and any(char.isdecimal() for text in shapes for char in text)
        else string.ascii_lowercase
    )
    while len(result) < rows:
        shape = shapes[int(rng.integers(len(shapes)))]
        fresh = next(
            (text for _ in range(_DRAWS) if (text := _drawn(shape, pool, rng)) not in known), None
        )
        while fresh is None:
            shape += "0"
            fresh = text if (text := _drawn(shape, pool, rng)) not in known else None
        known.add(fresh)
        result.append(fresh)
    return result


def numbered(cells: pd.Series) -> pd.Series:
    """Identifiers as whole numbers where all of them are."""
    return (
        cells.astype("int64")
        if len(cells)
        and cells.map(
            lambda text: text.isdecimal() and str(int(text)) == text and len(text) < 18
        ).all()
        else cells
    )


def _drawn(shape: str, pool: str, rng: np.random.Generator) -> str:
    """Another text of the same shape."""
    return "".join(_other(char, pool, rng) for char in shape)


def _other(char: str, pool: str, rng: np.random.Generator) -> str:
    if char.isdecimal():
        return str(rng.integers(10))
    if not char.isalpha():
        return char
    letter = pool[int(rng.integers(len(pool)))]
    return letter.upper() if char.isupper() else letter

"""Half characters: lone surrogates, which no file can hold and no model can write.

All other characters are written by every grammar (`tests/test_rows.py`); whether a model has tokens
for them is a question to its vocabulary (`t2local.team.vocabulary_check`).
"""

import re
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import AfterValidator

from t2local.errors import InputError

_HALF = re.compile("[\ud800-\udfff]")


def _whole(text: str) -> str:
    if _HALF.search(text):
        raise ValueError("it has half a character (a lone surrogate), which no model can write")
    return text


#: A text of a dictionary.
Text = Annotated[str, AfterValidator(_whole)]


def check_characters(cells: pd.DataFrame, source: str) -> None:
    """**Raises** `InputError` that lists the names and cells with half a character."""
    faults = []
    for name in cells:
        place = f"{source}, column {name!r}"
        if _HALF.search(str(name)):
            faults.append(f"{place}: its name")
        rows = np.flatnonzero([bool(cell and _HALF.search(cell)) for cell in cells[name]])
        if len(rows):
            faults.append(f"{place}: {len(rows)} cells, the first in line {rows[0] + 1}")
    if faults:
        raise InputError(
            f"{source} has half characters (lone surrogates), which no model can write:",
            faults=faults,
            next_step="read the table again with the encoding that it was written in",
        )

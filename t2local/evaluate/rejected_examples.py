"""Some of the rejected rows, so that a person sees what is rejected, and why.

A cell is told by the part of its column, which eleven real rows or more have
(`t2local.evaluate.parts`): no value stands there that few patients have.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from t2local.evaluate.parts import Parts
from t2local.tables.dictionary import FeatureDictionary

#: One row for each of the commonest reasons.
_MOST_EXAMPLES = 4
_MISSING = "missing"


@dataclass(frozen=True)
class RejectedExample:
    """A rejected row, by its number among all rows.

    ``cells``: by column, the part that the value lies in; without the columns that have no parts.
    """

    row: int
    stage: str
    reason: str
    cells: Mapping[str, str]


def rejected_examples(
    real: pd.DataFrame,
    rejected: pd.DataFrame,
    notes: pd.DataFrame,
    dictionary: FeatureDictionary,
) -> tuple[RejectedExample, ...]:
    """The first row of each reason, the commonest reason first.

    **Parameters:**

    * **real**: frame of values (n, d).
    * **rejected**, **notes**: values (k, d) of the rows that may be shown, and for each of them
      ``row``, ``stage`` and ``reason``.
    """
    # Behind the colon stand figures of one batch or row.
    reasons = [reason.partition(":")[0] for reason in notes["reason"]]
    columns = {f.name: Parts.of(f, real[f.name]) for f in dictionary.features}
    columns = {name: parts for name, parts in columns.items() if parts.labels}
    if not columns:
        return ()
    examples = []
    for reason, _ in Counter(reasons).most_common(_MOST_EXAMPLES):
        place = reasons.index(reason)
        row = rejected.iloc[[place]]
        cells = {name: _in_words(parts, row[name]) for name, parts in columns.items()}
        note = notes.iloc[place]
        examples.append(RejectedExample(int(note["row"]), str(note["stage"]), reason, cells))
    return tuple(examples)


def _in_words(parts: Parts, cell: pd.Series) -> str:
    """The part of one value."""
    return (*parts.labels, _MISSING)[parts.codes(cell)[0]]

"""Stage 1: types, ranges, steps, levels, missing cells, and copies (METHOD section 2; paper section 2.2).

The paper joins its constraints by "or"; a row must keep all of them. Nothing here is shared with the grammar, so that
each checks the other.
"""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from t2local.stats.arrays import Mask
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.tables.rules import Rule
from t2local.trim.verdict import Verdict

#: A dictionary that allows fewer rows than this many times the real ones makes copies a matter of chance.
_SMALL_TABLE = 10.0


def check(
    rows: pd.DataFrame,
    dictionary: FeatureDictionary,
    rules: Mapping[str, Rule],
    seen: set[int],
    verdict: Verdict,
    *,
    copies_by_chance: bool = False,
) -> None:
    """Reject rows that break the dictionary or its rules, repeat a row of ``seen``, or repeat an earlier row of this batch.

    **Parameters:**

    * **rows**: frame of values (n, d).
    * **rules**: those that bind (`t2local.tables.rules.binding`), by what is said of a row that breaks one.
    * **seen**: hashes (`row_hashes`) of the real rows and of the rows accepted so far.
    * **copies_by_chance**: copies are counted, not rejected (`few_rows_possible`).
    """
    broken = 0
    for feature in dictionary.features:
        for constraint, obeyed in feature.obeyed(rows[feature.name]).items():
            broken += int((~obeyed).sum())
            verdict.reject(
                ~obeyed, "sanity", f"{feature.name} breaks its {constraint} in the dictionary"
            )
    for reason, rule in rules.items():
        obeyed = rule.obeyed(rows)
        broken += int((~obeyed).sum())
        verdict.reject(~obeyed, "sanity", f"breaks the rule '{reason}'")
    hashes = row_hashes(rows)
    copies: Mask = np.array([value in seen for value in hashes], dtype=np.bool_)
    repeated = pd.Series(hashes).duplicated().to_numpy()
    if not copies_by_chance:
        verdict.reject(copies, "sanity", "an exact copy of a real row or of a row kept before")
        verdict.reject(repeated, "sanity", "an exact copy of another row of its batch")
    verdict.figures["sanity"] = {
        "broken_constraints": broken,
        "copies": int((copies | repeated).sum()),
        "copies_by_chance": copies_by_chance,
    }


def row_hashes(rows: pd.DataFrame) -> list[int]:
    """A 64-bit hash of each row's values; equal rows have equal hashes."""
    if rows.empty:
        return []
    return pd.util.hash_pandas_object(rows, index=False).tolist()


def few_rows_possible(dictionary: FeatureDictionary, real_rows: int) -> bool:
    """Whether the dictionary allows so few different rows that chance explains copies of real ones."""
    total = 0.0
    for feature in dictionary.features:
        total += math.log(_values(feature) + feature.missing)
    return total < math.log(_SMALL_TABLE * real_rows)


def _values(feature: Feature) -> float:
    """How many different values a feature allows."""
    if not feature.numeric:
        return len(feature.levels)
    low, high = feature.bounds
    return (high - low) * 10.0**feature.decimals + 1

"""Copies of rows: found by hash; and whether chance explains them."""

import math

import pandas as pd

from t2local.tables.dictionary import Feature, FeatureDictionary

#: A dictionary that allows fewer rows than this many times the real ones makes copies a matter of
#: chance: half of the rows of such a table may be copies without anybody having copied.
_SMALL_TABLE = 10.0


def row_hashes(rows: pd.DataFrame) -> list[int]:
    """A 64-bit hash of each row's values; equal rows have equal hashes."""
    if rows.empty:
        return []
    return pd.util.hash_pandas_object(rows, index=False).tolist()


def few_rows_possible(dictionary: FeatureDictionary, n_real: int) -> bool:
    """Whether the dictionary allows so few different rows that chance explains copies."""
    log_rows = sum(math.log(_n_values(f) + f.missing) for f in dictionary.features)
    return log_rows < math.log(_SMALL_TABLE * n_real)


def _n_values(feature: Feature) -> float:
    """How many different values a feature allows."""
    if not feature.numeric:
        return len(feature.levels)
    low, high = feature.bounds
    return (high - low) * 10.0**feature.decimals + 1

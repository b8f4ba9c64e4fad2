"""Statistics of the real rows for a prompt that shows none of them (``--examples 0``).

Every figure stands for 11 rows or more (`disclosure.MIN_ROWS`) and has three digits at most. A
level with fewer rows is called rare; which of the rare levels is rarer is not said.
"""

from collections.abc import Iterable

import pandas as pd

from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.tables.disclosure import MIN_ROWS


def aggregates(real: pd.DataFrame, dictionary: FeatureDictionary) -> dict[str, str]:
    """Moments or shares of each feature in words, empty where too few rows have a value.

    **Parameters:**

    * **real**: frame of values (n, d).
    """
    return {
        feature.name: "; ".join(
            [*_marginal(feature, real[feature.name]), *_by_class(feature, real, dictionary)]
        )
        for feature in dictionary.features
    }


def _marginal(feature: Feature, column: pd.Series) -> Iterable[str]:
    present = column.dropna()
    if len(present) < MIN_ROWS:
        return
    yield _in_words(feature, present)
    if len(column) - len(present) >= MIN_ROWS:
        yield f"missing {_percent(column.isna().mean())}"


def _by_class(feature: Feature, real: pd.DataFrame, dictionary: FeatureDictionary) -> Iterable[str]:
    """The same for each class; for none where a class is too small.

    The figure of the small class would follow from those of the others and of all rows.
    """
    if not dictionary.classification or feature.name == dictionary.target:
        return
    target = dictionary.target_feature
    classes = {
        str(level): group.dropna() for level, group in real.groupby(target.name)[feature.name]
    }
    if min(map(len, classes.values())) < MIN_ROWS:
        return
    for level, present in classes.items():
        yield f"where {target.name} is {level}: {_in_words(feature, present)}"


def _in_words(feature: Feature, present: pd.Series) -> str:
    if feature.written_as_text:
        return _mean_time(feature, present)
    return _moments(feature, present) if feature.numeric else _shares(feature, present)


def _mean_time(feature: Feature, present: pd.Series) -> str:
    mean = str(feature.plain(round(present.mean())))
    # To the month: a mean of eleven days is nobody's day.
    return f"mean {mean}" if feature.type == "duration" else f"mean {mean[:7]}"


def _moments(feature: Feature, present: pd.Series) -> str:
    deviation = present.std()
    if deviation > 0:
        return f"mean {_short(present.mean())}, sd {_short(deviation)}"
    # The mean of a column without spread is a value of the table. A range that the dictionary names
    # says as much.
    return f"about {_short(sum(feature.bounds) / 2)}"


def _shares(feature: Feature, present: pd.Series) -> str:
    """Shares of the levels; of none where the rare levels have too few rows together.

    Their number would follow from the others, as it is what is left.
    """
    counts = present.value_counts()
    common = counts[counts >= MIN_ROWS]
    n_rare = int(counts[counts < MIN_ROWS].sum())
    if 0 < n_rare < MIN_ROWS or common.empty:
        return "shares not shown"
    shares = [f"{level} {_percent(count / len(present))}" for level, count in common.items()]
    if len(common) < len(feature.levels):
        shares.append("others rare")
    return ", ".join(shares)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _short(number: float) -> str:
    return f"{number:.3g}"

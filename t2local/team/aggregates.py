"""What the prompt says of the real rows when it shows none of them (``--examples 0``): moments and shares, never a row.

Every figure stands for `FEWEST_ROWS` rows at least and has three digits at most; a level with fewer rows is called rare,
and which of the rare ones is rarer is not said.
"""

from collections.abc import Iterable

import pandas as pd

from t2local.tables.dictionary import Feature, FeatureDictionary

#: Statistical offices and health data centres publish no cell with ten rows or fewer.
FEWEST_ROWS = 11


def aggregates(real: pd.DataFrame, dictionary: FeatureDictionary) -> dict[str, str]:
    """For each feature what is said of it, empty where too few rows have a value.

    **Parameters:**

    * **real**: frame of values (n, d).
    """
    return {
        f.name: "; ".join([*_alone(f, real[f.name]), *_by_class(f, real, dictionary)])
        for f in dictionary.features
    }


def _alone(feature: Feature, column: pd.Series) -> Iterable[str]:
    present = column.dropna()
    if len(present) < FEWEST_ROWS:
        return
    if feature.numeric:
        yield _moments(feature, present)
    else:
        yield _shares(feature, present)
    if len(column) - len(present) >= FEWEST_ROWS:
        yield f"missing {_percent(column.isna().mean())}"


def _by_class(feature: Feature, real: pd.DataFrame, dictionary: FeatureDictionary) -> Iterable[str]:
    """The same for each class; for none where a class is too small, because its figure would follow from the others'."""
    target = dictionary[dictionary.target]
    if feature.name == target.name or not target.levels:
        return
    classes = {
        str(level): group.dropna() for level, group in real.groupby(target.name)[feature.name]
    }
    if min(map(len, classes.values())) < FEWEST_ROWS:
        return
    for level, present in classes.items():
        yield f"where {target.name} is {level}: {_moments(feature, present) if feature.numeric else _shares(feature, present)}"


def _moments(feature: Feature, present: pd.Series) -> str:
    deviation = present.std()
    if feature.temporal:  # to the month: a mean of eleven days is nobody's day
        return (
            f"mean {str(feature.plain(round(present.mean())))[:7]}"
            if feature.type != "duration"
            else f"mean {feature.plain(round(present.mean()))}"
        )
    # The mean of a column without spread is a value of the table; a range that the dictionary names says as much.
    return (
        f"mean {_short(present.mean())}, sd {_short(deviation)}"
        if deviation > 0
        else f"about {_short(sum(feature.bounds) / 2)}"
    )


def _shares(feature: Feature, present: pd.Series) -> str:
    """Shares of the levels; of none where the rows of the rare ones, which are what is left, are too few together."""
    counts = present.value_counts()
    common, rare = counts[counts >= FEWEST_ROWS], int(counts[counts < FEWEST_ROWS].sum())
    if 0 < rare < FEWEST_ROWS or common.empty:
        return "shares not shown"
    named = [f"{level} {_percent(count / len(present))}" for level, count in common.items()]
    return ", ".join([*named, *(["others rare"] if len(common) < len(feature.levels) else [])])


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _short(number: float) -> str:
    return f"{number:.3g}"

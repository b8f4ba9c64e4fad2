"""What differs between kept and real rows, in plain sentences.

No sentence has a level, a limit or a figure that ten real rows or fewer stand behind; only the
classes of the label are named whatever their number, without a figure where they are rare.
"""

import numpy as np

from t2local.stats.arrays import FloatArray, IntArray, Mask
from t2local.stats.two_samples import BinShares
from t2local.tables.dictionary import Feature
from t2local.tables.disclosure import MIN_ROWS

#: Differences are equal when so many decimals are.
_DECIMALS = 9
#: A number counts as higher or lower where this much of its distance is a shift; else its spread
#: is what differs.
_SHARE_OF_A_SHIFT = 0.5


def of_lost_class(target: str, label: str, expected: float | None) -> str:
    """A class without a kept row; ``expected``: its share, none where that may not be said."""
    share = "a few rows of it are" if expected is None else f"{_percent(expected)} is"
    return f"No kept row has {target} {label!r}, where {share} to be expected."


def of_lost_range(feature: Feature, end: str, numbers: FloatArray, beyond: Mask) -> str:
    """A range without a kept row.

    **Parameters:**

    * **end**: lowest or highest; **numbers**: of real rows; **beyond**: those in the range; (n,).
    """
    side, preposition = {"lowest": ("low", "below"), "highest": ("high", "above")}[end]
    place = ""
    share = f"{end} {_percent(beyond.mean())}"
    if beyond.sum() < MIN_ROWS:
        share = f"{end} tenth or more"
    elif (~beyond).sum() >= MIN_ROWS:
        inside = numbers[~beyond]
        limit = {"lowest": inside.min(), "highest": inside.max()}[end]
        place = f" ({preposition} {feature.plain(limit)})"
    return f"No kept row has {feature.name} as {side} as the {share} of the real rows{place}."


def of_class(target: Feature, place: int, expected: float, kept: float, *, shown: bool) -> str:
    """The share of a class, by its place among the levels; ``shown``: whether with its figures."""
    if not shown:
        return f"{target.name}: {target.levels[place]!r} is {_frequency(kept, expected)}."
    return f"{target.name} is {target.levels[place]!r} in {_against(kept, expected)}."


def of_levels(feature: Feature, shares: BinShares, real_codes: IntArray) -> str:
    """The level whose share differs most.

    **Parameters:**

    * **real_codes**: the level of each real row, -1 for a missing cell; shape (n,).
    """
    expected, kept = shares.first[:, 0], shares.second[:, 0]  # (levels,)
    difference = np.abs(kept - expected).round(_DECIMALS)
    # Of two levels both differ by as much: the commoner one can rather be shown.
    place = int(np.lexsort([-expected, -difference])[0])
    n_with = int((real_codes == place).sum())
    n_without = int((real_codes >= 0).sum()) - n_with
    if min(n_with, n_without) >= MIN_ROWS:
        figures = _against(kept[place], expected[place])
        return f"{feature.name} is {feature.levels[place]!r} in {figures}."
    level = "one level"
    if n_with >= MIN_ROWS:
        level = repr(feature.levels[place])
    return f"{feature.name}: {level} is {_frequency(kept[place], expected[place])}."


def of_missing_cells(feature: Feature, shares: BinShares, is_missing: Mask) -> str:
    """The share of a column's missing cells.

    **Parameters:**

    * **shares**: of cells that are there, and that are not; **is_missing**: of real rows, (n,).
    """
    expected, kept = shares.first[-1, 0], shares.second[-1, 0]
    n_missing = int(is_missing.sum())
    if min(n_missing, len(is_missing) - n_missing) >= MIN_ROWS:
        return f"{feature.name} is missing in {_against(kept, expected)}."
    return f"{feature.name}: a missing cell is {_frequency(kept, expected)}."


def of_numbers(feature: Feature, shares: BinShares) -> str:
    """Whether numbers are higher or lower, or spread otherwise."""
    delta = shares.dominance()
    if abs(delta) < _SHARE_OF_A_SHIFT * shares.rank_distance()[0]:
        expected, kept = shares.between_quartiles()
        return (
            f"{feature.name} is spread otherwise: where the middle {_percent(expected)} of the "
            f"real rows lie, {_percent(kept)} of the kept rows do."
        )
    direction = "lower"
    if delta > 0:
        direction = "higher"
    return (
        f"{feature.name} is {direction} in the kept rows: a kept row is {direction} than a real "
        f"one in {_percent((1 + abs(delta)) / 2)} of all pairs, where 50 % is to be expected."
    )


def of_association(columns: tuple[str, str], real: float, kept: float) -> str:
    """A correlation that differs."""
    return (
        f"{columns[0]} and {columns[1]} are related otherwise: their correlation is {kept:.2f} in "
        f"the kept rows, where {real:.2f} is to be expected."
    )


def _against(kept: float, expected: float) -> str:
    return f"{_percent(kept)} of the kept rows, where {_percent(expected)} is to be expected"


def _frequency(kept: float, expected: float) -> str:
    frequency = "rarer"
    if kept > expected:
        frequency = "more common"
    return f"{frequency} in the kept rows than in the real ones"


def _percent(share: float) -> str:
    """With two digits: 45 %, 4.5 %, 0.45 %."""
    return f"{float(f'{100 * share:.2g}'):g} %"

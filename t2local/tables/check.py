"""A real table against its dictionary: what cannot be read at all, and what breaks a constraint.

A fault names its line and column, never the value of a cell.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from t2local.errors import InputError
from t2local.stats.arrays import Mask
from t2local.tables.feature import Feature, with_article

#: A number in a file is rounded as its formula's is; the thousandth is floating point's.
_HALF_STEPS = 1.001


def check_cells(
    features: Sequence[Feature], cells: pd.DataFrame, lines: Sequence[int], source: str
) -> list[str]:
    """A warning for each constraint that some real rows break.

    **Raises** `InputError` that lists the columns that are not there and the cells that cannot be
    read.
    """
    faults = [f"column {f.name!r} is not in {source}" for f in features if f.name not in cells]
    warnings: list[str] = []
    for feature in features:
        if feature.name not in cells:
            continue
        unreadable, broken = _check_column(feature, cells[feature.name])
        what = "not one of its levels"
        if feature.numeric:
            what = f"not {with_article(feature.type)}"
        faults += [
            f"{source}, line {lines[row]}, column {feature.name!r}: {what}"
            for row in np.flatnonzero(unreadable).tolist()
        ]
        warnings += [
            f"{feature.name}: {count} real rows break its {constraint}"
            for constraint, count in broken.items()
        ]
    if faults:
        raise InputError(
            f"{source} does not fit the dictionary:",
            faults=faults,
            next_step="mend the dictionary or the table; "
            "'python -m t2local describe' writes a dictionary that fits",
        )
    return warnings


def _check_column(feature: Feature, column: pd.Series) -> tuple[Mask, dict[str, int]]:
    """The cells that cannot be read, and for each constraint that is broken, how often."""
    values = feature.values(column)
    obeyed = feature.obeyed(values)
    if feature.numeric:
        present = column.notna() & ~column.isin(feature.missing_values)
        unreadable = (present & values.isna()).to_numpy()
    else:
        unreadable = ~obeyed.pop("levels")
    counts = {constraint: int((~mask).sum()) for constraint, mask in obeyed.items()}
    return unreadable, {constraint: count for constraint, count in counts.items() if count}


def check_labels(labels: pd.Series, lines: Sequence[int], source: str) -> None:
    """A label in every row, and two classes at least: without them nothing can be judged.

    **Raises** `InputError` with every row that has none.
    """
    faults = [
        f"{source}, line {lines[row]}, column {labels.name!r}: no label"
        for row in np.flatnonzero(labels.isna()).tolist()
    ]
    if labels.nunique() < 2:
        faults.append(
            f"{source}, column {labels.name!r}: only one class; there is nothing to predict"
        )
    if faults:
        raise InputError(
            f"The target {labels.name!r} cannot be used as it is:",
            faults=faults,
            next_step="mend these rows, or pass another column with --target, or none",
        )


def check_formulas(
    computed: Mapping[str, pd.Series], decimals: Mapping[str, int], cells: pd.DataFrame
) -> list[str]:
    """A warning for each derived column whose real numbers are not its formula's.

    Differences that rounding explains do not count.
    """
    warnings = []
    for name, numbers in computed.items():
        if name not in cells:
            continue
        differences = (pd.to_numeric(cells[name], errors="coerce") - numbers).abs()
        count = int((differences > _HALF_STEPS * 10.0 ** -decimals[name]).sum())
        if count:
            warnings.append(
                f"{name}: {count} of {len(cells)} real rows are not what the formula gives"
            )
    return warnings

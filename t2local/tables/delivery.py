"""From values to what is delivered: the columns and types of the input.

Identifiers are new ones, links point at them, derived columns are computed, and a column that is
left out is blank.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.files import Table
from t2local.tables.identifiers import new_identifiers, numbered
from t2local.tables.links import new_links


@dataclass(frozen=True)
class Delivery:
    """New rows, ready: ``cells`` (text, None is missing) for a file, and two frames with types.

    ``synthetic`` holds the new rows, ``augmented`` the real ones first.
    """

    cells: pd.DataFrame
    synthetic: pd.DataFrame
    augmented: pd.DataFrame


def deliver(
    dictionary: FeatureDictionary,
    table: Table,
    frame: pd.DataFrame | None,
    kept: pd.DataFrame,
    written: Mapping[str, list[str | None]],
    seed: int,
    *,
    left_out: str = "blank",
) -> Delivery:
    """Put the kept rows together in the columns of the input.

    **Parameters:**

    * **frame**: the caller's own, when the input was one; its types are those of the result.
    * **kept**: frame of values (m, d).
    * **written**: short texts for the kept rows, by column.
    * **left_out**: other columns come back ``blank``, or are ``dropped``.
    """
    identifiers = _identifiers(dictionary, table, len(kept), seed)
    computed = dictionary.computed(kept)
    if left_out == "blank":
        others = {str(name) for name in table.cells} - {*dictionary.names, *identifiers, *computed}
        written = {**{name: [None] * len(kept) for name in others}, **written}
    order = _order(table, {*dictionary.names, *identifiers}, [*computed, *written])
    numbers = {
        derived.name: _formatted(computed[derived.name], derived.decimals)
        for derived in dictionary.derived
    }
    new_texts = _columns({**identifiers, **written}, kept.index)
    cells = dictionary.cells(kept).assign(**new_texts, **numbers)[order]
    synthetic = dictionary.native(kept).assign(
        **{**new_texts, **{name: numbered(new_texts[name]) for name in identifiers}, **computed}
    )[order]
    return Delivery(cells, *real_and_new(dictionary, table, frame, synthetic))


def real_and_new(
    dictionary: FeatureDictionary, table: Table, frame: pd.DataFrame | None, new: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """New rows with the types of the real ones, and these followed by those.

    **Parameters:**

    * **frame**: the caller's own, when the input was one; **new**: its columns are delivered.
    """
    order = list(new)
    if frame is None:
        real = frame_of(dictionary, table).reindex(columns=order)
    else:
        real = frame.rename(columns=str).reset_index(drop=True).reindex(columns=order)
        new = _with_types_of(real, new, dictionary)
    return new, pd.concat([real, new], ignore_index=True)


def _identifiers(
    dictionary: FeatureDictionary, table: Table, n_rows: int, seed: int
) -> Mapping[str, Sequence[str | None]]:
    """New identifiers, and links to them, by column."""
    others = table.other_cells or {}
    identifiers = {
        column.name: new_identifiers(
            table.cells[column.name], n_rows, seed, others.get(column.name)
        )
        for column in dictionary.left_out
        if column.make == "identifier" and column.name in table.cells
    }
    links = {
        column.name: new_links(
            table.cells[column.name], table.cells[column.to], identifiers[column.to], seed
        )
        for column in dictionary.left_out
        if column.to in identifiers and column.name in table.cells
    }
    return {**identifiers, **links}


def _order(table: Table, columns: set[str], new_columns: Sequence[str]) -> list[str]:
    """The columns in the order of the input; those that it does not have stand last."""
    names = [str(name) for name in table.cells if name in {*columns, *new_columns}]
    return [*names, *(name for name in new_columns if name not in names)]


def _formatted(numbers: pd.Series, decimals: int) -> pd.Series:
    """Numbers as text with this many decimals, None for missing."""
    texts = [None if pd.isna(number) else f"{number:.{decimals}f}" for number in numbers]
    return pd.Series(texts, index=numbers.index, dtype=object)


def _columns(texts: Mapping[str, Sequence[str | None]], index: pd.Index) -> dict[str, pd.Series]:
    return {name: pd.Series(cells, index=index, dtype=object) for name, cells in texts.items()}


def frame_of(dictionary: FeatureDictionary, table: Table) -> pd.DataFrame:
    """The rows of a table, real or delivered, with the types of delivered rows."""
    values = dictionary.values(table.cells)
    computed = dictionary.computed(values)
    texts = table.cells[[name for name in table.cells if name not in {*values, *computed}]]
    makes = ("identifier", "link")
    keys = {c.name for c in dictionary.left_out if c.make in makes} & {*texts}
    columns = {name: numbered(texts[name]) for name in keys}
    frame = dictionary.native(values).assign(**computed, **{**texts, **columns})
    return frame[[*table.cells, *(name for name in computed if name not in table.cells)]]


def _with_types_of(
    real: pd.DataFrame, synthetic: pd.DataFrame, dictionary: FeatureDictionary
) -> pd.DataFrame:
    """The synthetic rows with the types of the real ones, where a missing cell allows it.

    A column with a pool holds texts: no list of categories and no number has this level.
    """
    pools = {feature.name for feature in dictionary.features if feature.pool}
    kinds = {
        name: dtype
        for name, dtype in real.dtypes.items()
        if name not in pools and (dtype.kind in "fOmM" or not synthetic[name].isna().any())
    }
    return synthetic.astype(kinds)

"""From values to what is delivered: the columns and types of the input, with new identifiers and computed columns."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.files import Table
from t2local.tables.identifiers import new_identifiers, numbered


@dataclass(frozen=True)
class Delivery:
    """New rows, ready: ``cells`` (text, None is missing) for a file, ``synthetic`` and ``augmented`` (the real rows first) with types."""

    cells: pd.DataFrame
    synthetic: pd.DataFrame
    augmented: pd.DataFrame


def deliver(
    known: FeatureDictionary,
    table: Table,
    frame: pd.DataFrame | None,
    kept: pd.DataFrame,
    written: Mapping[str, list[str | None]],
    seed: int,
) -> Delivery:
    """Put the kept rows together in the columns of the input.

    **Parameters:**

    * **frame**: the caller's own, when the input was one; its types are those of the result.
    * **kept**: frame of values (m, d); **written**: short texts for them, by column.
    """
    real, computed = known.values(table.cells), known.computed(kept)
    columns = [
        out.name for out in known.left_out if out.make == "identifier" and out.name in table.cells
    ]
    made = {name: new_identifiers(table.cells[name], len(kept), seed) for name in columns}
    order = [
        str(name) for name in table.cells if name in {*known.names, *made, *computed, *written}
    ]
    order += [name for name in (*computed, *written) if name not in order]
    plain = {
        derived.name: pd.Series(
            [None if pd.isna(x) else f"{x:.{derived.decimals}f}" for x in computed[derived.name]],
            index=kept.index,
            dtype=object,
        )
        for derived in known.derived
    }
    texts = {name: pd.Series(cells, index=kept.index, dtype=object) for name, cells in made.items()}
    free = {
        name: pd.Series(cells, index=kept.index, dtype=object) for name, cells in written.items()
    }
    real_free = {name: table.cells.get(name) for name in written}
    synthetic = known.native(kept).assign(
        **{name: numbered(cells) for name, cells in texts.items()}, **free, **computed
    )[order]
    original = known.native(real).assign(
        **{name: numbered(table.cells[name]) for name in made}, **real_free, **known.computed(real)
    )[order]
    if frame is not None:
        original = frame.rename(columns=str).reset_index(drop=True).reindex(columns=order)
        synthetic = synthetic.astype(
            {
                name: dtype
                for name, dtype in original.dtypes.items()
                if not synthetic[name].isna().any() or dtype.kind in "fOmM"
            }
        )
    return Delivery(
        known.cells(kept).assign(**texts, **free, **plain)[order],
        synthetic,
        pd.concat([original, synthetic], ignore_index=True),
    )

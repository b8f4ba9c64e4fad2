"""From values to what is delivered: the columns and types of the input, with new identifiers and computed columns."""

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


def deliver(known: FeatureDictionary, table: Table, frame: pd.DataFrame | None, kept: pd.DataFrame, seed: int) -> Delivery:
    """Put the kept rows together in the columns of the input.

    **Parameters:**

    * **frame**: the caller's own, when the input was one; its types are those of the result.
    * **kept**: frame of values (m, d).
    """
    real, computed = known.values(table.cells), known.computed(kept)
    made = {out.name: new_identifiers(table.cells[out.name], len(kept), seed) for out in known.left_out if out.make and out.name in table.cells}
    order = [str(name) for name in table.cells if name in {*known.names, *made, *computed}]
    order += [name for name in computed if name not in order]
    plain = {
        derived.name: pd.Series([None if pd.isna(x) else f"{x:.{derived.decimals}f}" for x in computed[derived.name]], index=kept.index, dtype=object)
        for derived in known.derived
    }
    texts = {name: pd.Series(cells, index=kept.index, dtype=object) for name, cells in made.items()}
    synthetic = known.native(kept).assign(**{name: numbered(cells) for name, cells in texts.items()}, **computed)[order]
    original = known.native(real).assign(**{name: numbered(table.cells[name]) for name in made}, **known.computed(real))[order]
    if frame is not None:
        original = frame.rename(columns=str).reset_index(drop=True).reindex(columns=order)
        synthetic = synthetic.astype({name: dtype for name, dtype in original.dtypes.items() if not synthetic[name].isna().any() or dtype.kind in "fOmM"})
    return Delivery(known.cells(kept).assign(**texts, **plain)[order], synthetic, pd.concat([original, synthetic], ignore_index=True))

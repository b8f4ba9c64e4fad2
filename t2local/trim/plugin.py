"""The quality stages for the rows of any generator: ``t2local.trim(real, synthetic, target="y")``."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from t2local.errors import InputError, UsageError
from t2local.settings import Settings
from t2local.tables.describe import describe
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.files import cells_of, from_frame
from t2local.trim.benefit import Benefit, benefit
from t2local.trim.inspector import Inspector
from t2local.trim.verdict import Verdict, reasons, with_notes


@dataclass(frozen=True)
class Trimmed:
    """Rows that came in, parted: ``kept`` and ``rejected``, in their order, with their index and types.

    The rejected ones have ``stage``, ``reason``, ``figure`` and ``threshold`` in front. ``report`` has the counts, the figures and
    thresholds of every batch, how many numbers were rounded to be judged, and what the kept rows bring.
    """

    kept: pd.DataFrame
    rejected: pd.DataFrame
    report: dict[str, Any]


def trim(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    target: str | None = None,
    dictionary: FeatureDictionary | None = None,
    seed: int = 1,
    batch_size: int | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
) -> Trimmed:
    """Judge rows of any generator in the three stages; what was kept counts as accepted for the batches after it.

    **Parameters:**

    * **real**, **synthetic**: frames with the same columns; neither is changed. A number with more decimals than the real ones
      have (a mean of two neighbours, say) is judged as the nearest value that the dictionary allows, and kept as it came.
    * **dictionary**: what the columns may hold; else a guess from the real rows. Columns that it leaves out are not judged.
    * **batch_size**: rows judged together; all of them by default.
    * **settings**: names and values, as ``{"trim.gate": "ig_refit"}``.

    **Raises** `InputError` when the columns differ or the real rows do not fit the dictionary, `UsageError` for a batch size below 1.
    """
    if batch_size is not None and batch_size < 1:
        raise UsageError(
            f"A batch of {batch_size} rows cannot be judged.",
            next_step="leave batch_size out, or pass 1 or more",
        )
    chosen = settings if isinstance(settings, Settings) else Settings.load(settings)
    table = from_frame(real)
    known = dictionary or describe(
        table.cells, target=target, settings=chosen.table, source="the real rows"
    )
    known.check_table(table.cells, table.lines, "the real rows")
    _same_columns(
        known,
        [str(name) for name in table.cells.columns],
        [str(name) for name in synthetic.columns],
    )
    rows, unread, rounded = _read(known, cells_of(synthetic))
    inspector = Inspector(known.values(table.cells), known, chosen.trim, seed)
    verdict, batches = _judge(inspector, rows, unread, batch_size or max(1, len(rows)))
    kept, notes = verdict.kept, verdict.notes().set_index(synthetic.index)
    found = benefit(known.values(table.cells), rows[kept], known, seed) if kept.any() else None
    report = {
        **_report(verdict, found),
        "rounded": rounded,
        "batches": batches,
        "target": known.target,
        "seed": seed,
    }
    return Trimmed(synthetic[kept], with_notes(notes[~kept], synthetic[~kept]), report)


def _report(verdict: Verdict, found: Benefit | None) -> dict[str, Any]:
    kept = int(verdict.kept.sum())
    return {
        "rows": {"generated": verdict.size, "kept": kept, "rejected": verdict.size - kept},
        "rejected_by": {
            stage: verdict.rejected_by()[stage] for stage in ("sanity", "cost", "diversity")
        },
        "reasons": reasons([verdict]),
        "benefit": found.figures() if found else None,
        "verdict": found.verdict if found else "No row was kept.",
    }


def _judge(
    inspector: Inspector, rows: pd.DataFrame, unread: list[str], size: int
) -> tuple[Verdict, list[dict[str, Any]]]:
    """One verdict for all rows, and an entry for each batch; rows with a cell that is no number are in no batch."""
    whole, batches = Verdict(len(rows)), []
    for column in dict.fromkeys(filter(None, unread)):
        whole.reject(
            np.array(unread, dtype=object) == column,
            "sanity",
            f"{column} cannot be read as its type in the dictionary",
        )
    readable = np.flatnonzero(whole.kept)
    parts = [readable[start : start + size] for start in range(0, len(readable), size)]
    inspector.tune([rows.iloc[part] for part in parts])
    for part in parts:
        verdict = inspector.judge(rows.iloc[part].reset_index(drop=True))
        whole.put(part, verdict)
        batches.append(
            {
                "rows": len(part),
                "kept": int(verdict.kept.sum()),
                "rejected_by": dict(verdict.rejected_by()),
                "figures": verdict.figures,
            }
        )
    return whole, batches


def _same_columns(known: FeatureDictionary, real: list[str], synthetic: list[str]) -> None:
    faults = [
        f"the synthetic rows have no column {name!r}"
        for name in known.names
        if name not in synthetic
    ]
    faults += [
        f"the real rows have no column {name!r}"
        for name in dict.fromkeys(synthetic)
        if name not in real
    ]
    faults += [
        f"the synthetic rows have {count} columns {name!r}"
        for name, count in Counter(synthetic).items()
        if count > 1
    ]
    if faults:
        raise InputError(
            "The real and the synthetic rows have different columns:",
            faults=faults,
            next_step="give both tables the same columns",
        )


def _read(
    known: FeatureDictionary, cells: pd.DataFrame
) -> tuple[pd.DataFrame, list[str], dict[str, int]]:
    """Values of the synthetic rows; for each row the first column that is no number; and how many numbers of a column were rounded."""
    values = known.values(cells)
    unread = [""] * len(cells)
    rounded: dict[str, int] = {}
    for feature in reversed(known.features):
        if not feature.numeric:
            continue
        column = values[feature.name]
        for place in np.flatnonzero(
            (cells[feature.name].notna() & ~np.isfinite(column.fillna(np.inf))).to_numpy()
        ):
            unread[place] = feature.name
        nearest = column.round(feature.decimals)
        if finer := int(((nearest - column).abs() > 1e-9 * column.abs().clip(lower=1.0)).sum()):
            rounded[feature.name] = finer
        values[feature.name] = nearest
    return values, unread, rounded

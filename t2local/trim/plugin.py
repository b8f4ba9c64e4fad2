"""The quality stages for the rows of any generator: ``t2local.trim(real, synthetic)``."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.errors import InputError
from t2local.settings import Settings, SettingsSource
from t2local.stats.arrays import IntArray, Mask
from t2local.system.json_text import JsonObject, to_json
from t2local.tables.describe import dictionary_of
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.tables.files import cells_of, from_frame
from t2local.tables.rule_counts import RuleReport, rule_report
from t2local.trim import stages
from t2local.trim.benefit import Benefit, benefit
from t2local.trim.conclusion import Answers, answers, conclusion, judged_sentence
from t2local.trim.inspector import Inspector
from t2local.trim.result import StageFigures
from t2local.trim.shifts import Shifts, shifts
from t2local.trim.stage_effects import StageEffect, stage_effects
from t2local.trim.state import Pool
from t2local.trim.verdict import Verdict, overruled_sentence, reasons, with_notes

_REAL = "the real rows"
#: What floating point may take from a number, as a share of it, before it counts as rounded.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Counts:
    """Rows that came in, and what became of them."""

    generated: int
    kept: int
    rejected: int


@dataclass(frozen=True)
class BatchReport:
    """One batch: its rows, and what each stage measured."""

    rows: int
    kept: int
    rejected_by: Mapping[str, int]
    figures: Mapping[str, StageFigures]


@dataclass(frozen=True)
class TrimReport:
    """Figures and thresholds of every batch, and what the kept rows bring.

    * ``rounded``: how many numbers of a column were rounded to be judged.
    * ``overruled_by``: rows that are kept although a stage would have rejected them.
    """

    rows: Counts
    rejected_by: Mapping[str, int]
    overruled_by: Mapping[str, int]
    stage_effects: tuple[StageEffect, ...]
    rules: RuleReport
    reasons: Mapping[str, int]
    benefit: Benefit | None
    shifts: Shifts | None
    answers: Answers
    verdict: str
    rounded: Mapping[str, int]
    batches: tuple[BatchReport, ...]
    target: str | None
    seed: int


@dataclass(frozen=True)
class Trimmed:
    """Rows that came in, parted: ``kept`` and ``rejected``, in their order, with index and types.

    The rejected ones have ``stage``, ``reason``, ``figure`` and ``threshold`` in front. ``report``
    is a `TrimReport` as plain values.
    """

    kept: pd.DataFrame
    rejected: pd.DataFrame
    report: JsonObject


def trim(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    target: str | None = None,
    dictionary: FeatureDictionary | None = None,
    seed: int = 1,
    batch_size: int | None = None,
    settings: SettingsSource | None = None,
) -> Trimmed:
    """Judge synthetic rows by the real ones; what is kept counts as accepted for the rows after it.

    **Parameters:**

    * **real**, **synthetic**: frames with the same columns; neither is changed. A number with more
      decimals than the real ones is judged as the nearest value that the dictionary allows.
    * **target**: the column to predict, or ``none`` for rows that are judged by their cells alone;
      else that of the dictionary, or a guess.
    * **dictionary**: what columns may hold, else a guess; those that it leaves out are not judged.
    * **batch_size**: rows judged together where ``trim.gate`` judges batches; all by default.
    * **settings**: names and values, as ``{"trim.gate": "ig_refit"}``.

    **Raises** `InputError` when columns differ or real rows do not fit.
    """
    chosen = Settings.of(settings)
    table = from_frame(real)
    dictionary = dictionary_of(table.cells, dictionary, target, chosen.table, _REAL)
    dictionary.check_table(table.cells, table.lines, _REAL)
    _check_columns(dictionary, list(map(str, table.cells)), list(map(str, synthetic)))
    rows = _read(dictionary, cells_of(synthetic), table.cells)
    values = dictionary.values(table.cells)
    inspector = Inspector(values, dictionary, chosen.trim, seed)
    verdict, batches = _judge(inspector, rows, batch_size or max(1, len(synthetic)))
    report = _report(verdict, rows, batches, dictionary, values, seed)
    notes = verdict.notes().set_index(synthetic.index)
    rejected = with_notes(notes[~verdict.kept], synthetic[~verdict.kept])
    return Trimmed(synthetic[verdict.kept], rejected, to_json(report))


def _report(
    verdict: Verdict,
    rows: "_Rows",
    batches: tuple[BatchReport, ...],
    dictionary: FeatureDictionary,
    real: pd.DataFrame,
    seed: int,
) -> TrimReport:
    kept = int(verdict.kept.sum())
    gained, shifted = None, None
    if kept:
        kept_values = rows.values[verdict.kept]
        if dictionary.target is not None:
            gained = benefit(real, kept_values, dictionary, seed)
        shifted = shifts(real, kept_values, dictionary, seed)
    plain_counts = f"{kept} of {verdict.size} rows passed.{judged_sentence(dictionary)}"
    rejected_by = verdict.rejected_by()
    refused = ", ".join(f"{stage} {count}" for stage, count in rejected_by.items())
    counts = f"{kept} of {verdict.size} rows were kept"
    if refused:
        counts += f" (rejected by {refused})"
    counts += f".{overruled_sentence(verdict.overruled)}{judged_sentence(dictionary)}"
    return TrimReport(
        rows=Counts(verdict.size, kept, verdict.size - kept),
        rejected_by={stage.name: rejected_by[stage.name] for stage in stages.STAGES},
        overruled_by=dict(verdict.overruled),
        stage_effects=stage_effects(rows.values, verdict, dictionary),
        rules=rule_report(dictionary, real, rows.values, verdict.kept),
        reasons=reasons([verdict]),
        benefit=gained,
        shifts=shifted,
        answers=answers(plain_counts, shifted, gained),
        verdict=conclusion(counts, shifted, gained),
        rounded=rows.rounded,
        batches=batches,
        target=dictionary.target,
        seed=seed,
    )


@dataclass(frozen=True)
class _Rows:
    """The synthetic rows as values, shape (m, d).

    * ``unreadable``: for each row the first column that is no number or no real level, else blank.
    * ``rounded``: how many numbers of a column were rounded.
    """

    values: pd.DataFrame
    unreadable: list[str]
    rounded: dict[str, int]


def _read(dictionary: FeatureDictionary, cells: pd.DataFrame, real: pd.DataFrame) -> _Rows:
    values = dictionary.values(cells)
    unreadable = [""] * len(cells)
    rounded: dict[str, int] = {}
    # From the last column to the first, so that the first one is what is said of a row.
    for feature in reversed(dictionary.features):
        column = values[feature.name]
        for place in np.flatnonzero(_not_of_its_type(feature, cells, real, column)):
            unreadable[place] = feature.name
        if not feature.numeric:
            continue
        values[feature.name] = column.round(feature.decimals)
        if n_rounded := _n_rounded(column, feature):
            rounded[feature.name] = n_rounded
    return _Rows(values, unreadable, rounded)


def _not_of_its_type(
    feature: Feature, cells: pd.DataFrame, real: pd.DataFrame, values: pd.Series
) -> Mask:
    """Cells that are there and are no finite number, or in the pool without a real row; (m,)."""
    texts = cells[feature.name]
    if feature.numeric:
        return (texts.notna() & ~np.isfinite(values.fillna(np.inf))).to_numpy()
    in_pool = (values == feature.pool) & (texts != feature.pool)
    return (in_pool & ~texts.isin(real[feature.name])).to_numpy()


def _n_rounded(numbers: pd.Series, feature: Feature) -> int:
    """How many numbers have more decimals than the feature."""
    difference = (numbers.round(feature.decimals) - numbers).abs()
    return int((difference > _ROUNDING * numbers.abs().clip(lower=1.0)).sum())


def _judge(inspector: Inspector, rows: _Rows, size: int) -> tuple[Verdict, tuple[BatchReport, ...]]:
    """One verdict for all rows, and an entry for each batch.

    Rows with a cell that is no number are in no batch.
    """
    whole = Verdict(len(rows.values))
    for column in dict.fromkeys(filter(None, rows.unreadable)):
        mask = np.array(rows.unreadable, dtype=object) == column
        reason = f"{column} cannot be read as its type in the dictionary"
        whole.reject(mask, stages.STAGES[0].name, reason)
    readable = np.flatnonzero(whole.kept)
    if inspector.judges_sources:
        return _judge_source(inspector, rows, readable, whole)
    parts = [readable[start : start + size] for start in range(0, len(readable), size)]
    inspector.tune([rows.values.iloc[part] for part in parts])
    batches = []
    for part in parts:
        verdict = inspector.judge(rows.values.iloc[part].reset_index(drop=True))
        whole.put(part, verdict)
        batches.append(_batch_report(verdict))
    return whole, tuple(batches)


def _judge_source(
    inspector: Inspector, rows: _Rows, readable: IntArray, whole: Verdict
) -> tuple[Verdict, tuple[BatchReport, ...]]:
    """All readable rows as one source, however many there are."""
    if not len(readable):
        return whole, ()
    source = rows.values.iloc[readable].reset_index(drop=True)
    verdict = inspector.judge_source(source, Pool())
    whole.put(readable, verdict)
    return whole, (_batch_report(verdict),)


def _batch_report(verdict: Verdict) -> BatchReport:
    kept = int(verdict.kept.sum())
    return BatchReport(verdict.size, kept, dict(verdict.rejected_by()), verdict.figures)


def _check_columns(dictionary: FeatureDictionary, real: list[str], synthetic: list[str]) -> None:
    faults = [
        f"the synthetic rows have no column {name!r}"
        for name in dictionary.names
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

"""One file held against another: `t2local.trim` and `t2local.evaluate` for the command line."""

from pathlib import Path

import numpy as np
import pandas as pd

from t2local.evaluate.report import Evaluation, evaluate
from t2local.evaluate.subgroups import lost_subgroups
from t2local.page import page
from t2local.run.folder import RunFolder
from t2local.run.inputs import load_dictionary
from t2local.run.ledger import JudgedRows
from t2local.run.pictures import Pictures, pictures_of
from t2local.settings import Settings
from t2local.system.json_text import JsonObject, as_json, to_json
from t2local.tables.describe import dictionary_of
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.files import Table, cells_of
from t2local.tables.reading import read_table
from t2local.tables.rule_counts import rule_report
from t2local.trim.conclusion import answers
from t2local.trim.plugin import Trimmed, trim
from t2local.trim.shifts import shifts

#: What stands before the cells of a rejected row.
_NOTES = ["stage", "reason", "figure", "threshold"]


def trim_files(
    real: Path | str,
    synthetic: Path | str,
    *,
    out: Path | str,
    target: str | None = None,
    dictionary: Path | str | None = None,
    batch_size: int | None = None,
    seed: int = 1,
    settings: Settings | None = None,
) -> Trimmed:
    """`t2local.trim` for two files.

    The folder ``out`` gets synthetic.csv (the kept rows), rejected.csv, report.json and
    report.html.
    """
    folder = RunFolder(Path(out), replace=True)  # made again in seconds
    own = settings or Settings()
    form = own.table.first_line, own.table.sheet
    table = read_table(real, first_line=form[0], sheet=form[1])
    rows = read_table(synthetic, fewest=0, first_line=form[0], sheet=form[1])
    agreed = _agreed(table, dictionary, target, own)
    trimmed = trim(
        table.cells,
        rows.cells,
        dictionary=agreed,
        seed=seed,
        batch_size=batch_size,
        settings=settings,
    )
    report = {**trimmed.report, **to_json(_pictures(agreed, table, rows, trimmed))}
    with folder:
        folder.start()
        folder.write_rows(rows, trimmed.kept, trimmed.rejected)
        folder.write(_accounts(report, table))
        folder.publish()
    return Trimmed(trimmed.kept, trimmed.rejected, report)


def evaluate_files(
    real: Path | str,
    synthetic: Path | str,
    *,
    out: Path | str,
    target: str | None = None,
    holdout: Path | str | None = None,
    dictionary: Path | str | None = None,
    seed: int = 1,
) -> Evaluation:
    """`t2local.evaluate` for files: the folder ``out`` gets report.json and report.html."""
    folder = RunFolder(Path(out), replace=True)  # made again in seconds
    holdout_cells = None
    if holdout:
        holdout_cells = read_table(holdout, fewest=0).cells
    table, rows = read_table(real, fewest=0), read_table(synthetic, fewest=0)
    agreed = _agreed(table, dictionary, target, Settings())
    evaluation = evaluate(
        table.cells,
        rows.cells,
        holdout=holdout_cells,
        dictionary=agreed,
        seed=seed,
    )
    privacy = evaluation.privacy
    warning = " ".join([*([privacy.warning] if privacy else []), *evaluation.losses]).strip()
    report = {**evaluation.as_report(), **_comparison(agreed, table, rows, seed, warning)}
    with folder:
        folder.start()
        folder.write(_accounts(report, table))
        folder.publish()
    return evaluation


def _agreed(
    table: Table, source: Path | str | None, target: str | None, settings: Settings
) -> FeatureDictionary:
    """The dictionary of a file, with the target that was asked for; else a guess."""
    given = None if source is None else load_dictionary(source)
    return dictionary_of(cells_of(table.cells), given, target, settings.table, "the real rows")


def _comparison(
    dictionary: FeatureDictionary, table: Table, rows: Table, seed: int, warning: str
) -> JsonObject:
    """What the page says of the rows beside the figures: shifts, answers and pictures."""
    real, synthetic = (dictionary.values(cells_of(one.cells)) for one in (table, rows))
    shifted = shifts(real, synthetic, dictionary, seed)
    pictures = _pictures(dictionary, table, rows)
    lost = lost_subgroups(pictures.subgroups, dictionary, len(synthetic))
    counts = f"{len(synthetic)} synthetic rows were measured, and none was rejected."
    every = np.ones(len(synthetic), dtype=np.bool_)
    rules = rule_report(dictionary, real, synthetic, every)
    if broken := sum(bool(one.binds and one.kept) for one in rules.every):
        warning = f"{warning} Rows break {broken} of {len(rules.every)} rules.".strip()
    answer = answers(counts, shifted, None, warning=warning, lost_groups=lost)
    return {
        "shifts": to_json(shifted),
        "rules": to_json(rules),
        "answers": to_json(answer),
        **to_json(pictures),
    }


def _pictures(
    dictionary: FeatureDictionary, table: Table, rows: Table, trimmed: Trimmed | None = None
) -> Pictures:
    """The pictures of all rows, or of those that were kept and rejected."""
    kept, rejected = rows.cells, rows.cells.head(0)
    notes = pd.DataFrame(columns=[*_NOTES, "row"])
    if trimmed is not None:
        kept, rejected = trimmed.kept, trimmed.rejected.iloc[:, len(_NOTES) :]
        notes = trimmed.rejected.iloc[:, : len(_NOTES)].set_axis(_NOTES, axis=1)
        notes = notes.assign(row=rows.cells.index.get_indexer(rejected.index) + 1)
    real, kept, rejected = (
        dictionary.values(cells_of(cells)) for cells in (table.cells, kept, rejected)
    )
    judged = JudgedRows(kept, rejected, notes)
    return pictures_of(real, judged, dictionary, np.ones(len(real)))


def _accounts(report: JsonObject, table: Table) -> dict[str, str]:
    """The report for programs and for people."""
    facts = {"name": table.source, "rows": len(table.cells), "columns": table.cells.shape[1]}
    return {"report.json": as_json(report), "report.html": page(report, {"input": facts})}

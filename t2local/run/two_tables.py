"""One file held against another: `t2local.trim` and `t2local.evaluate` for the command line."""

from pathlib import Path

from t2local.evaluate.report import Evaluation, evaluate
from t2local.run.folder import RunFolder
from t2local.run.inputs import load_dictionary
from t2local.settings import Settings
from t2local.system.json_text import as_json
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.reading import read_table
from t2local.trim.plugin import Trimmed, trim


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

    The folder ``out`` gets synthetic.csv (the kept rows), rejected.csv and report.json.
    """
    folder = RunFolder(Path(out), replace=True)  # made again in seconds
    own = (settings or Settings()).table
    table = read_table(real, first_line=own.first_line, sheet=own.sheet)
    rows = read_table(synthetic, fewest=0, first_line=own.first_line, sheet=own.sheet)
    trimmed = trim(
        table.cells,
        rows.cells,
        target=target,
        dictionary=_dictionary(dictionary),
        seed=seed,
        batch_size=batch_size,
        settings=settings,
    )
    with folder:
        folder.start()
        folder.write_rows(rows, trimmed.kept, trimmed.rejected)
        folder.write({"report.json": as_json(trimmed.report)})
        folder.publish()
    return trimmed


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
    """`t2local.evaluate` for files: the folder ``out`` gets report.json."""
    folder = RunFolder(Path(out), replace=True)  # made again in seconds
    holdout_cells = None
    if holdout:
        holdout_cells = read_table(holdout, fewest=0).cells
    evaluation = evaluate(
        read_table(real, fewest=0).cells,
        read_table(synthetic, fewest=0).cells,
        target=target,
        holdout=holdout_cells,
        dictionary=_dictionary(dictionary),
        seed=seed,
    )
    with folder:
        folder.start()
        folder.write({"report.json": as_json(evaluation.as_report())})
        folder.publish()
    return evaluation


def _dictionary(source: Path | str | None) -> FeatureDictionary | None:
    return None if source is None else load_dictionary(source)

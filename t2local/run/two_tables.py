"""One table held against another, both files: `t2local.trim` and `t2local.evaluate` for the command line."""

from pathlib import Path

from t2local.errors import DictionaryError
from t2local.evaluate.report import Evaluation, evaluate
from t2local.run.folder import RunFolder
from t2local.settings import Settings
from t2local.system.json_text import as_json
from t2local.tables.dictionary import FeatureDictionary, read_dictionary
from t2local.tables.reading import read_table, read_text
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
    """`t2local.trim` for two CSV files: the folder ``out`` gets synthetic.csv (the kept rows), rejected.csv and report.json."""
    folder = RunFolder(Path(out))
    table, rows = read_table(real), read_table(synthetic, fewest=0)
    done = trim(
        table.cells,
        rows.cells,
        target=target,
        dictionary=_known(dictionary),
        seed=seed,
        batch_size=batch_size,
        settings=settings,
    )
    folder.start()
    folder.finish(rows, done.kept, done.rejected, {"report.json": as_json(done.report)})
    return done


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
    """`t2local.evaluate` for CSV files: the folder ``out`` gets report.json."""
    folder = RunFolder(Path(out))
    tables = [
        read_table(path, fewest=0).cells
        for path in (real, synthetic, *([holdout] if holdout else []))
    ]
    kept_out = tables[2] if holdout else None
    done = evaluate(
        tables[0],
        tables[1],
        target=target,
        holdout=kept_out,
        dictionary=_known(dictionary),
        seed=seed,
    )
    folder.start()
    folder.write({"report.json": as_json(done.as_report())})
    return done


def _known(dictionary: Path | str | None) -> FeatureDictionary | None:
    return (
        read_dictionary(read_text(Path(dictionary), DictionaryError), Path(dictionary).name)
        if dictionary
        else None
    )

"""A result that is read back from its folder."""

import json
from pathlib import Path

import pandas as pd

from t2local.errors import DictionaryError, InputError
from t2local.events import ignore
from t2local.run.inputs import Inputs, TableSource, new_run, read_inputs
from t2local.run.manifest import TableFingerprint
from t2local.run.result import Result
from t2local.run.verification import check_files
from t2local.settings import Settings
from t2local.system.json_text import JsonObject
from t2local.tables.check import check_cells
from t2local.tables.delivery import frame_of, real_and_new
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.dictionary_file import read_dictionary
from t2local.tables.files import Table
from t2local.tables.reading import read_table, read_text
from t2local.team.plan import Plan

#: What stands before the cells of a rejected row: row, stage, reason, figure, threshold.
_NOTES = {"int64": 1, "object": 2, "float64": 2}


def load(folder: Path | str, data: TableSource | None = None) -> Result:
    """A result of `t2local.generate` or `Result.save`, read back from its folder.

    **Parameters:**

    * **data**: the real table of then, which is not in the folder. With it the rows have its
      types, and ``augmented`` and ``predictor`` are there.

    **Raises** `InputError` where files were changed, added or removed since, and for other data.
    """
    folder = Path(folder)
    check_files(folder)
    manifest, report = (_json(folder / name) for name in ("manifest.json", "report.json"))
    dictionary = read_dictionary(
        read_text(folder / "dictionary.yaml", DictionaryError), "dictionary.yaml"
    )
    kept = _kept(folder / "synthetic.csv", dictionary)
    synthetic, real, augmented = frame_of(dictionary, kept), None, None
    if data is not None:
        inputs = _inputs(folder, data, manifest)
        dictionary, real = inputs.dictionary, inputs.values
        synthetic, augmented = real_and_new(dictionary, inputs.table, inputs.frame, synthetic)
    return Result(
        synthetic=synthetic,
        rejected=_rejected(folder / "rejected.csv", dictionary),
        report=report,
        dictionary=dictionary,
        plan=Plan.model_validate(report["plan"]),
        manifest=manifest,
        _augmented=augmented,
        _real=real,
        _files=folder,
    )


def _json(path: Path) -> JsonObject:
    content: JsonObject = json.loads(read_text(path, InputError))
    return content


def _kept(path: Path, dictionary: FeatureDictionary) -> Table:
    """The cells of the kept rows; the file has a header where the input had one."""
    names = dictionary.names
    if not path.stat().st_size:
        return Table(pd.DataFrame(columns=names, dtype=object), [], path.name, fewest=0)
    table = read_table(path, fewest=0, first_line="names")
    if not set(names) <= set(table.cells):
        table = read_table(path, fewest=0, first_line="data")
    check_cells(dictionary.features, table.cells, table.lines, path.name)
    return table


def _rejected(path: Path, dictionary: FeatureDictionary) -> pd.DataFrame:
    """The rejected rows with their notes."""
    table = read_table(path, fewest=0, first_line="names")
    kinds = [kind for kind, count in _NOTES.items() for _ in range(count)]
    names = list(table.cells)[: len(kinds)]
    # As they stand there: no figure has a decimal comma.
    notes = pd.read_csv(
        path,
        sep=table.delimiter,
        encoding="utf-8-sig" if table.bom else table.encoding,
        usecols=range(len(kinds)),
        dtype=dict(zip(names, kinds, strict=True)),
    )
    return pd.concat([notes, dictionary.native(dictionary.values(table.cells))], axis=1)


def _inputs(folder: Path, data: TableSource, manifest: JsonObject) -> Inputs:
    """The real table, understood as then. **Raises** `InputError` where it is another one."""
    run = new_run(Settings.of_groups(manifest["settings"]), manifest["seed"], 1, ignore)
    beliefs = folder / "knowledge.yaml"
    inputs = read_inputs(
        run,
        data,
        None,
        folder / "dictionary.yaml",
        folder / "plan.yaml",
        knowledge=beliefs if beliefs.exists() else None,
    )
    TableFingerprint.of(inputs.table).check(manifest["input"])
    return inputs

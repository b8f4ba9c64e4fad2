"""What a run hands over: frames for Python, files for the folder."""

import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from t2local.errors import InputError, UsageError
from t2local.events import Notice
from t2local.page import summary
from t2local.run.folder import RunFolder
from t2local.run.inputs import Inputs, Run
from t2local.run.ledger import JudgedRows
from t2local.run.manifest import manifest_of
from t2local.run.report import RunReport, TeamFacts
from t2local.run.result_files import ResultFiles
from t2local.run.texts import Texts
from t2local.run.verification import check_files
from t2local.system.arguments import checked
from t2local.system.json_text import JsonObject, to_json
from t2local.tables.delivery import deliver
from t2local.tables.dictionary import FeatureDictionary
from t2local.team.plan import Plan
from t2local.trim.conclusion import answer_lines
from t2local.trim.verdict import with_notes

if TYPE_CHECKING:
    from t2local.run.predictor import Predictor


@dataclass(frozen=True, repr=False)
class Result:
    """What a run made.

    * ``synthetic``: the kept rows, in the columns and types of the input.
    * ``rejected``: the other rows, each with its number among all (``row``), ``stage``, ``reason``,
      ``figure`` and ``threshold``.
    * ``report``: all figures, as in report.json; ``manifest``: as in manifest.json.
    """

    synthetic: pd.DataFrame
    rejected: pd.DataFrame
    report: JsonObject
    dictionary: FeatureDictionary
    plan: Plan
    manifest: JsonObject
    _augmented: pd.DataFrame | None
    _real: pd.DataFrame | None  # values, shape (n, d)
    _files: ResultFiles | Path = field(compare=False)  # or the folder that it was loaded from

    def __repr__(self) -> str:
        """What it holds, and where to look next."""
        rows, columns = self.synthetic.shape
        counts = f"{rows:,} rows of {columns} columns, {len(self.rejected):,} rejected"
        target = self.dictionary.target or "none"
        return (
            f"t2local.Result: {counts}; target: {target}, seed: {self.report['seed']}\n"
            "summary() says what they are good for; synthetic, rejected, augmented, report, "
            "save(folder)"
        )

    def _repr_html_(self) -> str:
        """The verdict, the classes and the columns of report.html, as a notebook shows them."""
        return summary(self.report, self.manifest)

    def summary(self) -> str:
        """The three answers of the report, and what became of the rows, as plain text.

        May I use the rows, for what, and what was lost?
        """
        rows, seconds = self.report["rows"], self.report["seconds"]["total"]
        counts = (
            f"{rows['generated']:,} rows were written in {seconds:,.0f} s; {rows['kept']:,} kept"
        )
        for stage, count in self.report["rejected_by"].items():
            counts += f", {count:,} rejected by {stage}" * bool(count)
        model = f"model: {self.report['model']['name']}, seed: {self.report['seed']}"
        return "\n".join([*answer_lines(self.report), f"{counts}.", model])

    @property
    def augmented(self) -> pd.DataFrame:
        """The real rows followed by the kept ones."""
        if self._augmented is None:
            raise _no_real_rows()
        return self._augmented

    @cached_property
    def predictor(self) -> "Predictor":
        """The ensemble that gives labels, fitted on all real rows: a model of scikit-learn's kind.

        ``predict`` and ``predict_proba`` take a DataFrame with the columns of the input, or the
        path of a table. The effects that the dictionary states are known to it.
        """
        from t2local.run.predictor import predictor_of

        if self._real is None:
            raise _no_real_rows()
        return predictor_of(self.dictionary, self._real, self.report["seed"])

    @checked
    def save(self, folder: Path | str) -> None:
        """Write the files of the result into a new folder, as ``out`` does; `t2local.load` reads
        it. No real row stands there, and nothing that is there is written over.

        **Raises** `UsageError` where there is something of this name.
        """
        path = Path(folder)
        if path.exists():
            raise UsageError(f"{path} is there already.", next_step="choose another folder")
        if isinstance(self._files, Path):
            check_files(self._files)
            shutil.copytree(self._files, path)
            return
        with RunFolder(path) as run_folder:
            run_folder.start()
            for entry in self.report["batches"]:
                run_folder.note(entry)
            self._files.write(run_folder)
            run_folder.publish()


def _no_real_rows() -> InputError:
    message = "The folder of a result holds no real rows."
    return InputError(message, next_step="t2local.load(folder, data), with the table of then")


def hand_over(
    run: Run,
    inputs: Inputs,
    facts: TeamFacts,
    rows: JudgedRows,
    texts: Texts,
    report: RunReport,
    folder: RunFolder | None,
) -> Result:
    """Put the rows in the columns and types of the input, and write the files."""
    dictionary = inputs.dictionary
    delivery = deliver(
        dictionary,
        inputs.table,
        inputs.frame,
        rows.kept,
        texts,
        run.seed,
        left_out=run.settings.table.left_out,
    )
    files = ResultFiles(
        table=inputs.table,
        kept=delivery.cells,
        rejected=with_notes(rows.notes, dictionary.cells(rows.rejected)),
        texts=_texts(inputs, facts.plan),
        report=to_json(report),
        manifest=to_json(manifest_of(run, inputs, facts.model, facts.manager)),
    )
    return Result(
        synthetic=delivery.synthetic,
        rejected=with_notes(rows.notes, dictionary.native(rows.rejected)),
        report=files.report,
        dictionary=dictionary,
        plan=facts.plan,
        manifest=_publish(run, files, folder) if folder else files.manifest,
        _augmented=delivery.augmented,
        _real=inputs.values,
        _files=files,
    )


def _texts(inputs: Inputs, plan: Plan) -> dict[str, str]:
    """What a person may edit, by the name of its file."""
    texts = {
        "dictionary.yaml": inputs.dictionary_text or inputs.dictionary.to_yaml(),
        "plan.yaml": plan.to_yaml(),
    }
    if inputs.beliefs is not None:
        texts["knowledge.yaml"] = inputs.beliefs.knowledge.to_yaml()
    return texts


def _publish(run: Run, files: ResultFiles, folder: RunFolder) -> JsonObject:
    """Write the files into the folder of the run; **returns** the manifest with their hashes."""
    finished = run.ledger.done and not run.ledger.interrupted
    manifest = files.write(folder)
    if folder.publish(complete=finished and not files.kept.empty, finished=finished):
        run.tell(Notice(f"The result that was there before is kept in {folder.earlier}"))
    return manifest

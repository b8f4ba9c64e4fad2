"""What a run hands over: frames for Python, files for the folder."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

from t2local.events import Notice
from t2local.page import page, summary
from t2local.run.folder import RunFolder
from t2local.run.inputs import Inputs, Run
from t2local.run.ledger import JudgedRows
from t2local.run.manifest import Manifest, manifest_of
from t2local.run.report import RunReport, TeamFacts
from t2local.run.texts import Texts
from t2local.system.json_text import JsonObject, as_json, to_json
from t2local.tables.delivery import deliver
from t2local.tables.dictionary import FeatureDictionary
from t2local.team.plan import Plan
from t2local.trim.verdict import with_notes

if TYPE_CHECKING:
    from t2local.run.predictor import Predictor


@dataclass(frozen=True)
class Result:
    """What a run made.

    * ``synthetic``: the kept rows, in the columns and types of the input.
    * ``rejected``: the other rows, each with its number among all (``row``), ``stage``, ``reason``,
      ``figure`` and ``threshold``.
    * ``augmented``: the real rows followed by the kept ones.
    * ``figures``: all figures; ``report``: the same as in report.json.
    """

    synthetic: pd.DataFrame
    rejected: pd.DataFrame
    augmented: pd.DataFrame
    figures: RunReport = field(repr=False)
    dictionary: FeatureDictionary
    plan: Plan
    manifest: JsonObject = field(repr=False)
    _real: pd.DataFrame = field(repr=False)  # values, shape (n, d)

    @cached_property
    def report(self) -> JsonObject:
        """The figures as plain values."""
        plain: JsonObject = to_json(self.figures)
        return plain

    def _repr_html_(self) -> str:
        """The verdict, the classes and the columns of report.html, as a notebook shows them."""
        return summary(self.report, self.manifest)

    @cached_property
    def predictor(self) -> "Predictor":
        """The ensemble that gives labels, fitted on all real rows: a model of scikit-learn's kind.

        ``predict`` and ``predict_proba`` take a DataFrame with the columns of the input, or the
        path of a table. The effects that the dictionary states are known to it.
        """
        from t2local.run.predictor import predictor_of

        return predictor_of(self.dictionary, self._real, self.figures.seed)


def hand_over(
    run: Run,
    inputs: Inputs,
    team: TeamFacts,
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
    manifest = manifest_of(run, inputs, team.model, team.plan.manager)
    if folder:
        files = {
            "dictionary.yaml": inputs.dictionary_text or dictionary.to_yaml(),
            "plan.yaml": team.plan.plan.to_yaml(),
            **_knowledge_file(inputs),
            **_accounts(report, manifest),
        }
        manifest = _write(folder, run, inputs, delivery.cells, rows, files, manifest)
    return Result(
        synthetic=delivery.synthetic,
        rejected=with_notes(rows.notes, dictionary.native(rows.rejected)),
        augmented=delivery.augmented,
        figures=report,
        dictionary=dictionary,
        plan=team.plan.plan,
        manifest=to_json(manifest),
        _real=inputs.values,
    )


def _write(
    folder: RunFolder,
    run: Run,
    inputs: Inputs,
    cells: pd.DataFrame,
    rows: JudgedRows,
    texts: dict[str, str],
    manifest: Manifest,
) -> Manifest:
    """Write all files, the manifest last; ``cells`` are those of the kept rows.

    **Returns** the manifest with the hashes of the others.
    """
    rejected = with_notes(rows.notes, inputs.dictionary.cells(rows.rejected))
    finished = run.ledger.done and not run.ledger.interrupted
    folder.write_rows(inputs.table, cells, rejected)
    folder.write(texts)
    manifest = replace(manifest, files=folder.hashes())
    folder.write({"manifest.json": as_json(manifest)})
    if folder.publish(complete=finished and not rows.kept.empty, finished=finished):
        run.tell(Notice(f"The result that was there before is kept in {folder.earlier}"))
    return manifest


def _accounts(report: RunReport, manifest: Manifest) -> dict[str, str]:
    """What happened, for programs and for people."""
    return {
        "report.json": as_json(report),
        "report.html": page(to_json(report), to_json(manifest)),
    }


def _knowledge_file(inputs: Inputs) -> dict[str, str]:
    """The beliefs that the run was given, as a file."""
    if inputs.beliefs is None:
        return {}
    return {"knowledge.yaml": inputs.beliefs.knowledge.to_yaml()}

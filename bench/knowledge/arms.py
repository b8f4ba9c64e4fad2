"""What a cell of the planted-knowledge bench compares: rows that are added to the real ones.

The product's own parts are used from calibration to choice; only the language model is replaced, by
an oracle that scores and writes rows through the same seams (`t2local.team.scoring.Scorer`,
`t2local.team.writer.Writer`).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

import t2local
from bench.effects import informed, true_coefficients
from bench.knowledge.oracle import Oracle
from bench.knowledge.tables import Table, ensemble_skill
from bench.paper import classical
from bench.streams import Stream, generator
from t2local.events import ignore
from t2local.llm.backbone import Backbone
from t2local.llm.scripted import ScriptedModel
from t2local.pipeline import assemble, trim
from t2local.run.inputs import new_run, read_inputs
from t2local.run.judging import judge_of
from t2local.run.wanted_rows import want_rows
from t2local.settings import Settings
from t2local.tables.files import cells_of
from t2local.team.calibration import Calibration, calibrate
from t2local.team.label_calibration import LabelCalibration
from t2local.team.labels import label_values
from t2local.team.plan import from_data
from t2local.team.scoring import RowScores
from t2local.team.team import Team
from t2local.team.writer import Block, BlockRequest

#: What a planted bad source does with the labels of true rows: the share that is another class.
FLIPPED = {"10 % flipped": 0.1, "20 % flipped": 0.2, "40 % flipped": 0.4}
#: The share of a person's stated effects that is right.
STATED = {"100 %": 1.0, "80 %": 0.8, "50 %": 0.5}


@dataclass(frozen=True)
class Cell:
    """A table, its oracle, the real rows of a seed, and how many rows are added."""

    table: Table
    oracle: Oracle | None
    real: pd.DataFrame
    seed: int
    rows: int

    @property
    def target(self) -> str:
        return self.table.dictionary.target


@dataclass(frozen=True)
class Added:
    """Rows that are added (values, shape (m, d)), and figures about them."""

    rows: pd.DataFrame
    figures: Mapping[str, Any] = field(default_factory=dict)


class OracleScorer:
    """Scores real rows as the oracle sees them, whatever the prompt shows."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle

    def score(
        self,
        rows: pd.DataFrame,
        *,
        prompt: Any = None,  # noqa: ARG002
        with_cells: bool = True,
    ) -> RowScores:
        scores = self._oracle.score(rows)
        if with_cells:
            return scores
        return RowScores(scores.cells.head(0), scores.labels)


class OracleWriter:
    """Writes blocks of rows: cells by the oracle or by the mixture, labels by the opinion pool."""

    def __init__(self, oracle: Oracle, calibration: Calibration, seed: int, choice: str) -> None:
        self._oracle = oracle
        self._calibration = calibration
        self._seed = seed
        self._choice = choice

    def write(self, request: BlockRequest, on_row: Callable[[], None]) -> Block:  # noqa: ARG002
        rng = generator(self._seed, Stream.KNOWLEDGE_ROWS, request.number)
        mixture, pool = self._calibration.cell_mixture, self._calibration.pool
        if pool is None:
            raise ValueError("the bench is for labels that are calibrated")
        given = None
        if mixture:
            given = mixture.sample(rng.random((request.rows, mixture.n_uniforms)))
        rows = self._oracle.write(request.rows, rng, given)
        predictions = pool.predict(rows, self._oracle.labels(rows))
        # Gates that judge batches take these labels, as a team's writer gives them.
        labels = pool.labels(predictions, self._choice, rng)
        dictionary = self._oracle.dictionary
        rows = rows.assign(**{dictionary.target: labels})[dictionary.names]
        return Block(request.number, rows, 0, "", False, predictions)


def product(cell: Cell, oracle: Oracle, **values: Any) -> Added:
    """`t2local.generate` with the oracle in the place of the language model."""
    settings = Settings.load({name.replace("__", "."): value for name, value in values.items()})
    dictionary = cell.table.dictionary
    run = new_run(settings, cell.seed + 1, 10, ignore)
    inputs = read_inputs(run, dictionary.native(cell.real), None, dictionary, "data")
    want_rows(run, inputs, cell.rows, None)
    plan = from_data(inputs.values, dictionary)
    with Team(ScriptedModel(), dictionary, plan, inputs.values, settings, run.seed) as team:
        calibration = calibrate(team, scorer=OracleScorer(oracle))
    judge = judge_of(run, inputs)
    writer = OracleWriter(oracle, calibration, run.seed, settings.team.label_choice)
    while not run.ledger.done:
        trim(run, assemble(run, writer, lambda _: None), judge, None)
    judged = run.ledger.rows(dictionary)
    return Added(judged.kept, _figures(run.ledger, calibration.labels))


def _figures(ledger: Any, labels: LabelCalibration | None) -> dict[str, Any]:
    figures = {"written": ledger.generated, **ledger.rejected_by_stage()}
    if labels:
        figures |= {
            "worker_weight": labels.worker_weight,
            "ensemble_weight": labels.ensemble_weight,
        }
    return {**figures, "trim_seconds": ledger.clock.seconds["trim"]}


def oracle_rows(cell: Cell, choice: str) -> Added:
    """The oracle's own rows with its labels, as they are."""
    rng = generator(cell.seed, Stream.KNOWLEDGE_ROWS, 1_000)
    rows = cell.oracle.write(cell.rows, rng)
    target = cell.table.dictionary[cell.target]
    shares = np.exp(cell.oracle.blind_label)
    labels = label_values(target, cell.oracle.labels(rows), shares, choice, rng)
    return Added(rows.assign(**{cell.target: labels}))


def true_rows(cell: Cell) -> pd.DataFrame:
    """True rows that nobody has seen, in random order."""
    return cell.table.fresh(cell.rows, cell.seed, cell.real).rows.reset_index(drop=True)


def trimmed(cell: Cell, rows: pd.DataFrame) -> Added:
    """What `t2local.trim` keeps of the rows of an unknown source."""
    dictionary = cell.table.dictionary
    result = t2local.trim(
        dictionary.native(cell.real),
        dictionary.native(rows),
        dictionary=dictionary,
        seed=cell.seed + 1,
    )
    return Added(
        rows.loc[result.kept.index],
        {"kept": len(result.kept) / len(rows), **result.report["rejected_by"]},
    )


def flipped(cell: Cell, rows: pd.DataFrame, share: float) -> pd.DataFrame:
    """The rows with another class in a share of them."""
    rng = generator(cell.seed, Stream.KNOWLEDGE_FLIPS, round(100 * share))
    levels = list(cell.table.dictionary[cell.target].levels)
    labels = rows[cell.target].to_numpy(dtype=object, copy=True)
    for place in rng.permutation(len(rows))[: round(share * len(rows))]:
        others = [level for level in levels if level != labels[place]]
        labels[place] = others[rng.integers(len(others))]
    return rows.assign(**{cell.target: labels})


def shuffled(cell: Cell, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with each other's labels."""
    rng = generator(cell.seed, Stream.KNOWLEDGE_FLIPS, 0)
    return rows.assign(**{cell.target: rng.permutation(rows[cell.target].to_numpy())})


def with_effects(cell: Cell, accuracy: float) -> Cell:
    """The cell of a person who states the effects of all columns."""
    rng = generator(cell.seed, Stream.EFFECTS_FLIPS, cell.table.number)
    dictionary, known = cell.table.dictionary, cell.table.population
    coefficients = true_coefficients(dictionary, known)
    stated = informed(dictionary, known, coefficients, "all", accuracy, rng)
    return replace(cell, table=replace(cell.table, dictionary=stated))


def product_with_effects(cell: Cell, accuracy: float) -> Added:
    """The product without knowledge but a person's, and what the ensemble alone gains by that."""
    stated = with_effects(cell, accuracy)
    skills = [ensemble_skill(own.table, cell.real, cell.seed) for own in (stated, cell)]
    added = product(stated, cell.oracle.with_dose(0.0))
    return Added(added.rows, {**added.figures, "ensemble_gain": skills[0] - skills[1]})


def baseline(cell: Cell, method: Callable[[Any], pd.DataFrame]) -> Added:
    """Rows of a method without a model (bench/paper/classical.py)."""
    real = cell.real.reset_index(drop=True)
    task = SimpleNamespace(
        real=real, rows=cell.rows, seed=cell.seed, dictionary=cell.table.dictionary
    )
    return Added(method(task))


def generated(cell: Cell, model: Backbone, **values: Any) -> Added:
    """`t2local.generate` as a user calls it, with a real model."""
    dictionary = cell.table.dictionary
    result = t2local.generate(
        dictionary.native(cell.real),
        dictionary=dictionary,
        rows=cell.rows,
        seed=cell.seed + 1,
        model=model,
        settings={name.replace("__", "."): value for name, value in values.items()},
    )
    kept = dictionary.values(cells_of(result.synthetic))
    report = result.report
    figures = {name: report["rows"][name] for name in ("generated", "kept")}
    weights = {name: report["labels"][name] for name in ("worker_weight", "ensemble_weight")}
    return Added(
        kept,
        {
            **figures,
            **weights,
            "verdict": report["verdict"],
            "run_seconds": report["seconds"]["total"],
            "seconds_of_parts": report["seconds"],
            "findings": Counter(finding["kind"] for finding in report["shifts"]["findings"]),
        },
    )


def model_arms(cell: Cell, model: Backbone) -> dict[str, Callable[[], Added]]:
    """The arms of a real model beside those without one."""
    return {
        "oversampling": lambda: baseline(cell, classical.oversampling),
        "jitter": lambda: baseline(cell, classical.jitter),
        "SMOTE": lambda: baseline(cell, classical.smote),
        f"{model.name}, train": lambda: generated(cell, model),
        f"{model.name}, share": lambda: generated(cell, model, trim__purpose="share"),
    }


def arms(cell: Cell, doses: tuple[float, ...]) -> dict[str, Callable[[], Added]]:
    """All arms by name, each made when it is called."""
    true = true_rows(cell)
    oracle = cell.oracle
    named: dict[str, Callable[[], Added]] = {
        "true rows": lambda: Added(true),
        "true rows, trimmed": lambda: trimmed(cell, true),
        "shuffled, trimmed": lambda: trimmed(cell, shuffled(cell, true)),
        **{
            f"{name}, trimmed": lambda share=share: trimmed(cell, flipped(cell, true, share))
            for name, share in FLIPPED.items()
        },
        "oracle's rows, drawn": lambda: oracle_rows(cell, "drawn"),
        "oracle's rows, shares": lambda: oracle_rows(cell, "shares"),
        "oversampling": lambda: baseline(cell, classical.oversampling),
        "jitter": lambda: baseline(cell, classical.jitter),
        "SMOTE": lambda: baseline(cell, classical.smote),
    }
    for dose in doses:
        view = oracle.with_dose(dose)
        named[f"product, dose {dose:g}"] = lambda view=view: product(cell, view)
    if len(cell.table.dictionary[cell.target].levels) == 2:
        for name, accuracy in STATED.items():
            named[f"effects, {name} right"] = lambda accuracy=accuracy: product_with_effects(
                cell, accuracy
            )
    named |= {
        "without cost": lambda: product(cell, oracle, trim__stages="sanity,choice"),
        "without choice": lambda: product(cell, oracle, trim__candidates=1),
        "labels likeliest": lambda: product(cell, oracle, team__label_choice="likeliest"),
        "labels drawn": lambda: product(cell, oracle, team__label_choice="drawn"),
        "utility gate": lambda: product(cell, oracle, trim__gate="utility"),
        "utility gate, labels likeliest": lambda: product(
            cell, oracle, trim__gate="utility", team__label_choice="likeliest"
        ),
    }
    return named

"""Asks the team about real rows before it writes: how good its labels and its cells are.

The real rows are cross-fitted: one half of them is asked about with examples from the other half,
so that no prompt shows a row that is asked about. The statistics of the answers are in
`t2local.team.label_calibration` and `t2local.team.cell_calibration`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from t2local.errors import DecodeError
from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.column_mixture import ColumnMixture
from t2local.stats.densities import IndependentColumns
from t2local.stats.ensemble import encode_labels
from t2local.stats.streams import Stream, generator
from t2local.team.cell_calibration import MAX_SCORED, CellCalibration, MixtureGate
from t2local.team.label_calibration import (
    N_CALIBRATION_PROMPTS,
    LabelCalibration,
    LabelEnsemble,
    OpinionPool,
    calibrate_labels,
    calibration_folds,
    calibration_rows,
)
from t2local.team.scoring import RowScorer, RowScores, Scorer
from t2local.team.team import Team


@dataclass(frozen=True)
class Calibration:
    """What was measured on real rows, and what the writer makes of it.

    **Parameters:**

    * **cells**: log-likelihoods of real rows; none where they cannot be measured: without examples,
      or where some features are given.
    * **pool**: gives the labels of written rows; none: the worker's labels stay, or are given.
    * **gate**: gives cells from the model of the columns; none: all cells are the workers'.
    """

    cells: CellCalibration | None = None
    pool: OpinionPool | None = None
    gate: MixtureGate | None = None

    @property
    def labels(self) -> LabelCalibration | None:
        """The weights of label worker and ensemble; none where no ensemble is used."""
        return self.pool.calibration if self.pool else None


@dataclass(frozen=True)
class _Answers:
    """What the team and the models of the columns say of the rows of one half."""

    team: RowScores
    cells: CellCalibration


def calibrate(team: Team, scorer: Scorer | None = None) -> Calibration:
    """Ask the team about real rows that its prompts do not show.

    **Parameters:**

    * **scorer**: who answers instead of the team.

    **Raises** `DecodeError` when decodes go wrong at every attempt.
    """
    # The ensemble is trained first: it needs no model, and its folds are those of the questions.
    calibration = uncalibrated(team)
    if not len(rows_to_ask(team)):
        return calibration
    answers = _ask_with_retries(team, scorer or RowScorer(team))
    if calibration.pool:
        calibration = replace(calibration, pool=_calibrated_pool(calibration.pool, answers))
    cells = _cell_calibration(answers)
    if cells is None:
        return calibration
    gate = _gate(team, cells) if team.settings.cells == "calibrated" else None
    return replace(calibration, cells=cells, gate=gate)


def uncalibrated(team: Team) -> Calibration:
    """What holds before the team is asked: all cells are the workers', the ensemble gives labels.

    With shares of labels asked for, the ensemble says which rows fit which label best. A label that
    all rows are given, or the worker's own, stays as it is.
    """
    if team.label_policy not in ("calibrated", "classifier") and not team.conditions.shares:
        return Calibration()
    ensemble = LabelEnsemble(team.real, team.dictionary, label_folds(team), team.seed)
    rows = calibration_rows(len(team.real), team.seed)
    return Calibration(pool=_pool(ensemble, None, rows))


def rows_to_ask(team: Team) -> IntArray:
    """The places of the real rows that the team is asked about, in order."""
    if team.label_policy == "calibrated":
        return calibration_rows(len(team.real), team.seed)
    return rows_to_score(team)


def rows_to_score(team: Team) -> IntArray:
    """The places of the real rows whose cells are scored: some of those that are asked about."""
    # With given features the workers write other rows than the real ones are.
    if not team.prompt.n_examples or team.conditions.given:
        return np.zeros(0, dtype=np.intp)
    rng = generator(team.seed, Stream.CALIBRATION_SCORED)
    rows = calibration_rows(len(team.real), team.seed)
    return np.sort(rng.permutation(rows)[:MAX_SCORED])


def column_mixture(team: Team, real: pd.DataFrame) -> ColumnMixture:
    """The model of the features, in the order in which the team writes them."""
    target = team.dictionary.target
    features = [f for f in team.layout.features if f.name != target]
    return ColumnMixture(features, real, team.seed)


def label_folds(team: Team) -> IntArray:
    """The fold of each real row, shape (n,): what predicts a row has not seen its fold."""
    target = team.dictionary[team.dictionary.target]
    return calibration_folds(encode_labels(team.real[target.name], target), team.seed)


def _ask_with_retries(team: Team, scorer: Scorer) -> list[_Answers]:
    attempts = team.settings.attempts
    for _ in range(attempts - 1):
        try:
            return _ask(team, scorer)
        except DecodeError:
            continue  # it is counted by the decoder
    return _ask(team, scorer)


class Question(NamedTuple):
    """Real rows of one half that the team is asked about, and what it is shown.

    * ``values``: frame of values, its index the places of the rows; ``others``: places of the rows
      of the other half; ``prompt``: tokens with examples of these.
    """

    values: pd.DataFrame
    others: IntArray
    prompt: list[int]


def questions(team: Team) -> Iterator[Question]:
    """Ask about the rows of each half, with examples from the other half."""
    # Halves of the ensemble's folds: what is compared with the team has not seen the row either.
    halves = label_folds(team) % N_CALIBRATION_PROMPTS
    rows = rows_to_ask(team)
    for half in np.unique(halves[rows]).tolist():
        others = np.flatnonzero(halves != half)
        rng = generator(team.seed, Stream.CALIBRATION_EXAMPLES, half)
        examples = rng.permutation(others)[: team.prompt.n_examples].tolist()
        own = rows[halves[rows] == half]
        yield Question(team.real.iloc[own].set_axis(own), others, team.prompt.tokens(examples))


def _ask(team: Team, scorer: Scorer) -> list[_Answers]:
    """The answers about the rows of each half."""
    scored = rows_to_score(team).tolist()
    answers = []
    for values, others, prompt in questions(team):
        scores = scorer.score(values, prompt=prompt, cells_of=scored)
        # All likelihoods are of the same rows: a row that the grammar refuses is in none.
        scored_values = values.loc[scores.cells.index]
        cells = _cell_likelihoods(team, scores.cells, scored_values, team.real.iloc[others])
        answers.append(_Answers(scores, cells))
    return answers


def _cell_likelihoods(
    team: Team, worker: pd.DataFrame, values: pd.DataFrame, unseen: pd.DataFrame
) -> CellCalibration:
    """What the workers and models of other real rows say of rows (m, d)."""
    columns = column_mixture(team, unseen)
    independent = IndependentColumns(team.dictionary.features, unseen)
    names = worker.columns
    return CellCalibration(
        worker,
        tree=columns.tree.log_probability(values)[names],
        copula=columns.copula.log_probability(values)[names],
        columns=columns.log_probability(values)[names],
        independent=independent.log_probability(values)[names],
    )


def _calibrated_pool(pool: OpinionPool, answers: list[_Answers]) -> OpinionPool:
    """The pool with weights that the label worker's predictions of real rows justify."""
    predictions = [answer.team.labels for answer in answers if answer.team.labels is not None]
    if not predictions:
        return pool
    worker = pd.concat(predictions).sort_index()
    return _pool(pool.ensemble, worker.to_numpy(), worker.index.to_numpy())


def _pool(ensemble: LabelEnsemble, worker: FloatArray | None, rows: IntArray) -> OpinionPool:
    """The pool of the weights that fit these real rows best."""
    labels = calibrate_labels(
        worker, ensemble.out_of_fold[rows], ensemble.truth[rows], ensemble.target
    )
    return OpinionPool(ensemble, labels)


def _cell_calibration(answers: list[_Answers]) -> CellCalibration | None:
    """The log-likelihoods of all scored rows; none where there is none."""
    halves = [vars(answer.cells).values() for answer in answers]
    cells = CellCalibration(*map(pd.concat, zip(*halves, strict=True)))
    return None if cells.worker.empty else cells


def _gate(team: Team, cells: CellCalibration) -> MixtureGate:
    """The gate with the fitted weights."""
    # A cell that a rule binds to others is its worker's: the columns' model knows no rules.
    rules = team.dictionary.parsed_rules().values()
    bound = {name for rule in rules for name in rule.names}
    free = {name: weight for name, weight in cells.weights.items() if name not in bound}
    return MixtureGate(column_mixture(team, team.real), free)

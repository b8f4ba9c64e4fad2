"""Asks the team about real rows before it writes: how good its labels and its cells are.

No prompt shows a row that is asked about. The prompt is that of the first rows that will be
written, so it costs nothing more. Only a small table has too few other rows: then the rows that it
shows are asked about with other examples. The statistics of the answers are in
`t2local.team.label_calibration` and `t2local.team.cell_calibration`.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from t2local.errors import DecodeError, UsageError
from t2local.llm.catalog import KNOWS_LABELS, knows_labels
from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.column_mixture import ColumnMixture
from t2local.stats.densities import IndependentColumns
from t2local.stats.ensemble import encode_labels
from t2local.stats.streams import Stream, generator
from t2local.team.cell_calibration import CellCalibration, CellMixture
from t2local.team.label_calibration import (
    LabelCalibration,
    LabelEnsemble,
    OpinionPool,
    calibrate_labels,
    calibration_folds,
)
from t2local.team.scoring import RowScorer, RowScores, Scorer
from t2local.team.team import Team

#: Real rows that are asked about, at most: more of them cost more than they tell. A run of fewer
#: rows asks about fewer, as each costs as much as writing a row.
MAX_ASKED, MIN_ASKED = 50, 30
#: Rows that are drawn to see whether the rules allow what was asked for.
_N_TRIED = 50


@dataclass(frozen=True)
class Calibration:
    """What was measured on real rows, and what the writer makes of it.

    **Parameters:**

    * **cells**: log-likelihoods of real rows; none where they cannot be measured: without examples,
      or where all features are given.
    * **pool**: gives the labels of written rows; none: the worker's labels stay, or are given.
    * **cell_mixture**: gives cells from the model of the columns; none: all cells are the workers'.
    """

    cells: CellCalibration | None = None
    pool: OpinionPool | None = None
    cell_mixture: CellMixture | None = None

    @property
    def labels(self) -> LabelCalibration | None:
        """The weights of label worker and ensemble; none where no ensemble is used."""
        return self.pool.calibration if self.pool else None


def calibrate(team: Team, n_rows: int = MAX_ASKED, scorer: Scorer | None = None) -> Calibration:
    """Ask the team about real rows that its prompts do not show.

    **Parameters:**

    * **n_rows**: rows that will be written; **scorer**: who answers instead of the team.

    **Raises** `DecodeError` when decodes go wrong at every attempt, `UsageError` where the rules
    leave no row of those that were asked for.
    """
    columns = None
    if team.settings.cells == "calibrated" and scores_cells(team):
        columns = column_mixture(team, team.real)
        _check_conditions(team, columns)
    # The ensemble is trained first: it needs no model, and its folds are those of the questions.
    calibration = uncalibrated(team)
    all_questions = questions(team, n_rows)
    if not all_questions:
        return calibration
    scores = _ask_with_retries(team, all_questions, scorer or RowScorer(team))
    if calibration.pool:
        calibration = replace(calibration, pool=_calibrated_pool(team, calibration.pool, scores))
    cells = _cell_calibration(team, pd.concat([score.cells for score in scores]))
    if cells is None:
        return calibration
    cell_mixture = None
    if columns:
        cell_mixture = CellMixture(columns, cells.weights, team.rules, team.conditions)
    return replace(calibration, cells=cells, cell_mixture=cell_mixture)


def uncalibrated(team: Team) -> Calibration:
    """What holds before the team is asked: all cells are the workers', the ensemble gives labels.

    With shares of labels asked for, the ensemble says which rows fit which label best. A label that
    all rows are given, or the worker's own, stays as it is.
    """
    if team.label_policy not in ("calibrated", "classifier") and not team.conditions.shares:
        return Calibration()
    ensemble = LabelEnsemble(team.real, team.dictionary, label_folds(team), team.seed)
    return Calibration(pool=_pool(ensemble, None, np.arange(len(team.real))))


def asks(team: Team) -> bool:
    """Whether the team is asked about real rows."""
    return team.label_policy == "calibrated" or scores_cells(team)


def most_asked(n_rows: int) -> int:
    """About how many real rows a team is asked at most, before so many rows are written."""
    return min(MAX_ASKED, max(MIN_ASKED, n_rows))


def scores_cells(team: Team) -> bool:
    """Whether the cells of real rows say how good the cells of written rows are."""
    return bool(team.prompt.n_examples) and bool(team.scored)


def column_mixture(team: Team, real: pd.DataFrame) -> ColumnMixture:
    """The model of the features, in the order of writing, but for totals, which follow parts.

    What was asked for comes first, a label too.
    """
    features = [team.dictionary[name] for name in team.rules.order]
    return ColumnMixture(features, real, team.seed)


def label_folds(team: Team) -> IntArray:
    """The fold of each real row, shape (n,): what predicts a row has not seen its fold.

    Each fold has its share of every class; without a target all rows are alike.
    """
    labels = np.zeros(len(team.real))
    if team.dictionary.target is not None:
        target = team.dictionary.target_feature
        labels = encode_labels(team.real[target.name], target)
    return calibration_folds(labels, team.seed)


class Question(NamedTuple):
    """Real rows that the team is asked about after one prompt, which shows none of them.

    * ``values``: frame of values, its index the places of the rows; ``prompt``: its tokens.
    """

    values: pd.DataFrame
    prompt: list[int]


def questions(team: Team, n_rows: int = MAX_ASKED) -> list[Question]:
    """The questions about real rows; the last one is asked after the prompt of the first rows.

    **Parameters:**

    * **n_rows**: rows that will be written.
    """
    if not asks(team):
        return []
    order = generator(team.seed, Stream.CALIBRATION_ROWS).permutation(len(team.real))
    # A prompt that shows nearly all rows leaves none to ask about: then it shows half of them.
    shown = team.prompt.examples(0)[: len(order) // 2]
    is_shown = np.isin(order, shown)
    others = order[~is_shown]
    n_missing = max(MIN_ASKED - len(others), 0)
    own_examples = others[: team.prompt.n_examples].tolist()
    groups = [
        (order[is_shown][:n_missing], own_examples),
        (others[: most_asked(n_rows)], shown),
    ]
    return [
        Question(team.real.iloc[rows].set_axis(rows), team.prompt.tokens(examples))
        for rows, examples in groups
        if len(rows)
    ]


def _ask_with_retries(team: Team, all_questions: list[Question], scorer: Scorer) -> list[RowScores]:
    """The answers to all questions."""
    attempts = team.settings.attempts
    for _ in range(attempts - 1):
        try:
            return _ask(team, all_questions, scorer)
        except DecodeError:
            continue  # it is counted by the decoder
    return _ask(team, all_questions, scorer)


def _ask(team: Team, all_questions: list[Question], scorer: Scorer) -> list[RowScores]:
    with_cells = scores_cells(team)
    return [
        scorer.score(values, prompt=prompt, with_cells=with_cells)
        for values, prompt in all_questions
    ]


def _calibrated_pool(team: Team, pool: OpinionPool, scores: list[RowScores]) -> OpinionPool:
    """The pool with weights that the label worker's predictions of real rows justify."""
    predictions = [score.labels for score in scores if score.labels is not None]
    if not predictions:
        return pool
    worker = pd.concat(predictions).sort_index()
    prior = knows_labels(team.model.sha256)
    return _pool(pool.ensemble, worker.to_numpy(), worker.index.to_numpy(), prior)


def _pool(
    ensemble: LabelEnsemble,
    worker: FloatArray | None,
    rows: IntArray,
    prior: float = KNOWS_LABELS,
) -> OpinionPool:
    """The pool of the weights that fit these real rows best."""
    labels = calibrate_labels(
        worker, ensemble.out_of_fold[rows], ensemble.truth[rows], ensemble.target, prior
    )
    return OpinionPool(ensemble, labels)


def _cell_calibration(team: Team, worker: pd.DataFrame) -> CellCalibration | None:
    """The log-likelihoods of all scored rows; none where there is none.

    **Parameters:**

    * **worker**: of each cell under the workers, with the places of the rows as its index.
    """
    if worker.empty:
        return None
    # A model of the columns that has not seen the fold: one of half the rows would be so much worse
    # than that of all rows, which writes, that the workers' weights would be too large.
    folds = label_folds(team)
    parts: list[CellCalibration] = []
    for fold in np.unique(folds[worker.index]).tolist():
        own = worker[folds[worker.index] == fold]
        # All likelihoods are of the same rows: a row that the grammar refuses is in none.
        parts.append(_likelihoods(team, own, team.real.loc[own.index], team.real[folds != fold]))
    return CellCalibration(*map(pd.concat, zip(*(vars(p).values() for p in parts), strict=True)))


def _likelihoods(
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


def _check_conditions(team: Team, columns: ColumnMixture) -> None:
    """Raise `UsageError` where no row of those that were asked for keeps the rules."""
    if not team.conditions.given:
        return
    rng = generator(team.seed, Stream.TRIED_CONDITIONS)
    uniforms = rng.random((_N_TRIED, columns.n_uniforms))
    labels: list[str | None] = [*team.conditions.shares]
    for label in labels or [None]:
        limits = team.conditions.limits(_N_TRIED, label and [label] * _N_TRIED)
        breaks = team.rules.breaks(columns.rows(uniforms, team.rules, limits))
        if breaks and np.any([*breaks.values()], axis=0).all():
            raise UsageError(
                "What was asked for cannot be: no row with it keeps the rules that hold in the "
                f"table (tried {_N_TRIED} times). These are broken:",
                faults=[rule for rule, broken in breaks.items() if broken.any()],
                next_step="ask for other values, or take rules out of the dictionary "
                "('t2local describe' writes it)",
            )

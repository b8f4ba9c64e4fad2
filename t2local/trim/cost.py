"""Stage 2: does a batch help the model f, and which of its labels surprise f most (paper, 2.3)?

A batch that does not pass its gate is rejected whole. From one that passes, the rows go whose
labels cost most, r = 1 - p_f(y | x), by models that have seen none of them (docs/method.md, Cost).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.errors import UsageError
from t2local.stats.arrays import FloatArray, Mask
from t2local.stats.streams import Stream, generator
from t2local.trim import source
from t2local.trim.information import (
    Information,
    bootstrap_comparison,
    costs,
    null_threshold,
)
from t2local.trim.result import Rejection, Skipped, StageResult
from t2local.trim.state import Batch, Reference, TrimState
from t2local.trim.threshold import Threshold
from t2local.trim.utility import randomization_p_value, utility, utility_control

_WORST_ROWS = "its label is among those of its batch that fit its features least"


@dataclass(frozen=True)
class CostFigures:
    """What the gate measured, and its threshold: control_mean + k control_sd.

    The threshold of the utility gate is at least 0.

    ``p_value``: how often random labels fit as well; none where that was not tested.
    """

    gate: str
    rows: int
    measured: float
    threshold: float
    control_mean: float
    control_sd: float
    k: float
    accepted: bool
    p_value: float | None = None


@dataclass(frozen=True)
class GateResult:
    """What the gate says of a batch.

    * ``reason``: why it is refused, else blank; ``measured`` and ``threshold`` decided it.
    * ``costs``: of each row, shape (m,); ``trimmed``: the rows that go from an accepted batch.
    """

    reason: str
    measured: float
    threshold: float
    costs: FloatArray
    trimmed: Mask
    figures: CostFigures


def judge(batch: Batch, state: TrimState) -> StageResult:
    """The evidence of a source; or a batch against a control, then its costliest rows."""
    if batch.reference.dictionary.target is None:
        return StageResult((), Skipped("there is no target, so no row has a label to judge"))
    if batch.reference.settings.gate == "source":
        return source.judge(batch, state)
    result = gate(batch, state)
    if result.reason:
        everything = np.ones(len(batch.rows), dtype=np.bool_)
        refusal = Rejection(everything, result.reason, result.measured, result.threshold)
        return StageResult((refusal,), result.figures)
    highest_kept = float(result.costs[~result.trimmed].max(initial=0.0))
    trimmed = Rejection(result.trimmed, _WORST_ROWS, result.costs, highest_kept)
    return StageResult((trimmed,), result.figures)


def gate(batch: Batch, state: TrimState) -> GateResult:
    """The test of a batch alone; nothing is accepted by it.

    **Raises** `UsageError` where the settings ask for all rows to be judged together.
    """
    if batch.reference.settings.gate == "source":
        next_step = "choose another gate, such as --set trim.gate=utility"
        raise UsageError("trim.gate=source judges no batch alone.", next_step=next_step)
    if batch.reference.settings.gate == "utility":
        return _utility_gate(batch, state)
    return _information_gate(batch, state)


def _utility_gate(batch: Batch, state: TrimState) -> GateResult:
    """Held-out likelihood, and labels that fit better than random ones."""
    reference, settings = batch.reference, batch.reference.settings
    threshold = state.threshold(
        len(batch.rows),
        lambda size: utility_control(reference.fold, size, state.k, reference.seed),
    )
    needed = max(threshold.level, 0.0)
    measured = utility(reference.fold, batch.x, batch.y)
    p_value = _p_value(batch)
    reason, decisive = "", (measured, needed)
    if measured <= needed:
        reason = _falls_short("held-out likelihood", measured, needed)
    elif p_value is not None:
        decisive = (p_value, settings.significance_level)
        reason = _no_better_than_chance(*decisive)
    batch_costs = costs(reference.fold.mean_log_likelihood(batch.x, batch.y))
    figures = _figures(batch, measured, needed, threshold, accepted=not reason, p_value=p_value)
    trimmed = worst(batch_costs, settings.worst_share)
    return GateResult(reason, *decisive, batch_costs, trimmed, figures)


def _p_value(batch: Batch) -> float | None:
    """The p-value of the batch's labels; none where it is not asked for or says nothing."""
    reference, level = batch.reference, batch.reference.settings.significance_level
    if level >= 1:
        return None
    rng = generator(reference.seed, Stream.RANDOM_LABELS, batch.number)
    return randomization_p_value(reference.fold, batch.x, batch.y, level, rng)


def _information_gate(batch: Batch, state: TrimState) -> GateResult:
    """The paper's comparison with a bootstrap batch, against what nothing new would bring."""
    reference, settings = batch.reference, batch.reference.settings
    threshold = state.threshold(len(batch.rows), lambda size: _null(reference, size, state.k))
    information = _information_with_accepted(state)
    rng = generator(reference.seed, Stream.BOOTSTRAP_COMPARISON, batch.number)
    comparison = bootstrap_comparison(information, reference.fold, batch.x, batch.y, settings, rng)
    reason = ""
    if comparison.delta <= threshold.level:
        measure = settings.gate.replace("_", " ")
        reason = _falls_short(measure, comparison.delta, threshold.level)
    batch_costs = costs(reference.fold.mean_log_likelihood(batch.x, batch.y))
    figures = _figures(batch, comparison.delta, threshold.level, threshold, accepted=not reason)
    return GateResult(
        reason, comparison.delta, threshold.level, batch_costs, ~comparison.inside, figures
    )


def _information_with_accepted(state: TrimState) -> Information:
    """The information of D: the real rows and those accepted so far."""
    reference = state.reference
    x, y = reference.fold.x, reference.fold.y
    if state.accepted:
        accepted = state.batch(pd.concat(state.accepted))
        x = np.vstack([x, accepted.x])
        y = np.concatenate([y, accepted.y])
    return Information.of(x, y, reference.n_classes, reference.settings.gate)


def _null(reference: Reference, size: int, k: float) -> Threshold:
    """The paper's tau for a batch size."""
    fold, settings = reference.fold, reference.settings
    information = Information.of(fold.x, fold.y, reference.n_classes, settings.gate)
    return null_threshold(information, costs(fold.held_out), size, settings, k, reference.seed)


def worst(cost: FloatArray, share: float) -> Mask:
    """Mask of the rows of highest cost, a share of all, rounded to whole rows."""
    count = int(np.floor(share * len(cost) + 0.5))
    ranks = np.argsort(np.argsort(cost, kind="stable"), kind="stable")
    return ranks >= len(cost) - count


def _figures(
    batch: Batch,
    measured: float,
    needed: float,
    threshold: Threshold,
    *,
    accepted: bool,
    p_value: float | None = None,
) -> CostFigures:
    return CostFigures(
        gate=batch.reference.settings.gate,
        rows=len(batch.rows),
        measured=measured,
        threshold=needed,
        control_mean=threshold.mean,
        control_sd=threshold.sd,
        k=threshold.k,
        accepted=accepted,
        p_value=p_value,
    )


def _falls_short(what: str, measured: float, needed: float) -> str:
    figures = f"{what} {measured:+.4f}, needed more than {needed:+.4f}"
    return f"its batch does not help the model: {figures}"


def _no_better_than_chance(p_value: float, level: float) -> str:
    """Why labels that random ones match are refused; blank for those that fit better."""
    if p_value < level:
        return ""
    return (
        "its labels fit its features no better than chance: "
        f"{p_value:.0%} of random labels do as well, needed less than {level:.0%}"
    )

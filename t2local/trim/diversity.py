"""Stage 3: does a batch spread over the clusters of the real rows (paper, equation 7)?

Clusters are found in the features alone: a label that is flipped is not diversity
(docs/method.md, Diversity).
"""

from dataclasses import dataclass

import numpy as np

from t2local.trim.clusters import MIN_ROWS, Clusters
from t2local.trim.entropy import chance_loss, entropy
from t2local.trim.result import Rejection, Skipped, StageResult
from t2local.trim.state import Batch, TrimState

#: Above this share of ln M there is nothing left to gain.
_FULL = 0.95


@dataclass(frozen=True)
class DiversityFigures:
    """Entropy of the clusters' shares before the batch and its change by it, in nats."""

    clusters: int
    silhouette: float
    entropy_before: float
    change: float
    threshold: float
    rule: str
    accepted: bool


def judge(batch: Batch, state: TrimState) -> StageResult:
    """Hold the rows that would be kept against what is accepted so far.

    A whole source is measured and not refused: its rows are chosen class by class afterwards.
    """
    clusters = state.reference.clusters
    if clusters is None or state.reference.matches.sum() < MIN_ROWS:
        return StageResult((), Skipped(_why_skipped(state)))
    before = entropy(state.clusters, clusters.n)
    both = np.concatenate([state.clusters, clusters.predict(batch.x)])
    change = entropy(both, clusters.n) - before
    needed = threshold(state, clusters, len(batch.rows))
    refuses = state.reference.settings.gate != "source"
    figures = DiversityFigures(
        clusters=clusters.n,
        silhouette=clusters.silhouette,
        entropy_before=before,
        change=change,
        threshold=needed,
        rule=state.reference.settings.diversity,
        accepted=change >= needed or not refuses,
    )
    if figures.accepted:
        return StageResult((), figures)
    reason = (
        "its batch adds too little diversity: "
        f"cluster entropy {change:+.4f}, needed {needed + 0.0:+.4f}"
    )
    everything = np.ones(len(batch.rows), dtype=np.bool_)
    return StageResult((Rejection(everything, reason, change, needed),), figures)


def _why_skipped(state: TrimState) -> str:
    matches = state.reference.matches
    if matches.sum() >= MIN_ROWS:
        return "the real rows have no clusters"
    if matches.all():
        return f"fewer than {MIN_ROWS} real rows"
    return "too few real rows that are what was asked for"  # how many may not be said


def threshold(state: TrimState, clusters: Clusters, size: int) -> float:
    """The change of entropy that a batch of ``size`` rows must bring.

    ``attainable``: kappa of what can still be gained, (ln M - H) n_t / (n + n_t). With kappa 0, or
    above 95 % of ln M, only a loss is refused: more than chance takes from real rows, and more than
    earlier batches gained. Held against what is accepted so far without that, "must not lose" would
    be a ratchet: each kept batch would raise the bar for the next.

    ``relative``: the paper's rise by a share of H, which a balanced table can never reach.
    """
    reference, settings = state.reference, state.reference.settings
    before = entropy(state.clusters, clusters.n)
    highest = float(np.log(clusters.n))
    if settings.diversity == "relative":
        return settings.relative_rise * before
    if settings.kappa == 0 or before > _FULL * highest:
        gained = min(entropy(clusters.labels, clusters.n) - before, 0.0)
        weights = reference.weights * reference.matches
        return gained + chance_loss(clusters.labels, clusters.n, size, reference.seed, weights)
    return settings.kappa * (highest - before) * size / (len(state.clusters) + size)

"""Stage 2 by default: do a source's labels follow from its features as those of the real rows do?

A source is one generator on one table. Ten rows tell little about it, so the evidence of all of its
rows is pooled. Three explanations of its labels are compared by their marginal likelihoods
(Laplace's approximation, MacKay 1992, doi 10.1162/neco.1992.4.3.415), each of a logistic or linear
regression with a normal prior:

* ``same``: one regression holds for the real rows and for the source,
* ``own``: the source has a regression of its own,
* ``chance``: its labels have nothing to do with its features.

The shares of the labels may differ: the source has an intercept of its own. A source is refused
when an explanation other than ``same`` is clearly better (docs/method.md, "Cost").
"""

from dataclasses import dataclass

import numpy as np

from t2local.stats.arrays import FloatArray, Labels, Mask
from t2local.stats.penalized_regression import PenalizedRegression
from t2local.trim.result import Rejection, StageResult
from t2local.trim.state import Batch, Reference, TrimState

#: Log odds that another explanation needs to refuse a source. With 2 nats 77 % of 60 true sources
#: of 60 rows pass at n = 30, and 10 % of those with 40 % flipped labels, which then cost nothing in
#: the mean; with 1 nat 72 and 0 %, with 3 nats 92 and 27 % (bench/knowledge/evidence.py).
_NEEDED_AGAINST = 2.0
#: How much less likely ``own`` is than the others before any row is seen, in nats: few generators
#: are fluent and wrong. Without it 2 of 8 true sources of COMPAS rows were refused: a real sample
#: of 30 is often unlike its population.
_LOG_ODDS_AGAINST_OWN = 1.0
#: Deviations of the coefficients' prior, equally likely: labels may follow from a few columns
#: strongly or from many weakly. With 1 alone a quarter of true sources of 10 n rows was refused on
#: a table of many weak levels, with these none.
_DEVIATIONS = (1.0, 0.5, 0.25)
#: A label is nearly impossible when the likeliest one of its row is this many times as likely.
_IMPOSSIBLE_ODDS = 100.0
#: Deviation of the prior of the source's own intercept: shares of labels may differ widely.
_INTERCEPT = 3.0
#: Added to the count of each class, so that a class without rows has a probability (Jeffreys).
_PRIOR_COUNT = 0.5


@dataclass(frozen=True)
class LabelEvidence:
    """Log marginal likelihoods of a source's labels above those by chance, in nats.

    ``same``: given the real rows, with one regression for both; ``own``: with one of its own.
    """

    same: float
    own: float

    @property
    def weakest(self) -> float:
        """The log odds of ``same`` against the better of the other two explanations."""
        return min(self.same, self.same - self.own + _LOG_ODDS_AGAINST_OWN)


@dataclass(frozen=True)
class SourceFigures:
    """The evidence in nats, and the threshold that its weakest comparison was held against.

    ``trusted``: its labels were calibrated or given, so nothing was refused; ``impossible``: rows
    of an accepted source whose label is nearly impossible.
    """

    rows: int
    same: float
    own: float
    threshold: float
    trusted: bool
    accepted: bool
    impossible: int


def judge(batch: Batch, state: TrimState) -> StageResult:
    """Refuse all rows of a source, or the single ones with a nearly impossible label.

    Labels that were calibrated on the real rows, or that the user has given, are measured and not
    refused. Calibrated ones are surer than real ones, so that ``own`` always explains them better.
    """
    evidence, log_odds = label_evidence(batch.reference, batch.x, batch.y)
    trusted = state.pool.trusted
    accepted = trusted or evidence.weakest >= -_NEEDED_AGAINST
    impossible: Mask = np.zeros(len(batch.rows), dtype=np.bool_)
    if accepted and not trusted:
        impossible = log_odds > np.log(_IMPOSSIBLE_ODDS)
    rejection = Rejection(impossible, "its label is nearly impossible for its features")
    if not accepted:
        everything = np.ones(len(batch.rows), dtype=np.bool_)
        rejection = Rejection(everything, _why(evidence), evidence.weakest, -_NEEDED_AGAINST)
    figures = SourceFigures(
        rows=len(batch.rows),
        same=evidence.same,
        own=evidence.own,
        threshold=-_NEEDED_AGAINST,
        trusted=trusted,
        accepted=accepted,
        impossible=int(impossible.sum()),
    )
    return StageResult((rejection,), figures)


def label_evidence(
    reference: Reference, x: FloatArray, y: Labels
) -> tuple[LabelEvidence, FloatArray]:
    """The evidence of a source, and log odds of each row's likeliest label against its own.

    **Parameters:**

    * **x**: encoded rows (m, d); **y**: their labels, (m,).

    **Returns** the log odds by the joint regression of the most probable deviation, shape (m,).
    """
    model = PenalizedRegression(reference.n_classes)
    real_y = reference.fold.y
    joint_y = np.concatenate([real_y, y])
    real_weights = reference.weights[None]  # (1, n)
    source_weights = np.ones((1, len(x)))  # (1, m)
    joint_weights = np.hstack([real_weights, source_weights])
    evidence = np.empty((len(_DEVIATIONS), 3))  # of the real rows, the source, and both
    log_odds = []
    for place, deviation in enumerate(_DEVIATIONS):
        real_x = _design(reference.fold.x, deviation, source=False)  # (n, d + 1)
        source_x = _design(x, deviation, source=True)  # (m, d + 1)
        joint_x = np.vstack([real_x, source_x])
        joint = model.fit(joint_x, joint_y, joint_weights)
        evidence[place, 0] = model.log_evidence(real_x, real_y, real_weights)[0]
        evidence[place, 1] = model.log_evidence(source_x, y, source_weights)[0]
        evidence[place, 2] = model.log_evidence(joint_x, joint_y, joint_weights, joint)[0]
        best = joint.best_log_likelihood(source_x)  # (m,)
        log_odds.append(best - joint.log_likelihood(source_x, y)[0])
    # All deviations are equally likely, which cancels in the difference but for one logarithm.
    real, own, both = np.logaddexp.reduce(evidence, axis=0)
    chance = _log_likelihood_by_chance(y, reference.n_classes)
    own -= np.log(len(_DEVIATIONS))
    pooled = LabelEvidence(same=float(both - real) - chance, own=float(own) - chance)
    return pooled, log_odds[int(evidence[:, 2].argmax())]


def _design(x: FloatArray, deviation: float, *, source: bool) -> FloatArray:
    """Rows (n, d) scaled by the deviation, and a column that is 0 for real rows: (n, d + 1)."""
    intercept = np.full((len(x), 1), _INTERCEPT * source)
    return np.hstack([deviation * x, intercept])


def _log_likelihood_by_chance(y: Labels, n_classes: int) -> float:
    """Log-likelihood of labels (m,) that depend on nothing: by their own shares, or their normal.

    A number has the unit deviation of the regression's errors as its least one, and the prior of
    the regression on its mean. With its own mean instead, all sources of one row were refused.
    """
    if n_classes:
        counts = np.bincount(y, minlength=n_classes) + _PRIOR_COUNT
        return float(np.log(counts / counts.sum())[y].sum())
    deviation = max(float(y.std()), 1.0)
    # The mean has the regression's prior too: with few rows no explanation has the better start.
    intercepts = _design(np.empty((len(y), 0)), 1.0, source=True)  # (m, 1)
    ones = np.ones((1, len(y)))
    log_evidence = PenalizedRegression(0).log_evidence(intercepts, y / deviation, ones)
    return float(log_evidence[0] - len(y) * np.log(deviation))


def _why(evidence: LabelEvidence) -> str:
    """The explanation that is better than that of the real rows."""
    if evidence.own > max(evidence.same, 0.0):
        what = "the labels of its source follow from its features in another way than the real ones"
    else:
        what = "the labels of its source have no more to do with its features than chance"
    return f"{what}: log odds {evidence.weakest:+.1f}"

"""The test of ``trim.gate=utility``: does a batch make held-out real rows likelier, do labels fit?

The paper's information gain prefers wrong labels (docs/method.md, Information gain). This test asks
instead for held-out likelihood, against bootstrap samples of the real rows, and for labels that fit
their features better than random ones. ``bench/planted.py`` measures what both are worth.
"""

import numpy as np

from t2local.stats.arrays import FloatArray, IntArray, Labels
from t2local.stats.streams import Stream, generator
from t2local.trim.crossfit import Crossfit
from t2local.trim.threshold import Threshold

#: Bootstrap batches behind the control.
_CONTROLS = 10
#: Random labelings behind the p-value.
_LABELINGS = 400
#: Rows of a batch that the p-value looks at: more would tell it nothing new.
_MAX_ROWS = 500
#: Different numbers that stand for a numeric label; more quantiles change nothing.
_MAX_NUMBERS = 64
#: Rows closer than this share of the median distance of real rows are one piece of evidence.
_NEAR = 0.1


def utility(fold: Crossfit, x: FloatArray, y: Labels) -> float:
    """Gain of the held-out log-likelihood of real rows by a batch, in nats a row.

    It is the mean of log p(y | x; train + batch) - log p(y | x; train).
    """
    weights = np.hstack([fold.train, np.ones((len(fold.train), len(x)))])  # (R, n + m)
    fits = fold.learner.fit(np.vstack([fold.x, x]), np.concatenate([fold.y, y]), weights, fold.fits)
    return fold.mean_held_out(fits.log_likelihood(fold.x, fold.y)) - fold.mean


def utility_control(fold: Crossfit, size: int, k: float, seed: int) -> Threshold:
    """`utility` of bootstrap samples of the training folds: more rows, nothing new."""
    rng = generator(seed, Stream.UTILITY_CONTROL)
    gains = []
    for _ in range(_CONTROLS):
        copies = np.stack([rng.multinomial(size, row / row.sum()) for row in fold.train])  # (R, n)
        fits = fold.learner.fit(fold.x, fold.y, fold.train + copies, fold.fits)
        gains.append(fold.mean_held_out(fits.log_likelihood(fold.x, fold.y)) - fold.mean)
    return Threshold(float(np.mean(gains)), float(np.std(gains, ddof=1)), k)


def randomization_p_value(
    fold: Crossfit, x: FloatArray, y: Labels, level: float, rng: np.random.Generator
) -> float | None:
    """How often random labels fit these features as well as the batch's own; ties count half.

    Random labels have the shares of the real rows. Copies and near copies share a label: a row that
    stands there ten times is one row's evidence.

    **Returns** none when the very labels of the batch are drawn more often than ``level``, as in a
    batch of few rows or of one frequent class: then no labels could pass.
    """
    chosen = rng.permutation(len(x))[:_MAX_ROWS]
    x = x[chosen]
    y = y[chosen]
    values, shares = _label_distribution(fold)  # (v,), (v,)
    own_shares = shares[np.minimum(np.searchsorted(values, y), len(values) - 1)]
    if not fold.numeric and np.log(own_shares).sum() > np.log(level):
        return None
    pairs = fold.mean_log_likelihood(
        np.repeat(x, len(values), axis=0), np.tile(values, len(x))
    ).reshape(len(x), -1)  # (m, v)
    labelings = rng.choice(len(values), size=(_LABELINGS, len(x)), p=shares)
    labelings = labelings[:, _first_near(x, fold.x)]  # (labelings, m)
    random_fit = pairs[np.arange(len(x)), labelings].sum(axis=1)  # (labelings,)
    own_fit = fold.mean_log_likelihood(x, y).sum()
    equal = np.isclose(random_fit, own_fit, rtol=0, atol=1e-9)
    return float(((random_fit > own_fit) & ~equal).mean() + equal.mean() / 2)


def _label_distribution(fold: Crossfit) -> tuple[FloatArray, FloatArray]:
    """The labels of the real rows and their shares; of many numbers, quantiles."""
    values, places = np.unique(fold.y, return_inverse=True)
    counts = np.bincount(places, weights=fold.weights).astype(np.float64)
    if fold.numeric and len(values) > _MAX_NUMBERS:
        values = np.quantile(fold.y, (np.arange(_MAX_NUMBERS) + 0.5) / _MAX_NUMBERS)
        counts = np.ones(_MAX_NUMBERS)
    return values, counts / counts.sum()


def _first_near(x: FloatArray, real: FloatArray) -> IntArray:
    """For each row the place of the first row that it is a near copy of, itself if none; (m,)."""
    sample = real[:_MAX_ROWS]
    typical = 0.0
    if len(sample) > 1:
        pairs = np.triu_indices(len(sample), 1)
        typical = float(np.median(_distances(sample, sample)[pairs]))
    return np.argmax(_distances(x, x) <= _NEAR * typical, axis=1)


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Euclidean distances, shape (len(a), len(b))."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    # What floating point leaves of a zero is a zero.
    return np.sqrt(np.maximum(squares, 0.0) * (squares > 1e-9))

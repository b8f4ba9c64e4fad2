"""The paper's k, standard deviations above the null that a batch must reach, by cross-validation on the real rows (METHOD section 2).

For each fold the real rows of the others stand for D: f, the null and the duels are computed for them alone, and for each k
a model is trained on them and the refined batches that this k accepts. The rows of the fold say which k served best. The
candidates are the batches of the first block; they were written after all real rows had been seen, those of the fold too.
"""

from collections.abc import Sequence

import numpy as np

from t2local.settings import TrimSettings
from t2local.stats.arrays import FloatArray, Labels
from t2local.stats.folds import stratified_folds
from t2local.stats.learners import learner
from t2local.stats.penalized_regression import PenalizedRegression
from t2local.stats.streams import Stream, generator
from t2local.trim.cost import costs, crossfit
from t2local.trim.gain import Information, bootstrap_comparison, null_threshold

#: The values that the paper tries.
TRIED = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
#: With fewer real rows, or rows of a class, k is this and nothing is tuned.
FEWEST_ROWS, FEWEST_OF_A_CLASS, WITHOUT_TUNING = 25, 5, 1.0
_FOLDS = 5
#: Replicates of each fold's null: enough for its deviation (notes, section D2).
_REPLICATES = 200

Batch = tuple[FloatArray, Labels]


def can_tune(y: Labels, classes: int) -> bool:
    """Whether there are rows enough to choose k by."""
    return len(y) >= FEWEST_ROWS and (
        not classes or np.unique(y, return_counts=True)[1].min() >= FEWEST_OF_A_CLASS
    )


def choose_k(
    x: FloatArray,
    y: Labels,
    classes: int,
    batches: Sequence[Batch],
    settings: TrimSettings,
    seed: int,
) -> float:
    """The k with the best mean held-out log-likelihood; the larger one of two that are equal.

    **Parameters:**

    * **x**, **y**: encoded real rows (n, d) and their labels.
    * **batches**: encoded candidates, of any sizes.
    """
    fold = stratified_folds(y, _FOLDS, generator(seed, Stream.TUNING_FOLDS))
    total = np.sum(
        [
            _held_out(x, y, fold == number, classes, batches, settings, seed)
            for number in range(_FOLDS)
        ],
        axis=0,
    )
    return max(TRIED, key=lambda k: (round(float(total[TRIED.index(k)]), 9), k))


def _held_out(
    x: FloatArray,
    y: Labels,
    out: "np.ndarray",
    classes: int,
    batches: Sequence[Batch],
    settings: TrimSettings,
    seed: int,
) -> FloatArray:
    """Sum of the log-likelihoods of the rows ``out`` for each k that is tried."""
    real = crossfit(x[~out], y[~out], learner(settings.model, classes, seed), seed)
    information = Information.of(real.x, real.y, classes, settings.gate)
    nulls = {
        size: null_threshold(
            information,
            costs(real.held_out),
            size,
            alpha=settings.alpha,
            beta=settings.beta,
            replicates=_REPLICATES,
            k=0.0,
            seed=seed,
        )
        for size in {len(labels) for _, labels in batches}
    }
    rng = generator(seed, Stream.TUNING_COMPARISONS)
    duels = [
        bootstrap_comparison(
            information, real, *batch, alpha=settings.alpha, beta=settings.beta, rng=rng
        )
        for batch in batches
    ]
    heights = np.array(
        [
            (delta - nulls[len(batch[1])].mean) / (nulls[len(batch[1])].sd or 1.0)
            for (delta, _), batch in zip(duels, batches, strict=True)
        ]
    )
    inside = [refined for _, refined in duels]
    everything = (
        np.vstack([real.x, *(rows for rows, _ in batches)]),
        np.concatenate([real.y, *(labels for _, labels in batches)]),
    )
    weights = np.stack(
        [
            np.concatenate(
                [
                    np.ones(len(real.x)),
                    *(
                        refined * (height > k)
                        for refined, height in zip(inside, heights, strict=True)
                    ),
                ]
            )
            for k in TRIED
        ]
    )
    return (
        PenalizedRegression(classes)
        .fit(*everything, weights)
        .log_likelihood(x[out], y[out])
        .sum(axis=1)
    )

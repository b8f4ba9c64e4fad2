"""Metrics of fidelity: how similar the synthetic rows are to the real ones.

Alpha-precision and beta-recall as synthcity's ``AlphaPrecision`` has them in its naive variant
(Alaa et al. 2022, arXiv 2102.08921; scaled to the real range, centre = mean). A classifier
two-sample test (C2ST, arXiv 1610.06545). And the detection score of GOGGLE (Liu et al., ICLR 2023),
which the paper reports.
"""

import warnings
from typing import Any

import numpy as np

from t2local.evaluate.metric import Metric
from t2local.evaluate.table_pair import TablePair
from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.streams import Stream, generator, random_state

#: The sizes of the regions at which precision and recall are compared, as in synthcity.
_ALPHAS = np.linspace(0, 1, 30)
_N_FOLDS = 5
#: Components of GOGGLE's Gaussian mixture, where there are rows enough.
_MAX_COMPONENTS = 10


def alpha_precision(real: FloatArray, synthetic: FloatArray, seed: int) -> float:
    """How many synthetic rows are in the region of the typical real rows, 0 to 1.

    For each share alpha, the ball around the mean of the real rows with alpha of them should hold
    alpha of the synthetic rows; 1 minus the mean deviation from that.

    **Parameters:**

    * **real**, **synthetic**: rank-coded inputs (n, d) and (m, d); of the larger set a sample.
    """
    real, synthetic = _scaled_samples(real, synthetic, seed)
    centre = real.mean(axis=0)  # (d,)
    radii = np.quantile(np.linalg.norm(real - centre, axis=1), _ALPHAS)  # (alphas,)
    distances = np.linalg.norm(synthetic - centre, axis=1)  # (n,)
    return _agreement((distances[:, None] <= radii).mean(axis=0))


def beta_recall(real: FloatArray, synthetic: FloatArray, seed: int) -> float:
    """How many real rows are covered by the typical synthetic rows, 0 to 1.

    A real row is covered when its nearest synthetic row is no further than its nearest real row,
    and lies in the ball with beta of the synthetic rows. Shares and parameters as in
    `alpha_precision`.
    """
    real, synthetic = _scaled_samples(real, synthetic, seed)
    distances, places = _nearest(synthetic, real)  # (n,), (n,)
    real_distances, _ = _nearest(real, real, same_table=True)  # (n,)
    around = np.linalg.norm(synthetic - synthetic.mean(axis=0), axis=1)[places]  # (n,)
    inside = around[:, None] <= np.quantile(around, _ALPHAS)  # (n, alphas)
    covered = (distances <= real_distances)[:, None] & inside
    return _agreement(covered.mean(axis=0))


def _scaled_samples(
    real: FloatArray, synthetic: FloatArray, seed: int
) -> tuple[FloatArray, FloatArray]:
    """As many rows of each, scaled so that the real rows are between 0 and 1 in every column."""
    rng = generator(seed, Stream.PRECISION_RECALL)
    n = min(len(real), len(synthetic))
    if len(real) > n:
        real = real[rng.choice(len(real), n, replace=False)]
    if len(synthetic) > n:
        synthetic = synthetic[rng.choice(len(synthetic), n, replace=False)]
    lowest = real.min(axis=0)  # (d,)
    width = np.ptp(real, axis=0)  # (d,)
    scale = np.where(width > 0, width, 1.0)
    return (real - lowest) / scale, (synthetic - lowest) / scale


def _agreement(shares: FloatArray) -> float:
    """1 where the shares (alphas,) are the regions' sizes, 0 where nothing or all is inside."""
    return float(1 - np.abs(_ALPHAS - shares).sum() / _ALPHAS.sum())


def _nearest(
    others: FloatArray, rows: FloatArray, *, same_table: bool = False
) -> tuple[FloatArray, IntArray]:
    """Distance and place of the nearest other of each row; ``same_table``: the second nearest."""
    from sklearn.neighbors import NearestNeighbors

    neighbours = NearestNeighbors(n_neighbors=1 + same_table).fit(others)
    distances, places = neighbours.kneighbors(rows)
    return distances[:, -1], places[:, -1]


def c2st_auc(classifier: str, real: FloatArray, synthetic: FloatArray, seed: int) -> float:
    """How well a classifier separates synthetic from real rows it has not seen, from 0.5 to 1.

    The mean AUC over folds, or 1 minus it where it is below 0.5. 0.5: the rows cannot be told
    apart.

    **Parameters:**

    * **classifier**: linear or trees.
    * **real**, **synthetic**: one-hot and standardised, (n, d) and (m, d).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    trees = HistGradientBoostingClassifier(
        max_iter=50,
        max_depth=10,
        min_samples_leaf=5,
        max_features=0.5,
        random_state=random_state(seed, Stream.DETECTION_MODELS),
    )
    models = {"linear": LogisticRegression(max_iter=1000), "trees": trees}
    auc = _held_out_auc(models[classifier], real, synthetic, seed)
    return max(auc, 1 - auc)


def goggle_detection(real: FloatArray, synthetic: FloatArray, seed: int) -> float:
    """GOGGLE's detection score: the mean AUC of boosted trees, a neural network and a mixture.

    The Gaussian mixture never sees which rows are real, so a third of the score is noise around
    0.5. Boosted trees are scikit-learn's, not XGBoost's.

    **Parameters:**

    * **real**, **synthetic**: rank-coded and not scaled, (n, d) and (m, d).
    """
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.mixture import GaussianMixture
    from sklearn.neural_network import MLPClassifier

    state = random_state(seed, Stream.DETECTION_MODELS)
    # A mixture needs as many training rows as components.
    n_components = min(_MAX_COMPONENTS, int((1 - 1 / _N_FOLDS) * (len(real) + len(synthetic))))
    models = [
        GradientBoostingClassifier(max_depth=6, learning_rate=0.3, random_state=state),
        MLPClassifier(random_state=state),
        GaussianMixture(n_components, reg_covar=1e-3, random_state=state),
    ]
    return float(np.mean([_held_out_auc(model, real, synthetic, seed) for model in models]))


def _held_out_auc(model: Any, real: FloatArray, synthetic: FloatArray, seed: int) -> float:
    """The mean AUC of a classifier of real (0) and synthetic (1) rows over stratified folds."""
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    x = np.vstack([real, synthetic])  # (n + m, d)
    y = np.repeat([0, 1], [len(real), len(synthetic)])  # (n + m,)
    n_folds = min(_N_FOLDS, len(real), len(synthetic))
    state = random_state(seed, Stream.DETECTION_FOLDS)
    aucs = []
    with warnings.catch_warnings():
        # Networks and mixtures on few rows do not always converge; they are what they are.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for train, test in StratifiedKFold(n_folds, shuffle=True, random_state=state).split(x, y):
            fitted = clone(model).fit(x[train], y[train])
            aucs.append(roc_auc_score(y[test], fitted.predict_proba(x[test])[:, 1]))
    return float(np.mean(aucs))


METRICS: tuple[Metric[TablePair], ...] = (
    Metric(
        "alpha_precision",
        "alpha-precision",
        "fidelity",
        "higher",
        lambda pair: alpha_precision(*pair.rank_coded_inputs, pair.seed),
    ),
    Metric(
        "beta_recall",
        "beta-recall",
        "fidelity",
        "higher",
        lambda pair: beta_recall(*pair.rank_coded_inputs, pair.seed),
    ),
    Metric(
        "c2st_auc_linear",
        "told apart, linear",
        "fidelity",
        "lower, 0.5 best",
        lambda pair: c2st_auc("linear", *pair.one_hot, pair.seed),
    ),
    Metric(
        "c2st_auc_trees",
        "told apart, trees",
        "fidelity",
        "lower, 0.5 best",
        lambda pair: c2st_auc("trees", *pair.one_hot, pair.seed),
    ),
    Metric(
        "detection_goggle",
        "detection (GOGGLE)",
        "fidelity",
        "near reference",
        lambda pair: goggle_detection(*pair.rank_coded, pair.seed),
    ),
)

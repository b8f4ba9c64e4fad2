"""How like the real rows the synthetic ones are.

Definitions: synthcity's ``AlphaPrecision`` in its naive variant (Alaa et al. 2022; scaled to the real range, centre = mean), and the
detection score of GOGGLE, beside an honest classifier two-sample test.
"""

from typing import Any

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.streams import Stream, generator, random_state
from t2local.tables.dictionary import FeatureDictionary

_ALPHAS = np.linspace(0, 1, 30)
#: Numbers with fewer values than this are coded by rank, as synthcity does.
_FEW_VALUES = 15
_FOLDS = 5


def encoded(known: FeatureDictionary, names: list[str], *frames: pd.DataFrame) -> list[FloatArray]:
    """Frames of values as matrices with one column each: numbers as they are, levels and rare numbers by rank over all frames.

    A missing number is the mean of the first frame; a missing level has a rank of its own.
    """
    columns = []
    for name in names:
        whole = pd.concat([frame[name] for frame in frames], ignore_index=True)
        if known[name].numeric:
            numbers = whole.to_numpy(dtype=np.float64, na_value=np.nan)
            own = numbers[: len(frames[0])]
            numbers = np.where(
                np.isnan(numbers),
                own[~np.isnan(own)].mean() if (~np.isnan(own)).any() else 0.0,
                numbers,
            )
            columns.append(
                np.unique(numbers, return_inverse=True)[1]
                if len(np.unique(numbers)) < _FEW_VALUES
                else numbers
            )
        else:
            columns.append(
                np.unique(whole.fillna("").astype(str).to_numpy(dtype=object), return_inverse=True)[
                    1
                ]
            )
    whole_matrix = np.column_stack(columns).astype(np.float64)
    return np.split(whole_matrix, np.cumsum([len(frame) for frame in frames])[:-1])


def precision_and_recall(real: FloatArray, synthetic: FloatArray, seed: int) -> tuple[float, float]:
    """Alpha-precision and beta-recall, 0 to 1: how closely the shares of rows in growing regions follow the regions' sizes.

    **Parameters:**

    * **real**, **synthetic**: encoded inputs (n, d) and (m, d); the larger set is drawn down to the size of the smaller.
    """
    rng, size = generator(seed, Stream.PRECISION_RECALL), min(len(real), len(synthetic))
    real, synthetic = (
        rows if len(rows) == size else rows[rng.choice(len(rows), size, replace=False)]
        for rows in (real, synthetic)
    )
    low, span = real.min(axis=0), np.ptp(real, axis=0)
    scale = np.where(span > 0, span, 1.0)
    real, synthetic = (real - low) / scale, (synthetic - low) / scale
    from_center = np.linalg.norm(synthetic - real.mean(axis=0), axis=1)
    radii = np.quantile(np.linalg.norm(real - real.mean(axis=0), axis=1), _ALPHAS)
    precision = (from_center[:, None] <= radii).mean(axis=0)
    distance, nearest = _nearest(synthetic, real)
    to_real = _nearest(real, real, others=True)[0]
    around = np.linalg.norm(synthetic - synthetic.mean(axis=0), axis=1)[nearest]
    covered = (distance <= to_real)[:, None] & (around[:, None] <= np.quantile(around, _ALPHAS))
    return _follows(precision), _follows(covered.mean(axis=0))


def _follows(shares: FloatArray) -> float:
    return float(1 - np.abs(_ALPHAS - shares).sum() / _ALPHAS.sum())


def _nearest(
    among: FloatArray, rows: FloatArray, *, others: bool = False
) -> tuple[FloatArray, IntArray]:
    """For each row the distance to its nearest one of ``among``, and which it is; ``others``: not itself."""
    from sklearn.neighbors import NearestNeighbors

    distances, places = NearestNeighbors(n_neighbors=1 + others).fit(among).kneighbors(rows)
    return distances[:, -1], places[:, -1]


def c2st_auc(real: FloatArray, synthetic: FloatArray, seed: int) -> dict[str, float]:
    """How well classifiers tell synthetic rows from real ones, out of fold: the AUC, or what it is from 1 where it is below a half.

    ``linear`` and ``trees`` by the name of the classifier. 0.5: not at all.

    **Parameters:**

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
    return {
        name: max(found, 1 - found)
        for name, found in _scores(models, real, synthetic, seed).items()
    }


def goggle_detection(real: FloatArray, synthetic: FloatArray, seed: int) -> float:
    """GOGGLE's detection score, which the paper reports: the mean AUC of boosted trees, a neural network and a Gaussian mixture.

    The mixture never sees the labels: its third is noise around a half. Boosted trees are scikit-learn's, not XGBoost's.

    **Parameters:**

    * **real**, **synthetic**: `encoded` and not scaled, (n, d) and (m, d).
    """
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.mixture import GaussianMixture
    from sklearn.neural_network import MLPClassifier

    smallest = min(10, int((1 - 1 / _FOLDS) * (len(real) + len(synthetic))))
    models = {
        "trees": GradientBoostingClassifier(
            max_depth=6, learning_rate=0.3, random_state=random_state(seed, Stream.DETECTION_MODELS)
        ),
        "network": MLPClassifier(random_state=random_state(seed, Stream.DETECTION_MODELS)),
        "mixture": GaussianMixture(
            smallest, reg_covar=1e-3, random_state=random_state(seed, Stream.DETECTION_MODELS)
        ),
    }
    return float(np.mean(list(_scores(models, real, synthetic, seed).values())))


def _scores(
    models: dict[str, Any], real: FloatArray, synthetic: FloatArray, seed: int
) -> dict[str, float]:
    """The mean AUC of each model over stratified folds."""
    import warnings

    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    x, y = np.vstack([real, synthetic]), np.repeat([0, 1], [len(real), len(synthetic)])
    folds = list(
        StratifiedKFold(
            min(_FOLDS, len(real), len(synthetic)),
            shuffle=True,
            random_state=random_state(seed, Stream.DETECTION_FOLDS),
        ).split(x, y)
    )
    found: dict[str, float] = {}
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # of networks and mixtures on few rows: they are what they are
        for name, model in models.items():
            aucs = []
            for train, test in folds:
                fitted = clone(model).fit(x[train], y[train])
                aucs.append(roc_auc_score(y[test], fitted.predict_proba(x[test])[:, 1]))
            found[name] = float(np.mean(aucs))
    return found

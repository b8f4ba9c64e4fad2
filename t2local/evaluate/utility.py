"""Metrics of utility: how well models predict real rows after training on some rows.

Four common classifiers (or regressors) are trained on some rows and tested on real ones; each score
is the mean of the four, in percent.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from t2local.evaluate.metric import Metric, measure
from t2local.stats.arrays import FloatArray, IntArray, Labels
from t2local.stats.auc import auc_values
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels
from t2local.stats.streams import Stream, random_state
from t2local.tables.dictionary import Feature, FeatureDictionary


@dataclass(frozen=True)
class Predictions:
    """What a model says of n rows, and their labels.

    ``scores`` (n, classes), higher for likelier, with the class numbers ``labels`` (n,); for a
    number the predictions (n, 1) with the numbers.
    """

    scores: FloatArray
    labels: Labels

    @property
    def classes(self) -> IntArray:
        """Numbers of the classes that the rows have."""
        present = np.unique(self.labels)
        return present[present >= 0].astype(np.intp)

    @property
    def likeliest(self) -> IntArray:
        """The predicted class of each row, shape (n,)."""
        return self.scores.argmax(axis=1)


def class_auc(predictions: Predictions, number: int) -> float:
    """One-vs-rest AUC of a class in percent; NaN where all rows have one class."""
    return 100 * _one_vs_rest_auc(predictions, number)


def mean_auc(predictions: Predictions) -> float:
    """One-vs-rest AUC in percent, mean over the classes of the rows."""
    aucs = [_one_vs_rest_auc(predictions, number) for number in predictions.classes]
    return 100 * float(np.mean(aucs))


def _one_vs_rest_auc(predictions: Predictions, number: int) -> float:
    from sklearn.metrics import roc_auc_score

    if len(predictions.classes) < 2:
        return float("nan")
    return float(roc_auc_score(predictions.labels == number, predictions.scores[:, number]))


def accuracy(predictions: Predictions) -> float:
    """Share of rows with the right class, in percent."""
    return 100 * float((predictions.likeliest == predictions.labels).mean())


def macro_f1(predictions: Predictions) -> float:
    """F1 in percent, mean over the classes of the rows."""
    _, f1 = _macro_scores(predictions)
    return 100 * f1


def macro_recall(predictions: Predictions) -> float:
    """Recall in percent, mean over the classes of the rows."""
    recall, _ = _macro_scores(predictions)
    return 100 * recall


def _macro_scores(predictions: Predictions) -> tuple[float, float]:
    """Recall and F1; a class that is never predicted has 0 of both, without a warning."""
    from sklearn.metrics import precision_recall_fscore_support

    _, recall, f1, _ = precision_recall_fscore_support(
        predictions.labels,
        predictions.likeliest,
        average="macro",
        labels=predictions.classes,
        zero_division=0,
    )
    return float(recall), float(f1)


def r_squared(predictions: Predictions) -> float:
    """R squared in percent; a constant label counts as one of variance 1."""
    return float(_squared_error_values(predictions).mean())


_GROUP = "utility (%)"

CLASS_METRICS: tuple[Metric[Predictions], ...] = (
    Metric("auc", "auc", _GROUP, "higher", mean_auc, highest=100),
    Metric("accuracy", "accuracy", _GROUP, "higher", accuracy, highest=100),
    Metric("f1", "f1", _GROUP, "higher", macro_f1, highest=100),
    Metric("recall", "recall", _GROUP, "higher", macro_recall, highest=100),
)
NUMBER_METRICS: tuple[Metric[Predictions], ...] = (
    Metric("r2", "r2", _GROUP, "higher", r_squared, lowest=-np.inf, highest=100),
)
METRICS = (*CLASS_METRICS, *NUMBER_METRICS)


def metrics_of(target: Feature) -> tuple[Metric[Predictions], ...]:
    """The metrics for a label that is a class, or a number."""
    if target.levels:
        return CLASS_METRICS
    return NUMBER_METRICS


def downstream(
    dictionary: FeatureDictionary,
    train: pd.DataFrame,
    test: pd.DataFrame,
    seed: int,
    scale: pd.DataFrame | None = None,
) -> dict[str, float]:
    """Scores on ``test`` of models trained on ``train``: the mean of four models, in percent.

    By name of the metric, and for classes ``auc of CLASS``.

    **Parameters:** as for `predictions`.
    """
    return mean_scores(predictions(dictionary, train, test, seed, scale), dictionary.target_feature)


def predictions(
    dictionary: FeatureDictionary,
    train: pd.DataFrame,
    test: pd.DataFrame,
    seed: int,
    scale: pd.DataFrame | None = None,
) -> list[Predictions]:
    """What each of four models that are trained on ``train`` says of ``test``.

    A class that the training rows lack has probability 0, so AUC 50.

    **Parameters:**

    * **train**, **test**: frames of values with a label in every row.
    * **scale**: the rows that give means and deviations, ``train`` by default.
    """
    target = dictionary.target_feature
    if scale is None:
        scale = train
    encoder = Encoder(dictionary.input_features, scale)
    x = encoder.transform(train)  # (n, d)
    y = encode_labels(train[target.name], target)  # (n,)
    x_test = encoder.transform(test)  # (m, d)
    y_test = encode_labels(test[target.name], target)  # (m,)
    with warnings.catch_warnings():
        # Networks that did not converge, classes of one row: the scores say it.
        warnings.simplefilter("ignore")
        if target.levels:
            y_test = y_test.astype(np.intp)
            outputs = [
                _class_scores(model, x, y.astype(np.intp), x_test, len(target.levels))
                for model in _classifiers(seed)
            ]
        else:
            outputs = [model.fit(x, y).predict(x_test)[:, None] for model in _regressors(seed)]
    return [Predictions(output, y_test) for output in outputs]


def mean_scores(models: Sequence[Predictions], target: Feature) -> dict[str, float]:
    """The scores of each model, and their mean."""
    runs = [scores(own, target) for own in models]
    return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}


def row_values(models: Sequence[Predictions], target: Feature) -> FloatArray:
    """One value a row (m,), whose mean is the mean AUC of the models, or R squared, in percent.

    No value where all rows have one class: shape (0,).
    """
    if not target.levels:
        return np.mean([_squared_error_values(own) for own in models], axis=0)
    if len(models[0].classes) < 2:
        return np.empty(0)
    return 100 * np.mean(
        [auc_values(own.scores, own.labels.astype(np.intp)) for own in models], axis=0
    )


def _squared_error_values(own: Predictions) -> FloatArray:
    """R squared in percent as a mean over the rows."""
    errors = own.scores[:, 0] - own.labels  # (m,)
    return 100 * (1 - errors**2 / (float(own.labels.var()) or 1.0))


def scores(predictions: Predictions, target: Feature) -> dict[str, float]:
    """All metrics of utility by name, in percent, and for classes ``auc of CLASS``."""
    values = measure(metrics_of(target), predictions)
    if not target.levels:
        return values
    by_class = {
        f"auc of {target.levels[number]}": class_auc(predictions, number)
        for number in predictions.classes
    }
    return values | by_class


def _classifiers(seed: int) -> list[Any]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC

    state = random_state(seed, Stream.DOWNSTREAM_MODELS)
    return [
        LogisticRegression(max_iter=1000),
        SVC(random_state=state),
        MLPClassifier(max_iter=300, random_state=state),
        RandomForestClassifier(random_state=state),
    ]


def _regressors(seed: int) -> list[Any]:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import Ridge
    from sklearn.neural_network import MLPRegressor
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    state = random_state(seed, Stream.DOWNSTREAM_MODELS)
    # The defaults of these two expect a label with variance 1.
    scaled = [
        TransformedTargetRegressor(model, transformer=StandardScaler())
        for model in (SVR(), MLPRegressor(max_iter=300, random_state=state))
    ]
    return [Ridge(), *scaled, RandomForestRegressor(random_state=state)]


def _class_scores(
    model: Any, x: FloatArray, y: IntArray, x_test: FloatArray, n_classes: int
) -> FloatArray:
    """Scores of the test rows, higher for likelier, shape (m, classes).

    Probabilities, or margins of an SVM: an AUC looks at their order alone.
    """
    if len(np.unique(y)) < 2:
        return np.eye(n_classes)[np.full(len(x_test), y[0])]
    fitted = model.fit(x, y)
    if hasattr(fitted, "predict_proba"):
        outputs = fitted.predict_proba(x_test)
    else:
        outputs = fitted.decision_function(x_test)
    if outputs.ndim == 1:  # two classes share one margin
        outputs = np.column_stack([-outputs, outputs])
    # A class without training rows is never the likeliest, and ranks nothing.
    class_scores = np.full((len(x_test), n_classes), outputs.min() - 1.0)
    class_scores[:, fitted.classes_] = outputs
    return class_scores

"""What models learn from rows: four common classifiers (or regressors), trained on some rows and tested on real ones."""

import warnings
from typing import Any

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels
from t2local.stats.streams import Stream, random_state
from t2local.tables.dictionary import FeatureDictionary


def downstream(
    known: FeatureDictionary,
    train: pd.DataFrame,
    test: pd.DataFrame,
    seed: int,
    scale: pd.DataFrame | None = None,
) -> dict[str, float]:
    """Logits on ``test`` of models trained on ``train``, each the mean of four models, in percent.

    * classes: ``auc`` (one-vs-rest, mean over the classes of the test rows), ``auc of CLASS``, ``accuracy``, ``f1`` and ``recall`` (macro).
      A class that the training rows lack has probability 0, so AUC 50.
    * a number: ``r2``.

    **Parameters:**

    * **train**, **test**: frames of values with a label in every row; **scale**: the rows that give means and deviations, ``train`` by default.
    """
    target, encoder = (
        known[known.target],
        Encoder(known.input_features, train if scale is None else scale),
    )
    x, x_test = encoder.transform(train), encoder.transform(test)
    y, y_test = encode_labels(train[target.name], target), encode_labels(test[target.name], target)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # networks that were not done, classes of one row: the scores say it
        if not target.levels:
            return {
                "r2": 100
                * float(
                    np.mean(
                        [
                            _r2(model.fit(x, y).predict(x_test), y_test)
                            for model in _regressors(seed)
                        ]
                    )
                )
            }
        said = [
            _probabilities(model, x, y.astype(np.intp), x_test, len(target.levels))
            for model in _classifiers(seed)
        ]
    found = [scores(p, y_test.astype(np.intp), target.levels) for p in said]
    return {name: float(np.mean([score[name] for score in found])) for name in found[0]}


def _classifiers(seed: int) -> list[Any]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC

    return [
        LogisticRegression(max_iter=1000),
        SVC(random_state=random_state(seed, Stream.DOWNSTREAM_MODELS)),
        MLPClassifier(max_iter=300, random_state=random_state(seed, Stream.DOWNSTREAM_MODELS)),
        RandomForestClassifier(random_state=random_state(seed, Stream.DOWNSTREAM_MODELS)),
    ]


def _regressors(seed: int) -> list[Any]:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import Ridge
    from sklearn.neural_network import MLPRegressor
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    scaled = [
        TransformedTargetRegressor(model, transformer=StandardScaler())
        for model in (
            SVR(),
            MLPRegressor(max_iter=300, random_state=random_state(seed, Stream.DOWNSTREAM_MODELS)),
        )
    ]
    return [
        Ridge(),
        *scaled,
        RandomForestRegressor(random_state=random_state(seed, Stream.DOWNSTREAM_MODELS)),
    ]


def _probabilities(
    model: Any, x: FloatArray, y: Any, x_test: FloatArray, classes: int
) -> FloatArray:
    """Logits (m, classes), higher for likelier; of an SVM its margins, whose order is all that an AUC looks at."""
    if len(np.unique(y)) < 2:
        return np.eye(classes)[np.full(len(x_test), y[0])]
    fitted = model.fit(x, y)
    if hasattr(fitted, "predict_proba"):
        found = fitted.predict_proba(x_test)
    else:
        margins = fitted.decision_function(x_test)
        found = np.column_stack([-margins, margins]) if margins.ndim == 1 else margins
    scores = np.full(
        (len(x_test), classes), found.min() - 1.0
    )  # a class that was not seen is never the likeliest, and ranks nothing
    scores[:, fitted.classes_] = found
    return scores


def scores(p: FloatArray, y: Any, levels: tuple[str, ...]) -> dict[str, float]:
    """What predictions are worth, in percent: ``p`` (n, classes), higher for likelier, and the true class numbers ``y`` (n,)."""
    from sklearn.metrics import f1_score, recall_score, roc_auc_score

    present = [number for number in np.unique(y) if number >= 0]
    aucs = {
        f"auc of {levels[number]}": roc_auc_score(y == number, p[:, number])
        if len(present) > 1
        else np.nan
        for number in present
    }
    told = p.argmax(axis=1)
    macro = {"average": "macro", "labels": present, "zero_division": 0}
    mean = np.mean(list(aucs.values()))
    found = {
        "auc": mean,
        **aucs,
        "accuracy": (told == y).mean(),
        "f1": f1_score(y, told, **macro),
        "recall": recall_score(y, told, **macro),
    }
    return {name: 100 * float(value) for name, value in found.items()}


def _r2(said: FloatArray, y: FloatArray) -> float:
    return 1 - float(((said - y) ** 2).mean()) / (float(y.var()) or 1.0)

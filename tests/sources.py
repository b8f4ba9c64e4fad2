"""Tables with a label that follows from two of four features, and sources of new rows for them."""

import numpy as np
import pandas as pd

#: Deviations of the labels: as given, in random order, some moved to the next class, all moved.
WAYS = ("true", "shuffled", "40 % flipped", "all flipped")


def table(n: int, kind: str, rng: np.random.Generator) -> pd.DataFrame:
    """Rows of a kind: ``two`` classes, ``rare`` (one of them in a tenth), ``three``, ``number``."""
    x = rng.normal(size=(n, 4)).round(2)
    score = 1.5 * x[:, 0] - x[:, 1]
    if kind == "number":
        y = (score + rng.normal(size=n)).round(2)
    elif kind == "three":
        logits = 1.5 * np.column_stack([score, -score, 1.5 * x[:, 2]])
        y = np.array(["a", "b", "c"])[(logits + rng.gumbel(size=(n, 3))).argmax(axis=1)]
    else:
        threshold = {"two": 0.0, "rare": 4.5}[kind]
        y = np.where(1.5 * score + rng.logistic(size=n) > threshold, "yes", "no")
    return pd.DataFrame(x, columns=list("pqrs")).assign(y=y)


def spoiled(rows: pd.DataFrame, way: str, rng: np.random.Generator) -> pd.DataFrame:
    """The rows with their labels as one of `WAYS`; a flipped number is mirrored at the mean."""
    labels = rows["y"].to_numpy(copy=True)
    if way == "shuffled":
        return rows.assign(y=rng.permutation(labels))
    share = {"true": 0.0, "20 % flipped": 0.2, "40 % flipped": 0.4, "all flipped": 1.0}[way]
    places = rng.permutation(len(rows))[: round(share * len(rows))]
    if labels.dtype == object:
        classes = sorted(set(labels))
        labels[places] = [classes[(classes.index(y) + 1) % len(classes)] for y in labels[places]]
    else:
        labels[places] = (2 * labels.mean() - labels[places]).round(2)
    return rows.assign(y=labels)


def predictions(rows: pd.DataFrame, kind: str) -> np.ndarray:
    """What is known of the labels without seeing them: log-probabilities in order, or numbers."""
    score = 1.5 * rows["p"].to_numpy() - rows["q"].to_numpy()
    if kind == "number":
        return score[:, None]
    if kind == "three":
        logits = 1.5 * np.column_stack([score, -score, 1.5 * rows["r"].to_numpy()])
    else:
        threshold = {"two": 0.0, "rare": 4.5}[kind]
        logits = np.column_stack([np.zeros(len(rows)), 1.5 * score - threshold])
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)

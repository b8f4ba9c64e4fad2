"""Methods without a language model: a `Task` gives rows to add, as values of its dictionary.

CTGAN and TVAE run with their authors' settings, in this process, when the package ``ctgan`` is
installed (the bench extra).
"""

import warnings

import numpy as np
import pandas as pd

from bench.paper.studies import Task
from bench.streams import Classical, Stream, generator
from t2local.stats.densities import ChowLiuTree, IndependentColumns
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels, fit_ensemble, predict_ensemble

#: Standard deviation of the jitter, as a share of the column's.
JITTER = 0.25
#: SMOTE's own default; a class of fewer rows has as many as there are.
NEIGHBOURS = 5


def rng_of(task: Task, method: Classical) -> np.random.Generator:
    """The random numbers of a method."""
    return generator(task.seed, Stream.CLASSICAL, method)


def oversampling(task: Task) -> pd.DataFrame:
    """Real rows again, each class as often as the others."""
    rng = rng_of(task, Classical.OVERSAMPLING)
    classes = [group.index.to_numpy() for _, group in task.real.groupby(task.dictionary.target)]
    drawn = [rng.choice(classes[i % len(classes)]) for i in range(task.rows)]
    return task.real.loc[drawn].reset_index(drop=True)


def jitter(task: Task) -> pd.DataFrame:
    """Oversampled rows with Gaussian noise on their numbers."""
    rows = oversampling(task)
    rng = rng_of(task, Classical.JITTER)
    for feature in (task.dictionary[name] for name in task.dictionary.inputs):
        if feature.numeric:
            noise = rng.normal(0, JITTER * float(task.real[feature.name].std() or 0), len(rows))
            cells = (rows[feature.name] + noise).round(feature.decimals)
            rows[feature.name] = cells.clip(*feature.bounds)
    return rows


def smote(task: Task) -> pd.DataFrame:
    """SMOTE, or SMOTENC where there are levels (imbalanced-learn).

    A class of one row is repeated, as it has no neighbour.
    """
    dictionary, target = task.dictionary, task.dictionary.target
    counts = task.real[target].value_counts()
    n_new = {
        label: task.rows // len(counts) + (i < task.rows % len(counts))
        for i, label in enumerate(sorted(counts.index))
    }
    single = [label for label in counts.index if counts[label] < 2]
    parts = [
        task.real[task.real[target] == label].iloc[np.zeros(n_new[label], dtype=int)]
        for label in single
    ]
    rest = task.real[~task.real[target].isin(single)]
    if len(set(rest[target])) > 1:
        parts.append(_interpolated(task, rest, n_new))
    rows = pd.concat(parts, ignore_index=True)[dictionary.names]
    for feature in (dictionary[name] for name in dictionary.inputs):
        column = rows[feature.name]
        if feature.numeric:
            rows[feature.name] = column.astype(float).round(feature.decimals)
        else:
            rows[feature.name] = column.astype(object)
    return rows


def _interpolated(task: Task, rows: pd.DataFrame, n_new: dict[str, int]) -> pd.DataFrame:
    """``n_new`` rows of each class between neighbours among ``rows``."""
    from imblearn.over_sampling import SMOTE, SMOTENC

    dictionary, target = task.dictionary, task.dictionary.target
    counts = rows[target].value_counts()
    # In the order of the rows: the package draws for one class after the other.
    totals = {label: counts[label] + n_new[label] for label in rows[target].unique()}
    options = {
        "sampling_strategy": totals,
        "k_neighbors": int(min(NEIGHBOURS, counts.min() - 1)),
        "random_state": task.seed,
    }
    levels = [not dictionary[name].numeric for name in dictionary.inputs]
    sampler = SMOTENC(levels, **options) if any(levels) else SMOTE(**options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x, labels = sampler.fit_resample(_complete(task, rows[dictionary.inputs]), rows[target])
    return x.assign(**{target: labels}).iloc[len(rows) :]


def _complete(task: Task, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows without missing cells: the mean of a number, and a level of its own."""
    numeric = {name: task.dictionary[name].numeric for name in rows}
    means = {name: rows[name].mean() for name in rows if numeric[name]}
    return rows.fillna(means | {name: "" for name in rows if not numeric[name]})


def gan(task: Task, kind: str) -> pd.DataFrame:
    """CTGAN or TVAE with their defaults (300 epochs).

    The batch is D_ori's size rounded down to tens where that is below 500.
    """
    import torch
    from ctgan import CTGAN, TVAE

    torch.manual_seed(task.seed)
    np.random.seed(task.seed)  # noqa: NPY002 - the package draws from the global generator
    features = [task.dictionary[name] for name in task.dictionary.names]
    levels = [feature.name for feature in features if not feature.numeric]
    frame = _complete(task, task.real)
    frame[levels] = frame[levels].astype(str)
    size = max(10, min(500, len(frame) // 10 * 10))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = {"CTGAN": CTGAN, "TVAE": TVAE}[kind](batch_size=size)
        model.fit(frame, levels)
        rows = model.sample(task.rows)
    for feature in features:
        column = rows[feature.name]
        if feature.numeric:
            numbers = column.astype(float).round(feature.decimals)
            rows[feature.name] = numbers.clip(*feature.bounds)
        else:
            rows[feature.name] = column.astype(object)
    return rows[task.dictionary.names]


def columns(task: Task) -> pd.DataFrame:
    """Columns drawn independently of each other, with the ensemble's labels."""
    independent = IndependentColumns(task.dictionary.input_features, task.real)
    rng = rng_of(task, Classical.INDEPENDENT)
    return labelled(task, independent.rows(rng.random((task.rows, independent.n_uniforms))))


def tree(task: Task) -> pd.DataFrame:
    """Rows of the tree of the columns, with the ensemble's labels.

    This is ours without a language model and without trimming.
    """
    model = ChowLiuTree(task.dictionary.input_features, task.real, task.seed)
    rng = rng_of(task, Classical.TREE)
    return labelled(task, model.rows(rng.random((task.rows, model.n_uniforms))))


def labelled(task: Task, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with the most likely label by an ensemble trained on D_ori."""
    target = task.dictionary[task.dictionary.target]
    label_numbers = _ensemble(task, rows).argmax(axis=1)
    labels = np.array(target.levels, dtype=object)[label_numbers]
    return rows.assign(**{target.name: labels})[task.dictionary.names]


def ensemble_scores(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """The ensemble itself: log-probabilities of the test rows, and their classes."""
    target = task.dictionary[task.dictionary.target]
    return _ensemble(task, task.test), encode_labels(task.test[target.name], target).astype(int)


def _ensemble(task: Task, rows: pd.DataFrame) -> np.ndarray:
    """Log-probabilities of the classes of rows, shape (n_rows, n_classes), learnt from D_ori."""
    target = task.dictionary[task.dictionary.target]
    encoder = Encoder(task.dictionary.input_features, task.real)
    y = encode_labels(task.real[target.name], target)
    models = fit_ensemble(encoder.transform(task.real), y, target, task.seed)
    return predict_ensemble(models, encoder.transform(rows), target)


METHODS = {
    "oversampling": oversampling,
    "jitter": jitter,
    "SMOTE": smote,
    "CTGAN": lambda task: gan(task, "CTGAN"),
    "TVAE": lambda task: gan(task, "TVAE"),
    "columns + ensemble labels": columns,
    "tree + ensemble labels": tree,
    "jitter + ensemble labels": lambda task: labelled(task, jitter(task)),
    "SMOTE + ensemble labels": lambda task: labelled(task, smote(task)),
}

"""Methods without a language model. Each is given a `Task` and returns rows to add, as values of its dictionary.

CTGAN and TVAE run with their authors' settings, in this process, when the package ``ctgan`` is installed (the bench extra).
"""

import warnings

import numpy as np
import pandas as pd

from bench.paper.studies import Task
from t2local.stats.densities import ChowLiuTree, IndependentColumns
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels, fit_ensemble, predict_ensemble

#: Standard deviation of the jitter, as a share of the column's.
JITTER = 0.25
NEIGHBOURS = 5


def rng(task: Task, number: int) -> np.random.Generator:
    return np.random.default_rng([task.seed, 30, number])


def oversampling(task: Task) -> pd.DataFrame:
    """Real rows again, each class as often as the others."""
    random, target = rng(task, 1), task.known.target
    classes = [group.index.to_numpy() for _, group in task.real.groupby(target)]
    chosen = [random.choice(classes[i % len(classes)]) for i in range(task.rows)]
    return task.real.loc[chosen].reset_index(drop=True)


def jitter(task: Task) -> pd.DataFrame:
    """Oversampled rows with Gaussian noise on their numbers."""
    rows, random = oversampling(task), rng(task, 2)
    for feature in (task.known[name] for name in task.known.inputs):
        if feature.numeric:
            noise = random.normal(0, JITTER * float(task.real[feature.name].std() or 0), len(rows))
            rows[feature.name] = (
                (rows[feature.name] + noise).round(feature.decimals).clip(*feature.bounds)
            )
    return rows


def smote(task: Task) -> pd.DataFrame:
    """SMOTE, or SMOTENC where there are levels (imbalanced-learn); classes of one row are repeated, as it has no neighbour."""
    from imblearn.over_sampling import SMOTE, SMOTENC

    known, target = task.known, task.known.target
    counts = task.real[target].value_counts()
    wanted = {
        label: task.rows // len(counts) + (i < task.rows % len(counts))
        for i, label in enumerate(sorted(counts.index))
    }
    lone = [label for label in counts.index if counts[label] < 2]
    parts = [
        task.real[task.real[target] == label].iloc[np.zeros(wanted[label], dtype=int)]
        for label in lone
    ]
    rest = task.real[~task.real[target].isin(lone)]
    if len(set(rest[target])) > 1:
        levels = [not known[name].numeric for name in known.inputs]
        strategy = {label: counts[label] + wanted[label] for label in rest[target].unique()}
        k = int(min(NEIGHBOURS, counts[rest[target].unique()].min() - 1))
        x = rest[known.inputs].apply(
            lambda column: (
                column.fillna(column.mean()) if known[column.name].numeric else column.fillna("")
            )
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if any(levels):
                sampler = SMOTENC(
                    levels, sampling_strategy=strategy, k_neighbors=k, random_state=task.seed
                )
            else:
                sampler = SMOTE(sampling_strategy=strategy, k_neighbors=k, random_state=task.seed)
            made, y = sampler.fit_resample(x, rest[target])
        parts.append(made.assign(**{target: y}).iloc[len(rest) :])
    rows = pd.concat(parts, ignore_index=True)[task.known.names]
    for name in known.inputs:
        rows[name] = (
            rows[name].astype(float).round(known[name].decimals)
            if known[name].numeric
            else rows[name].astype(object)
        )
    return rows


def gan(task: Task, kind: str) -> pd.DataFrame:
    """CTGAN or TVAE with their defaults (300 epochs); the batch is D_ori's size rounded down to tens where that is below 500."""
    import torch
    from ctgan import CTGAN, TVAE

    torch.manual_seed(task.seed)
    np.random.seed(task.seed)  # noqa: NPY002 - the package draws from the global generator
    frame = task.real.apply(
        lambda column: (
            column.fillna(column.mean())
            if task.known[column.name].numeric
            else column.fillna("").astype(str)
        )
    )
    levels = [name for name in task.known.names if not task.known[name].numeric]
    size = max(10, min(500, len(frame) // 10 * 10))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = {"CTGAN": CTGAN, "TVAE": TVAE}[kind](batch_size=size)
        model.fit(frame, levels)
        rows = model.sample(task.rows)
    for feature in (task.known[name] for name in task.known.names):
        column = rows[feature.name]
        rows[feature.name] = (
            column.astype(float).round(feature.decimals).clip(*feature.bounds)
            if feature.numeric
            else column.astype(object)
        )
    return rows[task.known.names]


def columns(task: Task) -> pd.DataFrame:
    """Columns drawn independently of each other, with the ensemble's labels."""
    independent, random = IndependentColumns(task.known.features, task.real), rng(task, 3)
    return labelled(
        task,
        pd.DataFrame(
            {
                name: [independent.draw(name, random) for _ in range(task.rows)]
                for name in task.known.inputs
            }
        ),
    )


def tree(task: Task) -> pd.DataFrame:
    """Rows of the tree of the columns, with the ensemble's labels: ours without a language model and without trimming."""
    drawn, random = ChowLiuTree(task.known.input_features, task.real, task.seed), rng(task, 4)
    return labelled(task, pd.DataFrame([drawn.row(random) for _ in range(task.rows)]))


def labelled(task: Task, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with the most likely label by an ensemble trained on D_ori."""
    target, encoder = task.known[task.known.target], Encoder(task.known.input_features, task.real)
    models = fit_ensemble(
        encoder.transform(task.real),
        encode_labels(task.real[target.name], target),
        target,
        task.seed,
    )
    told = predict_ensemble(models, encoder.transform(rows), target).argmax(axis=1)
    return rows.assign(**{target.name: np.array(target.levels, dtype=object)[told]})[
        task.known.names
    ]


def ensemble_scores(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """The ensemble itself, trained on D_ori: log-probabilities of the test rows, and their classes."""
    target, encoder = task.known[task.known.target], Encoder(task.known.input_features, task.real)
    models = fit_ensemble(
        encoder.transform(task.real),
        encode_labels(task.real[target.name], target),
        target,
        task.seed,
    )
    return predict_ensemble(models, encoder.transform(task.test), target), encode_labels(
        task.test[target.name], target
    ).astype(int)


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

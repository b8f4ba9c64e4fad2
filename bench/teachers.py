"""Which models of a few real rows predict best, alone and averaged: the choice of the ensemble.

For each table, number of real rows and seed, on rows that are drawn anew for each: AUC in percent
(a number: R²), mean log loss in hundredths of a nat (squared error in percent of the variance),
calibration (classes: mean distance of predicted from observed shares over ten equal parts, in
percent) and CPU seconds of fit and prediction. All models see the matrix of `Encoder`.

* Members: ``logistic`` (scikit-learn's; a number: ridge), ``bayes`` (priors of three widths and
  mean zero, averaged by marginal likelihood: `t2local.stats.prior_effects`), ``splines`` (the same
  on cubic splines of four quantiles, linear outside), ``forest``, ``extra trees``, ``boosting``,
  ``process`` (Gaussian, RBF kernel with the marginal likelihood at its best), ``svm``,
  ``neighbours``, ``naive bayes``.
* Combinations: the mean of probabilities of members joined by `` + ``; ``logits of``: the mean of
  their logarithms; ``stack of``: weights by the log loss (numbers: squared error) on rows that
  were out of the fold, or of the bag of a tree, with a prior toward equal ones that is worth as
  many rows a member as `PRIOR_ROWS`. ``trees`` are halves of forest and extra trees, together as
  many as in ``forest``. Extra trees are grown on bootstrap samples as those of a forest are.

Results are appended to --out, one JSON line a model of a cell; what stands there is not run again.

python -m bench.teachers [--group choose] [--seeds 0-9] [--sizes 20,30] [--models bayes,forest]
"""

import argparse
import json
import time
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn.ensemble as trees
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import SplineTransformer
from sklearn.svm import SVC, SVR

from bench import beliefs
from bench.knowledge.tables import stratified, table
from bench.streams import Stream, generator
from bench.tables import interval
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import FLOOR, encode_labels
from t2local.stats.folds import stratified_folds
from t2local.stats.prior_effects import fit_effects_regression
from t2local.tables.dictionary import FeatureDictionary

SIZES = (20, 30, 60, 100, 300)
#: A number to be predicted, beside the tables of two classes of `bench.beliefs`.
NUMBERS = {"choose": (), "extra": ("insurance_charges",)}
#: Half of the ensemble's own, as in `bench.effects`.
N_TREES = 100
MAX_TEST = 1500
#: A sample is at most this share of its table.
MAX_SHARE = 0.6
N_FOLDS = 5
PRIOR_ROWS = 5.0
TODAY = "logistic + forest"
#: What forests are made of, so that no tree is grown twice.
HALVES = {
    "forest": ("forest / 1", "forest / 2"),
    "extra trees": ("extra trees / 1", "extra trees / 2"),
    "trees": ("forest / 1", "extra trees / 1"),
}
MEMBERS = (
    *("logistic", "bayes", "splines", "forest", "extra trees", "trees", "boosting", "process"),
    *("svm", "neighbours", "naive bayes"),
)
COMBINATIONS = (
    TODAY,
    "bayes + forest",
    "logistic + trees",
    "bayes + trees",
    "splines + trees",
    "logits of bayes + trees",
    "bayes + trees + process",
    "bayes + trees + boosting",
    "bayes + forest + extra trees",
    "bayes + trees + neighbours + naive bayes",
    "stack of bayes + forest",
    "stack of bayes + trees",
)


class Bayes:
    """The linear models that know effects, with nothing stated."""

    def __init__(self, n_classes: int) -> None:
        self.binary = n_classes == 2

    def fit(self, x: np.ndarray, y: np.ndarray) -> "Bayes":
        nothing, ones = np.full(x.shape[1], np.nan), np.ones(len(x))
        self.model = fit_effects_regression(x, y, nothing, ones, binary=self.binary)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.model.predict(x)

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        p = self.predict(x)
        return np.stack([1 - p, p], axis=1)


class Splines(Bayes):
    """The same, on columns of more than four values as splines beside the columns themselves."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> "Splines":
        self.columns = [j for j in range(x.shape[1]) if len(np.unique(x[:, j])) > 4]
        self.splines = [self._spline(x[:, [j]]) for j in self.columns]
        super().fit(self._design(x), y)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return super().predict(self._design(x))

    @staticmethod
    def _spline(cells: np.ndarray) -> SplineTransformer:
        knots = np.unique(np.quantile(cells, [0, 1 / 3, 2 / 3, 1]))[:, None]
        if len(knots) < 4:  # some quantiles are equal
            knots = "uniform"
        spline = SplineTransformer(4, knots=knots, extrapolation="linear", include_bias=False)
        return spline.fit(cells)

    def _design(self, x: np.ndarray) -> np.ndarray:
        pairs = zip(self.splines, self.columns, strict=True)
        return np.hstack([x, *(spline.transform(x[:, [j]]) for spline, j in pairs)])


def member(name: str, n_classes: int, n: int, seed: int) -> Any:
    """A model to be fitted to n rows."""
    kind, _, half = name.partition(" / ")
    forest = {"n_estimators": N_TREES // 2, "min_samples_leaf": 2, "bootstrap": True}
    forest["oob_score"] = True
    forest["random_state"] = 2 * seed + (half == "2")
    boosting = {
        "max_iter": 60,
        "max_leaf_nodes": 4,
        "min_samples_leaf": 5,
        "l2_regularization": 1.0,
    }
    neighbours = int(np.clip(n // 5, 5, 30))
    if name in ("bayes", "splines"):
        return {"bayes": Bayes, "splines": Splines}[name](n_classes)
    models = {  # for classes, and for a number
        "logistic": (LogisticRegression(max_iter=1000), Ridge(1.0)),
        "forest": (trees.RandomForestClassifier(**forest), trees.RandomForestRegressor(**forest)),
        "extra trees": (trees.ExtraTreesClassifier(**forest), trees.ExtraTreesRegressor(**forest)),
        "boosting": (
            trees.HistGradientBoostingClassifier(**boosting),
            trees.HistGradientBoostingRegressor(**boosting),
        ),
        "process": (
            GaussianProcessClassifier(1.0 * RBF(3.0)),
            GaussianProcessRegressor(1.0 * RBF(3.0) + WhiteKernel(), normalize_y=True),
        ),
        "svm": (SVC(), SVR()),
        "neighbours": (KNeighborsClassifier(neighbours), KNeighborsRegressor(neighbours)),
        "naive bayes": (GaussianNB(var_smoothing=0.1), None),
    }
    return models[kind][not n_classes]


@dataclass(frozen=True)
class Cell:
    """One result."""

    table: str
    n: int
    seed: int
    model: str
    skill: float
    loss: float
    calibration: float | None
    seconds: float

    @property
    def key(self) -> tuple:
        return self.table, self.n, self.seed, self.model


class Sample:
    """Real rows and test rows of a table, and what members predict of the test rows."""

    def __init__(self, own: "Table", n: int, seed: int) -> None:
        self.own, self.seed = own, seed
        target = own.dictionary[own.dictionary.target]
        self.n_classes = len(target.levels)
        rng = generator(seed, Stream.TEACHERS, zlib.crc32(own.name.encode()), n)
        rows = stratified(own.strata, np.arange(len(own.values)), n, rng)
        others = rng.permutation(np.setdiff1d(np.arange(len(own.values)), rows))[:MAX_TEST]
        real = own.values.iloc[rows]
        encoder = Encoder(own.dictionary.input_features, real)
        self.x, self.test = encoder.transform(real), encoder.transform(own.values.iloc[others])
        self.y = encode_labels(real[target.name], target)
        self.truth = encode_labels(own.values[target.name].iloc[others], target)
        self.folds = stratified_folds(self.y, N_FOLDS, rng)
        self.done: dict[str, tuple[np.ndarray, float]] = {}
        self.out_of_bag: dict[str, np.ndarray] = {}

    def member(self, name: str) -> tuple[np.ndarray, float]:
        """Predictions of the test rows (m, classes or 1), and seconds."""
        if name in HALVES:
            halves = [self.member(half) for half in HALVES[name]]
            return np.mean([p for p, _ in halves], axis=0), sum(seconds for _, seconds in halves)
        if name not in self.done:
            began = time.process_time()
            predictions = self._fitted(name, np.ones(len(self.x), bool), self.test)
            self.done[name] = predictions, time.process_time() - began
        return self.done[name]

    def _fitted(self, name: str, train: np.ndarray, at: np.ndarray) -> np.ndarray:
        model = member(name, self.n_classes, train.sum(), self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a kernel at its bounds is still a fair rival
            model.fit(self.x[train], self.y[train])
        if not self.n_classes:
            if " / " in name:
                self.out_of_bag[name] = model.oob_prediction_[:, None]
            return model.predict(at)[:, None]
        if " / " in name:
            self.out_of_bag[name] = model.oob_decision_function_
        if name == "svm":
            return _softmax(model.decision_function(at))
        return model.predict_proba(at)

    def model(self, name: str) -> tuple[np.ndarray, float]:
        """The same of a member or a combination."""
        kind = next((kind for kind in ("logits of ", "stack of ") if name.startswith(kind)), "")
        parts = name.removeprefix(kind).split(" + ")
        predictions = np.array([self.member(part)[0] for part in parts])
        seconds = sum(self.member(part)[1] for part in parts)
        weights = np.full(len(parts), 1 / len(parts))
        if kind == "stack of ":
            began = time.process_time()
            weights = self._stack(parts)
            seconds += time.process_time() - began
        if kind == "logits of ":
            return _softmax(np.log(self._floored(predictions)).mean(axis=0)), seconds
        return np.einsum("k,kmc->mc", weights, predictions), seconds

    def _stack(self, parts: list[str]) -> np.ndarray:
        """Weights of members by what they predict of rows that they have not seen."""
        held_out = np.zeros((len(parts), len(self.x), max(1, self.n_classes)))
        for fold in np.unique(self.folds):
            out = self.folds == fold
            for k in [k for k, part in enumerate(parts) if part not in HALVES]:
                held_out[k, out] = self._fitted(parts[k], ~out, self.x[out])
        for k in [k for k, part in enumerate(parts) if part in HALVES]:
            halves = [self.out_of_bag[half] for half in HALVES[parts[k]]]
            held_out[k] = np.nan_to_num(np.mean(halves, axis=0), nan=1 / max(1, self.n_classes))
        return stacked(self._likelihoods(held_out))

    def _likelihoods(self, predictions: np.ndarray) -> np.ndarray:
        """Of the real rows' labels, (members, n); of a number with the best member's deviation."""
        if self.n_classes:
            return self._floored(predictions)[:, np.arange(len(self.y)), self.y.astype(int)]
        squares = (predictions[:, :, 0] - self.y) ** 2
        return np.exp(-0.5 * squares / squares.mean(axis=1).min())

    def _floored(self, p: np.ndarray) -> np.ndarray:
        return (1 - FLOOR) * p + FLOOR / self.n_classes

    def cell(self, name: str) -> Cell:
        """A model, measured."""
        p, seconds = self.model(name)
        calibration = None
        if self.n_classes:
            p = self._floored(p)
            loss = -100 * np.log(np.where(self.truth, p[:, 1], p[:, 0])).mean()
            skill = 100 * roc_auc_score(self.truth, p[:, 1])
            order = np.array_split(np.argsort(p[:, 1], kind="stable"), 10)
            gaps = [abs(p[part, 1].mean() - self.truth[part].mean()) for part in order]
            calibration = round(100 * float(np.mean(gaps)), 3)
        else:
            loss = 100 * ((p[:, 0] - self.truth) ** 2).mean() / self.truth.var()
            skill = 100 - loss
        figures = round(float(skill), 3), round(float(loss), 3), calibration, round(seconds, 4)
        return Cell(self.own.name, len(self.x), self.seed, name, *figures)


def stacked(likelihoods: np.ndarray) -> np.ndarray:
    """Weights of members (k,) by likelihoods of rows (k, n): expectation maximisation."""
    n_members, n = likelihoods.shape
    weights = np.full(n_members, 1 / n_members)
    for _ in range(50):
        shares = weights[:, None] * likelihoods
        shares /= np.maximum(shares.sum(axis=0), 1e-300)
        weights = (shares.sum(axis=1) + PRIOR_ROWS) / (n + n_members * PRIOR_ROWS)
    return weights / weights.sum()


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Of logits (m, classes), or of one margin of two classes (m,)."""
    if logits.ndim == 1:
        logits = np.stack([-logits, logits], axis=1)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Table:
    """All rows of a table as values; ``strata``: class numbers, or tenths of a number, (n,)."""

    name: str
    dictionary: FeatureDictionary
    values: pd.DataFrame
    strata: np.ndarray


def tables(group: str) -> Iterator[Table]:
    """Those of `bench.beliefs`, and `NUMBERS`."""
    for own in beliefs.tables(group):
        values = pd.concat([own.pool, own.test])
        strata = encode_labels(values[own.target.name], own.target).astype(int)
        yield Table(own.name, own.dictionary, values, strata)
    for other in map(table, NUMBERS[group]):
        yield Table(other.name, other.dictionary, other.values, other.strata)


def cells(own: Table, n: int, seed: int, wanted: list[str]) -> Iterator[Cell]:
    """The models of a sample."""
    if not wanted or n > MAX_SHARE * len(own.values):
        return
    sample = Sample(own, n, seed)
    for name in wanted:
        if sample.n_classes or not ("naive" in name or "logits" in name):
            yield sample.cell(name)


def report(results: list[Cell]) -> None:
    """Mean over samples less that of `TODAY`, 95 % intervals over samples, and the worst table."""
    frame = pd.DataFrame([asdict(cell) for cell in results])
    number = frame["calibration"].isna()
    for figure in ("skill", "loss", "calibration", "seconds"):
        report_figure(frame[~number], figure, "classes")
        if number.any() and figure != "calibration":
            report_figure(frame[number], figure, "numbers")


def report_figure(frame: pd.DataFrame, figure: str, kind: str) -> None:
    """One figure of the tables of a kind of label."""
    if len(frame):
        wide = frame.pivot_table(index=["table", "n", "seed"], columns="model", values=figure)
        print(f"\n{kind}: {figure}, less that of {TODAY}")
        parts = [("all n", wide), *((f"n = {n}", own) for n, own in wide.groupby(level="n"))]
        for head, part in parts:
            print(f"  {head}: {TODAY} {part[TODAY].mean():.2f}")
            change = part.sub(part[TODAY], axis=0)
            for name in [name for name in (*MEMBERS, *COMBINATIONS) if name in change]:
                own = change[name].dropna()
                mean, half = interval(own.to_list()) if len(own) > 1 else (own.mean(), np.nan)
                by_table = own.groupby(level="table").mean()
                worst = by_table.idxmin() if figure == "skill" else by_table.idxmax()
                figures = f"{mean:+.2f} ± {half:.2f} ({by_table[worst]:+.1f} {worst})"
                print(f"    {name:<42}{figures:<34} {len(own)} samples")


def read(path: Path) -> list[Cell]:
    if not path.is_file():
        return []
    return [Cell(**json.loads(line)) for line in path.read_text().splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="0-9", help="first and last; 0-9 for development")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--models", default=",".join((*MEMBERS, *COMBINATIONS)))
    parser.add_argument("--group", default="choose", choices=list(NUMBERS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    first, last = map(int, options.seeds.split("-"))
    out = options.out or Path(f"bench/results/teachers_{options.group}.jsonl")
    results = read(out)
    done = {cell.key for cell in results}
    every = list(tables(options.group))
    with out.open("a") as file:
        # Seed by seed, so that a bench that is cut off has whole ones.
        for seed in range(first, last + 1):
            for n, own in [(int(n), own) for n in options.sizes.split(",") for own in every]:
                names = options.models.split(",")
                wanted = [name for name in names if (own.name, n, seed, name) not in done]
                for cell in cells(own, n, seed, wanted):
                    results.append(cell)
                    print(json.dumps(asdict(cell)), file=file, flush=True)
    report(results)


if __name__ == "__main__":
    main()

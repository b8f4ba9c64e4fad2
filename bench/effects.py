"""What the effects that a person states bring to the ensemble, by the share of them that is right.

The true sign of a column is that of a logistic regression on the whole table without its test rows.
Of these signs a person states all, or those of the stronger half of the columns; each is wrong with
probability 1 - accuracy. Reported: AUC (in percent, on the test rows) of the ensemble that knows
the effects less that of the ensemble that does not, on n real rows.

Results are appended to --out, one JSON line a cell; what stands there is not run again.

python -m bench.effects [--seeds 0-9] [--group choose] [--out bench/results/effects_choose.jsonl]
"""

import argparse
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn.datasets
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from bench.knowledge.tables import GROUPS, frames
from bench.streams import Stream, generator
from bench.tables import interval, real_table
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels, fit_ensemble, predict_ensemble
from t2local.tables.describe import describe
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.tables.files import from_frame

SIZES = (20, 30, 60)
ACCURACIES = (0.5, 0.65, 0.8, 1.0, 0.0)
#: The columns whose signs are stated: all, or the stronger half by the size of the coefficient.
STATED = ("all", "half")
#: Test rows: a third of a table, at most so many.
MAX_TEST = 600
#: Half of the ensemble's own: a cell takes a tenth of a second.
N_TREES = 100


def _diabetes() -> pd.DataFrame:
    """Whether the disease went on by more than the median."""
    frame = sklearn.datasets.load_diabetes(as_frame=True, scaled=False).frame
    return frame.assign(target=(frame["target"] > frame["target"].median()).astype(int))


OWN: dict[str, tuple[Callable[[], pd.DataFrame], str]] = {
    "titanic": (lambda: pd.read_csv(real_table("titanic.csv")), "Survived"),
    "heart failure": (
        lambda: pd.read_csv(real_table("heart_failure.csv"), encoding="utf-8-sig"),
        "DEATH_EVENT",
    ),
    "compas": (lambda: pd.read_csv(real_table("compas_readable_9feat.csv")), "two_year_recid"),
    "breast cancer": (
        lambda: sklearn.datasets.load_breast_cancer(as_frame=True).frame,
        "target",
    ),
    "diabetes": (_diabetes, "target"),
}


@dataclass(frozen=True)
class Cell:
    """One result."""

    table: str
    n: int
    seed: int
    stated: str
    accuracy: float
    auc: float
    change: float

    @property
    def key(self) -> tuple[str, int, int, str, float]:
        return self.table, self.n, self.seed, self.stated, self.accuracy


@dataclass(frozen=True)
class Table:
    """A table of two classes, as values: rows to draw from, and test rows."""

    name: str
    dictionary: FeatureDictionary
    pool: pd.DataFrame
    test: pd.DataFrame

    @classmethod
    def of(cls, name: str, frame: pd.DataFrame, target: str) -> "Table":
        cells = from_frame(frame).cells
        dictionary = describe(cells, target=target)
        values = dictionary.values(cells)
        rng = generator(zlib.crc32(name.encode()), Stream.EFFECTS_TEST)
        rows = rng.permutation(len(values))
        n_test = min(MAX_TEST, len(values) // 3)
        return cls(name, dictionary, values.iloc[rows[n_test:]], values.iloc[rows[:n_test]])

    @property
    def target(self) -> Feature:
        return self.dictionary[self.dictionary.target]

    @cached_property
    def coefficients(self) -> np.ndarray:
        """The true coefficients of the columns of the matrix, standardised; (width,)."""
        return true_coefficients(self.dictionary, self.pool)

    def sample(self, n: int, seed: int) -> pd.DataFrame:
        """Real rows, each class by its share and with two rows at least."""
        rng = generator(seed, Stream.EFFECTS_ROWS, zlib.crc32(self.name.encode()), n)
        labels = self.pool[self.target.name].to_numpy()
        levels, counts = np.unique(labels, return_counts=True)
        drawn = [
            rng.choice(
                np.flatnonzero(labels == level),
                max(2, round(n * count / len(labels))),
                replace=False,
            )
            for level, count in zip(levels, counts, strict=True)
        ]
        return self.pool.iloc[np.concatenate(drawn)].reset_index(drop=True)

    def informed(self, stated: str, accuracy: float, seed: int) -> FeatureDictionary:
        """The dictionary with the effects that a person states."""
        rng = generator(seed, Stream.EFFECTS_FLIPS, zlib.crc32(self.name.encode()))
        return informed(self.dictionary, self.pool, self.coefficients, stated, accuracy, rng)


def true_coefficients(dictionary: FeatureDictionary, rows: pd.DataFrame) -> np.ndarray:
    """Of a logistic regression on many rows, for the columns of the matrix; (width,)."""
    target = dictionary[dictionary.target]
    x = Encoder(dictionary.input_features, rows).transform(rows)
    y = encode_labels(rows[target.name], target)
    return LogisticRegression(max_iter=5000).fit(x, y).coef_[0]


def informed(
    dictionary: FeatureDictionary,
    rows: pd.DataFrame,
    coefficients: np.ndarray,
    stated: str,
    accuracy: float,
    rng: np.random.Generator,
) -> FeatureDictionary:
    """The dictionary with the effects that a person states, each wrong by 1 - accuracy."""
    wrong = rng.random(len(coefficients)) >= accuracy
    signs = np.sign(coefficients) * np.where(wrong, -1, 1)
    sizes = np.abs(coefficients)
    if stated == "half":
        signs[sizes < np.median(sizes)] = np.nan
    features = []
    for feature in dictionary.features:
        if feature.name == dictionary.target:
            features.append(feature)
            continue
        width = Encoder((feature,), rows).transform(rows.head(1)).shape[1]
        features.append(with_effects(feature, signs[:width]))
        signs = signs[width:]
    return dictionary.model_copy(update={"features": tuple(features)})


def with_effects(feature: Feature, signs: np.ndarray) -> Feature:
    """The feature with a stated sign for each of its columns of the matrix; NaN is not stated."""
    words = {1.0: "raises", -1.0: "lowers", 0.0: "none"}
    if len(feature.levels) < 3:
        return feature.model_copy(update={"effect": words.get(signs[0])})
    by_level = {
        level: words[sign]
        for level, sign in zip(feature.levels, signs, strict=False)
        if sign in words
    }
    return feature.model_copy(update={"level_effects": by_level})


def tables(group: str) -> Iterator[Table]:
    """Tables of two classes of a group of bench/knowledge; to choose by, also those of this bench.

    Of two tables with a name the first counts.
    """
    names = set()
    own = OWN if group == "choose" else {}
    for name, (load, target) in own.items():
        names.add(name)
        yield Table.of(name, load(), target)
    for source, frame in frames(group):
        if source.name not in names and frame[source.target].nunique() == 2:
            yield Table.of(source.name, frame, source.target)


def auc(dictionary: FeatureDictionary, real: pd.DataFrame, test: pd.DataFrame, seed: int) -> float:
    """Of the ensemble on the real rows, with the effects of the dictionary, in percent."""
    encoder, target = Encoder(dictionary.input_features, real), dictionary[dictionary.target]
    x, y = encoder.transform(real), encode_labels(real[target.name], target)
    models = fit_ensemble(x, y, target, seed, N_TREES, effects=encoder.effects)
    scores = predict_ensemble(models, encoder.transform(test), target)[:, 1]
    return 100 * float(roc_auc_score(encode_labels(test[target.name], target), scores))


def cells(table: Table, n: int, seed: int, done: set[tuple]) -> Iterator[Cell]:
    """The cells of a sample that are not done."""
    wanted = [
        cell
        for stated in STATED
        for accuracy in ACCURACIES
        if (cell := Cell(table.name, n, seed, stated, accuracy, 0, 0)).key not in done
    ]
    if not wanted:
        return
    real = table.sample(n, seed)
    without = auc(table.dictionary, real, table.test, seed)
    for cell in wanted:
        dictionary = table.informed(cell.stated, cell.accuracy, seed)
        own = auc(dictionary, real, table.test, seed)
        yield replace(cell, auc=round(own, 3), change=round(own - without, 3))


def read(path: Path) -> list[Cell]:
    if not path.is_file():
        return []
    return [Cell(**json.loads(line)) for line in path.read_text().splitlines()]


def report(results: list[Cell]) -> None:
    """Mean over the tables with its 95 % interval over the seeds, and the worst table."""
    frame = pd.DataFrame([asdict(cell) for cell in results])
    for stated, n in [(stated, n) for stated in STATED for n in SIZES]:
        part = frame[(frame["stated"] == stated) & (frame["n"] == n)]
        by_accuracy = []
        for accuracy in ACCURACIES:
            own = part[part["accuracy"] == accuracy]
            mean, half = interval(own.groupby("seed")["change"].mean().to_list())
            worst = own.groupby("table")["change"].mean()
            by_accuracy.append(
                f"{100 * accuracy:.0f} %: {mean:+.2f} ± {half:.2f} "
                f"({worst.min():+.1f} {worst.idxmin()})"
            )
        print(f"{stated}, n = {n}:  " + "   ".join(by_accuracy))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="0-9", help="first and last; 0-9 for development")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--group", default="choose", choices=list(GROUPS))
    options = parser.parse_args()
    first, last = map(int, options.seeds.split("-"))
    out = options.out or Path(f"bench/results/effects_{options.group}.jsonl")
    results = read(out)
    done = {cell.key for cell in results}
    with out.open("a") as file:
        for table in tables(options.group):
            for n, seed in [(n, seed) for n in SIZES for seed in range(first, last + 1)]:
                for cell in cells(table, n, seed, done):
                    results.append(cell)
                    print(json.dumps(asdict(cell)), file=file, flush=True)
    report(results)


if __name__ == "__main__":
    main()

"""The tables of the planted-knowledge bench, each split once.

A table has rows that the oracle learns from (its population), a pool from which the real rows of a
seed are drawn, and test rows. Five tables are there to choose settings by (``choose``), five to
report on (``report``), which no choice sees, and others (``extra``) for a rare outcome, small
tables, several classes and a number.

python -m bench.knowledge.tables [names]
"""

import argparse
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score, roc_auc_score

from bench.knowledge.sources.choose import CHOOSE
from bench.knowledge.sources.extra import EXTRA
from bench.knowledge.sources.report import REPORT
from bench.knowledge.sources.source import Source, Unavailable
from bench.streams import Stream, generator
from t2local.settings import TableSettings
from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels, fit_ensemble, predict_ensemble
from t2local.tables.describe import describe
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.files import cells_of

GROUPS: dict[str, tuple[Source, ...]] = {"choose": CHOOSE, "report": REPORT, "extra": EXTRA}
#: Test rows: this share of a table, and at most so many.
TEST_SHARE, MAX_TEST = 0.25, 600
#: The pool: this share of a table, at most so many rows. 1,000 are enough for real samples of 300
#: that differ from seed to seed; 35 % leave a small table a population worth knowing.
POOL_SHARE, MAX_POOL = 0.35, 1000
#: The oracle learns from at most so many rows: enough to know a table, few enough to be quick.
MAX_POPULATION = 2000
#: A class keeps at least so many rows in each part and sample: cross-validation needs two.
_MIN_OF_CLASS = 2
#: A number is stratified by so many quantiles.
_N_QUANTILES = 10


@dataclass(frozen=True)
class Fresh:
    """True rows, and how many of them are repetitions since the table has no more."""

    rows: pd.DataFrame
    n_repeated: int


@dataclass(frozen=True)
class Table:
    """A real table as values, and its parts.

    The index of every frame is the row's number in the table, so that parts and samples can be
    compared.

    **Parameters:**

    * **values**: frame of values (n, d); **strata**: class numbers, or tenths of a number, (n,).
    * **population**, **pool**, **test**, **reserve**: numbers of rows, disjoint, all rows together.
      The reserve is what a large table has left; only `fresh` draws from it.
    """

    source: Source
    group: str
    dictionary: FeatureDictionary
    values: pd.DataFrame
    strata: IntArray
    population_rows: IntArray
    pool_rows: IntArray
    test_rows: IntArray
    reserve_rows: IntArray

    @property
    def name(self) -> str:
        return self.source.name

    @cached_property
    def number(self) -> int:
        """Tells the random numbers of this table from those of the others."""
        return zlib.crc32(self.name.encode())

    @property
    def population(self) -> pd.DataFrame:
        """What the oracle learns from."""
        return self.values.iloc[self.population_rows]

    @property
    def test(self) -> pd.DataFrame:
        """What results are measured on."""
        return self.values.iloc[self.test_rows]

    def sample(self, n_rows: int, seed: int) -> pd.DataFrame:
        """Real rows from the pool, each class by its share and with two rows at least.

        **Raises** `Unavailable` where the pool is smaller.
        """
        if n_rows > len(self.pool_rows):
            raise Unavailable(f"{self.name} has {len(self.pool_rows)} rows in its pool")
        rng = generator(seed, Stream.KNOWLEDGE_REAL, self.number)
        return self.values.iloc[stratified(self.strata, self.pool_rows, n_rows, rng)]

    def fresh(self, n_rows: int, seed: int, real: pd.DataFrame) -> Fresh:
        """True rows that are neither test rows nor the real ones, each class by its share."""
        rng = generator(seed, Stream.KNOWLEDGE_FRESH, self.number)
        others = np.concatenate([self.population_rows, self.pool_rows, self.reserve_rows])
        others = np.setdiff1d(others, real.index)
        drawn = stratified(self.strata, others, min(n_rows, len(others)), rng)
        repeated = rng.choice(others, n_rows - len(drawn))
        return Fresh(self.values.iloc[np.concatenate([drawn, repeated])], len(repeated))


def frames(group: str) -> Iterator[tuple[Source, pd.DataFrame]]:
    """The tables of a group that are at hand; of the others it is printed why they are not."""
    for source in GROUPS[group]:
        try:
            yield source, source.frame()
        except Unavailable as error:
            print(f"left out: {source.name} ({error})")


@cache
def table(name: str) -> Table:
    """A table by its name.

    **Raises** `Unavailable` where its file or its package is missing.
    """
    for group, sources in GROUPS.items():
        for source in sources:
            if source.name == name:
                return of_frame(source.frame(), source, group)
    raise Unavailable(f"there is no table {name!r}; there are {', '.join(names())}")


def of_frame(frame: pd.DataFrame, source: Source, group: str) -> Table:
    """A readable table, split by the seed of its name."""
    # What a codebook says: types, levels and ranges of the whole table.
    dictionary = describe(
        cells_of(frame),
        target=source.target,
        settings=TableSettings(widen=0, min_count=1),
        source=source.name,
    ).model_copy(update={"description": source.description})
    values = dictionary.values(cells_of(frame))
    strata = _strata(values, dictionary)
    rng = generator(zlib.crc32(source.name.encode()), Stream.KNOWLEDGE_SPLIT)
    rest: IntArray = np.arange(len(values))
    parts = []
    n_test = min(MAX_TEST, math.ceil(TEST_SHARE * len(values)))
    n_pool = min(MAX_POOL, round(POOL_SHARE * len(values)))
    n_population = min(MAX_POPULATION, len(values) - n_test - n_pool)
    for n_rows in (n_population, n_pool, n_test):
        parts.append(stratified(strata, rest, n_rows, rng))
        rest = np.setdiff1d(rest, parts[-1])
    return Table(source, group, dictionary, values, strata, *parts, reserve_rows=rest)


def _strata(values: pd.DataFrame, dictionary: FeatureDictionary) -> IntArray:
    """Class numbers, or tenths of a number; shape (n,)."""
    target = dictionary[dictionary.target]
    labels = encode_labels(values[target.name], target)  # (n,)
    if not target.numeric:
        return labels.astype(np.intp)
    ranks = np.argsort(np.argsort(labels, kind="stable"))  # (n,)
    return ranks * _N_QUANTILES // len(ranks)


def stratified(strata: IntArray, rows: IntArray, n_rows: int, rng: np.random.Generator) -> IntArray:
    """``n_rows`` of the rows, mixed, each stratum by its share among them (largest remainders).

    **Parameters:**

    * **strata**: of all rows of the table, shape (n,); **rows**: numbers to draw from.
    """
    numbers, counts = np.unique(strata[rows], return_counts=True)
    exact = n_rows * counts / counts.sum()
    quotas = np.floor(exact).astype(np.intp)
    quotas[np.argsort(quotas - exact, kind="stable")[: n_rows - quotas.sum()]] += 1
    wanted = np.minimum(counts, _MIN_OF_CLASS)
    while n_rows >= wanted.sum() and (quotas < wanted).any():
        quotas[np.argmax(wanted - quotas)] += 1
        quotas[np.argmax(quotas)] -= 1
    drawn = [
        rng.choice(rows[strata[rows] == number], quota, replace=False)
        for number, quota in zip(numbers, quotas, strict=True)
    ]
    return rng.permutation(np.concatenate(drawn))


def skill(predictions: FloatArray, labels: pd.Series, dictionary: FeatureDictionary) -> float:
    """In percent: AUC, one-vs-rest AUC of several classes, or R² of a number.

    **Parameters:**

    * **predictions**: log-probabilities (m, levels), or numbers (m, 1).
    """
    target = dictionary[dictionary.target]
    truth = encode_labels(labels, target)  # (m,)
    if target.numeric:
        return 100 * r2_score(truth, predictions[:, 0])
    p = np.exp(predictions)
    if len(target.levels) == 2:
        return 100 * roc_auc_score(truth, p[:, 1])
    return 100 * roc_auc_score(truth, p / p.sum(axis=1, keepdims=True), multi_class="ovr")


def ensemble_skill(own: Table, real: pd.DataFrame, seed: int) -> float:
    """Skill on the test rows of the ensemble on some rows, with the effects that are stated."""
    known, target = own.dictionary, own.dictionary[own.dictionary.target]
    encoder = Encoder(known.input_features, real)
    labels = encode_labels(real[target.name], target)
    x = encoder.transform(real)
    models = fit_ensemble(x, labels, target, seed, effects=encoder.effects)
    predictions = predict_ensemble(models, encoder.transform(own.test), target)
    return skill(predictions, own.test[target.name], known)


@dataclass(frozen=True)
class Facts:
    """A table in figures.

    **Parameters:**

    * **columns**: without the target; **numbers**: those that hold numbers.
    * **missing**: share of the cells; **shares**: of the classes, by level.
    * **ensemble**: skill of the plain ensemble on the test rows, by its training rows.
    """

    group: str
    rows: int
    columns: int
    numbers: int
    missing: float
    target: str
    shares: dict[str, float]
    population: int
    pool: int
    test: int
    reserve: int
    ensemble: dict[str, float]

    def line(self, name: str) -> str:
        """The figures in one line."""
        shares = ", ".join(f"{level} {share:.3f}" for level, share in self.shares.items())
        sizes = f"{self.population}/{self.pool}/{self.test}/{self.reserve}"
        skills = "  ".join(f"{n} {value:.1f}" for n, value in self.ensemble.items())
        return (
            f"{self.group:<7}{name:<18}{self.rows:>6} x {self.columns:<3}{sizes:<20}"
            f"{skills:<38}{self.target} ({shares or 'a number'})"
        )


def facts(own: Table, seeds: range) -> Facts:
    """Size, classes and difficulty of a table; the ensemble's skill is the mean over seeds."""
    target = own.dictionary[own.dictionary.target]
    shares = own.values[target.name].value_counts(normalize=True)
    samples = {
        str(n): [own.sample(n, seed) for seed in seeds]
        for n in (30, 100)
        if n <= len(own.pool_rows)
    }
    samples["population"] = [own.population] * len(seeds)
    skills = {
        n: float(np.mean([ensemble_skill(own, *pair) for pair in zip(rows, seeds, strict=True)]))
        for n, rows in samples.items()
    }
    return Facts(
        group=own.group,
        rows=len(own.values),
        columns=len(own.dictionary.inputs),
        numbers=sum(feature.numeric for feature in own.dictionary.input_features),
        missing=float(own.values.isna().to_numpy().mean()),
        target=target.name,
        shares={level: float(shares[level]) for level in target.levels},
        population=len(own.population_rows),
        pool=len(own.pool_rows),
        test=len(own.test_rows),
        reserve=len(own.reserve_rows),
        ensemble=skills,
    )


def names() -> list[str]:
    """Of all tables, by group."""
    return [source.name for sources in GROUPS.values() for source in sources]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=names())
    print("group  table               rows   columns, population/pool/test/reserve, AUC of the")
    print("ensemble on 30 and 100 real rows and the population (a number: R²), target")
    for name in parser.parse_args().names:
        try:
            print(facts(table(name), range(3)).line(name), flush=True)
        except Unavailable as reason:
            print(f"{name} is left out: {reason}")


if __name__ == "__main__":
    main()

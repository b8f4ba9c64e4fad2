"""Models of the columns without a language model: which one knows held-out rows best?

For each table, number of real rows and seed: mean log-probability of the test rows in nats a row,
and of rows that the model writes the mean absolute difference of all Spearman correlations from
those of the test rows (levels are indicators) and how well boosted trees tell them from test rows
(C2ST AUC, 50 is best). Features only, in the order of the dictionary.

* ``real rows``: the real rows themselves. ``independent``: independent columns.
* ``tree``, ``copula``, ``mixture``: those of `t2local.stats.column_mixture`.
* ``arf``: adversarial random forests (Watson et al. 2023, arXiv 2205.09435), where ``arfpy`` is
  installed (with NumPy below 2.4), with its defaults. Its density has a uniform part as ours has,
  so that no cell is impossible. A missing number is an indicator and the median, a missing level is
  a level.

What is done is not done again: results stand line by line in the file.

python -m bench.densities [--seeds 0-9] [--models tree,copula] [--out FILE] [--report]
"""

import argparse
import importlib.util
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from scipy.special import logsumexp
from scipy.stats import truncnorm

from bench.knowledge.sources.choose import CHOOSE
from bench.knowledge.tables import Table, table
from bench.streams import Stream, generator
from bench.tables import interval
from t2local.evaluate.fidelity import c2st_auc
from t2local.stats.column_mixture import ColumnMixture
from t2local.stats.densities import IndependentColumns
from t2local.stats.encoding import Encoder
from t2local.tables.dictionary import Feature

SIZES = (30, 60, 100, 300)
#: Rows that are written: more than the test rows, so that their own noise is the smaller one.
N_WRITTEN = 1000
#: Share of a uniform cell in ARF's density: that of `NumberKernel`.
UNIFORM_SHARE = 0.05
#: A leaf whose numbers are all equal has a deviation of 0.
MIN_DEVIATION = 1e-6


class Model(Protocol):
    """A model of the columns."""

    def nats(self, values: pd.DataFrame) -> float | None:
        """Mean log-probability of rows; none where there is none."""

    def rows(self, n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
        """New rows."""


@dataclass(frozen=True)
class ByCell:
    """A model with the log-probability of each cell, and a function that writes many rows."""

    log_probability: Callable[[pd.DataFrame], pd.DataFrame]
    write: Callable[[int, np.random.Generator], pd.DataFrame]

    def nats(self, values: pd.DataFrame) -> float:
        return float(self.log_probability(values).sum(axis=1).mean())

    def rows(self, n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
        return self.write(n_rows, rng)


@dataclass(frozen=True)
class RealRows:
    """The real rows themselves, which are no density."""

    real: pd.DataFrame

    def nats(self, values: pd.DataFrame) -> None:
        """Nothing."""

    def rows(self, n_rows: int, rng: np.random.Generator) -> pd.DataFrame:  # noqa: ARG002
        return self.real


def one_by_one(row: Callable[[np.random.Generator], dict]) -> Callable:
    """Many rows of a function that writes one."""
    return lambda n_rows, rng: pd.DataFrame([row(rng) for _ in range(n_rows)])


class AdversarialForest:
    """ARF for columns with missing cells."""

    def __init__(self, columns: Sequence[Feature], real: pd.DataFrame, seed: int) -> None:
        from arfpy import arf

        self._columns = columns
        self._medians = {c.name: real[c.name].median() for c in columns if c.numeric}
        # Without a random state of its own, the package draws from numpy's global one.
        np.random.seed(seed)  # noqa: NPY002
        self._forest = arf.arf(self._complete(real), verbose=False, random_state=seed)
        parameters = self._forest.forde()
        self._numbers, self._levels = parameters["cnt"], parameters["cat"]
        leaves = self._forest.bnds[["tree", "nodeid", "cvg"]].drop_duplicates()
        self._leaves = leaves.set_index(["tree", "nodeid"])["cvg"] / self._forest.num_trees

    def nats(self, values: pd.DataFrame) -> float:
        total = np.log(self._leaves.to_numpy())[None, :]  # (1, leaves)
        complete = self._complete(values)
        for column in self._columns:
            cells = complete[column.name]
            missing = values[column.name].isna().to_numpy()[:, None]
            if column.numeric:
                # The median stands for a missing number: its indicator has the probability.
                total = total + np.where(missing, 0, np.log(self._number(column, cells)))
                indicator = f"{column.name} missing"
                if indicator in complete:
                    total = total + np.log(self._level(indicator, complete[indicator], 2))
            else:
                n_levels = len(column.levels) + column.missing
                total = total + np.log(self._level(column.name, cells, n_levels))
        return float(logsumexp(total, axis=1).mean())

    def rows(self, n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
        np.random.seed(rng.integers(2**32))  # noqa: NPY002
        written = self._forest.forge(n_rows)
        rows = {}
        for column in self._columns:
            cells = written[column.name]
            if column.numeric:
                cells = cells.astype(float).round(column.decimals).clip(*column.bounds)
                if f"{column.name} missing" in written:
                    cells = cells.mask(written[f"{column.name} missing"].to_numpy() == "yes")
            else:
                cells = cells.astype(object)
                cells = cells.where(cells.isin(column.levels), None)
            rows[column.name] = cells
        return pd.DataFrame(rows)

    def _complete(self, values: pd.DataFrame) -> pd.DataFrame:
        """Without missing cells; levels of the dictionary, since new rows may have others."""
        complete = {}
        for column in self._columns:
            cells = values[column.name]
            if column.numeric:
                complete[column.name] = cells.fillna(self._medians[column.name]).astype(float)
                if column.missing:
                    indicator = np.where(cells.isna(), "yes", "no")
                    complete[f"{column.name} missing"] = pd.Categorical(indicator, ["no", "yes"])
            else:
                levels = [*column.levels, *(["(missing)"] if column.missing else [])]
                complete[column.name] = pd.Categorical(cells.fillna("(missing)"), levels)
        return pd.DataFrame(complete, index=values.index)

    def _number(self, column: Feature, cells: pd.Series) -> np.ndarray:
        """The probability of each number on its grid in each leaf, (m, leaves)."""
        own = self._numbers[self._numbers["variable"] == column.name]
        own = own.set_index(["tree", "nodeid"]).loc[self._leaves.index]
        mean, low, high = (own[name].to_numpy() for name in ("mean", "min", "max"))
        deviation = own["sd"].fillna(0).clip(lower=MIN_DEVIATION).to_numpy()
        leaf = truncnorm((low - mean) / deviation, (high - mean) / deviation, mean, deviation)
        half = 0.5 * 10.0**-column.decimals
        x = cells.to_numpy()[:, None]
        p = leaf.cdf(x + half) - leaf.cdf(x - half)
        n_steps = column.steps[1] - column.steps[0] + 1
        return (1 - UNIFORM_SHARE) * np.nan_to_num(p) + UNIFORM_SHARE / n_steps

    def _level(self, name: str, cells: pd.Series, n_levels: int) -> np.ndarray:
        """The probability of each level in each leaf, (m, leaves)."""
        own = self._levels[self._levels["variable"] == name]
        shares = own.pivot_table(
            index=["tree", "nodeid"], columns="value", values="prob", fill_value=0
        )
        codes = range(len(cells.cat.categories))
        shares = shares.reindex(index=self._leaves.index, columns=codes, fill_value=0)
        p = shares.to_numpy().T[cells.cat.codes.to_numpy()]
        return (1 - UNIFORM_SHARE) * p + UNIFORM_SHARE / n_levels


@dataclass(frozen=True)
class Cell:
    """A model on one sample of a table; figures as in the report."""

    table: str
    n: int
    seed: int
    model: str
    nats: float | None
    spearman: float
    c2st: float

    @property
    def key(self) -> tuple:
        return self.table, self.n, self.seed, self.model


def models(
    columns: Sequence[Feature], real: pd.DataFrame, seed: int, wanted: Sequence[str]
) -> dict[str, Model]:
    """The models that are wanted, fitted."""
    fitted: dict[str, Model] = {"real rows": RealRows(real[[c.name for c in columns]])}
    alone = IndependentColumns(columns, real)
    fitted["independent"] = ByCell(
        alone.log_probability,
        one_by_one(lambda rng: {c.name: alone.draw(c.name, rng) for c in columns}),
    )
    if {"tree", "copula", "mixture"} & set(wanted):
        mixture = ColumnMixture(columns, real, seed)
        tree, copula = mixture.tree, mixture.copula
        fitted["tree"] = ByCell(tree.log_probability, one_by_one(tree.row))
        fitted["mixture"] = ByCell(mixture.log_probability, one_by_one(mixture.row))
        fitted["copula"] = ByCell(copula.log_probability, copula.rows)
    if "arf" in wanted:
        fitted["arf"] = AdversarialForest(columns, real, seed)
    return {name: fitted[name] for name in wanted}


def correlations(columns: Sequence[Feature], rows: pd.DataFrame) -> np.ndarray:
    """Spearman's, of numbers and indicators of levels, by pairs of cells that are not missing; a
    constant column has none, counted as 0."""
    codes = {}
    for column in columns:
        cells = rows[column.name]
        if column.numeric:
            codes[column.name] = cells.astype(float)
        else:
            # Of two levels one says all.
            for level in column.levels[len(column.levels) == 2 :]:
                codes[f"{column.name} {level}"] = cells.eq(level).astype(float).mask(cells.isna())
    return pd.DataFrame(codes).corr("spearman").fillna(0).to_numpy()


def measured(own: Table, n: int, seed: int, name: str, model: Model) -> Cell:
    columns = own.dictionary.input_features
    nats = model.nats(own.test[own.dictionary.inputs])
    test = own.test[own.dictionary.inputs].reset_index(drop=True)
    rng = generator(seed, Stream.DENSITY_ROWS, own.number, n)
    rows = model.rows(N_WRITTEN, rng)
    difference = correlations(columns, rows) - correlations(columns, test)
    pairs = np.triu_indices(len(difference), 1)
    encoder = Encoder(columns, test)
    equal = min(len(test), len(rows))
    told = c2st_auc("trees", encoder.transform(test)[:equal], encoder.transform(rows)[:equal], seed)
    return Cell(
        own.name,
        n,
        seed,
        name,
        nats=None if nats is None else round(nats, 4),
        spearman=round(float(np.abs(difference[pairs]).mean()), 4),
        c2st=round(100 * told, 2),
    )


def report(results: list[Cell]) -> None:
    """By table and n: nats as the difference from the tree, others as they are, 95 % intervals."""
    frame = pd.DataFrame([asdict(cell) for cell in results]).astype({"nats": float})
    for figure in ("nats", "spearman", "c2st"):
        print(f"\n{figure}" + (", minus the tree's" if figure == "nats" else ""))
        wide = frame.set_index(["table", "n", "seed", "model"])[figure].unstack()  # noqa: PD010
        if figure == "nats":
            wide = wide.sub(wide["tree"], axis=0)
        means = wide.groupby(["n", "seed"]).mean().assign(table="all tables").reset_index()
        wide = pd.concat([wide.reset_index(), means])
        for (name, n), part in wide.groupby(["table", "n"], sort=False):
            figures = []
            for model in [m for m in part if m not in ("table", "n", "seed")]:
                cells = part[model].dropna().to_list()
                if len(cells) > 1:
                    mean, half = interval(cells)
                    figures.append(f"{model} {mean:.3f} ± {half:.3f}")
            print(f"  {name:<12}{n:>4}  " + "   ".join(figures))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="0-9", help="first and last; 0-9 for development")
    parser.add_argument("--models", default="real rows,independent,tree,copula,mixture,arf")
    parser.add_argument("--out", type=Path, default=Path("bench/results/densities.jsonl"))
    parser.add_argument("--report", action="store_true", help="print what there is, run nothing")
    options = parser.parse_args()
    first, last = map(int, options.seeds.split("-"))
    wanted = options.models.split(",")
    if not importlib.util.find_spec("arfpy"):
        wanted = [name for name in wanted if name != "arf"]
        print("left out: arf (pip install arfpy, in an environment of its own)")
    results = []
    if options.out.is_file():
        results = [Cell(**json.loads(line)) for line in options.out.read_text().splitlines()]
    done = {cell.key for cell in results}
    with options.out.open("a") as file:
        # Seed by seed, so that a bench that is cut off has whole ones.
        runs = itertools.product(range(first, last + 1), CHOOSE, SIZES)
        for seed, source, n in () if options.report else runs:
            own = table(source.name)
            missing = [name for name in wanted if (own.name, n, seed, name) not in done]
            if n > len(own.pool_rows) or not missing:
                continue
            real = own.sample(n, seed).reset_index(drop=True)
            fitted = models(own.dictionary.input_features, real, seed, missing)
            for name, model in fitted.items():
                results.append(measured(own, n, seed, name, model))
                print(json.dumps(asdict(results[-1])), file=file, flush=True)
    report(results)


if __name__ == "__main__":
    main()

"""Models of the columns without a language model: which one knows held-out rows best?

For each table (of the five to choose by, then of the others that no choice was made by), number of
real rows and seed: mean log-probability of the test rows in nats a row,
and of rows that the model writes the mean absolute difference of all Spearman correlations from
those of the test rows (levels are indicators) and how well boosted trees tell them from test rows
(C2ST AUC, 50 is best). Features only, in the order of the dictionary.

* ``real rows``: the real rows themselves. ``independent``: independent columns.
* ``tree``, ``copula``, ``mixture``: those of `t2local.stats.column_mixture`.
* ``arf``: adversarial random forests (Watson et al. 2023, arXiv 2205.09435), where ``arfpy`` is
  installed (with NumPy below 2.4), with its defaults. Its density has a uniform part as ours has,
  so that no cell is impossible. A missing number is an indicator and the median, a missing level is
  a level.

What is done is not done again: results stand line by line in the file. ``--quick`` leaves out the
C2ST, which takes most of the time; such results belong in a file of their own.

``--speed`` measures instead what the mixture costs: seconds of CPU time to fit it, and to write
10,000 rows, of 30 and 100 made-up columns of all kinds.

python -m bench.densities [--groups choose,extra] [--seeds 0-9] [--models tree,copula] [--out FILE]
    [--quick] [--report] [--speed]
"""

import argparse
import importlib.util
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from scipy.special import logsumexp
from scipy.stats import truncnorm

from bench.knowledge.tables import GROUPS, Table, table
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


class Columns(Protocol):
    """One of t2local's models."""

    n_uniforms: int

    def log_probability(self, values: pd.DataFrame) -> pd.DataFrame:
        """Of each cell."""

    def rows(self, uniforms: np.ndarray) -> pd.DataFrame:
        """New rows."""


@dataclass(frozen=True)
class ByCell:
    """One of t2local's models as a `Model`."""

    columns: Columns

    def nats(self, values: pd.DataFrame) -> float:
        return float(self.columns.log_probability(values).sum(axis=1).mean())

    def rows(self, n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
        return self.columns.rows(rng.random((n_rows, self.columns.n_uniforms)))


@dataclass(frozen=True)
class RealRows:
    """The real rows themselves, which are no density."""

    real: pd.DataFrame

    def nats(self, values: pd.DataFrame) -> None:
        """Nothing."""

    def rows(self, n_rows: int, rng: np.random.Generator) -> pd.DataFrame:  # noqa: ARG002
        return self.real


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
    c2st: float | None

    @property
    def key(self) -> tuple:
        return self.table, self.n, self.seed, self.model


def models(
    columns: Sequence[Feature], real: pd.DataFrame, seed: int, wanted: Sequence[str]
) -> dict[str, Model]:
    """The models that are wanted, fitted."""
    fitted: dict[str, Model] = {"real rows": RealRows(real[[c.name for c in columns]])}
    fitted["independent"] = ByCell(IndependentColumns(columns, real))
    if {"tree", "copula", "mixture"} & set(wanted):
        mixture = ColumnMixture(columns, real, seed)
        fitted["mixture"] = ByCell(mixture)
        fitted["tree"], fitted["copula"] = ByCell(mixture.tree), ByCell(mixture.copula)
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


def measured(own: Table, n: int, seed: int, name: str, model: Model, *, quick: bool) -> Cell:
    columns = own.dictionary.input_features
    nats = model.nats(own.test[own.dictionary.inputs])
    test = own.test[own.dictionary.inputs].reset_index(drop=True)
    rng = generator(seed, Stream.DENSITY_ROWS, own.number, n)
    rows = model.rows(N_WRITTEN, rng)
    difference = correlations(columns, rows) - correlations(columns, test)
    pairs = np.triu_indices(len(difference), 1)
    told = None
    if not quick:
        x, x_test = (Encoder(columns, test).transform(frame) for frame in (rows, test))
        equal = min(len(test), len(rows))
        told = round(100 * c2st_auc("trees", x_test[:equal], x[:equal], seed), 2)
    return Cell(
        own.name,
        n,
        seed,
        name,
        nats=None if nats is None else round(nats, 4),
        spearman=round(float(np.abs(difference[pairs]).mean()), 4),
        c2st=told,
    )


def report(results: list[Cell]) -> None:
    """By table and n: nats as the difference from the tree, others as they are, 95 % intervals."""
    frame = pd.DataFrame([asdict(cell) for cell in results]).astype({"nats": float, "c2st": float})
    names = [(source.name, group) for group, sources in GROUPS.items() for source in sources]
    groups = frame["table"].map(dict(names))
    for group, part in frame.groupby(groups, sort=False):
        print(f"\n{group}")
        report_group(part)


def report_group(frame: pd.DataFrame) -> None:
    """The figures of the tables of a group, and their means over these tables."""
    for figure in ("nats", "spearman", "c2st"):
        print(f"\n{figure}" + (", minus the tree's" if figure == "nats" else ""))
        wide = frame.set_index(["table", "n", "seed", "model"])[figure].unstack()  # noqa: PD010
        if figure == "nats":
            wide = wide.sub(wide["tree"], axis=0)
        # Seeds that every table with so many rows has, so that all means are of the same tables.
        n_tables = wide.reset_index().groupby("n")["table"].nunique()
        whole = wide.groupby(["n", "seed"]).agg(lambda own: own.mean(skipna=False))
        complete = wide.groupby(["n", "seed"]).size() == n_tables.reindex(whole.index, level="n")
        means = whole[complete].assign(table="all tables").reset_index()
        wide = pd.concat([wide.reset_index(), means])
        for (name, n), part in wide.groupby(["table", "n"], sort=False):
            figures = []
            for model in [m for m in part if m not in ("table", "n", "seed")]:
                cells = part[model].dropna().to_list()
                if len(cells) > 1:
                    mean, half = interval(cells)
                    figures.append(f"{model} {mean:.3f} ± {half:.3f}")
            if figures:
                print(f"  {name:<18}{n:>4}  " + "   ".join(figures))


def made_up(n_rows: int, n_columns: int) -> tuple[list[Feature], pd.DataFrame]:
    """Columns in turn: numbers with missing cells, numbers, yes or no, four levels."""
    rng = generator(0, Stream.DENSITY_SPEED, n_rows, n_columns)
    common = rng.standard_normal((n_rows, 4)) @ rng.standard_normal((4, n_columns)) / 2
    z = common + rng.standard_normal((n_rows, n_columns))
    numbers = (100 + 20 * z).clip(0, 200).round()
    columns, cells = [], {}
    for place in range(n_columns):
        name = f"c{place}"
        levels: tuple[str, ...] = ((), (), ("no", "yes"), tuple("abcd"))[place % 4]
        if levels:
            columns.append(Feature(name=name, type="category", levels=levels))
            which = np.digitize(z[:, place], [-1, 0, 1]) % len(levels)
            cells[name] = np.array(levels, dtype=object)[which]
        else:
            missing = place % 4 == 0
            range_ = {"minimum": 0, "maximum": 200, "missing": missing}
            columns.append(Feature(name=name, type="integer", **range_))
            gaps = missing & (rng.random(n_rows) < 0.1)
            cells[name] = np.where(gaps, np.nan, numbers[:, place])
    return columns, pd.DataFrame(cells)


def speed() -> None:
    """Seconds of CPU time, the least of three: another program beside this one costs time too."""
    print("real rows x columns, fit, 10,000 rows")
    for n_rows, n_columns in ((30, 30), (100, 30), (300, 30), (300, 100)):
        columns, real = made_up(n_rows, n_columns)
        seconds = []
        for _ in range(3):
            began = time.process_time()
            mixture = ColumnMixture(columns, real, 0)
            fitted = time.process_time()
            uniforms = generator(0, Stream.DENSITY_SPEED, 0, 0).random((10_000, mixture.n_uniforms))
            mixture.rows(uniforms)
            seconds.append((fitted - began, time.process_time() - fitted))
        fit, write = np.min(seconds, axis=0)
        print(f"  {n_rows} x {n_columns:<5}{fit:6.2f}{write:6.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--groups", default="choose,extra", help="of tables")
    parser.add_argument("--seeds", default="0-9", help="first and last; 0-9 for development")
    parser.add_argument("--models", default="real rows,independent,tree,copula,mixture,arf")
    parser.add_argument("--out", type=Path, default=Path("bench/results/densities.jsonl"))
    parser.add_argument("--quick", action="store_true", help="without the C2ST")
    parser.add_argument("--report", action="store_true", help="print what there is, run nothing")
    parser.add_argument("--speed", action="store_true", help="measure speed alone")
    options = parser.parse_args()
    if options.speed:
        speed()
        return
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
        sources = [source for group in options.groups.split(",") for source in GROUPS[group]]
        runs = itertools.product(range(first, last + 1), sources, SIZES)
        for seed, source, n in () if options.report else runs:
            own = table(source.name)
            missing = [name for name in wanted if (own.name, n, seed, name) not in done]
            if n > len(own.pool_rows) or not missing:
                continue
            real = own.sample(n, seed).reset_index(drop=True)
            fitted = models(own.dictionary.input_features, real, seed, missing)
            for name, model in fitted.items():
                results.append(measured(own, n, seed, name, model, quick=options.quick))
                print(json.dumps(asdict(results[-1])), file=file, flush=True)
    report(results)


if __name__ == "__main__":
    main()

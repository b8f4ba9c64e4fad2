"""Do the rows of a run follow the associations of the table, and can they be told from real rows?

For each table and seed: ``n`` real rows, and as many rows of each arm, target included. Measured
against the test rows, which nobody has seen: the mean absolute difference of all Spearman
correlations (levels are indicators), and the AUC of boosted trees that tell the rows from the test
rows (C2ST, 50 is best).

* ``real sample``: rows of the table that are neither test rows nor drawn twice, 40 samples for each
  seed; the mean of their errors and the 97.5 % quantile (the upper end of their 95 % band).
* ``real rows``: the real rows of the seed. ``copula``: a Gaussian copula of these, as
  `t2local.stats.gaussian_copula` has it; ``columns``: its mixture with the tree.
* The model's name: what `t2local.generate` keeps with ``--purpose share``. ``scripted`` is a model
  that knows nothing.

Results stand line by line in the file, and what is done is not done again. Seeds 0-9 are for
development.

python -m bench.fidelity [--groups choose] [--seeds 0-9] [--n 100] [--model starter] [--out FILE]
    [--report]
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.densities import correlations
from bench.knowledge.arms import Cell, generated
from bench.knowledge.tables import GROUPS, Table, Unavailable, table
from bench.streams import Stream, generator
from bench.tables import interval
from t2local.evaluate.fidelity import c2st_auc
from t2local.llm.backbone import Backbone
from t2local.llm.scripted import ScriptedModel
from t2local.llm.store import find
from t2local.stats.column_mixture import ColumnMixture
from t2local.stats.encoding import Encoder

N_SAMPLES = 40
#: The upper end of a 95 % band.
UPPER = 0.975


@dataclass(frozen=True)
class Line:
    """An arm on one sample of a table: ``upper`` is of the real samples alone, which have no C2ST.

    * ``rows``: how many there were; of a run as many as it kept.
    """

    table: str
    group: str
    n: int
    seed: int
    arm: str
    rows: int
    spearman: float
    upper: float | None = None
    c2st: float | None = None

    @property
    def key(self) -> tuple[str, int, int, str]:
        return self.table, self.n, self.seed, self.arm


def error(own: Table, rows: pd.DataFrame) -> float:
    """Mean absolute difference of the correlations of some rows from those of the test rows."""
    columns = own.dictionary.features
    difference = correlations(columns, rows) - correlations(columns, own.test)
    pairs = np.triu_indices(len(difference), 1)
    return float(np.abs(difference[pairs]).mean())


def told_apart(own: Table, rows: pd.DataFrame, seed: int) -> float:
    """C2ST AUC in percent. All test rows take part: an AUC does not ask for equal numbers."""
    encoder = Encoder(own.dictionary.features, own.test)
    return 100 * c2st_auc("trees", encoder.transform(own.test), encoder.transform(rows), seed)


def real_samples(own: Table, n: int, seed: int) -> Line:
    """The errors of samples of real rows."""
    rng = generator(seed, Stream.FIDELITY_SAMPLES, own.number, n)
    others = own.values.drop(own.test.index)
    samples = [others.iloc[rng.permutation(len(others))[:n]] for _ in range(N_SAMPLES)]
    errors = [error(own, rows) for rows in samples]
    mean, upper = round(float(np.mean(errors)), 4), round(float(np.quantile(errors, UPPER)), 4)
    return Line(own.name, own.group, n, seed, "real sample", n, mean, upper)


def arms(
    own: Table, n: int, seed: int, model: Backbone | ScriptedModel
) -> dict[str, Callable[[], pd.DataFrame]]:
    """The rows of each arm, each made when it is called."""
    real = own.sample(n, seed).reset_index(drop=True)

    def drawn(which: str) -> pd.DataFrame:
        mixture = ColumnMixture(own.dictionary.features, real, seed)
        columns: Any = {"copula": mixture.copula, "columns": mixture}[which]
        uniforms = generator(seed, Stream.FIDELITY_ROWS, own.number, n)
        return columns.rows(uniforms.random((n, columns.n_uniforms)))

    cell = Cell(own, None, real, seed, n)
    return {
        "real rows": lambda: real,
        "copula": partial(drawn, "copula"),
        "columns": partial(drawn, "columns"),
        model.name: lambda: generated(cell, model, trim__purpose="share").rows,
    }


def measured(own: Table, n: int, seed: int, arm: str, make: Callable[[], pd.DataFrame]) -> Line:
    values = make()[own.dictionary.names].reset_index(drop=True)
    spearman, c2st = round(error(own, values), 4), round(told_apart(own, values, seed), 2)
    return Line(own.name, own.group, n, seed, arm, len(values), spearman, c2st=c2st)


def report(lines: list[Line]) -> None:
    """By table: means over the seeds with 95 % intervals, and how many tables are as they should.

    The difference from the copula is that of the same seeds.
    """
    frame = pd.DataFrame([asdict(line) for line in lines])
    models = [a for a in frame["arm"].unique() if a not in ("real sample", "real rows", "columns")]
    for (group, n), part in frame.groupby(["group", "n"], sort=False):
        for model in [name for name in models if name != "copula"]:
            print(f"\n{group}, n = {n}, {model}")
            verdicts = [report_table(name, own, model) for name, own in part.groupby("table")]
            if not any(verdicts):  # no table has two seeds
                continue
            within, above, harder = (sum(own) for own in zip(*filter(None, verdicts), strict=True))
            print(f"  within the band {within}, above the copula {above}, C2ST below it {harder}")


def report_table(name: str, own: pd.DataFrame, model: str) -> tuple[bool, bool, bool] | None:
    """One line; returns whether the error is within the band of real samples, whether it is above
    the copula's by more than noise, and whether the C2ST is below the copula's."""
    spearman = own.pivot_table("spearman", "seed", "arm")
    c2st = own.pivot_table("c2st", "seed", "arm")
    if model not in spearman or len(spearman[model].dropna()) < 2:
        return None
    upper = float(own["upper"].mean())
    mean, half = interval(spearman[model].dropna().to_list())
    difference, noise = interval((spearman[model] - spearman["copula"]).dropna().to_list())
    others = "  ".join(f"{arm} {spearman[arm].mean():.3f}" for arm in ("copula", "columns"))
    told = "  ".join(f"{a} {c2st[a].mean():.1f}" for a in ("real rows", "copula", "columns", model))
    print(
        f"  {name:<18}real samples {spearman['real sample'].mean():.3f} to {upper:.3f}  {others}  "
        f"rows {mean:.3f} ± {half:.3f} (copula {difference:+.3f} ± {noise:.3f});  C2ST {told}"
    )
    return mean <= upper, difference > noise, bool(c2st[model].mean() < c2st["copula"].mean())


def read(path: Path) -> list[Line]:
    if not path.is_file():
        return []
    return [Line(**json.loads(line)) for line in path.read_text().splitlines()]


def run(
    sources: list[Any], seeds: range, n: int, model: Backbone | ScriptedModel, path: Path
) -> None:
    """Append what is not there yet, seed by seed, so that a bench cut off has whole ones."""
    done = {line.key for line in read(path)}
    with path.open("a") as file:
        for seed, source in ((seed, source) for seed in seeds for source in sources):
            try:
                own = table(source.name)
                makers = arms(own, n, seed, model)
            except Unavailable as reason:
                print(f"left out: {source.name} ({reason})")
                continue
            lines = {"real sample": partial(real_samples, own, n, seed)}
            for arm, make in makers.items():
                lines[arm] = partial(measured, own, n, seed, arm, make)
            for arm, line in lines.items():
                if (own.name, n, seed, arm) not in done:
                    print(json.dumps(asdict(line())), file=file, flush=True)


def model_of(name: str) -> Backbone | ScriptedModel:
    """A model by name or file; ``scripted`` knows nothing."""
    if name == "scripted":
        return ScriptedModel()
    return Backbone(find(name))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--groups", default="choose", help="of tables: choose, report, extra")
    parser.add_argument("--seeds", default="0-9", help="first and last")
    parser.add_argument("--n", type=int, default=100, help="real rows, and rows that are wanted")
    parser.add_argument("--model", default="starter", help="name or file; or scripted")
    parser.add_argument("--out", type=Path, default=Path("bench/results/fidelity.jsonl"))
    parser.add_argument("--report", action="store_true", help="print what there is, run nothing")
    options = parser.parse_args()
    if not options.report:
        first, last = map(int, options.seeds.split("-"))
        sources = [source for group in options.groups.split(",") for source in GROUPS[group]]
        seeds = range(first, last + 1)
        run(sources, seeds, options.n, model_of(options.model), options.out)
    report(read(options.out))


if __name__ == "__main__":
    main()

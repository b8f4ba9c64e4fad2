"""Do the privacy tests find planted leaks, and leave a clean generator alone?

Sets of 100 real rows, 100 held-out rows and ``m`` synthetic rows of made-up tables with 12 columns:
``mixed`` (7 numbers, 4 columns of levels, a class), ``numbers`` (11 and a class), ``levels`` (9
columns of levels and a class: few rows are possible). By arm:

* ``clean``: synthetic rows are new rows of the same population, so any finding is a false alarm.
* ``copula``: rows of a Gaussian copula of the real rows (`t2local.stats.gaussian_copula`).
* ``copied``, ``changed`` (percent of the 100 real rows): new rows, but so many are
  real ones, each once: as they are; each number moved by 1 % of its range (standard deviation; in a
  table without numbers, one level drawn anew). ``moved``: by 2 %. ``altered``: changed, and one
  level drawn anew.

Each line has the p-values: ``nearness`` without held-out rows, ``nearness_holdout`` and
``membership`` with them; of clean sets of the first kind also those of the share of synthetic rows
that are nearer to a real row than to a held-out one, by exchange and by the binomial test, and
whether the interval of each attack's AUC holds 0.5. Results stand line by line in the file, and
what is done is not done again. All is made up: no seed of a real table is used.

python -m bench.privacy [--sets 200] [--out FILE] [--report]
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.streams import Stream, generator
from t2local.evaluate.membership import AttackedRows, membership, membership_p_value
from t2local.evaluate.near_copies import near_copies
from t2local.evaluate.privacy_report import NEARNESS_LEVEL
from t2local.evaluate.table_pair import TablePair
from t2local.stats.column_mixture import ColumnMixture
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.feature import Feature

N_ROWS = 100
KINDS = ("mixed", "numbers", "levels")
#: Columns of numbers, and of numbers and levels without the class.
N_NUMBERS = {"mixed": 7, "numbers": 11, "levels": 0}
N_COLUMNS = {"mixed": 11, "numbers": 11, "levels": 9}
SHARES = (1, 2, 5, 10)
LEAKS = ("copied", "changed", "moved", "altered")
ARMS = ("clean", "copula", *(f"{leak} {share}" for share in SHARES for leak in LEAKS))
FEW = ("clean", "copied 5", "changed 5")
#: What is measured, the most important first: kind, synthetic rows, arms, sets at most (a copula
#: takes longer to fit than all else).
STUDIES = (
    ("mixed", 100, FEW, 200),
    ("mixed", 1000, FEW, 200),
    ("mixed", 100, ("copied 2", "changed 2", "moved 5", "altered 5", "copula"), 50),
    ("numbers", 100, FEW, 200),
    ("levels", 100, FEW, 200),
    ("mixed", 100, ("copied 1", "changed 1", "copied 10", "changed 10"), 200),
    ("mixed", 100, ("copied 2", "changed 2", "moved 5", "altered 5", "altered 10"), 200),
)
LEVEL, MEMBERSHIP_LEVEL = 0.05, 0.04


@dataclass(frozen=True)
class Line:
    """P-values of one arm on one set."""

    kind: str
    m: int
    number: int
    arm: str
    nearness: float
    nearness_holdout: float
    membership: float
    exchange: float | None = None
    binomial: float | None = None
    aucs_hold: tuple[bool, ...] | None = None

    @property
    def key(self) -> tuple[str, int, int, str]:
        return self.kind, self.m, self.number, self.arm

    @property
    def leak(self) -> bool:
        """What the verdict says with held-out rows."""
        return (
            self.membership <= MEMBERSHIP_LEVEL or self.nearness_holdout <= LEVEL - MEMBERSHIP_LEVEL
        )


def dictionary(kind: str) -> FeatureDictionary:
    numbers = [
        Feature(name=f"x{place}", type="decimal", minimum=-200, maximum=300, decimals=place % 3)
        for place in range(N_NUMBERS[kind])
    ]
    levels = [
        Feature(name=f"c{place}", type="category", levels=tuple("abc"[: 2 + place % 2]))
        for place in range(N_NUMBERS[kind], N_COLUMNS[kind])
    ]
    label = Feature(name="y", type="category", levels=("no", "yes"))
    return FeatureDictionary(features=(*numbers, *levels, label), target="y")


def population(kind: str, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """New rows: three common factors, normal and log-normal numbers, levels by thresholds."""
    columns = dictionary(kind).features
    factors = generator(0, Stream.PRIVACY_KIND, KINDS.index(kind))
    loadings = 0.7 * factors.standard_normal((3, len(columns)))
    z = rng.standard_normal((n, 3)) @ loadings + 0.8 * rng.standard_normal((n, len(columns)))
    cells = {}
    for place, column in enumerate(columns):
        own = z[:, place]
        if column.numeric:
            numbers = 50 + 10 * own if place % 2 else 10 * np.exp(0.5 * own)
            cells[column.name] = numbers.round(column.decimals)
        else:
            thresholds = [0.8] if column.name == "y" else [-0.8, 0.6][-len(column.levels) + 1 :]
            levels = np.array(column.levels, dtype=object)
            cells[column.name] = levels[np.digitize(own, thresholds)]
    return pd.DataFrame(cells)


def leaked(kind: str, rows: pd.DataFrame, leak: str, rng: np.random.Generator) -> pd.DataFrame:
    """Real rows as they are leaked."""
    rows = rows.copy()
    if leak == "copied":
        return rows
    columns = dictionary(kind).features
    numbers = [column for column in columns if column.numeric]
    for column in numbers:
        width = float(np.ptp(rows[column.name]))
        noise = rng.normal(0, (2 if leak == "moved" else 1) * width / 100, len(rows))
        rows[column.name] = (rows[column.name] + noise).round(column.decimals)
    if leak == "altered" or not numbers:
        levels = [column for column in columns if not column.numeric]
        for row in range(len(rows)):
            column = levels[int(rng.integers(len(levels)))]
            rows.loc[row, column.name] = rng.choice(np.array(column.levels, dtype=object))
    return rows


def sets(kind: str, m: int, number: int, arms: tuple[str, ...]) -> Iterator[tuple[str, TablePair]]:
    """The pair of each arm on one set; the held-out rows come with `holdout`."""
    rng = generator(0, Stream.PRIVACY_SETS, KINDS.index(kind), m, number)
    real, fresh = population(kind, N_ROWS, rng), population(kind, m, rng)
    own = dictionary(kind)
    for arm in arms:
        draws = generator(0, Stream.PRIVACY_LEAKS, KINDS.index(kind), m, number, ARMS.index(arm))
        rows = fresh
        if arm == "copula":
            copula = ColumnMixture(own.features, real, number + 1).copula
            rows = copula.rows(draws.random((m, copula.n_uniforms)))[own.names]
        elif arm != "clean":
            leak, share = arm.split()
            n_leaked = int(share) * N_ROWS // 100
            # The ranges are those of all real rows.
            rows = pd.concat([leaked(kind, real, leak, draws).head(n_leaked), fresh[n_leaked:]])
        yield arm, TablePair(own, real, rows.reset_index(drop=True), number + 1)


def holdout(kind: str, m: int, number: int) -> pd.DataFrame:
    """The held-out rows of a set."""
    rng = generator(1, Stream.PRIVACY_SETS, KINDS.index(kind), m, number)
    return population(kind, N_ROWS, rng)


def measured(kind: str, m: int, number: int, arm: str, pair: TablePair) -> Line:
    others = holdout(kind, m, number)
    attacked = AttackedRows.of(pair, others)
    figures = {
        "nearness": near_copies(pair, None, LEVEL).p_value,
        "nearness_holdout": near_copies(pair, others, LEVEL - MEMBERSHIP_LEVEL).p_value,
    }
    if arm != "clean" or kind != "mixed":
        return Line(kind, m, number, arm, **figures, membership=membership_p_value(attacked))
    own, _ = membership(attacked)
    if own is None:
        raise AssertionError("100 rows of each kind are enough")
    return Line(
        kind,
        m,
        number,
        arm,
        **figures,
        membership=own.p_value,
        exchange=own.nearer_p_value,
        binomial=own.nearer_binomial_p_value,
        aucs_hold=tuple(attack.auc.low <= 0.5 <= attack.auc.high for attack in own.attacks),
    )


def report(lines: list[Line]) -> None:
    """The share of sets in which each test finds a leak, with its standard error."""
    print("share of sets that are said to leak, in percent; level 5 %")
    print(f"{'kind':<9}{'m':>5} {'arm':<12}{'sets':>5}{'no holdout':>12}{'verdict':>16}", end="")
    print(f"{'exchange':>10}{'binomial':>10}{'AUCs':>12}")
    rows = dict.fromkeys((kind, m, arm) for kind, m, arms, _ in STUDIES for arm in arms)
    for kind, m, arm in sorted(rows, key=lambda row: (row[:2], ARMS.index(row[2]))):
        own = [line for line in lines if (line.kind, line.m, line.arm) == (kind, m, arm)]
        if own:
            print(f"{kind:<9}{m:>5} {arm:<12}{len(own):>5}{_shares(own)}")


def _shares(own: list[Line]) -> str:
    with_holdout = 100 * float(np.mean([line.leak for line in own]))
    error = (with_holdout * (100 - with_holdout) / len(own)) ** 0.5
    text = f"{100 * np.mean([line.nearness <= NEARNESS_LEVEL for line in own]):>12.1f}"
    text += f"{with_holdout:>9.1f} ± {error:<4.1f}"
    if own[0].aucs_hold is None:
        return text
    tests = [[line.exchange <= LEVEL, line.binomial <= LEVEL] for line in own]
    for share in 100 * np.mean(tests, axis=0):
        text += f"{share:>10.1f}"
    missed = 100 - 100 * np.mean([line.aucs_hold for line in own], axis=0)
    return text + "  " + " ".join(f"{share:.1f}" for share in missed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/privacy.jsonl")
    parser.add_argument("--report", action="store_true", help="print what is there")
    options = parser.parse_args()
    lines = []
    if options.out.exists():
        lines = [Line(**json.loads(text)) for text in options.out.read_text().splitlines()]
    done = {line.key for line in lines}
    if not options.report:
        with options.out.open("a") as file:
            for kind, m, arms, n_sets in STUDIES:
                for number in range(min(n_sets, options.sets)):
                    for arm, pair in sets(kind, m, number, arms):
                        if (kind, m, number, arm) in done:
                            continue
                        line = measured(kind, m, number, arm, pair)
                        lines.append(line)
                        file.write(json.dumps(asdict(line)) + "\n")
                        file.flush()
    report(lines)


if __name__ == "__main__":
    main()

"""The data of the studies: two simulators, and two real tables from the folder `T2LOCAL_BENCH_DATA`.

A `Source` draws D_ori and test rows by seed. Its dictionary is what a codebook says: types, levels and ranges of the whole table.
No method sees more of the data than that and D_ori.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from bench.planted import COEFFICIENT, DECIMALS, MEAN, NAMES, SD
from bench.tables import real_table
from t2local.settings import Settings
from t2local.tables.describe import describe
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.files import cells_of

#: Files of the folder, as they must be.
CHECKSUMS = {
    "compas_openml42192_rebuilt.csv": "1b4c2e34ddde",
    "drug_consumption_decoded_1885.csv": "d03aed788441",
}
#: Quantiles of z under the simulator's coefficients: 70 % of the population are below the first, 90 % below the second.
LOW, HIGH = 0.88, 2.13
_CODEBOOK_ROWS = 5000


class Unavailable(Exception):
    """A table that is missing or is not what it should be: named, skipped, counted."""


@dataclass(frozen=True)
class Source:
    """Where rows come from: ``split(n, seed)`` gives D_ori and test rows, as values of ``known``."""

    name: str
    known: FeatureDictionary
    split: Callable[[int, int], tuple[pd.DataFrame, pd.DataFrame]]


def with_dictionary(
    name: str,
    target: str,
    codebook: pd.DataFrame,
    levels: tuple[str, ...],
    split: Callable[[int, int], tuple[pd.DataFrame, pd.DataFrame]],
) -> Source:
    """A source whose dictionary is guessed from many rows, and whose splits are read with it."""
    cells = cells_of(codebook)
    known = describe(cells, target=target, settings=Settings().table, source=name)
    features = [
        f.model_copy(update={"levels": levels}) if f.name == target else f for f in known.features
    ]
    known = known.model_copy(update={"features": tuple(features)})

    def values(n: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        real, test = split(n, seed)
        return known.values(cells_of(real)).reset_index(drop=True), known.values(
            cells_of(test)
        ).reset_index(drop=True)

    return Source(name, known, values)


def diabetes(rows: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of the Diabetes simulator (Rauba et al. 2024), and their log-odds z."""
    x = np.round(rng.normal(MEAN, SD, (rows, len(NAMES))) * 10.0**DECIMALS) / 10.0**DECIMALS
    return pd.DataFrame(x, columns=NAMES), x @ COEFFICIENT + rng.normal(0, 0.2, rows)


def risk(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Diabetes with three classes of risk, 7:2:1 in the population."""
    frame, z = diabetes(rows, rng)
    return frame.assign(Risk=np.select([z < LOW, z < HIGH], ["LR", "MR"], "HR"))


def by_class(
    draw: Callable[[int, np.random.Generator], pd.DataFrame],
    target: str,
    counts: dict[str, int],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Rows with given numbers of each class, mixed."""
    pool = draw(400 * sum(counts.values()), rng)
    parts = [pool[pool[target] == label].head(count) for label, count in counts.items()]
    return (
        pd.concat(parts)
        .sample(frac=1, random_state=int(rng.integers(2**31)))
        .reset_index(drop=True)
    )


def risk_source(counts: dict[str, int]) -> Source:
    """Three classes with given numbers in D_ori (n = 10); 500 test rows at 7:2:1."""

    def split(n: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        rng = np.random.default_rng([seed, n, 1])
        return by_class(risk, "Risk", counts, rng), by_class(
            risk, "Risk", {"LR": 350, "MR": 100, "HR": 50}, rng
        )

    return with_dictionary(
        "Diabetes",
        "Risk",
        risk(_CODEBOOK_ROWS, np.random.default_rng(1)),
        ("LR", "MR", "HR"),
        split,
    )


def travel(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Our surrogate for TravelBehavior, which has no public definition: a user accepts when the reward exceeds a latent threshold."""
    shift = rng.integers(-4, 5, rows) * 15
    time = np.clip(rng.normal(5, 6, rows), -10, 30).round()
    cost = np.clip(rng.normal(0.5, 1.0, rows), -2, 5).round(2)
    points = rng.integers(0, 17, rows) * 25
    threshold = (
        40
        + 2.2 * np.abs(shift)
        + 6.0 * np.maximum(time, 0)
        + 25 * np.maximum(cost, 0)
        + rng.normal(0, 12, rows)
    )
    frame = pd.DataFrame(
        {
            "departure_shift_min": shift,
            "extra_travel_time_min": time,
            "extra_cost_usd": cost,
            "incentive_points": points,
        }
    )
    return frame.assign(accept=np.where(points > threshold, "yes", "no"))


def noisy_source(name: str, flip: float) -> Source:
    """Diabetes (label where p > 1/2) or TravelBehavior with a share of the labels of D_ori flipped; 1,000 clean test rows."""
    target, labels = ("Outcome", ("0", "1")) if name == "Diabetes" else ("accept", ("no", "yes"))

    def draw(rows: int, rng: np.random.Generator) -> pd.DataFrame:
        if name != "Diabetes":
            return travel(rows, rng)
        frame, z = diabetes(rows, rng)
        return frame.assign(Outcome=np.where(z > 0, "1", "0"))

    def split(n: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        rng = np.random.default_rng([seed, n, 2])
        while True:
            real = draw(n, rng)
            flipped = rng.permutation(n)[: round(flip * n)]
            real.loc[flipped, target] = real.loc[flipped, target].map(
                dict(zip(labels, labels[::-1], strict=True))
            )
            if real[target].value_counts().reindex(labels, fill_value=0).min() >= 2:
                return real, draw(1000, rng)

    return with_dictionary(
        name, target, draw(_CODEBOOK_ROWS, np.random.default_rng(2)), labels, split
    )


@cache
def file(name: str) -> pd.DataFrame:
    """A real table, checked."""
    path = real_table(name)
    if not path.is_file():
        raise Unavailable(
            f"{name} is not in {path.parent}: set T2LOCAL_BENCH_DATA to the folder that has it"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest()[:12] != CHECKSUMS[name]:
        raise Unavailable(f"{path} is not the file that it should be (sha256 {CHECKSUMS[name]}...)")
    return pd.read_csv(path)


def compas_source() -> Source:
    """COMPAS as OpenML 42192 has it, its one-hot groups put back together; D_ori balanced, 500 test rows."""
    raw = file("compas_openml42192_rebuilt.csv")
    groups = {"age_cat": "age_cat_", "race": "race_", "charge": "c_charge_degree_"}
    frame = raw[
        [
            column
            for column in raw
            if not any(column.startswith(prefix) for prefix in groups.values())
        ]
    ].copy()
    for name, prefix in groups.items():
        frame[name] = (
            raw[[column for column in raw if column.startswith(prefix)]]
            .idxmax(axis=1)
            .str.removeprefix(prefix)
        )
    frame["sex"] = frame["sex"].map({0: "Female", 1: "Male"})
    frame["twoyearrecid"] = frame["twoyearrecid"].map({0: "no", 1: "yes"})
    frame = frame[[*(column for column in frame if column != "twoyearrecid"), "twoyearrecid"]]
    return real_source("COMPAS", frame, "twoyearrecid", ("no", "yes"), test=500, balanced=True)


def drug_source(group: str) -> Source:
    """Drug consumption (UCI 373), nicotine within ten years, as CLLM's loader has it; the paper's groups A and B; 100 test rows."""
    raw = file("drug_consumption_decoded_1885.csv")
    raw = raw[raw["Semer"] == "CL0"]
    age, gender = {"A": ("25-34", "F"), "B": ("18-24", "M")}[group]
    raw = raw[(raw["Age"] == age) & (raw["Gender"] == gender) & (raw["Ethnicity"] == "White")]
    frame = raw.drop(
        columns=["ID", "Age", "Gender", "Ethnicity", "Semer", "Caff", "Choc", "Nicotine"]
    )
    frame = frame.assign(
        nicotine=np.where(raw["Nicotine"].isin(["CL0", "CL1"]), "no", "yes")
    ).reset_index(drop=True)
    return real_source(f"Drug-{group}", frame, "nicotine", ("no", "yes"), test=100, balanced=False)


def real_source(
    name: str,
    frame: pd.DataFrame,
    target: str,
    labels: tuple[str, ...],
    test: int,
    *,
    balanced: bool,
) -> Source:
    """Splits of a table: test rows first, D_ori from the rest, both by class."""

    def split(n: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        rng = np.random.default_rng([seed, 3])
        mixed = frame.iloc[rng.permutation(len(frame))]
        share = mixed[target].value_counts(normalize=True)
        tests = [
            mixed[mixed[target] == label].head(round(test * (0.5 if balanced else share[label])))
            for label in labels
        ]
        rest = mixed.drop(index=pd.concat(tests).index)
        reals = [
            rest[rest[target] == label].head(round(n * (0.5 if balanced else share[label])))
            for label in labels
        ]
        return pd.concat(reals), pd.concat(tests).sample(frac=1, random_state=seed)

    return with_dictionary(name, target, frame, labels, split)

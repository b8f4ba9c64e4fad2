"""The data of the studies: two simulators, and two real tables from `T2LOCAL_BENCH_DATA`.

A `Source` draws D_ori and test rows by seed. Its dictionary is what a codebook says: types, levels
and ranges of the whole table. No method sees more of the data than that and D_ori.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from bench.planted import COEFFICIENT, DECIMALS, MEAN, NAMES, SD
from bench.streams import Stream, codebook_rows, generator, table_rows
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
#: Quantiles of z under the simulator's coefficients: 70 % of the population are below the first,
#: 90 % below the second.
LOW, HIGH = 0.88, 2.13
#: Enough that the ranges of a dictionary hold all but the rarest rows.
_CODEBOOK_ROWS = 5000


#: ``draw(rows, rng)`` gives rows of a simulator.
Draw = Callable[[int, np.random.Generator], pd.DataFrame]
#: ``split(n, seed)`` gives D_ori and test rows.
Split = Callable[[int, int], tuple[pd.DataFrame, pd.DataFrame]]


class Unavailable(Exception):
    """A table that is missing or is not what it should be: named, skipped, counted."""


@dataclass(frozen=True)
class Source:
    """Where rows come from: ``split(n, seed)`` gives D_ori and test rows, as values."""

    name: str
    dictionary: FeatureDictionary
    split: Split


def with_dictionary(
    name: str, target: str, codebook: pd.DataFrame, labels: tuple[str, ...], split: Split
) -> Source:
    """A source whose dictionary is guessed from many rows, and whose splits are read with it."""
    guess = describe(cells_of(codebook), target=target, settings=Settings().table, source=name)
    label = guess[target].model_copy(update={"levels": labels})
    features = {feature.name: feature for feature in guess.features} | {target: label}
    dictionary = guess.model_copy(update={"features": tuple(features.values())})

    def values(rows: pd.DataFrame) -> pd.DataFrame:
        return dictionary.values(cells_of(rows)).reset_index(drop=True)

    def split_values(n: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        real, test = split(n, seed)
        return values(real), values(test)

    return Source(name, dictionary, split_values)


def diabetes(rows: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of the Diabetes simulator (Rauba et al. 2024), and their log-odds z."""
    x = np.round(rng.normal(MEAN, SD, (rows, len(NAMES))) * 10.0**DECIMALS) / 10.0**DECIMALS
    return pd.DataFrame(x, columns=NAMES), x @ COEFFICIENT + rng.normal(0, 0.2, rows)


def risk(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Diabetes with three classes of risk, 7:2:1 in the population."""
    frame, z = diabetes(rows, rng)
    return frame.assign(Risk=np.select([z < LOW, z < HIGH], ["LR", "MR"], "HR"))


def by_class(
    draw: Draw, target: str, counts: dict[str, int], rng: np.random.Generator
) -> pd.DataFrame:
    """Rows with given numbers of each class, mixed."""
    pool = draw(400 * sum(counts.values()), rng)
    parts = [pool[pool[target] == label].head(count) for label, count in counts.items()]
    mixed = pd.concat(parts).sample(frac=1, random_state=int(rng.integers(2**31)))
    return mixed.reset_index(drop=True)


def risk_source(counts: dict[str, int]) -> Source:
    """Three classes with given numbers in D_ori (n = 10); 500 test rows at 7:2:1."""

    def split(n: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        rng = table_rows(seed, n, Stream.RISK)
        real = by_class(risk, "Risk", counts, rng)
        test = by_class(risk, "Risk", {"LR": 350, "MR": 100, "HR": 50}, rng)
        return real, test

    codebook = risk(_CODEBOOK_ROWS, codebook_rows(Stream.RISK))
    return with_dictionary("Diabetes", "Risk", codebook, ("LR", "MR", "HR"), split)


def travel(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Our surrogate for TravelBehavior, which has no public definition.

    A user accepts when the reward exceeds a latent threshold.
    """
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


def outcome(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Diabetes with two classes: 1 where p > 1/2."""
    frame, z = diabetes(rows, rng)
    return frame.assign(Outcome=np.where(z > 0, "1", "0"))


#: Tables with flipped labels: how rows are drawn, the target and its labels.
NOISY_TABLES: dict[str, tuple[Draw, str, tuple[str, str]]] = {
    "Diabetes": (outcome, "Outcome", ("0", "1")),
    "TravelBehavior": (travel, "accept", ("no", "yes")),
}


def noisy_source(name: str, flip: float) -> Source:
    """A table of `NOISY_TABLES` with a share of the labels of D_ori flipped.

    The 1,000 test rows are clean.
    """
    draw, target, labels = NOISY_TABLES[name]
    other_label = dict(zip(labels, labels[::-1], strict=True))

    def split(n: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        rng = table_rows(seed, n, Stream.NOISY)
        while True:  # until each class has two rows, so that cross-validation can be done
            real = draw(n, rng)
            flips = rng.permutation(n)[: round(flip * n)]
            real.loc[flips, target] = real.loc[flips, target].map(other_label)
            if real[target].value_counts().reindex(labels, fill_value=0).min() >= 2:
                return real, draw(1000, rng)

    codebook = draw(_CODEBOOK_ROWS, codebook_rows(Stream.NOISY))
    return with_dictionary(name, target, codebook, labels, split)


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
    """COMPAS as OpenML 42192 has it, its one-hot groups put back together.

    D_ori is balanced; 500 test rows.
    """
    raw = file("compas_openml42192_rebuilt.csv")
    prefixes = {"age_cat": "age_cat_", "race": "race_", "charge": "c_charge_degree_"}
    frame = raw.loc[:, ~raw.columns.str.startswith(tuple(prefixes.values()))].copy()
    for name, prefix in prefixes.items():
        group = raw.loc[:, raw.columns.str.startswith(prefix)]
        frame[name] = group.idxmax(axis=1).str.removeprefix(prefix)
    frame["sex"] = frame["sex"].map({0: "Female", 1: "Male"})
    label = frame.pop("twoyearrecid").map({0: "no", 1: "yes"})
    frame = frame.assign(twoyearrecid=label)
    return real_source("COMPAS", frame, "twoyearrecid", {"no": 0.5, "yes": 0.5}, n_test=500)


def drug_source(group: str) -> Source:
    """Drug consumption (UCI 373), nicotine within ten years, as CLLM's loader has it.

    The paper's groups A and B; 100 test rows.
    """
    raw = file("drug_consumption_decoded_1885.csv")
    raw = raw[raw["Semer"] == "CL0"]  # who claims a drug that does not exist is left out
    age, gender = {"A": ("25-34", "F"), "B": ("18-24", "M")}[group]
    raw = raw[(raw["Age"] == age) & (raw["Gender"] == gender) & (raw["Ethnicity"] == "White")]
    unused = ["ID", "Age", "Gender", "Ethnicity", "Semer", "Caff", "Choc", "Nicotine"]
    label = np.where(raw["Nicotine"].isin(["CL0", "CL1"]), "no", "yes")
    frame = raw.drop(columns=unused).assign(nicotine=label).reset_index(drop=True)
    counts = frame["nicotine"].value_counts(normalize=True)
    shares = {level: float(counts[level]) for level in ("no", "yes")}
    return real_source(f"Drug-{group}", frame, "nicotine", shares, n_test=100)


def real_source(
    name: str, frame: pd.DataFrame, target: str, shares: dict[str, float], n_test: int
) -> Source:
    """Splits of a table: test rows first, D_ori from the rest, both by the shares of the labels."""

    def first_of_each(rows: pd.DataFrame, n: int) -> pd.DataFrame:
        return pd.concat(
            rows[rows[target] == label].head(round(n * share)) for label, share in shares.items()
        )

    def split(n: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        # Without n: a seed has the same test rows, however many real ones there are.
        mixed = frame.iloc[generator(seed, Stream.REAL).permutation(len(frame))]
        test = first_of_each(mixed, n_test)
        real = first_of_each(mixed.drop(index=test.index), n)
        return real, test.sample(frac=1, random_state=seed)

    return with_dictionary(name, target, frame, tuple(shares), split)

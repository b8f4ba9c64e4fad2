"""Metrics of plausibility: copies, and how close synthetic rows come to real ones.

Distances are no measure of privacy ("The DCR Delusion", arXiv 2505.01524): what is one is in
`t2local.evaluate.privacy_report`. Each is shown beside a reference: the same for real rows that
nobody has seen, or for rows drawn at random.
"""

import numpy as np
import pandas as pd

from t2local.evaluate.gower import Distances
from t2local.evaluate.metric import Metric, Reference
from t2local.evaluate.table_pair import TablePair
from t2local.stats.arrays import FloatArray
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import Feature

#: A row within this mean share of the real ranges is a near copy.
_NEAR = 0.01
#: Rounding errors of a difference that is 0; also keeps a ratio of two copies at 1.
_ROUNDING = 1e-9


def copies(distances: Distances) -> float:
    """The share of synthetic rows that are a real row, in all columns."""
    nearest = distances.synthetic_to_real[:, 0]  # (m,)
    return float((nearest < _ROUNDING / distances.n_columns).mean())


def near_copies(distances: Distances) -> float:
    """The share of synthetic rows that differ from a real row by 1 % of the range on average."""
    return float((distances.synthetic_to_real[:, 0] <= _NEAR).mean())


def distance_to_closest_record(distances: Distances, quantile: float = 0.5) -> float:
    """A quantile of the distances of synthetic rows to their nearest real row (DCR)."""
    nearest = distances.synthetic_to_real[:, 0]  # (m,)
    return float(np.quantile(nearest, quantile))


def nearest_neighbour_distance_ratio(distances: Distances) -> float:
    """The median ratio of the distances to the nearest and the second nearest real row (NNDR).

    Near 0: one real row stands out, the synthetic row may be a copy of it. 1 with a single real
    row.
    """
    if len(distances.real_to_real) < 2:
        return 1.0
    nearest, second = distances.synthetic_to_real.T + _ROUNDING  # (m,), (m,)
    return float(np.median(nearest / second))


def identifiability(distances: Distances) -> float:
    """The share of real rows with a synthetic row closer than any other real row.

    Source: ADS-GAN (Yoon et al. 2020, doi 10.1109/JBHI.2020.2980262), without its weights.
    """
    return float((distances.real_to_synthetic < distances.real_to_real).mean())


def distance_of_random_rows(pair: TablePair) -> float:
    """The median distance to the closest record of as many rows drawn at random."""
    rows = random_rows(pair, len(pair.synthetic))
    return float(np.median(pair.gower.nearest(rows, pair.real)))


def random_rows(pair: TablePair, n: int) -> pd.DataFrame:
    """Rows drawn uniformly within the real ranges and levels, column by column.

    They know nothing of the real rows but these, so no row is close to a real one but by chance.
    """
    rng = generator(pair.seed, Stream.UNIFORM_ROWS)
    return pd.DataFrame(
        {
            name: _random_cells(pair.dictionary[name], pair.real[name].dropna(), n, rng)
            for name in pair.columns
        }
    )


def _random_cells(
    feature: Feature, present: pd.Series, n: int, rng: np.random.Generator
) -> pd.Series:
    """Cells between the present numbers, or present levels; missing where there are none."""
    if not len(present):
        return pd.Series([None] * n, dtype=object)
    if feature.numeric:
        numbers: FloatArray = present.to_numpy(dtype=np.float64)
        return pd.Series(rng.uniform(numbers.min(), numbers.max(), n).round(feature.decimals))
    return pd.Series(rng.choice(present.unique().astype(object), n), dtype=object)


_AT_RANDOM = Reference("rows drawn at random", "between both", distance_of_random_rows)

METRICS: tuple[Metric[TablePair], ...] = (
    Metric("copies", "copies", "plausibility", "not above", lambda pair: copies(pair.distances)),
    Metric(
        "near_copies",
        "near copies",
        "plausibility",
        "not above",
        lambda pair: near_copies(pair.distances),
    ),
    Metric(
        "dcr",
        "distance",
        "plausibility",
        "not below",
        lambda pair: distance_to_closest_record(pair.distances),
        second_reference=_AT_RANDOM,
    ),
    Metric(
        "dcr_5_percent",
        "distance, closest 5 %",
        "plausibility",
        "not below",
        lambda pair: distance_to_closest_record(pair.distances, 0.05),
    ),
    Metric(
        "nndr",
        "nearest over second",
        "plausibility",
        "not below",
        lambda pair: nearest_neighbour_distance_ratio(pair.distances),
    ),
    Metric(
        "identifiable",
        "identifiable",
        "plausibility",
        "not above",
        lambda pair: identifiability(pair.distances),
    ),
)

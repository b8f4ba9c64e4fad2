"""Can somebody who has the synthetic rows tell who was in the table? (docs/privacy.md)

Needs real rows that had no part in making the synthetic ones. If those say nothing of who was in
the table, real and held-out rows can be exchanged: that makes the tests exact for any generator.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.evaluate.table_pair import TablePair
from t2local.stats.arrays import FloatArray, Mask
from t2local.stats.auc import auc_values
from t2local.stats.edit_distance import edit_distances
from t2local.stats.encoding import Encoder
from t2local.stats.rates import NORMAL_95, Rate
from t2local.stats.streams import Stream, generator
from t2local.tables.disclosure import MIN_ROWS

#: Rows of each table that are attacked, and synthetic rows that an attacker looks at; of more a
#: random sample.
_MOST_RECORDS, _MOST_SYNTHETIC = 500, 2000
#: A class that so few of the rows have is rare.
_RARE_SHARE = 0.1
#: A test finds somebody in the table at this level.
MEMBERSHIP_LEVEL = 0.04
_N_PERMUTATIONS = 4999
_N_BOOTSTRAP = 500
_FALSE_POSITIVES = 0.01
#: A row ten times as near to a synthetic row as to a real one is a copy: nearer says no more. The
#: power makes a few copies count for more than many rows that are a little nearer.
_NEAREST, _POWER = 10.0, 2
#: Equal permuted sums differ by rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class MembershipAttack:
    """How well one score tells rows of the table from held-out ones.

    ``auc``: 0.5 is guessing. ``true_positives``: members that are recognised where 1 % of the
    held-out rows are wrongly recognised too; of fewer than 100, none.
    """

    name: str
    auc: Rate
    true_positives: Rate


@dataclass(frozen=True)
class Membership:
    """What tells ``rows`` of the table from ``holdout_rows``.

    * ``p_value``: of the test whether rows of the table are too near to synthetic ones, exact.
      ``smallest_leak``: the fewest rows of which copies can be found at its level; none where no
      number of them can.
    * ``nearer_share``: of the synthetic rows those nearer to a row of the table than to a held-out
      one, of as many of each; 0.5 is expected. ``nearer_p_value`` by exchange of both, exact;
      ``nearer_binomial_p_value`` as if synthetic rows were independent, which they are not.
    """

    rows: int
    holdout_rows: int
    p_value: float
    smallest_leak: int | None
    nearer_share: float
    nearer_p_value: float
    nearer_binomial_p_value: float
    attacks: tuple[MembershipAttack, ...]


@dataclass(frozen=True)
class AttackedRows:
    """The rows that attacks look at: samples in random order, frames of values."""

    pair: TablePair  # its real rows are all of them: they give the ranges
    members: pd.DataFrame
    holdout: pd.DataFrame | None
    synthetic: pd.DataFrame

    @classmethod
    def of(cls, pair: TablePair, holdout: pd.DataFrame | None) -> "AttackedRows":
        """Draw the samples."""
        members = _sample(pair, pair.real, 0, _MOST_RECORDS)
        synthetic = _sample(pair, pair.synthetic, 2, _MOST_SYNTHETIC)
        if holdout is None:
            return cls(pair, members, None, synthetic)
        return cls(pair, members, _sample(pair, holdout, 1, _MOST_RECORDS), synthetic)


def _sample(pair: TablePair, rows: pd.DataFrame, table: int, most: int) -> pd.DataFrame:
    order = generator(pair.seed, Stream.ATTACKED_ROWS, table).permutation(len(rows))
    return rows.iloc[order[:most]].reset_index(drop=True)


@dataclass(frozen=True)
class _Records:
    """Members and held-out rows (n,), and their distances: to synthetic rows and to each other."""

    rows: pd.DataFrame
    is_member: Mask
    to_synthetic: FloatArray  # (n, m)
    to_real: FloatArray  # (n,), the nearest other real row, member or not

    @classmethod
    def of(cls, attacked: AttackedRows) -> "_Records":
        gower = attacked.pair.nearness
        rows = pd.concat([attacked.members, attacked.holdout], ignore_index=True)
        return cls(
            rows,
            np.arange(len(rows)) < len(attacked.members),
            gower.distances(rows, attacked.synthetic),
            gower.nearest(rows, rows, same_table=True)[:, 0],
        )

    def part(self, rows: Mask) -> "_Records":
        """Some of the records."""
        return _Records(
            self.rows[rows], self.is_member[rows], self.to_synthetic[rows], self.to_real[rows]
        )


def membership(attacked: AttackedRows) -> tuple[Membership | None, Membership | None]:
    """Of all rows, and of those of rare classes together; none where there are too few."""
    if attacked.holdout is None:
        return None, None
    pair, records = attacked.pair, _Records.of(attacked)
    scores = {
        "string distance": string_scores(pair, records.rows, attacked.synthetic),
        "density ratio": density_scores(pair, records.rows, attacked.synthetic),
    }
    rare = _rare(pair, records.rows)
    rare_scores = {name: score[rare] for name, score in scores.items()}
    return _judged(records, pair, scores), _judged(records.part(rare), pair, rare_scores)


def membership_p_value(attacked: AttackedRows) -> float:
    """The ``p_value`` of `Membership` alone; held-out rows are needed."""
    return _nearness_p_value(_Records.of(attacked), attacked.pair)


def _rare(pair: TablePair, rows: pd.DataFrame) -> Mask:
    """The rows of rare classes, shape (n,)."""
    if pair.dictionary.target is None or not pair.dictionary.classification:
        return np.zeros(len(rows), dtype=bool)
    labels = rows[pair.dictionary.target_feature.name]
    return (labels.map(labels.value_counts()) <= _RARE_SHARE * len(rows)).to_numpy(dtype=bool)


def _judged(
    records: _Records, pair: TablePair, scores: Mapping[str, FloatArray]
) -> Membership | None:
    n_members = int(records.is_member.sum())
    n_others = len(records.rows) - n_members
    if min(n_members, n_others) < MIN_ROWS:  # too few for statistics, and for who they are
        return None
    share, nearer = _nearer_share(records, generator(pair.seed, Stream.MEMBERSHIP, 1))
    n_synthetic = records.to_synthetic.shape[1]
    return Membership(
        rows=n_members,
        holdout_rows=n_others,
        p_value=_nearness_p_value(records, pair),
        smallest_leak=_smallest_leak(n_members, n_others),
        nearer_share=share,
        nearer_p_value=nearer,
        nearer_binomial_p_value=_binomial(share, n_synthetic),
        attacks=tuple(
            _attack(name, score, records.is_member, pair.seed) for name, score in scores.items()
        ),
    )


def _nearness_p_value(records: _Records, pair: TablePair) -> float:
    """Whether members are nearer to synthetic rows than held-out rows are.

    Distances to other real rows are the measure of what is near.
    """
    step = pair.nearness.half_step
    nearness = (records.to_real + step) / (records.to_synthetic.min(axis=1) + step)
    weights = np.minimum(nearness, _NEAREST) ** _POWER  # (n,)
    return _exchange(weights, records.is_member, generator(pair.seed, Stream.MEMBERSHIP, 0))


def _exchange(weights: FloatArray, is_member: Mask, rng: np.random.Generator) -> float:
    """The probability that as many rows, drawn from all, weigh as much as the members do."""
    n_members = int(is_member.sum())
    weight = weights[is_member].sum()
    orders = rng.permuted(np.tile(weights, (_N_PERMUTATIONS, 1)), axis=1)  # (permutations, n)
    sums = orders[:, :n_members].sum(axis=1)
    return float((1 + (sums >= weight - _ROUNDING).sum()) / (1 + _N_PERMUTATIONS))


def _smallest_leak(n_members: int, n_others: int) -> int | None:
    """How many copied members have to be nearest of all rows to be more than chance."""
    copied = np.arange(n_members)
    chances = np.cumprod((n_members - copied) / (n_members + n_others - copied))
    significant = chances <= MEMBERSHIP_LEVEL
    return int(significant.argmax()) + 1 if significant.any() else None


def _nearer_share(records: _Records, rng: np.random.Generator) -> tuple[float, float]:
    """The share of synthetic rows nearer to a member, of as many of both, and its p-value."""
    kinds = [np.flatnonzero(records.is_member), np.flatnonzero(~records.is_member)]
    n_each = min(map(len, kinds))
    chosen = np.concatenate([kind[:n_each] for kind in kinds])  # rows are in random order
    distances = records.to_synthetic[chosen]  # (2 n_each, m)
    ties = distances <= distances.min(axis=0) + _ROUNDING
    counts = (ties / ties.sum(axis=0)).sum(axis=1)  # synthetic rows of each record
    is_member = records.is_member[chosen]
    share = float(counts[is_member].sum() / counts.sum())
    return share, _exchange(counts, is_member, rng)


def _binomial(share: float, n: int) -> float:
    from scipy.stats import binom

    return float(binom.sf(np.ceil(share * n - _ROUNDING) - 1, n, 0.5))


def _attack(name: str, scores: FloatArray, is_member: Mask, seed: int) -> MembershipAttack:
    rng = generator(seed, Stream.MEMBERSHIP_BOOTSTRAP)
    values = auc_values(np.column_stack([-scores, scores]), is_member.astype(np.intp))
    auc = float(values.mean())
    half = NORMAL_95 * float(values.std()) / len(values) ** 0.5
    interval = Rate(auc, max(auc - half, 0.0), min(auc + half, 1.0))
    members, others = scores[is_member], scores[~is_member]
    draws = [
        _true_positives(rng.choice(members, len(members)), rng.choice(others, len(others)))
        for _ in range(_N_BOOTSTRAP)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    return MembershipAttack(
        name, interval, Rate(_true_positives(members, others), float(low), float(high))
    )


def _true_positives(members: FloatArray, others: FloatArray) -> float:
    """The share of members above all but 1 % of the others."""
    n_false = int(_FALSE_POSITIVES * len(others))
    bound = np.partition(others, len(others) - 1 - n_false)[len(others) - 1 - n_false]
    return float((members > bound).mean())


def string_scores(pair: TablePair, rows: pd.DataFrame, synthetic: pd.DataFrame) -> FloatArray:
    """How few characters change a row into the nearest synthetic row, below 0; shape (n,).

    As LevAtt (arXiv 2512.08875), cell by cell: the cells of a table stand below each other.
    """
    total = np.zeros((len(rows), len(synthetic)))
    for feature in pair.dictionary.features:
        texts = []
        for cells in (rows[feature.name], synthetic[feature.name]):
            different, places = np.unique(
                [feature.cell(value) or "" for value in cells], return_inverse=True
            )
            texts.append((different.tolist(), places))
        (first, places), (second, other_places) = texts
        total += edit_distances(first, second)[np.ix_(places, other_places)]
    return -total.min(axis=1)


def density_scores(pair: TablePair, rows: pd.DataFrame, synthetic: pd.DataFrame) -> FloatArray:
    """How much denser synthetic rows lie around a row than other real rows; logarithm, (n,).

    As DOMIAS (arXiv 2302.12580), with Gaussian kernels. Its density of the population is that of
    all real rows but this one, members or not.
    """
    encoder = Encoder(pair.dictionary.features, pair.real)
    x, y = encoder.transform(rows), encoder.transform(synthetic)
    n, d = len(pair.real), len(pair.columns)
    # Scott's rule for d columns; levels are as wide as numbers.
    width = n ** (-1 / (d + 4)) * np.sqrt(2)
    own = _log_density(x, x, width, same=True)
    return _log_density(x, y, width) - own


def _log_density(
    x: FloatArray, others: FloatArray, width: float, *, same: bool = False
) -> FloatArray:
    from scipy.special import logsumexp
    from sklearn.metrics.pairwise import euclidean_distances

    exponents = -euclidean_distances(x, others, squared=True) / (2 * width**2)
    if same:
        np.fill_diagonal(exponents, -np.inf)
    density: FloatArray = logsumexp(exponents, axis=1) - np.log(len(others) - same)
    return density

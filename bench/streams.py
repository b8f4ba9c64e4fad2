"""Every source of random numbers of the benches, by name: nothing else here makes a generator.

The stored results (bench/**/results) were drawn with these numbers, and an interrupted study goes
on where it stopped. So the entropy of each generator stays as it is: a list that starts with the
seed, not the `spawn_key` of ``t2local.stats.streams``, which came later.
"""

from enum import IntEnum, unique

import numpy as np


@unique
class Stream(IntEnum):
    """Streams of the studies. Another number is another data set for the same seed."""

    # Tables
    RISK = 1  # Diabetes with three classes of risk
    NOISY = 2  # Diabetes and TravelBehavior with flipped labels
    REAL = 3  # which rows of a real table are test rows
    # Methods
    CLASSICAL = 30  # by number of the method
    CLLM_EXAMPLES = 40  # by number of the call
    EPIC_LEVELS = 41  # tokens that stand for levels
    EPIC_EXAMPLES = 42  # by number of the call
    # Planted knowledge (bench/knowledge), by number of the table
    KNOWLEDGE_SPLIT = 60  # population, pool and test rows
    KNOWLEDGE_REAL = 61  # real rows from the pool
    KNOWLEDGE_FRESH = 62  # true rows that are neither real nor test rows
    ORACLE_FOREST = 63  # the forests of the columns, by column
    ORACLE_SCORED = 64  # rows of the population by which the oracle's weights are fitted
    ORACLE_LABELS = 65  # models of the label, and their folds
    ORACLE_CHECK = 66  # rows that are written to be told from real ones
    KNOWLEDGE_ROWS = 67  # rows that the oracle writes, by number of the block
    KNOWLEDGE_FLIPS = 68  # labels of planted bad sources, by the share that is wrong
    # Stated effects (bench/effects.py), by number of the table
    EFFECTS_TEST = 80  # which rows are test rows
    EFFECTS_ROWS = 81  # real rows, by their number
    EFFECTS_FLIPS = 82  # signs that are wrong
    BELIEFS_PERMUTED = 83  # beliefs of models (bench/beliefs.py) in another order
    BELIEFS_SPLIT = 84  # which rows of a small table are test rows
    # Models of the columns (bench/densities.py), by number of the table and n
    DENSITY_ROWS = 90  # rows that they write
    # The product's rows beside them (bench/fidelity.py), by number of the table and n
    FIDELITY_SAMPLES = 91  # samples of real rows
    # Models that predict (bench/teachers.py), by number of the table and n
    TEACHERS = 92  # real rows, test rows, folds
    DENSITY_SPEED = 93  # made-up columns, and what is drawn of them, by their numbers
    FIDELITY_ROWS = 94  # rows of the models of the columns
    # Broken inputs (bench/fuzz)
    FUZZ = 95  # by number of the kind and of the input
    # Long runs (bench/long_runs.py)
    READY_ROWS = 99  # rows that no model had to write, by number of the block
    # Planted leaks (bench/privacy.py)
    PRIVACY_KIND = 96  # how the columns of a made-up table hang together, by number of the kind
    PRIVACY_SETS = 97  # real, held-out and synthetic rows, by kind, synthetic rows and set
    PRIVACY_LEAKS = 98  # what is changed of leaked rows, by kind, synthetic rows, set and arm
    # Remedies (bench/remedies.py), by number of the table
    REMEDIES = 100  # rows of prototypes, by their number


@unique
class Classical(IntEnum):
    """The methods without a language model that draw."""

    OVERSAMPLING = 1
    JITTER = 2
    INDEPENDENT = 3
    TREE = 4


@unique
class Planted(IntEnum):
    """The two tables of bench/planted.py."""

    ACCEPTANCE = 0
    HALF_BAD = 1


def codebook_rows(table: Stream) -> np.random.Generator:
    """The rows from which a simulated table's dictionary is read: the same for every seed."""
    return single(table)


def table_rows(seed: int, n: int, table: Stream | Planted) -> np.random.Generator:
    """Rows of a simulated table with ``n`` real rows."""
    return _generator(seed, n, table)


def generator(seed: int, stream: Stream, *indices: int) -> np.random.Generator:
    """The random numbers of a stream; ``indices`` name a part of it (a method, a call)."""
    return _generator(seed, stream, *indices)


def single(seed: int) -> np.random.Generator:
    """All random numbers of a small program that needs no more than one stream."""
    return _generator(seed)


def _generator(*entropy: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(entropy))

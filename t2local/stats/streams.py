"""Every source of random numbers, by name: the only module that makes a generator.

A run has one seed. Each use of random numbers has a stream of its own, so that no two of them ever
draw the same numbers, and so that a new use changes none of the others. Numpy's ``SeedSequence``
keeps streams apart: the stream and its indices (number of a row, of a batch) are its ``spawn_key``.
"""

from enum import IntEnum, unique

import numpy as np


@unique
class Stream(IntEnum):
    """The uses of random numbers.

    Append new ones: another value is another result for the same seed.
    """

    # The team
    PLAN_EXAMPLES = 1  # rows that the manager sees
    PLAN_TOKENS = 2  # tokens of the manager's plan
    EXAMPLES = 3  # rows in the prompt, by number of the set
    ROW_TOKENS = 4  # tokens of a row, by block, row and attempt
    ROW_MIXTURE = 5  # which cells are given, and their values, by block, row and attempt
    DRAWN_LABELS = 6  # labels drawn by their probabilities, by block
    WANTED_LABELS = 7  # order of the labels that were asked for, by block
    CALIBRATION_FOLDS = 8
    CALIBRATION_ROWS = 9  # real rows that the team is asked about
    CALIBRATION_TOKENS = 11  # answers of the calibration, by row
    REHEARSAL_TOKENS = 12  # rows that are written to be timed
    TEXT_TOKENS = 13  # short texts, by row
    THOUGHT_TOKENS = 15  # what the manager thinks before its plan
    BELIEF_TOKENS = 16  # the ends of sentences about columns
    EXTREMES = 17  # how far the end of a column is moved inwards, by block and row
    TRIED_CONDITIONS = 18  # rows that show whether the rules allow what was asked for
    # Models of the data
    IDENTIFIERS = 20  # by column
    TREE_ROWS = 21  # rows that a tree is learnt from
    ENSEMBLE = 22  # forests of the ensemble
    DIRECTED_FOREST = 23  # its trees that keep to stated directions
    PERMUTED_EFFECTS = 24  # beliefs of a model, held against their own permutations
    COLUMN_MIXTURE_FOLDS = 26  # which rows weigh the copula against the tree
    FILE_ROWS = 27  # rows of a file that is too large to keep
    LINKS = 28  # new rows that point at each other, by column
    # The quality stages
    COST_FOLDS = 30
    COST_MODEL = 31  # scikit-learn models that judge
    UTILITY_CONTROL = 32
    NULL_BATCHES = 33
    BOOTSTRAP_COMPARISON = 34  # by batch
    RANDOM_LABELS = 35  # by batch
    TUNING_FOLDS = 36
    TUNING_COMPARISONS = 37
    CLUSTERS = 38
    CLUSTER_CLASSIFIER = 39
    SILHOUETTE = 40
    ENTROPY_BY_CHANCE = 41
    BALANCED_PRODUCTS = 42  # of a wide table: the pairs of columns that are looked at
    # What the kept rows bring, and evaluation
    BENEFIT_FOLDS = 50
    BENEFIT_ROWS = 51  # written rows that are trained on, where there are very many
    EVALUATION_FOLDS = 52
    EVALUATION_HALVES = 53
    DOWNSTREAM_MODELS = 54
    PRECISION_RECALL = 55
    DETECTION_FOLDS = 56
    DETECTION_MODELS = 57
    UNIFORM_ROWS = 58
    ATTACKED_ROWS = 59  # real, held-out and synthetic rows that attacks look at, by table
    CHANGED_ROWS = 60  # real rows that are changed a little, to see what a test would find
    MEMBERSHIP = 61  # who was in the table: permutations, by number of the test
    MEMBERSHIP_BOOTSTRAP = 62
    SINGLING_OUT = 63
    LINKED_COLUMNS = 64
    NAIVE_GUESSES = 65  # guesses that have seen no synthetic row
    SHIFT_ROWS = 66  # the rows that are compared, where there are very many
    SHIFT_SPLITS = 67
    SHIFT_CLASSES = 68
    EVALUATION_ROWS = 69  # rows that models are trained on, where there are very many
    # The check of an installation
    SELF_TEST = 70


def generator(seed: int, stream: Stream, *indices: int) -> np.random.Generator:
    """The random numbers of a stream.

    **Parameters:**

    * **indices**: name a part of the stream (a row, a batch); a stream always has equally many.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, *indices)))


def random_state(seed: int, stream: Stream) -> int:
    """The ``random_state`` of a scikit-learn model: 32 bits of the stream."""
    return int(np.random.SeedSequence(seed, spawn_key=(stream,)).generate_state(1)[0])

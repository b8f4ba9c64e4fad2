import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.stats.folds import stratified_folds

labels = st.one_of(
    st.lists(st.integers(-1, 4), min_size=1, max_size=60).map(np.array),
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60).map(np.array),
)


def folds_of(labels, n_folds, seed=0):
    return stratified_folds(labels, n_folds, np.random.default_rng(seed))


@settings(max_examples=60, deadline=None)
@given(labels, st.integers(1, 12), st.integers(0, 99))
def test_folds_partition_the_rows_in_nearly_equal_parts(labels, n_folds, seed):
    folds = folds_of(labels, n_folds, seed)
    assert folds.shape == labels.shape
    sizes = np.bincount(folds)
    assert len(sizes) == min(n_folds, len(labels))
    assert sizes.max() - sizes.min() <= 1
    assert (folds == folds_of(labels, n_folds, seed)).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 12))
def test_classes_are_spread_as_evenly_as_can_be(classes, n_folds):
    folds = folds_of(np.array(classes), n_folds)
    for number in set(classes):
        counts = [
            sum(1 for c, f in zip(classes, folds, strict=True) if (c, f) == (number, fold))
            for fold in range(min(n_folds, len(classes)))
        ]
        assert max(counts) - min(counts) <= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(1, 12))
def test_numbers_are_spread_by_their_size(numbers, n_folds):
    """Below any number, the folds have equally many rows, but for one."""
    numbers = np.array(numbers)
    folds = folds_of(numbers, n_folds)
    for level in np.unique(numbers):
        counts = np.bincount(folds[numbers <= level], minlength=min(n_folds, len(numbers)))
        assert counts.max() - counts.min() <= 1


def test_fewer_rows_than_folds_are_a_fold_each_and_no_rows_are_none():
    assert sorted(folds_of(np.array([3.0, 1.0, 2.0]), 5)) == [0, 1, 2]
    assert folds_of(np.array([1]), 5).tolist() == [0]


def test_rows_of_a_class_are_shuffled():
    dealt = {tuple(folds_of(np.zeros(8), 2, seed)) for seed in range(20)}
    assert len(dealt) > 10

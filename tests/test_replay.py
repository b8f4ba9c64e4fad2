"""The kept rows as they would be without some real rows: labels and choice, in equal numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.stats.quotas import assign
from t2local.trim.replay import EncodedSource, relabelled


def log_probabilities(n, n_classes, seed):
    return np.log(np.random.default_rng(seed).dirichlet(np.ones(n_classes), n))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 25), st.integers(2, 4), st.integers(0, 99), st.integers(0, 30))
def test_each_class_keeps_its_count_and_other_words_stay(n, n_classes, seed, n_other):
    """The labels are the model's, but for some rows that somebody else gave."""
    rng = np.random.default_rng(seed)
    whole, part = (log_probabilities(n, n_classes, seed + i) for i in (0, 1))
    counts = rng.multinomial(n, np.full(n_classes, 1 / n_classes))
    labels = assign(whole, counts)
    new = relabelled(labels, whole, part)
    assert (new == assign(part, counts)).all()
    others = rng.permutation(n)[:n_other]
    labels[others] = rng.integers(0, n_classes, len(others))
    new = relabelled(labels, whole, part)
    counts = np.bincount(labels, minlength=n_classes)
    assert (np.bincount(new, minlength=n_classes) == counts).all()
    foreign = labels != assign(whole, counts)
    assert (new[foreign] == labels[foreign]).all()


def test_with_the_same_model_nothing_changes():
    whole = log_probabilities(40, 3, 1)
    labels = assign(whole, [20, 15, 5])
    source = EncodedSource(
        np.arange(40.0)[:, None], labels.astype(float), 3, 1.0, np.array([10, 7, 2]), whole
    )
    x, y = source.replayed(whole, whole)
    assert len(y) == 19
    assert np.bincount(y.astype(int)).tolist() == [10, 7, 2]
    assert (labels[x[:, 0].astype(int)] == y).all()
    for number, count in enumerate([10, 7, 2]):
        own = np.flatnonzero(labels == number)
        clearest = own[np.argsort(-whole[own, number])[:count]]
        assert set(x[y == number, 0]) == set(clearest)


def test_given_labels_stay_and_the_choice_is_the_other_models():
    """Four rows of two classes, of which one each is kept."""
    labels = np.array([0.0, 0.0, 1.0, 1.0])
    part = np.log([[0.6, 0.4], [0.9, 0.1], [0.5, 0.5], [0.8, 0.2]])
    source = EncodedSource(np.arange(4.0)[:, None], labels, 2, 0.0, np.array([1, 1]))
    assert source.knows_all
    x, y = source.replayed(np.zeros((4, 2)), part)
    assert x[:, 0].tolist() == [1.0, 2.0]
    assert y.tolist() == [0.0, 1.0]


def test_the_workers_share_of_the_predictions_stays():
    """Predictions are pooled: the ensemble's part in them goes, the worker's does not."""
    worker, whole, part = (log_probabilities(30, 2, seed) for seed in (1, 2, 3))
    pooled = 0.7 * worker + 0.5 * whole
    labels = assign(pooled, [18, 12])
    source = EncodedSource(
        np.arange(30.0)[:, None], labels.astype(float), 2, 0.5, np.array([18, 12]), pooled
    )
    x, y = source.replayed(whole, part)
    expected = assign(0.7 * worker + 0.5 * part, [18, 12])
    order = x[:, 0].astype(int)
    assert sorted(order) == list(range(30))
    assert (y == expected[order]).all()


def test_labels_that_were_drawn_are_drawn_with_the_same_noise():
    whole, part = log_probabilities(60, 2, 1), log_probabilities(60, 2, 2)
    noise = np.column_stack([np.zeros(60), np.random.default_rng(3).gumbel(size=60)])
    labels = assign(whole + noise, [54, 6]).astype(float)
    places = np.arange(60.0)[:, None]
    source = EncodedSource(places, labels, 2, 1.0, np.array([54, 6]), whole, noise)
    x, y = source.replayed(whole, whole)
    assert (y == labels[x[:, 0].astype(int)]).all()
    x, y = source.replayed(whole, part)
    assert (y == assign(part + noise, [54, 6])[x[:, 0].astype(int)]).all()


def test_a_number_moves_by_the_models_share():
    source = EncodedSource(np.zeros((2, 1)), np.array([10.0, 20.0]), 0, 0.5)
    _, y = source.replayed(np.array([[8.0], [20.0]]), np.array([[9.0], [14.0]]))
    assert y.tolist() == [10.5, 17.0]


@pytest.mark.parametrize(("weight", "wanted", "knows"), [(0, None, False), (1, None, True)])
def test_a_source_that_no_model_labelled_or_chose_knows_nothing(weight, wanted, knows):
    source = EncodedSource(np.zeros((1, 1)), np.zeros(1), 2, weight, wanted)
    assert source.knows_all == knows


def test_of_very_many_rows_a_sample_keeps_rows_together_and_the_shares_that_are_chosen():
    whole = log_probabilities(3000, 2, 1)
    labels = assign(whole, [2400, 600]).astype(float)
    places = np.arange(3000.0)[:, None]
    source = EncodedSource(places, labels, 2, 1.0, np.array([1200, 300]), whole)
    sample = source.sample(300, np.random.default_rng(0))
    used = sample.x[:, 0].astype(int)
    assert len(set(used)) == 300
    assert (sample.y == labels[used]).all()
    assert (sample.predictions == whole[used]).all()
    assert sample.wanted.tolist() == [120, 30]
    assert sample.draw_noise is None
    assert sample.replayed(whole[used], whole[used])[1].sum() == 30
    assert source.sample(3000, np.random.default_rng(0)) is source

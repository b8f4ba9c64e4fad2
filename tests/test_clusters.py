"""Clusters of the real rows, their entropy, and what chance does to it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy

from t2local.trim.clusters import MIN_ROWS, Clusters
from t2local.trim.entropy import chance_loss, entropy

CENTERS = ((0, 0), (6, 0), (0, 6), (6, 6))


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    return np.vstack([rng.normal(center, 0.3, (20, 2)) for center in CENTERS])


# An MLP places rows from 30 rows on, the nearest centroid below.
@pytest.mark.parametrize("step", [1, 3])
def test_clusters_that_are_there_are_recovered(blobs, step):
    rows = blobs[::step]
    clusters = Clusters.of(rows, seed=1)
    assert clusters.n == 4
    assert clusters.silhouette > 0.8
    assert (clusters.predict(rows) == clusters.labels).all()
    truth = np.repeat(np.arange(4), 20)[::step]
    assert len(set(zip(truth, clusters.labels, strict=True))) == 4
    assert len(set(clusters.predict(np.array(CENTERS, dtype=float)))) == 4


def test_no_rows_have_no_cluster(blobs):
    assert Clusters.of(blobs, seed=1).predict(blobs[:0]).tolist() == []


def test_clusters_follow_from_the_seed(blobs):
    once = Clusters.of(blobs, seed=5)
    again = Clusters.of(blobs, seed=5)
    assert once.silhouette == again.silhouette
    assert (once.labels == again.labels).all()


def test_few_rows_or_equal_rows_have_no_clusters():
    rows = np.random.default_rng(0).normal(size=(MIN_ROWS, 2))
    assert Clusters.of(rows[:-1], seed=1) is None
    assert Clusters.of(rows, seed=1).n == 3  # at most n / 3
    assert Clusters.of(np.zeros((40, 2)), seed=1) is None


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_entropy_is_scipys(labels):
    counts = [labels.count(cluster) for cluster in range(5)]
    assert np.isclose(entropy(np.array(labels), 5), scipy_entropy(counts))


def test_entropy_by_hand():
    assert entropy(np.array([0, 0, 1, 2, 2, 2]), 4) == pytest.approx(scipy_entropy([2, 1, 3, 0]))
    assert entropy(np.array([1, 1, 1]), 3) == 0
    assert entropy(np.array([0, 1, 2]), 3) == pytest.approx(np.log(3))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=9, max_size=40), st.integers(1, 20))
def test_chance_takes_and_never_gives(labels, size):
    real = np.array(labels)
    assert chance_loss(real, 3, size, seed=1) < 0
    assert chance_loss(real, 3, size, seed=1) == chance_loss(real, 3, size, seed=1)


def test_one_of_40_batches_of_real_rows_loses_more_than_chance():
    real = np.repeat([0, 1, 2], [30, 8, 2])
    loss = chance_loss(real, 3, 10, seed=1)
    rng = np.random.default_rng(9)
    before = entropy(real, 3)
    batches = [np.concatenate([real, rng.choice(real, 10)]) for _ in range(2000)]
    changes = np.array([entropy(batch, 3) for batch in batches]) - before
    # Few different entropies are possible: the quantile is one of them.
    assert np.mean(changes < loss) < 1 / 40 + 0.015
    assert np.mean(changes < loss + 1e-6) > 1 / 40 - 0.015


def test_rows_of_no_weight_are_not_drawn():
    real = np.repeat([0, 1, 2], [30, 8, 2])
    # Only the rare cluster is drawn: its rows make the shares more equal, so nothing is lost.
    assert chance_loss(real, 3, 10, 1, weights=(real == 2).astype(float)) == pytest.approx(-1e-9)
    # Only the common one is drawn: every batch loses the same.
    common = chance_loss(real, 3, 10, 1, weights=(real == 0).astype(float))
    change = scipy_entropy([40, 8, 2]) - scipy_entropy([30, 8, 2])
    assert common == pytest.approx(change, abs=1e-8)

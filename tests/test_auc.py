"""The AUC as a mean of values: scikit-learn's, with DeLong's variance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from t2local.stats.auc import auc_values


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 3), st.integers(0, 99), st.integers(0, 2))
def test_auc_is_scikit_learns(classes, seed, decimals):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, 20)])
    predictions = np.round(rng.normal(size=(len(y), classes)) + np.eye(classes)[y], decimals)
    if classes == 2:
        predictions[:, 1] = -predictions[:, 0]
    peer = np.mean([roc_auc_score(y == c, predictions[:, c]) for c in range(classes)])
    assert auc_values(predictions, y).mean() == pytest.approx(peer)


def test_the_values_of_an_auc_vary_as_it_does_from_sample_to_sample():
    """DeLong's standard error against that of the AUC of 500 samples."""
    rng = np.random.default_rng(0)
    aucs, errors = [], []
    for _ in range(500):
        y = rng.permutation(np.repeat([0, 1], [40, 20]))
        score = rng.normal(size=60) + y
        values = auc_values(np.column_stack([-score, score]), y)
        aucs.append(values.mean())
        errors.append(values.std(ddof=1) / 60**0.5)
    assert np.mean(errors) == pytest.approx(np.std(aucs), rel=0.1)


def test_values_by_hand():
    """Of two positive rows one is above both negative ones, the other above one of them."""
    predictions = np.log([[0.1, 0.9], [0.6, 0.4], [0.5, 0.5], [0.8, 0.2]])
    values = auc_values(predictions, np.array([1, 1, 0, 0]))
    assert values.tolist() == pytest.approx([1.25, 0.25, 0.25, 1.25])

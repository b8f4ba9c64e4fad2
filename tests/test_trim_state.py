"""What follows from the real rows, and what grows with each accepted batch."""

import numpy as np
import pandas as pd
import pytest

from t2local.stats.encoding import Encoder
from t2local.trim.copies import row_hashes
from t2local.trim.state import LabelCode, Reference, TrimState
from t2local.trim.threshold import Threshold
from tests.batches import (
    described,
    dictionary,
    fresh,
    inspect,
    real_rows,
    reference,
    trim_settings,
)
from tests.patients import patients


@pytest.fixture(scope="module")
def numeric():
    """The reference of a table whose label is a number."""
    noise = np.random.default_rng(1).normal(0, 5, 60)
    frame = patients()
    frame["outcome"] = (3.0 * frame["age"] + noise).round(2)
    real, table = described(frame)
    return Reference.of(real, table, trim_settings(), seed=1), real


def test_classes_are_numbered_as_in_the_dictionary():
    code = LabelCode.of(dictionary()["outcome"], real_rows())
    rows = pd.DataFrame({"outcome": ["1", "0", "2", None]})
    assert code.encode(rows).tolist() == [1, 0, -1, -1]


def test_numbers_are_standardised_by_the_real_rows(numeric):
    reference, real = numeric
    code = LabelCode.of(reference.labels.target, real)
    encoded = code.encode(real)
    assert encoded.mean() == pytest.approx(0, abs=1e-9)
    assert encoded.std() == pytest.approx(1)
    mean, sd = real["outcome"].mean(), real["outcome"].std(ddof=0)
    assert code.encode(pd.DataFrame({"outcome": [mean + 2 * sd]})) == pytest.approx([2])


def test_a_constant_number_is_no_division_by_zero(numeric):
    reference, real = numeric
    code = LabelCode.of(reference.labels.target, real.assign(outcome=4.0))
    assert code.encode(pd.DataFrame({"outcome": [4.0, 5.0]})).tolist() == [0.0, 1.0]


def test_a_numeric_label_is_in_units_of_its_out_of_fold_error(numeric):
    reference, real = numeric
    squares = -2 * reference.fold.held_out - np.log(2 * np.pi)
    # Fitted anew in these units, the penalty weighs a little less: about 1.
    assert 0.8 < squares.mean() <= 1.05
    assert np.allclose(reference.labels.encode(real), reference.fold.y)
    assert reference.n_classes == 0
    assert not reference.unverified(real).any()


def test_the_reference_is_that_of_the_real_rows():
    fixed = reference()
    real = real_rows()
    assert fixed.hashes == set(row_hashes(real))
    assert fixed.classes == {"0", "1"}
    assert fixed.n_classes == 2
    assert np.array_equal(fixed.weights, np.ones(60))
    assert fixed.matches.all()
    assert not fixed.copies_by_chance
    assert np.array_equal(fixed.fold.x, fixed.encoder.transform(real))
    assert len(fixed.clusters.labels) == 60


def test_rows_of_a_class_that_no_real_row_has_are_unverified():
    rows = pd.DataFrame({"outcome": ["0", "2", None, "1"]})
    assert reference().unverified(rows).tolist() == [False, True, True, False]


def test_weights_reach_the_fits():
    weights = np.linspace(0.5, 1.5, 60)
    fixed = Reference.of(real_rows(), dictionary(), trim_settings(), 1, weights)
    assert np.array_equal(fixed.fold.weights, weights)
    assert set(np.unique(fixed.fold.train[:, 59])) == {0.0, 1.5}


def test_a_batch_is_encoded_as_the_real_rows_are():
    rows = fresh(7)
    batch = inspect().state.batch(rows)
    encoder = Encoder(dictionary().input_features, real_rows())
    assert np.array_equal(batch.x, encoder.transform(rows))
    assert batch.y.tolist() == rows["outcome"].astype(int).tolist()
    assert batch.x is batch.x  # encoded once


def test_accepted_rows_are_counted_with_their_hashes_and_clusters():
    state = inspect().state
    first, second = fresh(6, 1), fresh(4, 2)
    for number, rows in enumerate((first, second)):
        assert state.batch(rows).number == number
        state.accept(rows)
    both = pd.concat([first, second])
    pd.testing.assert_frame_equal(pd.concat(state.accepted), both)
    assert state.hashes == set(row_hashes(real_rows())) | set(row_hashes(both))
    clusters = state.reference.clusters
    expected = [*clusters.labels, *clusters.predict(state.batch(both).x)]
    assert state.clusters.tolist() == expected


def test_an_empty_batch_is_counted_and_adds_nothing():
    state = inspect().state
    state.accept(fresh(3).head(0))
    assert state.n_batches == 1
    assert state.accepted == []
    assert len(state.clusters) == 60


def test_the_reference_stays_when_the_state_grows():
    state = inspect().state
    hashes = frozenset(state.reference.hashes)
    state.accept(fresh(5))
    assert state.reference.hashes == hashes
    assert len(state.reference.clusters.labels) == 60
    # A second state of the same reference begins anew.
    assert TrimState(state.reference, 0.0).hashes == hashes


def test_a_threshold_is_computed_once_a_size_until_k_changes():
    state = TrimState(reference(), k=1.0)
    sizes = []

    def compute(size):
        sizes.append(size)
        return Threshold(float(size), 1.0, state.k)

    levels = [state.threshold(size, compute).level for size in (5, 7, 5, 7)]
    assert levels == [6.0, 8.0, 6.0, 8.0]
    assert sizes == [5, 7]
    state.use_k(2.0)
    assert state.threshold(5, compute).level == 7.0
    assert sizes == [5, 7, 5]

"""The reference, which is fixed, and the state, which grows with what is accepted."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from t2local.stats.encoding import Encoder
from t2local.tables.describe import describe
from t2local.tables.dictionary import Feature
from t2local.tables.files import from_frame
from t2local.trim.copies import row_hashes
from t2local.trim.state import LabelCode, Reference, TrimState
from t2local.trim.threshold import Threshold
from tests.batches import DICTIONARY, REAL, fresh, reference, state, trim_settings
from tests.conftest import make_patients

CLASSES = Feature(name="y", type="category", levels=("a", "b", "c"))
NUMBER = Feature(name="y", type="integer", minimum=0, maximum=99)


def test_classes_are_numbered_by_the_levels_of_the_dictionary():
    rows = pd.DataFrame({"y": pd.Series(["c", "a", "z", None], dtype=object)})
    code = LabelCode.of(CLASSES, rows)
    assert code.encode(rows).tolist() == [2, 0, -1, -1]
    assert code.encode(rows.head(0)).tolist() == []


def test_numbers_are_standardised_by_the_real_rows():
    real = pd.DataFrame({"y": [2.0, 4.0, 6.0]})
    code = LabelCode.of(NUMBER, real)
    deviation = np.sqrt(8 / 3)
    assert np.allclose(code.encode(real), [-2 / deviation, 0, 2 / deviation])
    assert np.allclose(code.encode(pd.DataFrame({"y": [4 + deviation]})), [1.0])
    constant = LabelCode.of(NUMBER, pd.DataFrame({"y": [5.0, 5.0]}))
    assert constant.encode(pd.DataFrame({"y": [5.0, 7.0]})).tolist() == [0.0, 2.0]


def test_a_number_is_in_units_of_its_out_of_fold_error():
    patients = make_patients()
    table = from_frame(patients.assign(outcome=2 * patients["age"] + np.arange(60) % 7))
    dictionary = describe(table.cells, target="outcome")
    real = dictionary.values(table.cells)
    numbers = Reference.of(real, dictionary, trim_settings(), seed=1)
    plain = LabelCode.of(dictionary["outcome"], real)
    assert numbers.n_classes == 0
    assert numbers.labels.center == plain.center
    assert numbers.labels.scale < plain.scale  # the features predict much of it
    assert np.allclose(numbers.labels.encode(real), numbers.fold.y)
    assert not numbers.unverified(real.assign(outcome=1e6)).any()


def test_the_reference_follows_from_the_real_rows():
    fixed = reference()
    assert fixed.n_classes == 2
    assert fixed.classes == {"0", "1"}
    assert fixed.hashes == set(row_hashes(REAL))
    assert (fixed.fold.x == Encoder(DICTIONARY.input_features, REAL).transform(REAL)).all()
    assert fixed.fold.y.tolist() == [int(label) for label in REAL["outcome"]]
    assert fixed.weights.tolist() == [1.0] * 60
    assert fixed.matches.all()
    assert not fixed.copies_by_chance


def test_the_reference_does_not_change():
    for name in ("seed", "fold", "hashes"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(reference(), name, None)


def test_rows_of_a_class_that_the_real_rows_lack_are_unverified():
    fixed = dataclasses.replace(reference(), classes=frozenset({"1"}))
    rows = fresh(6).assign(outcome=["0", "1", "0", "1", "1", "0"])
    assert fixed.unverified(rows).tolist() == [True, False, True, False, False, True]
    assert not reference().unverified(rows).any()
    assert fixed.unverified(rows.head(0)).tolist() == []


def test_a_batch_encodes_its_rows_once():
    rows = fresh()
    batch = state().batch(rows)
    assert batch.x is batch.x
    assert batch.y is batch.y
    assert (batch.x == reference().encoder.transform(rows)).all()
    assert batch.y.tolist() == [int(label) for label in rows["outcome"]]


def test_accepted_rows_grow_the_state_and_leave_the_reference():
    growing = state()
    n_clusters, n_hashes = len(growing.clusters), len(growing.hashes)
    assert n_clusters == 60
    assert growing.batch(fresh()).number == 0
    growing.accept(fresh(10, 3))
    growing.accept(fresh(5, 4))
    assert growing.batch(fresh()).number == growing.n_batches == 2
    assert [len(rows) for rows in growing.accepted] == [10, 5]
    assert set(row_hashes(fresh(5, 4))) <= growing.hashes
    assert len(growing.hashes) == n_hashes + 15
    predicted = growing.reference.clusters.predict(growing.batch(fresh(5, 4)).x)
    assert growing.clusters[-5:].tolist() == predicted.tolist()
    assert growing.clusters[:60].tolist() == growing.reference.clusters.labels.tolist()
    assert growing.reference.hashes == set(row_hashes(REAL))


def test_a_batch_of_which_nothing_is_kept_still_counts():
    growing = state()
    growing.accept(fresh().head(0))
    assert growing.n_batches == 1
    assert growing.accepted == []
    assert growing.hashes == reference().hashes


def test_two_states_of_one_reference_share_nothing_that_grows():
    one, other = state(), state()
    one.accept(fresh())
    one.threshold(10, lambda size: Threshold(0.0, 1.0, 0.0))
    assert (other.accepted, other.n_batches, other.thresholds) == ([], 0, {})
    assert other.hashes == reference().hashes


def test_thresholds_are_computed_once_a_size_and_anew_for_another_k():
    growing = TrimState(reference(), k=1.0)
    sizes = []

    def compute(size):
        sizes.append(size)
        return Threshold(0.0, 1.0, growing.k)

    assert [growing.threshold(size, compute).level for size in (10, 10, 5, 10)] == [1.0] * 4
    assert sizes == [10, 5]
    growing.use_k(2.0)
    assert growing.threshold(10, compute).level == 2.0
    assert sizes == [10, 5, 10]

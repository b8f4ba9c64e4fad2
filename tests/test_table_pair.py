import numpy as np
import pandas as pd
import pytest

from t2local.evaluate.table_pair import MOST_LEARNED, rank_coded
from tests.pairs import pair_of, two, values


def test_numbers_levels_and_blanks_are_encoded_as_synthcity_does():
    frame = pd.DataFrame(
        {
            "few": [5, 9, 5, 7] * 4,
            "many": np.arange(16) * 1.5,
            "kind": ["x", None, "y", "x"] * 4,
            "y": ["a", "b"] * 8,
        }
    )
    dictionary, rows = values(frame)
    (matrix,) = rank_coded(dictionary, ["few", "many", "kind"], rows)
    assert matrix[:4, 0].tolist() == [0, 2, 0, 1]
    assert matrix[:4, 1].tolist() == [0, 1.5, 3, 4.5]
    assert matrix[:4, 2].tolist() == [1, 0, 2, 1]


def test_ranks_are_over_all_frames_and_blanks_are_the_mean_of_the_first():
    dictionary, real = values(two(20))
    real.loc[0, "p"] = np.nan
    other = real.head(3).assign(p=[np.nan, 99.0, -99.0], kind=["b", "c", "a"])
    one, two_ = rank_coded(dictionary, ["p", "kind"], real, other)
    mean = real["p"].mean()
    assert one[0, 0] == two_[0, 0] == pytest.approx(mean)
    assert two_[1:, 0].tolist() == [99.0, -99.0]
    assert two_[:, 1].tolist() == [1, 2, 0]
    (blank,) = rank_coded(dictionary, ["p"], real.assign(p=np.nan))
    assert (blank == 0).all()


def test_the_forms_of_a_pair():
    pair = pair_of(two(20), two(12, seed=2))
    assert pair.columns == ["p", "q", "kind", "y"]
    assert [part.shape for part in pair.rank_coded_inputs] == [(20, 3), (12, 3)]
    assert [part.shape for part in pair.rank_coded] == [(20, 4), (12, 4)]
    real, synthetic = pair.one_hot
    assert (real.shape, synthetic.shape) == ((20, 7), (12, 7))  # 2 numbers, 3 levels, 2 classes
    assert real[:, :2].mean(axis=0) == pytest.approx([0, 0])
    assert (real[:, 5:].argmax(axis=1) == (pair.real["y"] == "yes")).all()
    assert (real[:, 5:].sum(axis=1) == 1).all()
    assert pair.distances is pair.distances  # computed once


def test_of_very_many_rows_models_learn_a_sample_and_distances_are_of_all():
    pair = pair_of(two(20), two(MOST_LEARNED + 7, seed=2))
    real, synthetic = pair.learned
    assert real is pair.real
    assert len(synthetic) == len(pair.one_hot[1]) == len(pair.rank_coded[1]) == MOST_LEARNED
    places = synthetic["p"].to_numpy() == pair.synthetic["p"].to_numpy()[:MOST_LEARNED]
    assert not places.all()  # not simply the first ones
    assert len(pair.distances.synthetic_to_real) == MOST_LEARNED + 7


def test_a_number_as_label_is_a_column_of_the_one_hot_form():
    frames = [two(20, seed).assign(y=lambda rows: rows["p"] * 3) for seed in (1, 2)]
    pair = pair_of(*frames)
    assert pair.one_hot[1][:, -1] == pytest.approx(pair.synthetic["y"])

"""Distances with their bands: each kind finds its own shift, and only that."""

import numpy as np
import pandas as pd
import pytest

from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.trim import distances as module
from t2local.trim.distances import distances
from tests.visits import DICTIONARY, visits


@pytest.fixture(scope="module", autouse=True)
def _few_splits():
    """Fewer random splits: what is tested does not hang on them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_N_SPLITS", 200)
        yield


def measured(real, kept, wanted_shares=None, groups=None, dictionary=DICTIONARY):
    if groups is None:
        groups = np.zeros(len(real) + len(kept), dtype=int)
    return distances(real, kept, dictionary, 1, groups, wanted_shares)


def beyond(result):
    """What is beyond its band: kind and column, with the class."""
    columns, pairs = result
    found = {(one.kind, one.column, one.label) for one in columns if one.distance > one.band}
    if pairs and pairs[0].distance > pairs[0].band:
        found.add(("association", *pairs[0].columns))
    return found


REAL, KEPT = visits(100, 4), visits(400, 2)


def test_there_is_a_distance_for_each_column_class_and_column_with_missing_cells():
    columns, pairs = measured(REAL, KEPT)
    assert [(one.kind, one.column, one.label) for one in columns] == [
        ("marginal", "age", ""),
        ("marginal", "bmi", ""),
        ("marginal", "crp", ""),
        ("marginal", "visits", ""),
        ("marginal", "sex", ""),
        ("marginal", "rare", ""),
        ("marginal", "site", ""),
        ("missing", "bmi", ""),
        ("missing", "site", ""),
        ("class_shares", "outcome", "dead"),
        ("class_shares", "outcome", "ill"),
        ("class_shares", "outcome", "well"),
    ]
    assert all(0 <= one.distance <= 1 for one in columns)
    assert all((one.sentence != "") == (one.distance > one.band) for one in columns)
    assert [pair.distance for pair in pairs] == sorted((p.distance for p in pairs), reverse=True)
    assert len({frozenset(pair.columns) for pair in pairs}) == len(pairs) == 10


def test_rows_of_the_same_population_are_within_all_bands():
    assert beyond(measured(REAL, KEPT)) == set()


def test_distances_of_the_observed_rows_are_what_they_say():
    columns, _ = measured(REAL, KEPT)
    by_name = {(one.kind, one.column, one.label): one.distance for one in columns}
    shares = [rows["sex"].value_counts(normalize=True)["F"] for rows in (REAL, KEPT)]
    assert by_name["marginal", "sex", ""] == pytest.approx(abs(shares[0] - shares[1]))
    missing = [rows["bmi"].isna().mean() for rows in (REAL, KEPT)]
    assert by_name["missing", "bmi", ""] == pytest.approx(abs(missing[0] - missing[1]))
    dead = [(rows["outcome"] == "dead").mean() for rows in (REAL, KEPT)]
    assert by_name["class_shares", "outcome", "dead"] == pytest.approx(abs(dead[0] - dead[1]))
    levels = [rows["site"].value_counts(normalize=True) for rows in (REAL, KEPT)]
    assert by_name["marginal", "site", ""] == pytest.approx(
        levels[0].sub(levels[1], fill_value=0).abs().sum() / 2
    )


def moved(**columns):
    return KEPT.assign(**{name: change(KEPT[name]) for name, change in columns.items()})


@pytest.mark.parametrize(
    ("kept", "shift"),
    [
        (moved(bmi=lambda cells: cells + 3), ("marginal", "bmi", "")),
        (moved(crp=lambda cells: cells.clip(2, 4)), ("marginal", "crp", "")),
        (moved(sex=lambda cells: cells.where(KEPT["bmi"] > 26, "F")), ("marginal", "sex", "")),
        (moved(bmi=lambda cells: cells.fillna(27.0)), ("missing", "bmi", "")),
        (moved(site=lambda cells: cells.where(KEPT["age"] > 50, None)), ("missing", "site", "")),
        (
            moved(outcome=lambda cells: cells.where(KEPT["bmi"] > 25, "dead")),
            ("class_shares", "outcome", "dead"),
        ),
    ],
)
def test_a_shift_is_found_where_it_is(kept, shift):
    assert shift in beyond(measured(REAL, kept))


def test_a_lost_association_is_found():
    shuffled = KEPT.assign(age=np.random.default_rng(1).permutation(KEPT["age"]))
    assert beyond(measured(REAL, shuffled)) == {("association", "age", "outcome")}
    association = measured(REAL, shuffled)[1][0]
    assert abs(association.real) > 0.5 > 0.2 > abs(association.kept)
    assert association.sentence.startswith("age and outcome are related otherwise")


def test_a_pair_with_the_target_is_measured_whatever_its_place(monkeypatch):
    pairs = measured(REAL, KEPT)[1]
    target = min(set(DICTIONARY.names) - set(pairs[0].columns))
    monkeypatch.setattr(module, "_PAIRS_SHOWN", 1)
    other_target = DICTIONARY.model_copy(update={"target": target})
    shown = measured(REAL, KEPT, dictionary=other_target)[1]
    assert len(shown) == 2
    assert target in shown[1].columns
    assert target not in shown[0].columns


def test_of_two_classes_one_is_measured():
    two = DICTIONARY.model_copy(update={"target": "sex"})
    classes = [one for one in measured(REAL, KEPT, dictionary=two)[0] if one.kind == "class_shares"]
    assert [one.column for one in classes] == ["sex"]


def test_a_number_as_label_is_a_marginal():
    number = DICTIONARY.model_copy(update={"target": "bmi"})
    columns, _ = measured(REAL, KEPT, dictionary=number)
    assert {one.kind for one in columns} == {"marginal", "missing"}
    assert len(columns) == 10


def test_wanted_shares_are_held_against_what_was_asked_for():
    thirds = {"well": 1 / 3, "ill": 1 / 3, "dead": 1 / 3}
    balanced = visits(9000, 5).groupby("outcome").head(100)
    groups = np.array([*REAL["outcome"], *balanced["outcome"]])
    groups = np.unique(groups, return_inverse=True)[1]
    # Age follows from the outcome, so it lies higher; but not within the classes.
    assert beyond(measured(REAL, balanced, thirds, groups)) == set()
    assert ("marginal", "age", "") in beyond(measured(REAL, balanced))
    found = beyond(measured(REAL, KEPT, thirds, np.zeros(500, dtype=int)))
    assert ("class_shares", "outcome", "dead") in found


def test_a_column_of_one_value_or_of_none_is_no_shift():
    features = (
        Feature(name="one", type="integer", minimum=0, maximum=9),
        Feature(name="none", type="decimal", minimum=0, maximum=9, missing=True),
        Feature(name="y", type="category", levels=("a",)),
    )
    dictionary = FeatureDictionary(target="y", features=features)
    rows = [pd.DataFrame({"one": 5.0, "none": np.nan, "y": ["a"] * n}) for n in (5, 9)]
    columns, pairs = measured(*rows, dictionary=dictionary)
    assert pairs == ()
    assert beyond((columns, pairs)) == set()
    assert [one.distance for one in columns] == [0.0] * len(columns)

"""Rules that are found in a table are those that were built in, and no others."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings

from t2local.tables.describe import describe
from t2local.tables.files import from_frame
from t2local.tables.rule_search import MOST_COLUMNS, search_rules
from t2local.tables.rules import Rule
from tests.strategies import dictionaries


def stays(n: int, seed: int = 0) -> pd.DataFrame:
    """Stays in a hospital, with relations of each kind."""
    rng = np.random.default_rng(seed)
    admitted = pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 2000, n), "D")
    nights = rng.geometric(0.1, n)
    died = rng.random(n) < 0.4
    discharged = admitted + pd.to_timedelta(nights, "D")
    death = discharged + pd.to_timedelta(rng.integers(0, 900, n), "D")
    motor, verbal = rng.integers(0, 20, n), rng.integers(0, 30, n)
    city = rng.choice(["Graz", "Linz", "Bonn", "Kiel"], n)
    age = rng.integers(0, 90, n)
    tested = rng.random(n) < 0.7
    return pd.DataFrame(
        {
            "admitted": admitted.strftime("%Y-%m-%d"),
            "nights": nights,
            "discharged": discharged.strftime("%Y-%m-%d"),
            "motor": motor,
            "verbal": verbal,
            "score": motor + verbal,
            "city": city,
            "country": np.where(np.isin(city, ["Graz", "Linz"]), "Austria", "Germany"),
            "age": age,
            "group": np.where(age < 18, "child", np.where(age < 65, "adult", "old")),
            "sodium": np.where(tested, rng.integers(120, 160, n), np.nan),
            "potassium": np.where(tested, rng.integers(30, 60, n), np.nan),
            "death": np.where(died, death.strftime("%Y-%m-%d"), None),
            "died": np.where(died, "yes", "no"),
        }
    )


GROUP_BY_AGE = (
    '(group != "child" or age < 17.5) and (group != "adult" or 17.5 < age < 64.5) '
    'and (group != "old" or 64.5 < age)'
)


def rules_of(frame: pd.DataFrame) -> list[str]:
    return [relation.rule for relation in describe(from_frame(frame).cells).rules]


def test_all_relations_of_a_table_are_found_and_nothing_else():
    assert rules_of(stays(300)) == [
        "discharged == admitted + nights",
        "score == motor + verbal",
        "discharged <= death",
        "isna(sodium) == isna(potassium)",
        GROUP_BY_AGE,
        '(country == "Germany") == (city in ("Bonn", "Kiel"))',
        '(died == "yes") == (not isna(death))',
    ]


@pytest.mark.parametrize("seed", range(3))
def test_few_rows_give_few_rules_and_none_that_other_rows_break(seed):
    rules = rules_of(stays(25, seed))
    assert "discharged == admitted + nights" in rules
    others = from_frame(stays(2000, 99)).cells
    dictionary = describe(from_frame(stays(25, seed)).cells)
    wide = describe(others).model_copy(update={"rules": dictionary.rules})
    values = wide.values(others)
    assert all(rule.obeyed(values).all() for rule in wide.parsed_rules().values())


def test_reasons_and_support_are_for_people_and_hold_no_cell():
    relations = describe(from_frame(stays(300)).cells).rules
    words = " ".join(relation.reason for relation in relations)
    assert not any(level in words for level in ("Graz", "Germany", "child", "yes", "17.5"))
    assert len({relation.reason for relation in relations}) == len(relations)
    by_rule = {relation.rule: relation.support for relation in relations}
    n_dead = int(stays(300)["death"].notna().sum())
    assert by_rule["discharged <= death"] == n_dead
    assert by_rule["score == motor + verbal"] == 300


def test_one_exception_in_a_thousand_rows_is_enough_to_propose_nothing():
    frame = stays(1000)
    frame.loc[501, "score"] += 1
    frame.loc[502, "country"] = "Austria" if frame.loc[502, "country"] == "Germany" else "Germany"
    assert not {"score", "country"} & {rule.split(" ")[0].strip("(") for rule in rules_of(frame)}


def test_constant_and_unrelated_columns_have_no_rules():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"c{i}": rng.choice(list("abc"), 200) for i in range(8)})
    frame["same"], frame["number"] = "x", 5
    assert rules_of(frame.assign(y=rng.choice(["0", "1"], 200))) == []


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(dictionaries())
def test_names_and_levels_of_any_kind_can_stand_in_a_rule(dictionary):
    # Cells take their values in turn: columns with equally many of them follow from each other.
    cells = _repeated(dictionary)
    columns = {feature.name: feature.levels for feature in dictionary.features}
    values = dictionary.values(cells)
    for proposal in search_rules(dictionary.features, cells):
        rule = Rule(proposal.rule, columns)
        assert len(rule.names) > 1
        assert rule.obeyed(values).all()


def _repeated(dictionary) -> pd.DataFrame:
    """120 rows in which each feature takes its values in turn."""
    columns = {}
    for feature in dictionary.features:
        cells = list(feature.levels)
        if feature.numeric:
            cells = [feature.cell(bound) for bound in feature.bounds]
        columns[feature.name] = pd.Series((cells * 120)[:120], dtype=object)
    return pd.DataFrame(columns)


def test_a_hundred_columns_take_seconds_and_ten_thousand_no_longer():
    rng = np.random.default_rng(0)
    columns = {f"n{i}": rng.normal(50, 10, 3000).round(1) for i in range(50)}
    columns |= {f"c{i}": rng.choice(list("abcde"), 3000) for i in range(50)}
    dictionary = describe(from_frame(pd.DataFrame(columns)).cells)
    cells = from_frame(pd.DataFrame(columns)).cells
    begin = time.process_time()
    assert search_rules(dictionary.features, cells) == []
    assert time.process_time() - begin < 15  # 1 second on a quiet machine
    many = [dictionary.features[0].model_copy(update={"name": f"m{i}"}) for i in range(10_000)]
    wide = pd.DataFrame({feature.name: cells["n0"][:20] for feature in many})
    begin = time.process_time()
    rules = search_rules(many, wide)
    assert time.process_time() - begin < 30
    assert len(rules) == MOST_COLUMNS - 1  # all equal to the first

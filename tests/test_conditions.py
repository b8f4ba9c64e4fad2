"""Given values and shares of labels: read, refused when they cannot be, written first, and kept to."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import t2local
from t2local.errors import UsageError
from t2local.llm.scripted import ScriptedModel
from t2local.settings import Settings
from t2local.tables.describe import describe
from t2local.tables.files import from_frame
from t2local.team.conditions import draw_labels, read_conditions
from t2local.trim.inspector import Inspector
from tests.strategies import dictionaries

LOOSE = {"trim.significance_level": 1, "trim.worst_share": 0}


@pytest.fixture
def known(patients):
    return describe(from_frame(patients).cells)


def wish(known, *where, balance=None):
    return read_conditions(known, where, balance)


def test_conditions_narrow_the_features(known):
    found = wish(known, "sex=F", "age>=65", "age < 70", "weight<=80.5").restricted
    assert found["sex"].levels == ("F",)
    assert found["age"].bounds == (65, 69)
    assert found["weight"].maximum == 80.5
    assert not found["weight"].missing
    assert wish(known, "age==65").restricted["age"].bounds == (65, 65)
    assert wish(known, "weight>80.5").restricted["weight"].minimum == 80.6


@pytest.mark.parametrize(
    ("where", "balance", "said"),
    [
        (["six=F"], None, "did you mean 'sex'"),
        (["sex=f"], None, "not one of its levels"),
        (["sex>F"], None, "only = can be asked"),
        (["age=old"], None, "is no number"),
        (["age>=65", "age<=60"], None, "no value is left"),
        (["age=65.5"], None, "no value is left"),
        (["sex=F", "sex=M"], None, "excluded by another"),
        ([], "uniformly", "or say uniform"),
        ([], "0=0.5,1=0.6", "sum to 1.1"),
        ([], "0=half,1=0.5", "a share is a number"),
        ([], "0=0.5,2=0.5", "no level '2'"),
        (["outcome=1"], "uniform", "given by --where already"),
    ],
)
def test_what_cannot_be_is_refused(known, where, balance, said):
    with pytest.raises(UsageError) as error:
        read_conditions(known, where, balance)
    assert said in str(error.value)


def test_all_faults_come_at_once_and_rules_count(known):
    with pytest.raises(UsageError) as error:
        read_conditions(known, ["six=F", "age=999"], "0=2")
    assert str(error.value).count("--") >= 3
    ruled = type(known).model_validate(
        {**known.model_dump(), "rules": ['not (sex == "F" and age >= 80)']}
    )
    assert read_conditions(ruled, ["sex=F"], None).given == ("sex",)
    assert read_conditions(ruled, ["sex=F", "age>=70"], None).given == ("age", "sex")
    with pytest.raises(UsageError, match="forbids"):
        read_conditions(ruled, ["sex=F", "age>=81"], None)
    everything = [
        f"{f.name}={f.cell(f.minimum) if f.numeric else f.levels[0]}" for f in known.features
    ]
    with pytest.raises(UsageError, match="nothing is left"):
        read_conditions(known, everything, None)


@hypothesis_settings(max_examples=150, deadline=None)
@given(dictionary=dictionaries(), data=st.data())
def test_a_condition_leaves_exactly_the_values_that_meet_it(dictionary, data):
    feature = data.draw(st.sampled_from(dictionary.features))
    if not feature.numeric:
        return
    low, high = feature.steps
    if feature.temporal and (low < 3 or feature.type == "datetime"):
        return  # no negative durations; a datetime is bounded by whole days
    step, sign = (
        data.draw(st.integers(low - 3, high + 3)),
        data.draw(st.sampled_from([">", ">=", "<", "<=", "="])),
    )
    bound = step / 10**feature.decimals
    meets = {
        ">": lambda v: v > bound,
        ">=": lambda v: v >= bound,
        "<": lambda v: v < bound,
        "<=": lambda v: v <= bound,
        "=": lambda v: v == bound,
    }[sign]
    near = [
        s / 10**feature.decimals
        for s in {low, high, *range(max(low, step - 3), min(high, step + 3) + 1)}
    ]
    expected = {value for value in near if meets(value)}
    try:
        written = feature.plain(bound) if feature.temporal else repr(bound)
        restricted = read_conditions(
            dictionary, [f"{feature.name}{sign}{written}"], None
        ).restricted
    except UsageError:
        assert (
            not expected
            or len(dictionary.features) == 1
            or any(
                f.name != feature.name and f.name.startswith(feature.name)
                for f in dictionary.features
            )
        )
        return
    found = restricted.get(feature.name)
    if found:
        assert {
            value
            for value in near
            if found.obeyed(pd.Series([value]))["minimum"][0]
            and found.obeyed(pd.Series([value]))["maximum"][0]
        } == expected


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(sum),
    st.integers(1, 40),
    st.integers(0, 9),
)
def test_labels_are_drawn_in_the_proportions_of_what_is_missing(missing, rows, seed):
    wanted = {str(i): number for i, number in enumerate(missing)}
    drawn = draw_labels(wanted, rows, np.random.default_rng(seed))
    assert len(drawn) == rows
    for label, number in wanted.items():
        assert abs(drawn.count(label) - rows * number / sum(missing)) < 1 or math.isclose(
            drawn.count(label), rows * number / sum(missing)
        )


@pytest.mark.parametrize("conditioning", ["row", "parents"])
@pytest.mark.parametrize("labels", ["worker", "calibrated", "classifier"])
def test_given_values_are_written_first_and_every_row_has_them(patients, conditioning, labels):
    model = ScriptedModel()
    chosen = {**LOOSE, "team.conditioning": conditioning, "team.labels": labels}
    result = t2local.generate(
        patients,
        model=model,
        plan="data",
        rows=20,
        where=["sex=F", "age>=65", "ward=C"],
        settings=chosen,
    )
    every = pd.concat([result.synthetic, result.rejected[list(result.synthetic)]])
    assert len(every) >= 20
    assert (every["sex"] == "F").all()
    assert (every["age"] >= 65).all()
    assert (every["ward"] == "C").all()
    assert every["smoker"].nunique() == 2
    assert result.report["given"]["features"] == ["age", "sex", "ward"]
    head = model.prompts[-1].partition("Rows:")[0]
    assert head.index("As asked") < head.index("smoker")


@pytest.mark.parametrize("conditioning", ["row", "parents"])
def test_the_shares_of_the_kept_labels_are_those_asked_for(patients, conditioning):
    settings = {**LOOSE, "team.conditioning": conditioning}
    result = t2local.generate(
        patients,
        model=ScriptedModel(),
        plan="data",
        rows=20,
        balance={"0": 0.25, "1": 0.75},
        max_batches=60,
        settings=settings,
    )
    counts = result.synthetic["outcome"].value_counts()
    assert result.report["given"]["rows of each label"] == {"0": 5, "1": 15}
    assert counts.get(0, 0) <= 5
    assert counts.get(1, 0) <= 15
    assert result.report["labels"]["policy"] == "given"
    generated = pd.concat([result.synthetic["outcome"], result.rejected["outcome"]])
    assert generated.nunique() == 2


def test_a_balanced_batch_is_judged_by_the_population_that_was_asked_for():
    rng = np.random.default_rng(1)

    def rows(n, share):
        label = rng.random(n) < share
        return pd.DataFrame(
            np.round(rng.normal(size=(n, 2)) + label[:, None], 2), columns=["a", "b"]
        ).assign(y=np.where(label, "ill", "well"))

    accepted = {"balanced": 0, "as they are": 0}
    for seed in range(5):
        cells = from_frame(rows(100, 0.1)).cells
        known = describe(cells, target="y")
        real = known.values(cells)
        weights = (0.5 / real["y"].map(real["y"].value_counts(normalize=True))).to_numpy()
        for _ in range(8):
            batch = known.values(from_frame(rows(10, 0.5)).cells)
            accepted["balanced"] += (
                not Inspector(real, known, Settings().trim, seed, weights).gate(batch).reason
            )
            accepted["as they are"] += (
                not Inspector(real, known, Settings().trim, seed).gate(batch).reason
            )
    assert accepted["balanced"] >= 20 > accepted["as they are"]

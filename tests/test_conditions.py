"""Given values and shares of labels: read, refused when they cannot be, written first, kept to."""

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
from t2local.team.calibration import Calibration
from t2local.team.conditions import Conditions, draw_labels, read_conditions
from t2local.team.plan import Component, from_data
from t2local.team.team import Team
from t2local.team.writer import BlockRequest, RowWriter
from t2local.trim.inspector import Inspector
from tests.strategies import dictionaries
from tests.teams import conditions, plans
from tests.test_rule_search import stays

pytestmark = pytest.mark.usefixtures("few_trees")

LOOSE = {"trim.significance_level": 1, "trim.worst_share": 0}
BY_BATCH = Settings.load({"trim.gate": "utility"}).trim


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
    # A column that is not given may be what the rule leaves no value for.
    high = known["age"].maximum
    tied = type(known).model_validate(
        {**known.model_dump(), "rules": [f"age < {high} or (outcome == 0) != (outcome == 0)"]}
    )
    assert read_conditions(tied, [f"age<{high}"], None)
    with pytest.raises(UsageError, match="forbids"):
        read_conditions(tied, [f"age={high}"], None)
    everything = [
        f"{f.name}={f.cell(f.minimum) if f.numeric else f.levels[0]}" for f in known.features
    ]
    with pytest.raises(UsageError, match="nothing is left"):
        read_conditions(known, everything, None)


@hypothesis_settings(max_examples=80, deadline=None)
@given(dictionary=dictionaries(), data=st.data())
def test_a_condition_leaves_exactly_the_values_that_meet_it(dictionary, data):
    feature = data.draw(st.sampled_from(dictionary.features))
    if not feature.numeric:
        return
    low, high = feature.steps
    if feature.written_as_text and (low < 3 or feature.type == "datetime"):
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
        written = feature.plain(bound) if feature.written_as_text else repr(bound)
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


def test_single_values_are_drawn_first_and_then_the_rarest_range(known, patients):
    real = known.values(from_frame(patients).cells)
    wanted = wish(known, "weight>=60", "age>=85", "sex=F", balance="uniform")
    assert wanted.given == ("outcome", "age", "weight", "sex")
    assert wanted.drawing_order(real) == ["outcome", "sex", "age", "weight"]
    labels = ["1", "0", "1"]
    lowest, highest = wanted.limits(3, labels)
    assert lowest["outcome"].tolist() == highest["outcome"].tolist() == labels
    assert lowest["sex"].tolist() == highest["sex"].tolist() == ["F"] * 3
    assert (lowest["age"] == 85).all()
    assert (highest["age"] == known["age"].maximum).all()


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


WHERE = ["sex=F", "age>=65", "ward=C"]


@pytest.mark.parametrize("conditioning", ["row", "parents"])
@pytest.mark.parametrize("labels", ["worker", "calibrated", "classifier"])
def test_given_values_are_written_first_and_every_row_has_them(
    patients, known, patients_pool, conditioning, labels
):
    model = ScriptedModel()
    chosen = Settings.load({"team.conditioning": conditioning, "team.labels": labels})
    real = known.values(from_frame(patients).cells)
    plan = from_data(real, known)
    with Team(model, known, plan, real, chosen, 1, wish(known, *WHERE)) as team:
        calibration = Calibration(pool=None if labels == "worker" else patients_pool)
        rows = RowWriter(team, calibration).write(BlockRequest(0, 30, 0)).rows
    assert len(rows) == 30
    assert (rows["sex"] == "F").all()
    assert (rows["age"] >= 65).all()
    assert (rows["ward"] == "C").all()
    assert rows["smoker"].nunique() == 2
    assert wish(known, *WHERE).matches(rows).all()
    head = model.prompts[-1].partition("Rows:")[0]
    assert head.index("As asked") < head.index("smoker")


def test_the_rows_of_a_run_are_what_was_asked_for(patients):
    result = t2local.generate(
        patients,
        model=ScriptedModel(),
        plan="data",
        rows=20,
        where=WHERE,
        settings={**LOOSE, "team.labels": "worker"},
    )
    every = pd.concat([result.synthetic, result.rejected[list(result.synthetic)]])
    assert len(every) >= 20
    assert (every["sex"] == "F").all()
    assert (every["age"] >= 65).all()
    assert (every["ward"] == "C").all()
    assert result.report["given"]["features"] == ["age", "sex", "ward"]


@pytest.mark.parametrize(
    ("where", "balance"),
    [(["died=yes", "age>=60"], None), ([], "uniform")],
    ids=["where", "shares"],
)
def test_a_run_with_wishes_keeps_its_first_rows(where, balance):
    result = t2local.generate(
        stays(60), target="died", rows=20, model=ScriptedModel(), plan="data", where=where,
        balance=balance, settings={"trim.purpose": "share"},
    )  # fmt: skip
    kept = result.synthetic
    assert len(kept) == 20
    assert result.report["rows"]["generated"] <= 30
    assert (kept["score"] == kept["motor"] + kept["verbal"]).all()
    assert (kept["death"].isna() == (kept["died"] == "no")).all()
    if balance:
        assert kept["died"].value_counts().to_dict() == {"no": 10, "yes": 10}
    else:
        assert (kept["age"] >= 60).all()
        assert (kept["died"] == "yes").all()
    assert "columns" in result.report["cells"]["nats_per_row"]


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
    assert result.report["given"]["rows_by_label"] == {"0": 5, "1": 15}
    assert counts.get(0, 0) <= 5
    assert counts.get(1, 0) <= 15
    assert result.report["labels"]["policy"] == "given"
    generated = pd.concat([result.synthetic["outcome"], result.rejected["outcome"]])
    assert generated.nunique() == 2


def test_of_the_rows_that_pass_exactly_those_shares_are_kept(patients):
    """The scripted model's rows follow no label, so what refuses such a source is left out."""
    result = t2local.generate(
        patients,
        model=ScriptedModel(),
        plan="data",
        rows=20,
        balance={"0": 0.25, "1": 0.75},
        settings={"trim.stages": "sanity,diversity,choice"},
    )
    assert result.synthetic["outcome"].value_counts().to_dict() == {1: 15, 0: 5}
    # Half as many more were written of each label, to choose among.
    generated = pd.concat([result.synthetic["outcome"], result.rejected["outcome"]])
    assert generated.value_counts().to_dict() == {1: 22, 0: 8}


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
                not Inspector(real, known, BY_BATCH, seed, weights).gate(batch).reason
            )
            accepted["as they are"] += not Inspector(real, known, BY_BATCH, seed).gate(batch).reason
    assert accepted["balanced"] >= 20 > accepted["as they are"]


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.data(), dictionaries())
def test_given_features_come_first_and_the_others_keep_their_parents(data, dictionary):
    plan = data.draw(plans(dictionary))
    wanted = data.draw(conditions(dictionary))
    ordered = wanted.order(plan.line())
    if not wanted.given:
        assert ordered == plan.line()
        return
    assert ordered[0].features == wanted.given
    assert ordered[0].parents == ()
    left = {c.role: [n for n in c.features if n not in wanted.given] for c in plan.components}
    assert [c.role for c in ordered[1:]] == [c.role for c in plan.line() if left[c.role]]
    for component in ordered[1:]:
        before = next(c for c in plan.components if c.role == component.role)
        assert list(component.features) == left[component.role]
        assert component.parents[0] == ordered[0].role
        assert list(component.parents[1:]) == [role for role in before.parents if left[role]]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(0, 40))
def test_quotas_sum_to_the_rows_and_are_near_the_shares(numbers, rows):
    shares = {str(place): number / sum(numbers) for place, number in enumerate(numbers)}
    quotas = Conditions("y", shares=shares).quotas(rows)
    assert sum(quotas.values()) == rows
    for label, share in shares.items():
        assert abs(quotas[label] - share * rows) < 1 + 1e-9
    assert Conditions("y").quotas(rows) == {}


def test_never_fewer_rows_of_a_label_pass_than_are_to_be_kept():
    """By largest remainders label b has a row of 21 and none of 32."""
    conditions = Conditions("y", shares={"a": 19 / 63, "b": 1 / 63, "c": 25 / 63, "d": 18 / 63})
    assert (conditions.quotas(21)["b"], conditions.quotas(32)["b"]) == (1, 0)
    assert conditions.quotas_to_pass(21, 32) == {"a": 10, "b": 1, "c": 13, "d": 9}
    assert conditions.quotas_to_pass(21, 0) == conditions.quotas(21)
    assert Conditions("y").quotas_to_pass(21, 0) == {}


def test_a_component_whose_features_are_all_given_is_nobodys_parent(known):
    components = [
        Component(role="A", features=("sex",)),
        Component(role="B", features=("age", "ward"), parents=("A",)),
        Component(role="C", features=("smoker",), parents=("A", "B")),
    ]
    ordered = wish(known, "sex=F", "ward=C").order(components)
    assert [(c.role, c.features, c.parents) for c in ordered] == [
        ("As asked", ("sex", "ward"), ()),
        ("B", ("age",), ("As asked",)),
        ("C", ("smoker",), ("As asked", "B")),
    ]

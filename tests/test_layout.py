"""Which segments a row has, for any plan and any conditions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.llm.scripted import ScriptedModel
from t2local.settings import Settings
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.team.conditions import Conditions
from t2local.team.layout import RowLayout, component_mark, label_policy
from t2local.team.plan import plan_of_roles
from tests.strategies import dictionaries, random_text, values
from tests.teams import CONDITIONING, LABELS, accepts, conditions, plans

MODEL = ScriptedModel()
SEX = Feature(name="sex", type="category", levels=("F", "M"))
AGE = Feature(name="age", type="integer", minimum=18, maximum=99)
BMI = Feature(name="bmi", type="decimal", minimum=15, maximum=50, decimals=1, missing=True)
ILL = Feature(name="ill", type="category", levels=("no", "yes"))
PATIENTS = FeatureDictionary(target="ill", features=(SEX, AGE, BMI, ILL))
PLAN = plan_of_roles(
    [("Who", ["sex"], []), ("Years", ["age"], []), ("Body", ["bmi"], ["Years"])], PATIENTS, "data"
)


def layout_of(dictionary, plan, wanted, conditioning, labels) -> RowLayout:
    chosen = Settings.load({"team.conditioning": conditioning, "team.labels": labels}).team
    policy = label_policy(wanted, chosen, n_examples=5)
    return RowLayout.of(MODEL, dictionary, plan, wanted, chosen, policy)


@st.composite
def layouts(draw):
    dictionary = draw(dictionaries(most=5))
    plan = draw(plans(dictionary))
    wanted = draw(conditions(dictionary))
    conditioning = draw(CONDITIONING)
    layout = layout_of(dictionary, plan, wanted, conditioning, draw(LABELS))
    return dictionary, plan, wanted, conditioning, layout


@settings(max_examples=60, deadline=None)
@given(layouts())
def test_parts_are_a_partition_of_the_features_and_see_earlier_parts_only(case):
    dictionary, _, wanted, _, layout = case
    names = [feature.name for feature in layout.features]
    written = dictionary.names
    if layout.label_policy == "classifier":
        written = dictionary.inputs
    assert sorted(names) == sorted(written)
    assert names[: len(wanted.given)] == list(wanted.given)
    for place, part in enumerate(layout.parts):
        sees = part.segment.sees
        assert list(sees) == sorted(set(sees))
        assert all(0 <= seen < place for seen in sees)
        assert bytes(part.segment.prompt) == part.mark.encode()


@settings(max_examples=60, deadline=None)
@given(layouts())
def test_a_worker_sees_its_parents_or_all_of_the_row_so_far(case):
    _, plan, wanted, conditioning, layout = case
    owners = {name: c for c in plan.components for name in c.features}
    components = {c.role: set(c.features) for c in plan.components}
    for place, part in enumerate(layout.parts):
        seen = {f.name for i in part.segment.sees for f in layout.parts[i].features}
        before = {f.name for other in layout.parts[:place] for f in other.features}
        if conditioning == "row":
            assert seen == before
            continue
        owner = owners[part.features[0].name]
        if part.features[0].name in wanted.given:
            assert seen == set()
        else:
            parents = set().union(*(components[role] for role in owner.parents))
            assert seen == parents | set(wanted.given)


@settings(max_examples=60, deadline=None)
@given(layouts(), st.data())
def test_a_row_comes_back_from_its_arrays_and_its_grammars_accept_it(case, data):
    dictionary, _, wanted, _, layout = case
    allowed = [wanted.restricted.get(f.name, f) for f in dictionary.features]
    row = {f.name: data.draw(values(f)) for f in allowed}
    arrays = layout.arrays(row)
    back = layout.parse(arrays)
    for feature in layout.features:
        assert feature.cell(back[feature.name]) == feature.cell(row[feature.name])
    for part, text in zip(layout.parts, arrays, strict=True):
        assert accepts(part.segment.grammar, text)
    texts = layout.texts(row)
    assert texts[::2] == [part.mark for part in layout.parts]
    assert texts[1::2] == arrays
    assert len("".join(texts).encode()) <= layout.max_tokens


@settings(max_examples=40, deadline=None)
@given(layouts(), st.data(), st.integers(0, 99))
def test_a_wanted_label_or_a_given_cell_is_in_every_text(case, data, seed):
    dictionary, _, wanted, _, layout = case
    rng = np.random.default_rng(seed)

    def written(segments):
        texts = [random_text(s.grammar, MODEL.tokenizer, rng, layout.max_tokens) for s in segments]
        return layout.parse(texts)

    for label in wanted.shares:
        assert written(layout.with_label(label))[dictionary.target] == label
    if wanted.given:
        return
    names = data.draw(st.lists(st.sampled_from(dictionary.inputs), unique=True))
    cells = {name: data.draw(values(dictionary[name])) for name in names}
    row = written(layout.with_cells(MODEL, cells))
    for name, value in cells.items():
        assert dictionary[name].cell(row[name]) == dictionary[name].cell(value)


def test_cells_that_are_not_given_leave_their_segment_as_it_is():
    layout = layout_of(PATIENTS, PLAN, Conditions("ill"), "parents", "worker")
    segments = layout.with_cells(MODEL, {"age": 40.0})
    same = [one is other for one, other in zip(segments, layout.segments, strict=True)]
    assert same == [True, False, True, True]
    # Rows with equal segments share their first tokens, so these must be the very same objects.
    assert layout.with_cells(MODEL, {}) == layout.segments


@pytest.mark.parametrize(
    ("conditioning", "labels", "parts", "sees"),
    [
        ("row", "worker", ["sex age bmi ill"], [()]),
        ("row", "calibrated", ["sex age bmi", "ill"], [(), (0,)]),
        ("row", "classifier", ["sex age bmi"], [()]),
        ("parents", "worker", ["sex", "age", "bmi", "ill"], [(), (), (1,), (0, 1, 2)]),
        ("parents", "calibrated", ["sex", "age", "bmi", "ill"], [(), (), (1,), (0, 1, 2)]),
        ("parents", "classifier", ["sex", "age", "bmi"], [(), (), (1,)]),
    ],
)
def test_the_parts_of_a_small_table(conditioning, labels, parts, sees):
    layout = layout_of(PATIENTS, PLAN, Conditions("ill"), conditioning, labels)
    assert [" ".join(f.name for f in part.features) for part in layout.parts] == parts
    assert [part.segment.sees for part in layout.parts] == sees
    scored = [part.segment.keep_logits for part in layout.parts]
    assert scored == [False] * (len(parts) - 1) + [labels == "calibrated"]
    assert (layout.label_part is layout.parts[-1]) == (labels == "calibrated")


def test_a_given_label_comes_first_and_is_nobodys_opinion():
    wanted = Conditions("ill", shares={"no": 0.5, "yes": 0.5})
    layout = layout_of(PATIENTS, PLAN, wanted, "parents", "calibrated")
    assert layout.label_policy == "given"
    assert layout.label_part is None
    assert layout.form == "A[ill]B[sex]C[age]D[bmi]"
    assert [part.segment.sees for part in layout.parts] == [(), (0,), (0,), (0, 2)]
    first = layout.with_label("yes")[0]
    assert accepts(first.grammar, '["yes"]')
    assert not accepts(first.grammar, '["no"]')
    assert layout_of(PATIENTS, PLAN, wanted, "row", "worker").form == "[ill][sex,age,bmi]"


def test_a_label_worker_without_examples_is_not_weighed():
    chosen = Settings.load({"team.labels": "calibrated"}).team
    free = Conditions("ill")
    assert label_policy(free, chosen, n_examples=0) == "classifier"
    assert label_policy(free, chosen, n_examples=1) == "calibrated"
    assert label_policy(Conditions("ill", {"ill": ILL}), chosen, n_examples=1) == "given"
    worker = Settings.load({"team.labels": "worker"}).team
    assert label_policy(free, worker, n_examples=0) == "worker"


def test_marks_are_letters_and_no_two_are_the_same():
    assert [component_mark(place) for place in (0, 1, 25, 26, 27, 51, 52)] == [
        "A",
        "B",
        "Z",
        "AA",
        "AB",
        "AZ",
        "BA",
    ]
    assert len({component_mark(place) for place in range(800)}) == 800

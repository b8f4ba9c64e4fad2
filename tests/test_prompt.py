"""The prefix that all rows share: its text, which real rows it shows, and how long it is."""

import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import t2local
from t2local.llm.requests import Request
from t2local.llm.sampling import RowStream
from t2local.llm.scripted import ScriptedModel
from t2local.settings import Settings
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.team.calibration import calibrate
from t2local.team.manager import propose
from t2local.team.plan import plan_of_roles
from t2local.team.prompt import row_sizes, stratified_draw
from t2local.team.prompts import render
from t2local.team.rows import records
from t2local.team.team import Team
from t2local.team.writer import BlockRequest, RowWriter
from tests.teams import dictionary_and_values, team_of

pytestmark = pytest.mark.usefixtures("few_trees")

DICTIONARY = FeatureDictionary(
    description="Patients of one ward",
    target="ill",
    features=(
        Feature(name="age", type="integer", minimum=18, maximum=99, unit="years"),
        Feature(name="sex", type="category", levels=("F", "M"), meaning="as registered"),
        Feature(name="bmi", type="decimal", minimum=15, maximum=50, decimals=1, missing=True),
        Feature(name="ill", type="category", levels=("0", "1")),
    ),
)
REAL = pd.DataFrame({"age": [40.0], "sex": ["F"], "bmi": [22.5], "ill": ["1"]})


def prompt_of(**chosen) -> str:
    roles = [("Who", ["age", "sex"], []), ("Body", ["bmi"], ["Who"])]
    model = ScriptedModel()
    with Team(
        model,
        DICTIONARY,
        plan_of_roles(roles, DICTIONARY, "data"),
        REAL,
        Settings.load({f"team.{name}": value for name, value in chosen.items()}),
        1,
    ) as team:
        assert team.expected.prefix == len(model.prompts[-1].encode())
    return model.prompts[-1]


HEAD = (
    "Patients of one ward. A team writes each row. Every member adds its part:\n"
    'A Who: age (18 to 99 years), sex (as registered: "F" or "M")\n'
    "B Body: bmi (15 to 50 or null)\n"
    "C Label: ill (0 or 1)\n"
)


@pytest.mark.parametrize(
    ("chosen", "rest"),
    [
        ({"labels": "worker"}, 'Rows:\n[40,"F",22.5,1]\n'),
        ({"labels": "calibrated"}, 'Rows:\n[40,"F",22.5][1]\n'),
        ({"labels": "classifier"}, 'Rows:\n[40,"F",22.5]\n'),
        ({"conditioning": "parents"}, 'Rows:\nA[40,"F"]B[22.5]C[1]\n'),
    ],
)
def test_the_prompt_names_the_team_and_shows_rows_as_they_are_written(chosen, rest):
    assert prompt_of(**chosen) == HEAD + rest


def test_a_prompt_without_examples_says_the_form_of_a_row():
    text = prompt_of(examples=0, labels="worker")
    assert text.endswith("Each row is written as [age,sex,bmi,ill]\nRows:\n")
    assert "40" not in text
    assert 'sex (as registered: "F" or "M")' in text  # one row has no statistics
    text = prompt_of(examples=0, conditioning="parents")
    assert "Each row is written as A[age,sex]B[bmi]\n" in text


def test_the_prompt_of_texts_lists_the_columns_that_are_wanted():
    columns = [
        {"name": "note", "meaning": "what the nurse saw", "max_length": 80},
        {"name": "remark", "meaning": "", "max_length": 12},
    ]
    text = render("texts.j2", description="", features=["age (18 to 99)", "sex"], texts=columns)
    assert text == (
        "A table of real rows. Each row has age (18 to 99), sex. "
        "After each row stand short texts:\n"
        "note: what the nurse saw (at most 80 letters)\n"
        "remark (at most 12 letters)\n"
        "Rows:\n"
    )


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(0, 45), st.integers(0, 2**32)
)
def test_a_draw_is_stratified_and_has_every_class_if_it_can(classes, n_rows, seed):
    strata = np.array(classes)
    chosen = stratified_draw(strata, n_rows, np.random.default_rng(seed))
    n_chosen = min(n_rows, len(strata))
    assert len(set(chosen)) == len(chosen) == n_chosen
    sizes = Counter(classes)
    drawn = Counter(strata[chosen].tolist())
    for stratum, size in sizes.items():
        if n_chosen >= len(sizes):
            assert drawn[stratum] >= 1
        # Every class gives its share; a row more or less is rounding, as each class has one.
        assert drawn[stratum] <= size * n_chosen / len(strata) + 2
    again = stratified_draw(strata, n_rows, np.random.default_rng(seed))
    assert again == chosen


def test_sets_of_examples_differ_and_their_prompts_share_the_head(patients):
    with team_of(patients, examples=8) as team:
        prompts = [team.prompt.tokens_of_set(number) for number in range(3)]
        examples = [team.prompt.examples(number) for number in range(3)]
        assert team.prompt.examples(1) == examples[1]
        for prompt in prompts:
            shared = team.prompt.shared_tokens(prompt)
            assert prompt[:shared] == team.prompt.head[:shared]
            assert shared == len(team.prompt.head)
    assert len({tuple(sorted(places)) for places in examples}) == 3
    with team_of(patients, examples=8, seed=2) as other:
        assert other.prompt.examples(0) != examples[0]


def test_a_rare_class_is_always_shown_and_the_others_by_their_shares(patients):
    rare = pd.concat(
        [patients[patients["outcome"] == 0].head(27), patients[patients["outcome"] == 1].head(2)],
        ignore_index=True,
    )
    for seed in range(1, 9):
        model = ScriptedModel()
        team_of(rare, model=model, seed=seed, examples=6, labels="worker").__exit__()
        labels = re.findall(r",(\d)\]\n", model.prompts[-1])
        assert sorted(labels) == ["0"] * 5 + ["1"]


def test_what_a_worker_sees_again_is_decoded_again():
    tokens = np.array([[2, 3, 4], [4, 5, 6]])
    # All before is seen: nothing is decoded twice.
    assert row_sizes([(), (0,), (0, 1)], tokens) == (12.0, 15)
    # The third part goes on from the other sequence, which is empty: the first is read again.
    assert row_sizes([(), (), (0,)], tokens) == (3.0 + 4.0 + 5.0, 15)
    # It goes back to the first part: that one stays, and the second is left in the other sequence.
    assert row_sizes([(), (0,), (0,)], tokens) == (12.0, (4 + 6) + (4 + 5))


@pytest.mark.parametrize("conditioning", ["row", "parents"])
def test_a_row_takes_as_many_tokens_as_expected(patients, conditioning):
    """Real rows are forced, one by one: what the decoder counts is what was expected of them."""
    chosen = {"conditioning": conditioning, "labels": "worker"}
    with team_of(patients.head(20), **chosen) as team:
        team.show(team.prompt.tokens_of_set(0))
        for place, record in enumerate(records(team.real)):
            forced = tuple(text.encode() for text in team.layout.arrays(record))
            stream = RowStream(1, row=place)
            done = list(team.complete([Request(team.layout.segments, stream, forced)]))
            assert done[0][1].failure == ""
        # The tokens that end a part are not decoded where nothing follows them.
        per_row = team.counters.row_tokens / 20
        assert per_row <= team.expected.row
        assert per_row > 0.7 * team.expected.row


def watched(model: ScriptedModel) -> bytearray:
    """All bytes that the model's contexts are asked to decode, from now on."""
    seen = bytearray()
    context = model.context

    def open_watched(cells, sequences):
        opened = context(cells, sequences)
        decode = opened.decode
        opened.decode = lambda tokens, *more, **options: (
            seen.extend(tokens.tolist()),
            decode(tokens, *more, **options),
        )[1]
        return opened

    model.context = open_watched
    return seen


@pytest.mark.parametrize("conditioning", ["row", "parents"])
@pytest.mark.parametrize("labels", ["worker", "calibrated"])
def test_without_examples_no_real_row_reaches_the_model(patients, conditioning, labels):
    canaries = np.round(1000 + 8999 * np.random.default_rng(5).random(len(patients)), 2)
    with_canaries = patients.assign(lab=canaries)[[*patients.columns[:-1], "lab", "outcome"]]

    def shown(examples):
        model = ScriptedModel()
        seen = watched(model)
        chosen = {"examples": examples, "conditioning": conditioning, "labels": labels}
        dictionary, real = dictionary_and_values(with_canaries)
        propose(real, dictionary, model, seed=1, show=examples > 0)
        with team_of(with_canaries, model=model, **chosen) as team:
            block = RowWriter(team, calibrate(team)).write(BlockRequest(0, 10, 0))
            assert len(block.rows) == 10
            assert team.label_policy == (
                "classifier" if (labels, examples) == ("calibrated", 0) else labels
            )
        assert b"mean" in seen or examples
        return [canary for canary in canaries if f"{canary}".encode() in seen]

    assert len(shown(20)) >= 20
    assert shown(0) == []


def test_without_examples_a_whole_run_shows_no_real_row(patients):
    canaries = np.round(1000 + 8999 * np.random.default_rng(5).random(len(patients)), 2)
    model = ScriptedModel()
    seen = watched(model)
    result = t2local.generate(
        patients.assign(lab=canaries),
        target="outcome",
        model=model,
        rows=10,
        max_batches=2,
        settings={"team.examples": 0, "team.labels": "worker"},
    )
    assert [canary for canary in canaries if f"{canary}".encode() in seen] == []
    assert b"mean" in seen
    assert result.report["labels"]["policy"] == "worker"
    assert result.report["rows"]["generated"] == 20

"""What goes into a run: read, understood and checked, all before a model is needed."""

import numpy as np
import pandas as pd
import pytest

import t2local
from t2local.errors import KnowledgeError, PlanError, UsageError
from t2local.events import Decision, Notice
from t2local.run.inputs import (
    Run,
    load_dictionary,
    new_run,
    read_inputs,
)
from t2local.run.ledger import Ledger
from t2local.run.wanted_rows import want_rows
from t2local.settings import Settings
from t2local.team.plan import from_data


@pytest.fixture
def events():
    return []


@pytest.fixture
def run(events):
    return Run(Settings(), 1, Ledger(10, 10, 5), events.append)


def inputs_of(run, data, **options):
    options = {"target": None, "dictionary": None, "plan": "data", **options}
    return read_inputs(run, data, **options)


def test_a_frame_becomes_values_with_a_dictionary(run, events, patients):
    inputs = inputs_of(run, patients)
    assert inputs.dictionary.target == "outcome"
    assert inputs.values.shape == patients.shape
    assert inputs.frame is patients
    assert inputs.plan == "data"
    assert inputs.dictionary_text == ""
    assert Decision("target", "outcome", inputs.dictionary.target_reason) in events
    assert run.ledger.decisions == [event for event in events if isinstance(event, Decision)]


def test_decisions_are_kept_for_the_manifest_and_notices_are_only_told(run, events):
    run.tell(Notice("look"))
    run.tell(Decision("plan", "A -> B", "from the data"))
    assert events == [Notice("look"), Decision("plan", "A -> B", "from the data")]
    assert run.ledger.decisions == events[1:]


def test_a_file_of_a_dictionary_is_used_and_kept_as_it_is(run, patients, tmp_path):
    path = tmp_path / "dictionary.yaml"
    text = "# my own words\n" + t2local.describe(patients).to_yaml()
    path.write_text(text)
    inputs = inputs_of(run, patients, dictionary=path)
    assert inputs.dictionary_text == text
    # Another target makes it another dictionary: the file would say something else.
    inputs = inputs_of(run, patients, dictionary=path, target="smoker")
    assert inputs.dictionary.target == "smoker"
    assert inputs.dictionary_text == ""


def test_a_target_that_the_dictionary_lacks_is_refused_with_those_it_has(run, patients):
    dictionary = t2local.describe(patients)
    with pytest.raises(UsageError, match="no feature 'nope'") as caught:
        inputs_of(run, patients, dictionary=dictionary, target="nope")
    assert "smoker" in caught.value.next_step


def with_effects(dictionary, **of_target):
    """The dictionary with an effect of the first column, and fields of the target."""
    first, *middle, target = dictionary.features
    features = (
        first.model_copy(update={"effect": "raises"}),
        *middle,
        target.model_copy(update=of_target),
    )
    return dictionary.model_copy(update={"features": features})


@pytest.mark.parametrize(
    ("of_target", "reason"),
    [
        ({}, "on the risk of the second level of outcome; the dictionary may name another"),
        ({"positive": "0"}, "on the risk of the level of outcome that the dictionary calls"),
        ({"type": "integer", "levels": (), "minimum": 0, "maximum": 1}, "on the size of outcome"),
    ],
)
def test_effects_are_told_with_what_they_are_on(run, events, patients, of_target, reason):
    inputs_of(run, patients, dictionary=with_effects(t2local.describe(patients), **of_target))
    (decision,) = [e for e in events if isinstance(e, Decision) and e.what == "effects"]
    assert decision.value == "of 1 columns"
    assert reason in decision.reason


def test_without_effects_nothing_is_told_of_them(run, events, patients):
    inputs_of(run, patients)
    assert "effects" not in {event.what for event in events if isinstance(event, Decision)}


def test_effects_on_one_target_are_not_used_for_another(run, patients):
    dictionary = with_effects(t2local.describe(patients))
    assert inputs_of(run, patients, dictionary=dictionary, target="outcome")
    with pytest.raises(UsageError, match="are on 'outcome', not on 'smoker'") as caught:
        inputs_of(run, patients, dictionary=dictionary, target="smoker")
    assert "take them out of the dictionary" in caught.value.next_step


def test_a_plan_may_be_an_object_a_file_or_a_maker(run, patients, tmp_path):
    dictionary = t2local.describe(patients)
    plan = from_data(inputs_of(run, patients).values, dictionary)
    path = tmp_path / "plan.yaml"
    path.write_text(plan.to_yaml())
    assert inputs_of(run, patients, plan=plan).plan is plan
    assert inputs_of(run, patients, plan=path).plan.components == plan.components
    assert inputs_of(run, patients, plan="manager").plan == "manager"
    with pytest.raises(PlanError, match="does not fit"):
        inputs_of(run, patients.drop(columns="ward"), plan=plan)
    with pytest.raises(PlanError):
        inputs_of(run, patients, plan=tmp_path / "missing.yaml")


def test_a_code_for_missing_is_written_as_it_was_read(run, patients):
    frame = patients.assign(weight=patients["weight"].fillna(-9))
    dictionary = t2local.describe(frame)
    coded = dictionary.model_copy(
        update={
            "features": tuple(
                f.model_copy(update={"missing_values": ("-9",), "missing": True})
                if f.name == "weight"
                else f
                for f in dictionary.features
            )
        }
    )
    inputs = inputs_of(run, frame, dictionary=coded)
    assert inputs.table.missing == {"weight": "-9"}
    assert inputs.values["weight"].isna().sum() == patients["weight"].isna().sum()


def test_row_weights_are_one_unless_other_shares_are_asked_for(run, patients):
    assert (inputs_of(run, patients).row_weights() == 1).all()
    inputs = inputs_of(run, patients, balance="uniform")
    weights = inputs.row_weights()
    labels = inputs.values["outcome"]
    assert weights.mean() == pytest.approx(1)
    sums = pd.Series(weights).groupby(labels.to_numpy()).sum()
    assert np.allclose(sums, sums.iloc[0])  # each class counts for the same in all


def test_a_label_that_is_not_asked_for_still_counts_a_little(run, patients):
    inputs = inputs_of(run, patients, balance={"0": 0.0, "1": 1.0})
    weights = pd.Series(inputs.row_weights())
    by_label = weights.groupby(inputs.values["outcome"].to_numpy()).first()
    assert by_label["0"] == pytest.approx(0.05 * by_label["1"])


def ledger_of(events, frame, rows=None, max_batches=None, **settings):
    """The ledger of a run on a frame, after `want_rows`."""
    named = {name.replace("_", ".", 1): value for name, value in settings.items()}
    run = new_run(Settings.load(named), 1, 10, events.append)
    want_rows(run, inputs_of(run, frame, target="outcome"), rows, max_batches)
    return run.ledger


@pytest.mark.parametrize(
    ("n_real", "wanted"), [(8, 200), (20, 200), (21, 210), (200, 2000), (300, 2000)]
)
def test_ten_times_the_real_rows_are_wanted_within_bounds_and_the_run_says_so(
    events, patients, n_real, wanted
):
    frame = pd.concat([patients.drop(columns="weight")] * 5, ignore_index=True).head(n_real)
    assert ledger_of(events, frame).wanted == wanted
    (decision,) = [event for event in events if getattr(event, "what", "") == "rows"]
    reason = f"ten times the {n_real} real rows, from 200 to 2000; --rows"
    assert decision == Decision("rows", str(wanted), reason)


def test_a_number_of_rows_that_was_asked_for_is_no_decision(events, patients):
    assert ledger_of(events, patients, rows=7).wanted == 7
    assert "rows" not in [getattr(event, "what", "") for event in events]


def test_classes_are_chosen_among_a_quarter_more_candidates(events, patients):
    assert ledger_of(events, patients, 95).candidates == 119
    assert ledger_of(events, patients, 95, trim_candidates=3).candidates == 285
    assert ledger_of(events, patients, 95, trim_candidates=1).candidates == 95
    # Rows that are to look like the table are chosen among half as many more.
    assert ledger_of(events, patients, 95, trim_purpose="share").candidates == 143
    assert (
        ledger_of(events, patients, 95, trim_purpose="share", trim_candidates=2).candidates == 190
    )
    numeric = patients.assign(outcome=patients["age"] * 1.5)
    assert ledger_of(events, numeric, 95, trim_purpose="share").candidates == 143
    # Of numbers none is clearer.
    assert ledger_of(events, numeric, 95).candidates == 95
    # Batches are kept as they come.
    assert ledger_of(events, patients, 95, trim_gate="utility").candidates == 0


def test_a_run_without_a_limit_tries_patience_times_what_would_do(events, patients):
    by_batch = {"trim_patience": 3, "trim_gate": "utility"}
    assert ledger_of(events, patients, 95, **by_batch).max_batches == 30
    assert ledger_of(events, patients, 95, 4, **by_batch).max_batches == 4
    # 119 candidates are 12 batches.
    assert ledger_of(events, patients, 95, trim_patience=3).max_batches == 36
    assert ledger_of(events, patients, 95, 4).max_batches == 4


def test_a_dictionary_is_an_object_or_a_file(patients, tmp_path):
    dictionary = t2local.describe(patients)
    path = tmp_path / "d.yaml"
    path.write_text(dictionary.to_yaml())
    assert load_dictionary(dictionary) is dictionary
    assert load_dictionary(path) == load_dictionary(str(path)) == dictionary


KNOWLEDGE = """\
target: outcome
beliefs:
- {feature: age, direction: raises, strength: 2}
- {feature: weight, direction: lowers, strength: 0.1}
- {feature: sex, level: M, direction: lowers, strength: 0.2}
"""


def test_beliefs_that_the_rows_support_are_known_to_the_labels(run, events, patients, tmp_path):
    path = tmp_path / "knowledge.yaml"
    path.write_text(KNOWLEDGE)
    inputs = inputs_of(run, patients, knowledge=path)
    assert inputs.beliefs.used
    assert inputs.dictionary["age"].effects == (2.0,)
    assert [event.what for event in events if isinstance(event, Decision)][-1] == "beliefs"


def test_beliefs_that_they_do_not_support_are_reported_and_not_used(
    run, events, patients, tmp_path
):
    path = tmp_path / "knowledge.yaml"
    wrong = KNOWLEDGE.replace("age, direction: raises", "age, direction: lowers")
    wrong = wrong.replace("weight, direction: lowers", "weight, direction: raises")
    path.write_text(wrong.rpartition("- ")[0])
    inputs = inputs_of(run, patients, knowledge=path)
    assert not inputs.beliefs.used
    assert np.isnan(inputs.dictionary["age"].effects).all()
    assert "are not used" in events[-1].message


def test_a_faulty_file_of_beliefs_is_refused(run, patients, tmp_path):
    path = tmp_path / "knowledge.yaml"
    path.write_text("target: age")
    with pytest.raises(KnowledgeError, match=r"knowledge\.yaml, line 1.*the target is 'outcome'"):
        inputs_of(run, patients, knowledge=path)

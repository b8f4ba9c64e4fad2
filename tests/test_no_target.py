"""Tables without a target: nothing is to be predicted, and everything else works."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings

import t2local
from t2local.cli import main
from t2local.cli.text import run_summary
from t2local.errors import DictionaryError, InputError, UsageError
from t2local.evaluate.report import METRICS
from t2local.llm.scripted import ScriptedModel
from t2local.pipeline import ask
from t2local.run.forecast import forecast
from t2local.settings import Settings
from t2local.tables.dictionary_file import read_dictionary
from tests.strategies import dictionaries
from tests.tiny import tiny

pytestmark = pytest.mark.usefixtures("few_trees")

FAST = {"trim.replicates": 50}


def generate(data, **options):
    return t2local.generate(
        data,
        **{"target": "none", "rows": 20, "model": ScriptedModel(), "settings": FAST, **options},
    )


@pytest.mark.parametrize(
    ("plan", "conditioning", "gate"),
    [("manager", "row", "source"), ("data", "parents", "source"), ("data", "row", "ig_refit")],
)
def test_a_run_writes_every_column_and_judges_by_the_cells(patients, plan, conditioning, gate):
    chosen = {**FAST, "team.conditioning": conditioning, "trim.gate": gate}
    result = generate(patients, plan=plan, settings=chosen)
    report = result.report
    assert report["rows"]["kept"] == len(result.synthetic) == 20
    assert list(result.synthetic) == list(patients)
    assert set(result.synthetic["outcome"]) <= {0, 1}
    written = [name for part in report["plan"]["components"] for name in part["features"]]
    assert sorted(written) == sorted(patients)
    assert report["batches"][0]["figures"]["cost"] == {
        "skipped": "there is no target, so no row has a label to judge"
    }
    assert report["labels"]["policy"] == "none"
    assert (report["benefit"], report["labels"]["shares"]) == (None, {})
    assert report["shifts"]["n_kept"] == 20
    assert "There is no target, so they were judged by their cells alone." in report["verdict"]
    assert ("what the table looks like" in report["verdict"]) == (gate == "source")
    target = {"what": "target", "value": "none", "reason": "asked for"}
    assert target in result.manifest["decisions"]


def test_cells_are_weighed_on_real_rows_and_conditions_hold(patients):
    cells = generate(patients).report["cells"]
    assert cells["rows"] >= 30
    assert set(cells["weights"]) == set(patients)  # the label would not be among them
    women = generate(patients, where=["sex=F", "age>=40"]).synthetic
    assert set(women["sex"]) == {"F"}
    assert women["age"].min() >= 40


def test_no_row_is_dropped_for_a_blank_last_column(patients):
    blanks = patients.assign(outcome=patients["outcome"].where(patients.index % 2 == 0))
    told = []
    result = generate(blanks, on_event=told.append)
    assert result.report["shifts"]["n_real"] == 60
    assert result.synthetic["outcome"].isna().any()
    assert not any("not used" in getattr(event, "message", "") for event in told)


def test_a_dry_run_counts_no_labels(patients):
    with_target = forecast(patients, rows=50, model=ScriptedModel(), settings=Settings())
    without = forecast(patients, target="none", rows=50, model=ScriptedModel(), settings=Settings())
    # A quarter more is written to choose the clearest of each class, half more to look alike.
    assert (with_target.rows_at_most, without.rows_at_most) == (350, 400)
    assert without.seconds > 0


def test_what_needs_a_target_says_so_in_one_sentence(patients):
    for call in (
        lambda: ask(patients, target="none", model=ScriptedModel()),
        lambda: generate(patients).predictor,
        lambda: generate(patients, settings={"team.beliefs": "always"}),
    ):
        with pytest.raises(UsageError, match="the table has no target") as error:
            call()
        assert "target" in error.value.next_step
    with pytest.raises(UsageError, match="there is no target whose labels could have shares"):
        generate(patients, balance="uniform")


def test_rows_of_another_generator(patients):
    rng = np.random.default_rng(0)
    other = patients.sample(40, random_state=1, ignore_index=True)
    other["weight"] = (other["weight"].fillna(70) + rng.uniform(0.1, 3, 40)).round(1)
    wrong = other.assign(outcome=1 - other["outcome"])  # no model of a label is there to refuse it
    trimmed = t2local.trim(patients, wrong, target="none")
    assert trimmed.report["rows"]["kept"] == 40
    assert (trimmed.report["target"], trimmed.report["benefit"]) == (None, None)
    evaluation = t2local.evaluate(patients, other, target="none")
    assert {figure.group for figure in evaluation.figures} == {"fidelity", "plausibility"}
    assert "utility is not measured" in evaluation.text()
    assert {figure.name for figure in evaluation.figures} == {metric.name for metric in METRICS}


@settings(max_examples=40, deadline=None)
@given(dictionaries())
def test_its_dictionary_comes_back_equal_from_its_file(dictionary):
    without = dictionary.model_copy(update={"target": None})
    assert read_dictionary(without.to_yaml(), "d.yaml") == without
    assert without.inputs == without.names


FIELD = "fields: [{name: NAME, type: integer, constraints: {minimum: 1, maximum: 3}}]"


@pytest.mark.parametrize(
    ("target", "name"), [("none", "age"), ("null", "age"), ("", "age"), ("null", "none")]
)
def test_how_a_file_says_it(target, name):
    dictionary = read_dictionary(f"target: {target}\n{FIELD}".replace("NAME", name), "d.yaml")
    assert dictionary.target is None
    assert read_dictionary(dictionary.to_yaml(), "d.yaml") == dictionary


def test_a_column_named_none_is_a_target_all_the_same(patients):
    named = patients.rename(columns={"smoker": "none"})
    assert t2local.describe(named, target="none").target == "none"
    with pytest.raises(DictionaryError, match="needs a field beside it"):
        read_dictionary(f"target: none\n{FIELD}".replace("NAME", "none"), "d.yaml")


def test_effects_without_a_target_are_a_fault():
    field = "{name: age, type: integer, effect: raises, constraints: {minimum: 1, maximum: 3}}"
    with pytest.raises(DictionaryError, match="effects are on the target, and there is none"):
        read_dictionary(f"target: none\nfields: [{field}]", "d.yaml")


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"a": [*range(10)] * 3, "b": ["x"] * 30}, "no other column"),
        ({"a": [1.5, None, 2.5] * 10, "b": [None, "x", "y"] * 10}, "without a blank cell"),
    ],
)
def test_where_no_column_could_be_one_there_is_none(columns, reason):
    dictionary = t2local.describe(pd.DataFrame(columns))
    assert dictionary.target is None
    assert reason in dictionary.target_reason


def test_a_guess_is_never_a_column_of_one_class(patients):
    dictionary = t2local.describe(patients.assign(died="no"))
    assert dictionary.target == "outcome"


def test_one_column_is_enough_and_a_target_alone_is_not(patients):
    notes = [f"came on foot, patient number {n} of the day" for n in range(60)]
    table = patients[["age"]].assign(note=notes)
    result = generate(table, target=None)
    assert len(result.synthetic) == 20
    assert list(result.synthetic) == ["age", "note"]
    with pytest.raises(InputError, match="no column beside the target") as error:
        t2local.describe(table, target="age")
    assert error.value.next_step.endswith('target="none"')
    with pytest.raises(UsageError, match="no feature beside 'age'"):
        generate(table, target="age", dictionary=t2local.describe(table))


def test_a_dictionary_with_a_target_takes_none(patients):
    dictionary = t2local.describe(patients)
    result = generate(patients, dictionary=dictionary)
    assert (result.dictionary.target, result.dictionary.target_reason) == (None, "asked for")
    assert (
        t2local.trim(patients, patients, target="none", dictionary=dictionary).report["target"]
        is None
    )


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_commands(patients, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    patients.to_csv("data.csv", index=False)
    tiny(tmp_path / "tiny.gguf")
    options = ("--target", "none", "--model", "tiny.gguf")
    asked = run("ask", "data.csv", *options)
    assert asked.exit_code == 2
    assert asked.stderr.strip().endswith("--target COLUMN, or as target in the dictionary")
    done = run("generate", "data.csv", *options, "--rows", 10)
    assert done.exit_code == 0, done.stderr
    folder = tmp_path / "data.t2local"
    assert "target: none (asked for)" in done.stderr
    assert "target: none\n" in (folder / "dictionary.yaml").read_text()
    assert run_summary(json.loads((folder / "report.json").read_text()), folder)
    own = ("--dictionary", folder / "dictionary.yaml")
    plan = ("--plan", folder / "plan.yaml", "--model", "tiny.gguf")
    again = run("generate", "data.csv", *own, *plan, "--rows", 10, "--out", "again")
    assert again.exit_code == 0, again.stderr
    judged = run("evaluate", "data.csv", "again/synthetic.csv", *own, "--format", "json")
    assert json.loads(judged.stdout)["target"] is None


@pytest.mark.model
def test_the_starter_writes_rows_that_look_like_the_table(tmp_path):
    run("sample", "diabetes", "-o", tmp_path / "diabetes.csv")
    options = ("--target", "none", "--rows", 60, "--quiet")
    done = run("generate", tmp_path / "diabetes.csv", *options)
    assert done.exit_code == 0, done.stderr
    real = pd.read_csv(tmp_path / "diabetes.csv")
    rows = pd.read_csv(tmp_path / "diabetes.t2local" / "synthetic.csv")
    assert (len(rows), list(rows)) == (60, list(real))
    # The column that would be the target is written by the team like any other, with its ties.
    difference = abs(rows.corr().loc["target"] - real.corr().loc["target"])
    assert difference.max() < 0.5
    assert abs(rows["target"].mean() - real["target"].mean()) < 25

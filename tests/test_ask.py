"""The command that asks a model: its file is read by ``generate``, and the report has it."""

import json

import pytest
from click.testing import CliRunner

import t2local
from t2local import pipeline
from t2local.cli import main
from t2local.errors import KnowledgeError, T2LocalError
from t2local.llm.scripted import ScriptedModel
from t2local.run import models
from t2local.tables.belief_file import Belief, Knowledge, read_knowledge
from tests.tiny import tiny

pytestmark = pytest.mark.usefixtures("few_trees")


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_answer_of_a_model_file_goes_into_a_run(patients, tmp_path):
    data, model = tmp_path / "data.csv", tmp_path / "model.gguf"
    patients.to_csv(data, index=False)
    tiny(model)
    answer = tmp_path / "knowledge.yaml"
    done = run("ask", data, "--model", model, "-o", answer)
    assert done.exit_code == 0, done.output
    knowledge = read_knowledge(answer.read_text(), "k.yaml", t2local.describe(patients))
    assert {belief.feature for belief in knowledge.beliefs} >= {"age", "weight", "smoker"}
    assert (knowledge.target, knowledge.positive) == ("outcome", "1")
    again = run("ask", data, "--model", model)
    assert again.stdout == answer.read_text()


def test_a_run_writes_the_beliefs_that_it_was_given(patients, tmp_path):
    belief = Belief(feature="age", direction="raises")
    knowledge = Knowledge(target="outcome", model="somebody", beliefs=(belief,))
    out = tmp_path / "out"
    t2local.generate(
        patients, rows=5, plan="data", model=ScriptedModel(), knowledge=knowledge, out=out
    )
    report = json.loads((out / "report.json").read_text())["beliefs"]
    assert (report["model"], report["used"]) == ("somebody", True)
    assert report["beliefs"][0]["feature"] == "age"
    written = (out / "knowledge.yaml").read_text()
    assert read_knowledge(written, "k.yaml", t2local.describe(patients)) == knowledge


def test_a_report_has_the_numbers_of_levels_and_no_level(patients):
    ward = t2local.describe(patients)["ward"].levels
    belief = Belief(feature="ward", level=ward[1], direction="raises")
    knowledge = Knowledge(target="outcome", beliefs=(belief,))
    result = t2local.generate(
        patients, rows=5, plan="data", model=ScriptedModel(), knowledge=knowledge
    )
    [reported] = result.report["beliefs"]["beliefs"]
    assert (reported["feature"], reported["level"]) == ("ward", 2)


def test_beliefs_about_another_table_are_refused(patients):
    belief = Belief(feature="height", direction="raises")
    knowledge = Knowledge(target="outcome", beliefs=(belief,))
    with pytest.raises(KnowledgeError, match="do not fit") as caught:
        t2local.generate(patients, plan="data", model=ScriptedModel(), knowledge=knowledge)
    assert "height" in caught.value.faults[0]


def test_of_three_classes_the_dictionary_has_to_name_one(patients):
    dictionary = t2local.describe(patients, target="ward")
    with pytest.raises(T2LocalError, match="positive: LEVEL"):
        pipeline.ask(patients, dictionary=dictionary, model=ScriptedModel())
    target = dictionary["ward"].model_copy(update={"positive": "C"})
    features = [target if f.name == "ward" else f for f in dictionary.features]
    named = dictionary.model_copy(update={"features": tuple(features)})
    assert pipeline.ask(patients, dictionary=named, model=ScriptedModel()).positive == "C"


def beliefs_of_a_run(patients, **settings):
    model = ScriptedModel(lambda text: b"l" * (b"with a lower" in text.rpartition(b"\n")[2]))
    options = {"rows": 5, "plan": "data", "model": model}
    settings = {"team.cells": "worker", **settings}
    return t2local.generate(patients, **options, settings=settings).report["beliefs"]


def test_a_model_is_asked_by_itself_only_where_its_answers_are_worth_it(patients, monkeypatch):
    assert beliefs_of_a_run(patients) is None
    assert beliefs_of_a_run(patients, **{"team.beliefs": "always"})["model"] == "scripted"
    monkeypatch.setattr(models, "worth_of_beliefs", lambda _: "+1.4 points")
    assert beliefs_of_a_run(patients)["model"] == "scripted"
    for never in ({"team.beliefs": "never"}, {"team.labels": "worker"}):
        assert beliefs_of_a_run(patients, **never) is None
    nameless = patients.rename(columns={"outcome": "target"})
    assert beliefs_of_a_run(nameless) is None


def test_what_a_person_passes_on_is_not_asked_for_again(patients):
    knowledge = Knowledge(target="outcome", model="somebody")
    report = t2local.generate(
        patients,
        rows=5,
        plan="data",
        model=ScriptedModel(),
        knowledge=knowledge,
        settings={"team.beliefs": "always"},
    ).report
    assert report["beliefs"]["model"] == "somebody"

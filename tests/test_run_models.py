"""The models of a run: loaded one at a time, and freed; whose plan it is."""

import pytest

from t2local.errors import ModelError, UsageError
from t2local.llm import machine
from t2local.llm.scripted import ScriptedModel
from t2local.llm.store import find
from t2local.llm.tuning_memory import Tuning, path, remember
from t2local.run.inputs import Run, read_inputs
from t2local.run.ledger import Ledger
from t2local.run.models import ModelIdentity, RunPlan, load, make_plan, plan_by_another_model
from t2local.settings import Settings
from tests.tiny import tiny


@pytest.fixture
def run():
    return Run(Settings(), 1, Ledger(10, 10, 5), lambda event: None)


def inputs_of(run, data, plan):
    return read_inputs(run, data, None, None, plan)


def test_a_loaded_model_is_the_callers_and_is_not_closed(run):
    model = ScriptedModel()
    with load(model, run) as loaded:
        assert loaded is model
    assert run.ledger.decisions == []


def test_a_model_that_is_not_there_is_an_error_with_a_way_out(run, tmp_path):
    with pytest.raises(ModelError) as caught, load(str(tmp_path / "none.gguf"), run):
        pass
    assert caught.value.next_step


def test_the_managers_plan_is_counted_and_says_which_model_made_it(run, patients):
    model = ScriptedModel()
    run_plan = make_plan(run, inputs_of(run, patients, "manager"), model)
    assert run_plan.plan.source == "manager"
    assert run_plan.manager == ModelIdentity(model.name, model.sha256)
    assert run.ledger.tokens["plan"].decoded_tokens > 0
    assert run.ledger.clock.seconds["plan"] > 0
    assert run.ledger.decisions[-1].reason == "from the manager"


def test_a_plan_from_data_or_from_the_caller_needs_no_model(run, patients):
    run_plan = make_plan(run, inputs_of(run, patients, "data"), None)
    assert run_plan.plan.source == "data"
    assert run_plan.manager is None
    again = make_plan(run, inputs_of(run, patients, run_plan.plan), ScriptedModel())
    assert again == RunPlan(run_plan.plan)
    assert "plan" not in run.ledger.tokens


def test_another_model_makes_the_plan_only_where_a_manager_is_wanted(run, patients):
    manager = ScriptedModel()
    assert plan_by_another_model(run, inputs_of(run, patients, "manager"), None) is None
    run_plan = plan_by_another_model(run, inputs_of(run, patients, "manager"), manager)
    assert run_plan.plan.source == "manager"
    assert len(manager.prompts) == 1
    with pytest.raises(UsageError, match="not the manager's"):
        plan_by_another_model(run, inputs_of(run, patients, "data"), manager)


@pytest.fixture
def tuned(tmp_path, monkeypatch):
    """A tiny model for which something was measured on this machine."""
    monkeypatch.setenv("T2LOCAL_HOME", str(tmp_path))
    path = str(tiny(tmp_path / "tuned.gguf"))
    tuning = Tuning(date="2026-11-26", threads=1, slots=7, flash_attention="on")
    remember(find(path).sha256, tuning)
    return path


def load_decisions(path, **decoder):
    """The decisions of a run that loads a model, by what they decide."""
    settings = Settings.load({f"decoder.{name}": value for name, value in decoder.items()})
    run = Run(settings, 1, Ledger(10, 10, 5), lambda event: None)
    with load(path, run) as model:
        slots = model.slots(settings.decoder.slots, 10)
    return {decision.what: decision for decision in [*run.ledger.decisions, slots]}


def test_what_was_measured_on_this_machine_is_used_and_says_so(tuned):
    decisions = load_decisions(tuned)
    for what, value in (("threads", 1), ("flash attention", "on"), ("rows side by side", 7)):
        assert decisions[what].value == value
        assert decisions[what].reason.startswith("measured on this machine on 2026-11-26")


def test_a_setting_wins_over_what_was_measured(tuned):
    decisions = load_decisions(tuned, threads=2, slots=5, flash_attention="off")
    for what, value in (("threads", 2), ("flash attention", "off"), ("rows side by side", 5)):
        assert (decisions[what].value, decisions[what].reason) == (value, "asked for")


def test_without_a_measurement_the_rules_hold(tuned):
    path().unlink()
    decisions = load_decisions(tuned)
    assert decisions["threads"].value == machine.threads(0).value
    assert not any("measured" in decision.reason for decision in decisions.values())

"""What a run tells whoever listens."""

import dataclasses

import pytest

import t2local
from t2local.events import Decision, Notice, Progress, ignore
from t2local.llm.scripted import ScriptedModel

pytestmark = pytest.mark.usefixtures("few_trees")


def test_events_are_facts_and_stay_as_they_are():
    for event in (
        Decision("plan", "A -> B", "from the data"),
        Notice("look"),
        Progress(1, 2, 3, {}, 4.0, None),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            event.message = "other"
        assert ignore(event) is None


def test_a_run_tells_what_it_decided_and_how_far_it_is(patients):
    events = []
    result = t2local.generate(
        patients,
        model=ScriptedModel(),
        plan="data",
        rows=10,
        max_batches=1,
        on_event=events.append,
    )
    decided = [event.what for event in events if isinstance(event, Decision)]
    assert {"target", "plan", "rows side by side", "labels", "cells"} <= set(decided)
    assert all(event.reason for event in events if isinstance(event, Decision))
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.written for event in progress] == [*range(1, 11), 10]
    assert progress[-1].kept == len(result.synthetic)
    assert all(event.wanted == 10 for event in progress)
    assert all(event.tokens_per_second > 0 for event in progress)
    manifest = [decision["what"] for decision in result.manifest["decisions"]]
    assert manifest == decided


def test_a_bar_of_tqdm_shows_the_kept_rows_where_it_is_asked_for(patients, capsys):
    events = []
    options = {"model": ScriptedModel(), "plan": "data", "on_event": events.append}
    result = t2local.generate(patients, rows=10, progress=True, **options)
    shown = capsys.readouterr().err
    assert f"{len(result.synthetic)}/10" in shown
    assert "written=" in shown
    assert any(isinstance(event, Progress) for event in events)
    t2local.generate(patients, rows=10, max_batches=1, **options)
    assert capsys.readouterr().err == ""


def test_the_bar_is_closed_when_a_run_fails(patients, capsys):
    with pytest.raises(t2local.T2LocalError):
        t2local.fit(patients, target="nobody", progress=True)
    assert capsys.readouterr().err.endswith("\n")

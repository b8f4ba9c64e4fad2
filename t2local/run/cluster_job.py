"""What a worker of a cluster is sent, and what it does with it: it loads the model, and writes.

Texts come in and texts go out; nothing here knows of dask. The worker makes a team like that of the
process that judges, from the same rows and the same answers about them, so its blocks are the same.
"""

import json
import platform
import threading
import traceback
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from t2local import errors
from t2local.errors import T2LocalError, UsageError
from t2local.events import Decision, ignore
from t2local.llm.backbone import Backbone
from t2local.llm.machine import system_info
from t2local.llm.store import find_content
from t2local.run.fingerprint import OF_THE_MACHINE
from t2local.run.inputs import Inputs, Run, new_run
from t2local.run.resumption import ResumableScorer, answer_of, fit_of, lists_of, values_of
from t2local.settings import Settings
from t2local.system.environment import environment
from t2local.system.json_text import JsonObject
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.feature import Feature
from t2local.team.calibration import calibrate
from t2local.team.conditions import Conditions
from t2local.team.plan import Plan
from t2local.team.scoring import RowScorer
from t2local.team.team import Team
from t2local.team.writer import BlockRequest, RowWriter

#: Of one worker: threads of it take turns, as a context of a model is no thing to share.
_TURN = threading.Lock()


def job_of(run: Run, inputs: Inputs, plan: Plan, team: Team) -> str:
    """All that a worker needs to write rows of a run; it holds the real ones.

    Threads, rows side by side and attention are those of this machine.

    **Raises** `UsageError` for a model that was not loaded from a file.
    """
    model: Any = team.model
    path: Path | None = getattr(model, "path", None)
    if path is None:
        raise UsageError(
            f"The workers of a cluster cannot load {model.name}: it has no file.",
            next_step="pass the name or the file of a model",
        )
    decoder = {
        "threads": model.threads.value,
        "slots": team.slots.value,
        "flash_attention": model.flash_attention.value,
    }
    settings = run.settings.model_dump(mode="json") | {"decoder": decoder}
    restricted = inputs.conditions.restricted.items()
    job = {
        **fit_of(run, inputs, plan),
        "packages": environment().packages,
        "model": {"sha256": model.sha256, "path": str(path.resolve())},
        "settings": settings,
        "wanted": run.ledger.wanted,
        "rows": lists_of(inputs.values),
        "restricted": {name: feature.model_dump(mode="json") for name, feature in restricted},
        "shares": inputs.conditions.shares,
    }
    return json.dumps(job)


def write_block(job: str, request: str) -> str:
    """Write a block; what a worker of the cluster is asked to do.

    **Returns** the answer, what it took and how this machine computes, or a fault. Nothing is
    raised: dask would write the arguments into its log, and they hold real rows.
    """
    with _TURN:
        fault: T2LocalError
        try:
            reply = _workplace(job).write(BlockRequest(**json.loads(request)))
            return json.dumps(reply | {"worker": platform.node()})
        except T2LocalError as error:
            fault = error
        except Exception as error:  # noqa: BLE001 - its message may hold a cell
            last = traceback.extract_tb(error.__traceback__)[-1]
            message = f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}."
            fault = T2LocalError(message, next_step="report this as a bug")
        return json.dumps(
            {"fault": vars(fault), "kind": type(fault).__name__, "worker": platform.node()}
        )


def error_of(reply: JsonObject) -> T2LocalError:
    """The error of a reply that is a fault; it names the machine."""
    fault = reply["fault"]
    message = f"On the machine {reply['worker']}: {fault.pop('message')}"
    error: T2LocalError = getattr(errors, reply["kind"])(message, **fault)
    return error


def way_of_computing(decisions: Iterable[Decision]) -> dict[str, str]:
    """What the last digits of a model's numbers depend on, on this machine, by name."""
    own = {d.what: str(d.value) for d in decisions if d.what in OF_THE_MACHINE}
    return own | {"instruction sets": system_info()}


class _Workplace:
    """The team of one run, on a worker: the model is loaded once for all of its blocks."""

    def __init__(self, text: str) -> None:
        job = json.loads(text)
        _check_packages(job["packages"])
        self.job = text
        settings = Settings.model_validate(job["settings"])
        decoder = settings.decoder
        self._model = Backbone(
            find_content(**job["model"]),
            threads=decoder.threads,
            flash_attention=decoder.flash_attention,
        )
        self._team = _team(job, settings, self._model)
        run = new_run(settings, job["seed"], 1, ignore)
        run.checkpoint.put_all(job["answers"])
        scorer = ResumableScorer(RowScorer(self._team), run, self._team.counters)
        self._writer = RowWriter(self._team, calibrate(self._team, job["wanted"], scorer))
        self._computes = way_of_computing((*self._model.decisions(), self._team.slots))

    def write(self, request: BlockRequest) -> JsonObject:
        before = replace(self._team.counters)
        answer = answer_of(self._writer.write(request))
        tokens = vars(self._team.counters.since(before))
        return {"answer": answer, "tokens": tokens, "computes": self._computes}

    def close(self) -> None:
        self._team.__exit__()
        self._model.close()


#: At most one: the job before gives way.
_workplaces: list[_Workplace] = []


def _workplace(job: str) -> _Workplace:
    """Where the blocks of a job are written, on this worker."""
    if not (_workplaces and _workplaces[0].job == job):
        while _workplaces:
            _workplaces.pop().close()
        _workplaces.append(_Workplace(job))
    return _workplaces[0]


def _team(job: JsonObject, settings: Settings, model: Backbone) -> Team:
    dictionary = FeatureDictionary.model_validate(job["dictionary"])
    restricted = {name: Feature.model_validate(f) for name, f in job["restricted"].items()}
    return Team(
        model,
        dictionary,
        Plan.model_validate(job["plan"]),
        values_of(job["rows"], dictionary),
        settings,
        job["seed"],
        Conditions(dictionary.target, restricted, job["shares"]),
    )


def _check_packages(packages: dict[str, str]) -> None:
    """**Raises** `UsageError` where this machine has other versions of what decides the rows."""
    own = environment().packages
    faults = [f"{n}: {own[n]} there, {v} here" for n, v in packages.items() if own[n] != v]
    if faults:
        next_step = "install the same versions on all machines"
        raise UsageError("Some versions are not the same:", faults=faults, next_step=next_step)

"""The models of a run: loaded when they are needed, one at a time, and freed at the end."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from t2local.errors import ModelError, UsageError
from t2local.events import Decision
from t2local.llm.catalog import worth_of_beliefs
from t2local.llm.counters import Counters
from t2local.llm.model import Model
from t2local.run.inputs import Inputs, Run, with_beliefs_of
from t2local.system.json_text import JsonObject
from t2local.tables.belief_file import Knowledge, check_positive, takes_beliefs
from t2local.team.beliefs import ask
from t2local.team.manager import ProposedPlan, propose
from t2local.team.plan import Plan, from_data

#: A loaded model, or the name or the file of one.
ModelSource = Model | Path | str


@dataclass(frozen=True)
class ModelIdentity:
    """Which model it was, for report and manifest."""

    name: str
    sha256: str

    @classmethod
    def of(cls, model: Model) -> "ModelIdentity":
        """The identity of a loaded model."""
        return cls(model.name, model.sha256)

    @classmethod
    def find(cls, model: ModelSource | None) -> "ModelIdentity":
        """The identity of a model that need not be loaded; its file is hashed."""
        if isinstance(model, Model):
            return cls.of(model)
        from t2local.llm.store import find

        file = find(model)
        return cls(file.name, file.sha256)


@dataclass(frozen=True)
class RunPlan:
    """The plan of a run, and the model that made it; none for one from the data or from a file."""

    plan: Plan
    manager: ModelIdentity | None = None


@contextmanager
def load(model: ModelSource | None, run: Run, what: str = "model") -> Iterator[Model]:
    """The model of a name or a file, freed at the end; a loaded model is the caller's.

    A file is hashed before llama.cpp parses it: its parser is not made for hostile files.
    """
    if isinstance(model, Model):
        yield model
        return
    from t2local.llm.store import find

    run.enter("loading")
    file = find(model)
    # Only now: llama.cpp is not even imported for a file that was altered.
    from t2local.llm.backbone import Backbone
    from t2local.llm.tuning_memory import recall

    decoder = run.settings.decoder
    origin = "asked for" if model else "the default"
    run.tell(Decision(what, file.name, f"{origin}; licence: {file.licence}"))
    with closing(
        Backbone(
            file,
            threads=decoder.threads,
            flash_attention=decoder.flash_attention,
            tuning=recall(file.sha256),
        )
    ) as backbone:
        for decision in backbone.decisions():
            run.tell(decision)
        run.ledger.clock.lap("load")
        yield backbone


@contextmanager
def load_workers(model: ModelSource | None, run: Run) -> Iterator[Model]:
    """The model that writes the rows, as `load` does it.

    **Raises** `ModelError` where it cannot write them in the way that was asked for.
    """
    with load(model, run) as loaded:
        if run.settings.team.conditioning == "parents" and not loaded.can_rewind:
            raise ModelError(
                f"{loaded.name} is a recurrent model: it cannot go back within a row, as "
                "conditioning 'parents' asks of it.",
                next_step="--set team.conditioning=row, or a model that is not recurrent: "
                "python -m t2local models list",
            )
        yield loaded


def plan_by_another_model(run: Run, inputs: Inputs, manager: ModelSource | None) -> RunPlan | None:
    """The plan of a model of its own, if one is named.

    It is freed before the workers' model is loaded, so that one is in memory at a time.
    """
    if manager is None:
        return None
    if inputs.plan != "manager":
        raise UsageError(
            "A manager model was named, and the plan is not the manager's.",
            next_step="leave out --manager-model, or --plan",
        )
    with load(manager, run, "manager model") as model:
        return make_plan(run, inputs, model)


def make_plan(run: Run, inputs: Inputs, model: Model | None) -> RunPlan:
    """The plan that was given, that the manager writes, or that the data suggest."""
    run.enter("planning")
    run_plan = _plan(run, inputs, model)
    roles = " -> ".join(component.role for component in run_plan.plan.line())
    run.tell(Decision("plan", roles, f"from the {run_plan.plan.source}"))
    run.ledger.clock.lap("plan")
    return run_plan


def _as_entry(proposed: ProposedPlan) -> JsonObject:
    return {
        **vars(proposed),
        "plan": proposed.plan.model_dump(mode="json"),
        "counters": vars(proposed.counters),
    }


def _from_entry(entry: JsonObject) -> ProposedPlan:
    plan = Plan.model_validate(entry["plan"])
    return ProposedPlan(plan, Counters(**entry["counters"]), entry["thought_tokens"])


def _plan(run: Run, inputs: Inputs, model: Model | None) -> RunPlan:
    if isinstance(inputs.plan, Plan):
        return RunPlan(inputs.plan)
    if inputs.plan == "data" or model is None:
        return RunPlan(from_data(inputs.values, inputs.dictionary))
    team = run.settings.team
    proposed = run.checkpoint.recall(
        "plan",
        lambda: propose(
            inputs.values,
            inputs.dictionary,
            model,
            seed=run.seed,
            temperature=team.temperature,
            attempts=team.attempts,
            show=team.examples > 0,
            thinking_tokens=team.thinking_tokens,
        ),
        _as_entry,
        _from_entry,
    )
    if team.thinking_tokens:
        reason = f"of at most {team.thinking_tokens}, before the plan; they are not kept"
        run.tell(Decision("thought", f"{proposed.thought_tokens} tokens", reason))
    run.ledger.tokens["plan"] = proposed.counters
    return RunPlan(proposed.plan, ModelIdentity.of(model))


def with_own_beliefs(run: Run, inputs: Inputs, model: Model) -> Inputs:
    """The inputs with what the model of the rows believes, where it pays to ask it.

    By itself it is asked only where its answers were measured to be worth it, and can be used.
    """
    team = run.settings.team
    pays = worth_of_beliefs(model.sha256) and team.labels != "worker"
    understood = takes_beliefs(inputs.dictionary)
    wanted = {"auto": pays and understood, "always": True, "never": False}[team.beliefs]
    if inputs.beliefs is not None or not wanted:
        return inputs
    check_positive(inputs.dictionary)
    knowledge = run.checkpoint.recall(
        "beliefs",
        lambda: ask(model, inputs.dictionary, run.settings.decoder),
        lambda beliefs: beliefs.model_dump(mode="json"),
        Knowledge.model_validate,
    )
    run.ledger.clock.lap("calibration")
    if team.beliefs == "auto" and not knowledge.beliefs:  # nobody asked for them
        return inputs
    return with_beliefs_of(run, inputs, knowledge)

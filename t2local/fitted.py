"""A team that is fitted once and writes many samples: ``t2local.fit(df).sample(rows=100)``.

Fitting is all that `t2local.pipeline.generate` does before the first row: it reads, plans, and asks
the model about real rows. A sample is all that it does from there on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from t2local.errors import InputError, ModelError, UsageError
from t2local.events import Decision, Listener, ignore
from t2local.pipeline import calibrate_team, expect, team_of, write_and_trim
from t2local.run.checkpoint import Checkpoint
from t2local.run.inputs import (
    DictionarySource,
    Inputs,
    KnowledgeSource,
    Run,
    TableSource,
    WhereSource,
    new_run,
    read_inputs,
    with_conditions,
)
from t2local.run.manifest import TableFingerprint
from t2local.run.models import (
    ModelIdentity,
    ModelSource,
    RunPlan,
    load_workers,
    make_plan,
    plan_by_another_model,
    with_own_beliefs,
)
from t2local.run.progress_bar import listening
from t2local.run.result import Result
from t2local.run.resumption import SCORES, fit_of
from t2local.run.wanted_rows import want_rows
from t2local.settings import Settings, SettingsSource
from t2local.system.arguments import checked
from t2local.system.json_text import to_json
from t2local.tables.belief_file import Knowledge
from t2local.tables.dictionary import FeatureDictionary
from t2local.team.plan import Plan

#: The entry of a saved team that says what it is; the others are answers of its model.
_TEAM = "team"


@dataclass(frozen=True, repr=False)
class FittedTeam:
    """A team that has its plan, and was asked about the real rows.

    It holds the real rows, and loads its model for each sample.
    """

    _run: Run
    _inputs: Inputs
    _plan: RunPlan
    _model: ModelSource | None
    _identity: ModelIdentity
    _decisions: tuple[Decision, ...]

    def __repr__(self) -> str:
        """What it was fitted to, and what it can do."""
        rows, columns = self._inputs.values.shape
        target = self.dictionary.target or "none"
        return (
            f"t2local.FittedTeam: {rows:,} real rows, {columns} columns; target: {target}, "
            f"model: {self._identity.name}, seed: {self._run.seed}\n"
            "sample(rows, where=..., balance=..., seed=...) writes rows; save(folder)"
        )

    @property
    def dictionary(self) -> FeatureDictionary:
        """What its columns may hold."""
        return self._inputs.dictionary

    @property
    def plan(self) -> Plan:
        """Who writes which columns."""
        return self._plan.plan

    @checked
    def sample(
        self,
        rows: int | None = None,
        *,
        where: WhereSource = (),
        balance: str | Mapping[str, float] | None = None,
        seed: int | None = None,
        batch_size: int = 10,
        max_batches: int | None = None,
        on_event: Listener = ignore,
        progress: bool = False,
    ) -> Result:
        """Write rows and keep those that pass the quality stages, as `t2local.generate` does.

        With the seed of the fit and 50 rows or more they are those of ``generate``. The first
        sample with given columns or shares asks the model once more, in its own way.

        * **seed**: of these rows, that of the fit by default; the same seed gives the same rows.
        * **where**, **balance** and the others: as in `t2local.generate`.
        """
        with listening(on_event, progress=progress) as listener:
            fit_seed = self._run.seed
            run = new_run(self._run.settings, seed or fit_seed, batch_size, listener)
            run = replace(run, fit_seed=fit_seed)
            run.ledger.decisions.extend(self._decisions)
            run.checkpoint.put_all(self._run.checkpoint.entries(SCORES))
            inputs = with_conditions(self._inputs, where, balance)
            want_rows(run, inputs, rows, max_batches)
            with load_workers(self._model, run) as model:
                _check_model(ModelIdentity.of(model), self._identity)
                expect(run, inputs, model)
                result = write_and_trim(run, inputs, self._plan, model, None)
            self._run.checkpoint.put_all(run.checkpoint.entries(SCORES))
        return result

    @checked
    def save(self, folder: Path | str) -> None:
        """Write how the team was fitted into a new folder; `t2local.load_team` reads it.

        No cell of a real row stands there: settings, dictionary and plan, and how likely the model
        found the cells of some rows. It belongs where the table is, all the same.

        **Raises** `UsageError` where there is something of this name.
        """
        path = Path(folder)
        if path.exists():
            raise UsageError(f"{path} is there already.", next_step="choose another folder")
        fit = fit_of(self._run, self._inputs, self.plan)
        answers, beliefs = fit.pop("answers"), self._inputs.beliefs
        state = {
            **fit,
            "dictionary_text": self._inputs.dictionary_text,
            "knowledge": beliefs and beliefs.knowledge.model_dump(mode="json"),
            "manager": to_json(self._plan.manager),
            "model": {"file": _file_of(self._model), **to_json(self._identity)},
            "input": to_json(TableFingerprint.of(self._inputs.table)),
            "decisions": to_json(self._decisions),
        }
        path.mkdir(mode=0o700, parents=True)
        # The team itself comes last: a folder without it is none.
        Checkpoint(path).put_all({**answers, _TEAM: state})


def fit(
    data: TableSource,
    *,
    target: str | None = None,
    dictionary: DictionarySource | None = None,
    knowledge: KnowledgeSource | None = None,
    plan: Plan | Path | str = "manager",
    model: ModelSource | None = None,
    manager_model: ModelSource | None = None,
    seed: int = 1,
    preset: str = "default",
    settings: SettingsSource | None = None,
    on_event: Listener = ignore,
    progress: bool = False,
) -> FittedTeam:
    """Make the plan and ask the model about real rows, once for many samples.

    The arguments are those of `t2local.generate`; what rows are wanted is said to `sample`.

    **Raises** a `T2LocalError` that names what to do next.
    """
    with listening(on_event, progress=progress) as listener:
        run = replace(new_run(Settings.of(settings, preset), seed, 1, listener), fit_seed=seed)
        inputs = read_inputs(run, data, target, dictionary, plan, knowledge=knowledge)
        run_plan = plan_by_another_model(run, inputs, manager_model)
        decisions = [*run.ledger.decisions]
        with load_workers(model, run) as loaded:
            n_loaded = len(run.ledger.decisions)
            run_plan = run_plan or make_plan(run, inputs, loaded)
            inputs = with_own_beliefs(run, inputs, loaded)
            # A sample loads the model and tells of it anew.
            decisions += run.ledger.decisions[n_loaded:]
            with team_of(run, inputs, run_plan.plan, loaded) as team:
                calibrate_team(run, team)
            identity = ModelIdentity.of(loaded)
    return FittedTeam(run, inputs, run_plan, model, identity, tuple(decisions))


def load_team(
    folder: Path | str, data: TableSource, model: ModelSource | None = None
) -> FittedTeam:
    """A team that was saved with `FittedTeam.save`.

    **Parameters:**

    * **data**: the real table of then, which is not in the folder.
    * **model**: that of then: its name or file where it has another one now, or a loaded model.

    **Raises** `InputError` for a folder that is none of a team, and for other data.
    """
    state = Checkpoint(Path(folder)).get(_TEAM)
    if state is None:
        next_step = "pass the folder of FittedTeam.save; a damaged one is to be fitted again"
        raise InputError(f"{folder} holds no team.", next_step=next_step)
    plan = Plan.model_validate(state["plan"])
    run = new_run(Settings.of_groups(state["settings"]), state["seed"], 1, ignore)
    run.checkpoint.put_all(Checkpoint(Path(folder)).entries(SCORES))
    inputs = read_inputs(
        run,
        data,
        None,
        FeatureDictionary.model_validate(state["dictionary"]),
        plan,
        knowledge=state["knowledge"] and Knowledge.model_validate(state["knowledge"]),
    )
    TableFingerprint.of(inputs.table).check(state["input"])
    file, identity = state["model"].pop("file"), ModelIdentity(**state["model"])
    return FittedTeam(
        run,
        replace(inputs, dictionary_text=state["dictionary_text"]),
        RunPlan(plan, state["manager"] and ModelIdentity(**state["manager"])),
        model or file,
        identity,
        tuple(Decision(**decision) for decision in state["decisions"]),
    )


def _file_of(model: Any) -> str | None:
    """The name or the file of a model as text; none: the default one, or one that was loaded."""
    if not isinstance(model, str | Path):
        return None
    return str(Path(model).resolve() if Path(model).is_file() else model)


def _check_model(now: ModelIdentity, then: ModelIdentity) -> None:
    if now.sha256 != then.sha256:
        raise ModelError(
            f"{now.name} is not the model that the team was fitted with.",
            next_step=f"pass {then.name} of then as model, or fit again",
        )

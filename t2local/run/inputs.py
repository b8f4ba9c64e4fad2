"""What goes into a run: read and checked before a model is loaded or a file is written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from t2local.errors import DictionaryError, KnowledgeError, PlanError
from t2local.events import Decision, Event, Listener, Notice, Phase
from t2local.run.belief_evidence import belief_event, hold_against
from t2local.run.checkpoint import Checkpoint
from t2local.run.ledger import Ledger
from t2local.run.remaining import WORDS, Part, Remaining
from t2local.settings import Settings, TableSettings
from t2local.stats.arrays import FloatArray, Mask
from t2local.tables import disclosure
from t2local.tables.belief_file import (
    BeliefEvidence,
    Knowledge,
    check_positive,
    read_knowledge,
    with_beliefs,
)
from t2local.tables.describe import all_cells, dictionary_of
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.dictionary_file import read_dictionary
from t2local.tables.effects import states_effects
from t2local.tables.files import Table, cell_text, from_frame
from t2local.tables.reading import read_table, read_text
from t2local.tables.rule_search import MOST_COLUMNS
from t2local.tables.table_schema import NO_TARGET
from t2local.team.conditions import Conditions, read_conditions
from t2local.team.plan import Plan, read_plan

#: A label that is not asked for still counts for the model that judges, at this share of the
#: largest weight: without it, the model would not know what tells the wanted labels apart.
_LEAST_WEIGHT = 0.05

TableSource = pd.DataFrame | Path | str
DictionarySource = FeatureDictionary | Path | str
KnowledgeSource = Knowledge | Path | str
WhereSource = Sequence[str] | Mapping[str, object]


@dataclass(frozen=True)
class Run:
    """What a run was asked for and who listens; its ledger and its checkpoint grow.

    ``client``: of a cluster of dask whose workers write the rows; none: this process does.
    ``fit_seed``: of a team that was fitted for many samples; none: the run fits its own.
    """

    settings: Settings
    seed: int
    ledger: Ledger
    listener: Listener
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    client: Any = None
    remaining: Remaining = field(default_factory=Remaining)
    fit_seed: int | None = None

    def enter(self, part: Part) -> None:
        """Say that a part of the run begins, and what is left of the whole."""
        self.remaining.enter(part)
        self.listener(Phase(WORDS[part], self.remaining.seconds()))

    def tell(self, event: Event) -> None:
        """Pass an event on; decisions are also kept for the manifest."""
        if isinstance(event, Decision):
            self.ledger.decisions.append(event)
        self.listener(event)


def new_run(
    settings: Settings, seed: int, batch_size: int, listener: Listener, client: Any = None
) -> Run:
    """A run with an empty ledger; `want_rows` says how many rows are wanted."""
    return Run(settings, seed, Ledger(0, batch_size, 0), listener, client=client)


@dataclass(frozen=True)
class Inputs:
    """The input of a run, understood: nothing of it needs a model.

    * ``frame``: the caller's own DataFrame, when the input was one.
    * ``values``: the real rows as values, shape (n, d).
    * ``plan``: a plan, or who makes it: ``"manager"`` or ``"data"``.
    * ``conditions``: what the rows are to be.
    * ``dictionary_text``: the dictionary's own file, comments and all; blank where there is none.
    * ``beliefs``: of a model, and how they fare with the real rows; none: nobody was asked.
    """

    table: Table
    frame: pd.DataFrame | None
    dictionary: FeatureDictionary
    values: pd.DataFrame
    plan: Plan | str
    conditions: Conditions
    dictionary_text: str = ""
    beliefs: BeliefEvidence | None = None

    def matches(self) -> Mask:
        """Which real rows are what ``--where`` asks for, shape (n,).

        Where all but a few are, all of them count: else the few could be told by the difference.
        More than a tenth of the rows would make that another comparison.
        """
        matches = self.conditions.matches(self.values)
        n_others = np.count_nonzero(~matches)
        return matches | (n_others < disclosure.MIN_ROWS and 10 * n_others <= len(matches))

    def row_weights(self) -> FloatArray:
        """What each real row counts for, shape (n,), mean 1.

        It is the share of its label among the wanted rows over that among the real ones.
        """
        if not self.conditions.shares:
            return np.ones(len(self.values))
        labels = self.values[self.dictionary.target_feature.name]
        ratios = labels.map(self.conditions.shares).fillna(0.0) / labels.map(labels.value_counts())
        weights = ratios.to_numpy(dtype=np.float64)
        weights = np.maximum(weights, _LEAST_WEIGHT * weights.max())
        return weights / weights.mean()


def read(data: TableSource, settings: TableSettings | None = None) -> Table:
    """The table in a DataFrame or a file."""
    if isinstance(data, pd.DataFrame):
        return from_frame(data)
    settings = settings or TableSettings()
    return read_table(
        data,
        first_line=settings.first_line,
        sheet=settings.sheet,
        all_rows=False,
        min_count=settings.min_count or 0,
    )


def read_inputs(
    run: Run,
    data: TableSource,
    target: str | None,
    dictionary: DictionarySource | None,
    plan: Plan | Path | str,
    where: WhereSource = (),
    balance: str | Mapping[str, float] | None = None,
    knowledge: KnowledgeSource | None = None,
) -> Inputs:
    """Read and check all that was given. **Raises** a `T2LocalError` for what cannot be used."""
    run.enter("reading")
    table = read(data, run.settings.table)
    for decision in table.decisions:
        run.tell(decision)
    table, agreed = understand(run, table, target, dictionary)
    # A column that says "missing" by a number of its own, and in no other way, says it so again.
    codes = {f.name: f.missing_values[0] for f in agreed.features if f.missing_values}
    inputs = Inputs(
        table=replace(table, missing={**codes, **table.missing}),
        frame=_used_rows(data, table) if isinstance(data, pd.DataFrame) else None,
        dictionary=agreed,
        values=agreed.values(table.cells),
        plan=_plan(plan, agreed),
        conditions=read_conditions(agreed, _condition_texts(where), balance),
        dictionary_text=_own_text(dictionary, target),
    )
    if knowledge is not None:
        inputs = with_beliefs_of(run, inputs, knowledge)
    run.ledger.clock.lap("read")
    return inputs


def with_conditions(
    inputs: Inputs, where: WhereSource, balance: str | Mapping[str, float] | None
) -> Inputs:
    """The inputs of rows that are to be otherwise. **Raises** `UsageError` for what cannot be."""
    conditions = read_conditions(inputs.dictionary, _condition_texts(where), balance)
    return replace(inputs, conditions=conditions)


def _condition_texts(where: WhereSource) -> Sequence[str]:
    """Conditions as the command line has them; those of a dict are equalities."""
    if isinstance(where, Mapping):
        return [f"{name}={cell_text(value) or ''}" for name, value in where.items()]
    return where


def _used_rows(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """The rows of the caller's frame that the table has: its lines count them from 1."""
    if len(table.lines) == len(frame):
        return frame
    return frame.take([line - 1 for line in table.lines])


def with_beliefs_of(run: Run, inputs: Inputs, knowledge: KnowledgeSource) -> Inputs:
    """The inputs whose dictionary has the beliefs, unless the real rows speak against them.

    **Raises** `KnowledgeError` for beliefs with faults, `DictionaryError` where a target of many
    classes does not say which one is meant.
    """
    check_positive(inputs.dictionary)
    if not isinstance(knowledge, Knowledge):
        path = Path(knowledge)
        text = read_text(path, KnowledgeError)
        knowledge = read_knowledge(text, path.name, inputs.dictionary)
    elif faults := [what for _, what in knowledge.faults(inputs.dictionary)]:
        next_step = "ask about this table: python -m t2local ask data.csv"
        raise KnowledgeError(
            "The beliefs do not fit the table:", faults=faults, next_step=next_step
        )
    evidence = hold_against(knowledge, inputs.dictionary, inputs.values, run.seed)
    run.tell(belief_event(evidence))
    dictionary = inputs.dictionary
    if evidence.used:
        dictionary = with_beliefs(dictionary, knowledge)
    return replace(inputs, dictionary=dictionary, beliefs=evidence)


def _plan(plan: Plan | Path | str, dictionary: FeatureDictionary) -> Plan | str:
    """A plan that fits the dictionary, or who makes it."""
    if isinstance(plan, Plan):
        if faults := plan.check(dictionary):
            next_step = "python -m t2local plan data.csv -o plan.yaml"
            raise PlanError("The plan does not fit the table:", faults=faults, next_step=next_step)
        return plan
    if plan in ("manager", "data"):
        return str(plan)
    return read_plan(read_text(Path(plan), PlanError), Path(plan).name, dictionary)


def _own_text(dictionary: DictionarySource | None, target: str | None) -> str:
    """The text of a dictionary file that is used as it is."""
    if not isinstance(dictionary, str | Path) or target is not None:
        return ""
    return read_text(Path(dictionary), DictionaryError)


def understand(
    run: Run, table: Table, target: str | None, given: DictionarySource | None
) -> tuple[Table, FeatureDictionary]:
    """The rows that have a label, and the dictionary of a run, checked against all their cells."""
    loaded = None if given is None else load_dictionary(given)
    dictionary = dictionary_of(
        table.cells, loaded, target, run.settings.table, table.source, table.other_cells
    )
    # From here on the rows are numbered from 0, also those of a sample.
    table = replace(table, cells=table.cells.reset_index(drop=True))
    table = _with_labels(run, table, dictionary)
    for warning in dictionary.check_table(table.cells, table.lines, table.source):
        run.tell(Notice(warning))
    for message in rare_level_notices(dictionary, table, run.settings.table):
        run.tell(Notice(message))
    run.tell(_read_decision(table, dictionary))
    reason = dictionary.target_reason or "from the dictionary"
    run.tell(Decision("target", dictionary.target or NO_TARGET, reason))
    _tell_effects(run, dictionary)
    _tell_rules(run, dictionary, given)
    for column in dictionary.left_out:
        run.tell(Decision("left out", column.name, column.reason))
    return table, dictionary


def _read_decision(table: Table, dictionary: FeatureDictionary) -> Decision:
    """What was read, and what of it is not generated."""
    counts = f"{len(table.cells):,} rows, {table.cells.shape[1]} columns"
    if left_out := [column.name for column in dictionary.left_out]:
        counts += f"; not generated: {', '.join(left_out)}"
    return Decision("read", counts, f"from {table.source}")


def rare_level_notices(
    dictionary: FeatureDictionary, table: Table, settings: TableSettings
) -> Iterable[str]:
    """What a person should know of levels of few rows (`disclosure.notices`)."""
    names = [feature.name for feature in dictionary.features if not feature.numeric]
    cells = {name: all_cells(table.cells[name], table.other_cells) for name in names}
    least = disclosure.min_count(settings.min_count, len(table.cells))
    return disclosure.notices(dictionary.features, dictionary.target, cells, least)


def _with_labels(run: Run, table: Table, dictionary: FeatureDictionary) -> Table:
    """The rows that have a label: the others show nothing of what is to be predicted."""
    if dictionary.target is None:
        return table
    target = dictionary.target_feature
    labels = table.cells.get(target.name, pd.Series(dtype=object))
    has_label = (labels.notna() & ~labels.isin(target.missing_values)).to_numpy()
    n_blank = int((~has_label).sum())
    # A table without any label, or without this column, is a fault that is named later.
    if not n_blank or not has_label.any():
        return table
    run.tell(Notice(f"{n_blank} of {len(labels)} rows have no {target.name}: they are not used"))
    return replace(
        table,
        cells=table.cells[has_label].reset_index(drop=True),
        lines=np.array(table.lines)[has_label].tolist(),
    )


def _tell_effects(run: Run, dictionary: FeatureDictionary) -> None:
    """Say how many columns have effects, and on what."""
    n_effects = sum(map(states_effects, dictionary.features))
    if not n_effects:
        return
    target = dictionary.target_feature
    reason = f"on the size of {target.name}"
    if target.positive:
        reason = f"on the risk of the level of {target.name} that the dictionary calls positive"
    elif target.levels:
        reason = (
            f"on the risk of the second level of {target.name}; the dictionary may name another "
            "as positive"
        )
    run.tell(Decision("effects", f"of {n_effects} columns", f"from the dictionary, {reason}"))


def _tell_rules(run: Run, dictionary: FeatureDictionary, given: DictionarySource | None) -> None:
    """Say how many rules were read from the real rows, and how to drop one."""
    n_proposed = sum(relation.support > 0 for relation in dictionary.rules)
    if n_proposed and given is None:
        reason = (
            "no real row breaks them, which chance would hardly do; to drop one: 'python -m "
            "t2local describe data.csv -o dictionary.yaml', delete it there, and pass --dictionary "
            "dictionary.yaml"
        )
        run.tell(Decision("rules between columns", f"{n_proposed} found", reason))
    if given is None and len(dictionary.features) > MOST_COLUMNS:
        message = f"rules were looked for between the first {MOST_COLUMNS} columns only"
        run.tell(Notice(message))


def load_dictionary(source: DictionarySource) -> FeatureDictionary:
    """The dictionary in a file, or the object itself."""
    if isinstance(source, FeatureDictionary):
        return source
    return read_dictionary(read_text(Path(source), DictionaryError), Path(source).name)

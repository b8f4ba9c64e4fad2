"""From a table to its feature dictionary, with the reason for every guess.

Each column is guessed by itself (`t2local.tables.guess`); the target and the rules between columns
(`t2local.tables.rule_search`) follow.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from t2local.errors import InputError, UsageError
from t2local.settings import TableSettings
from t2local.tables.dictionary import Feature, FeatureDictionary, LeftOut, Relation
from t2local.tables.effects import states_effects
from t2local.tables.guess import guess_column
from t2local.tables.links import find_links
from t2local.tables.rule_search import search_rules
from t2local.tables.table_schema import means_no_target

#: Names that mean "what is to be predicted" in the tables that people bring.
_TARGET_NAMES = (
    "y", "label", "labels", "target", "class", "outcome", "response", "diagnosis", "survived",
    "survival", "died", "death", "death_event", "mortality", "readmitted", "event",
)  # fmt: skip
#: What to do where the target is the only column.
_GO_ON = "go on without a target: --target none"


def describe(
    cells: pd.DataFrame,
    *,
    target: str | None = None,
    settings: TableSettings | None = None,
    source: str = "the table",
    other_cells: Mapping[str, Sequence[str | None]] | None = None,
) -> FeatureDictionary:
    """The feature dictionary of a table.

    **Parameters:**

    * **cells**: frame of text, None for missing (`files.read_table`).
    * **target**: the column to predict, or ``none``; else one named like a label, else the last one
      without a blank cell. A table that has no such column has no target.
    * **source**: how errors name the table.
    * **other_cells**: for a sample of rows, cells of others by column (`files.Table`).

    **Raises** `InputError` for a target that is not there or cannot be one, and where no column, or
    the target alone, can be generated.
    """
    settings = settings or TableSettings()
    _check_target(cells, target, source)
    likely_target = target or _named_like_a_label(cells)
    columns = {name: all_cells(cells[name], other_cells) for name in cells.columns}
    guesses = _guesses(columns, likely_target, settings)
    chosen, reason = _choose_target(guesses, likely_target, required=target is not None)
    if chosen is not None and chosen != likely_target:
        guesses[chosen] = guess_column(columns[chosen], is_target=True, settings=settings)
    features = _features(guesses, chosen, source)
    return FeatureDictionary(
        target=chosen,
        target_reason=reason,
        features=features,
        left_out=tuple(guess for guess in guesses.values() if isinstance(guess, LeftOut)),
        rules=_rules(features, chosen, cells),
    )


def _guesses(
    columns: Mapping[str, pd.Series], target: str | None, settings: TableSettings
) -> dict[str, Feature | LeftOut]:
    """What each column is: by itself, or as a link to another one."""
    guesses = {
        name: guess_column(column, is_target=name == target, settings=settings)
        for name, column in columns.items()
    }
    return guesses | {link.name: link for link in find_links(guesses, columns, target)}


def _rules(
    features: Sequence[Feature], target: str | None, cells: pd.DataFrame
) -> tuple[Relation, ...]:
    """The rules that the rows keep (`search_rules`), but of a number that is to be predicted.

    It follows from a model of the labels, which keeps no rule to the last digit.
    """
    searched = [feature for feature in features if feature.name != target or not feature.numeric]
    return tuple(Relation(**vars(proposal)) for proposal in search_rules(searched, cells))


def all_cells(
    column: pd.Series, other_cells: Mapping[str, Sequence[str | None]] | None
) -> pd.Series:
    """A column with the cells of other rows, which have no place: -1."""
    others: list[Any] = [] if other_cells is None else list(other_cells[str(column.name)])
    if not others:
        return column
    without_place = pd.Series(others, index=[-1] * len(others), name=column.name, dtype=object)
    return pd.concat([column, without_place])


def _check_target(cells: pd.DataFrame, target: str | None, source: str) -> None:
    if target is None or means_no_target(target, cells.columns):
        return
    if target not in cells.columns:
        raise InputError(
            f"{source} has no column {target!r}.",
            faults=[f"its columns: {', '.join(cells.columns)}"],
            next_step="pass one of these with --target, or none",
        )


def _features(
    guesses: Mapping[str, Feature | LeftOut],
    target: str | None,
    source: str,
) -> tuple[Feature, ...]:
    """The columns that can be generated.

    **Raises** `InputError` where the target is none of them, or where there is no other.
    """
    reasons = {name: guess.reason for name, guess in guesses.items() if isinstance(guess, LeftOut)}
    if target in reasons:
        raise InputError(
            f"{source}: column {target!r} cannot be the target.",
            faults=[reasons[target]],
            next_step="pass another column with --target, or none",
        )
    features = tuple(guess for guess in guesses.values() if isinstance(guess, Feature))
    if not features:
        raise InputError(
            f"{source} has no column that can be generated.",
            faults=[f"{name}: {reason}" for name, reason in reasons.items()],
            next_step="add columns of numbers or categories",
        )
    if [feature.name for feature in features] == [target]:
        raise InputError(
            f"{source} has no column beside the target that can be generated.",
            faults=[f"{name}: {reason}" for name, reason in reasons.items()],
            next_step=_GO_ON,
        )
    return features


def dictionary_of(
    cells: pd.DataFrame,
    given: FeatureDictionary | None,
    target: str | None,
    settings: TableSettings,
    source: str,
    other_cells: Mapping[str, Sequence[str | None]] | None = None,
) -> FeatureDictionary:
    """The dictionary that was given, with the target that was asked for; else `describe`'s guess.

    **Raises** `UsageError` for a target that the given one lacks or that is its only column, and
    where its effects are on another one.
    """
    if given is None:
        return describe(
            cells, target=target, settings=settings, source=source, other_cells=other_cells
        )
    return given if target is None else _with_target(given, target)


def _with_target(dictionary: FeatureDictionary, target: str) -> FeatureDictionary:
    wanted = None if means_no_target(target, dictionary.names) else target
    if wanted is not None and wanted not in dictionary.names:
        next_step = f"pass one of: {', '.join(dictionary.names)}, or none"
        raise UsageError(f"The dictionary has no feature {target!r}.", next_step=next_step)
    if dictionary.names == [wanted]:
        raise UsageError(f"The dictionary has no feature beside {target!r}.", next_step=_GO_ON)
    if wanted != dictionary.target and any(map(states_effects, dictionary.features)):
        raise UsageError(
            f"The effects in the dictionary are on {dictionary.target!r}, not on {target!r}.",
            next_step="take them out of the dictionary, or pass no other target",
        )
    return dictionary.model_copy(update={"target": wanted, "target_reason": "asked for"})


def _named_like_a_label(cells: pd.DataFrame) -> str | None:
    """The column with the likeliest name of a target; none where no name is one."""
    for likely in _TARGET_NAMES:
        for name in cells.columns:
            if name.strip().casefold() == likely:
                return str(name)
    return None


def _choose_target(
    guesses: Mapping[str, Feature | LeftOut], likely: str | None, *, required: bool
) -> tuple[str | None, str]:
    """The target and the reason for it; none where that is asked for or no column could be one."""
    if required:
        return (likely if likely in guesses else None), "asked for"
    features = [
        guess
        for guess in guesses.values()
        if isinstance(guess, Feature) and len(guess.levels) != 1  # one class: nothing to predict
    ]
    if any(feature.name == likely for feature in features):
        return likely, "named like a label; name another with --target"
    complete = [feature.name for feature in features if not feature.missing]
    if len(features) < 2:
        return None, "there is no other column to predict one from"
    if not complete:
        return None, "no column without a blank cell could be one; name one with --target"
    if complete[-1] != features[-1].name:
        return complete[-1], "the last column without a blank cell; name another with --target"
    return complete[-1], "the last column; name another with --target"

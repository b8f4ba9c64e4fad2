"""From a table to its feature dictionary, with the reason for every guess.

Each column is guessed by itself (`t2local.tables.guess`); the target and the rules between columns
(`t2local.tables.rule_search`) follow.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from t2local.errors import InputError
from t2local.settings import TableSettings
from t2local.tables.dictionary import Feature, FeatureDictionary, LeftOut, Relation
from t2local.tables.guess import guess_column
from t2local.tables.rule_search import search_rules

#: Names that mean "what is to be predicted" in the tables that people bring.
_TARGET_NAMES = (
    "y", "label", "labels", "target", "class", "outcome", "response", "diagnosis", "survived",
    "survival", "died", "death", "death_event", "mortality", "readmitted", "event",
)  # fmt: skip


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
    * **target**: the column to predict; else one named like a label, else the last one that can be
      generated.
    * **source**: how errors name the table.
    * **other_cells**: for a sample of rows, cells of others by column (`files.Table`).

    **Raises** `InputError` for a target that is not there or cannot be one, and for fewer than two
    usable columns.
    """
    settings = settings or TableSettings()
    _check_target(cells, target, source)
    likely_target = target or _named_like_a_label(cells)
    columns = {name: _column(cells[name], other_cells) for name in cells.columns}
    guesses = {
        name: guess_column(column, is_target=name == likely_target, settings=settings)
        for name, column in columns.items()
    }
    chosen, reason = _choose_target(guesses, likely_target, required=target is not None)
    if chosen != likely_target:
        guesses[chosen] = guess_column(columns[chosen], is_target=True, settings=settings)
    features = _features(guesses, chosen, source)
    return FeatureDictionary(
        target=chosen,
        target_reason=reason,
        features=features,
        left_out=tuple(guess for guess in guesses.values() if isinstance(guess, LeftOut)),
        rules=tuple(Relation(**vars(proposal)) for proposal in search_rules(features, cells)),
    )


def _column(column: pd.Series, other_cells: Mapping[str, Sequence[str | None]] | None) -> pd.Series:
    """A column with the cells of other rows, which have no place: -1."""
    if other_cells is None:
        return column
    others: list[Any] = list(other_cells[str(column.name)])
    without_place = pd.Series(others, index=[-1] * len(others), name=column.name, dtype=object)
    return pd.concat([column, without_place])


def _check_target(cells: pd.DataFrame, target: str | None, source: str) -> None:
    if target is not None and target not in cells.columns:
        raise InputError(
            f"{source} has no column {target!r}.",
            faults=[f"its columns: {', '.join(cells.columns)}"],
            next_step="pass one of these with --target",
        )


def _features(
    guesses: Mapping[str, Feature | LeftOut], target: str, source: str
) -> tuple[Feature, ...]:
    """The columns that can be generated.

    **Raises** `InputError` where the target is none of them, or where there is no other.
    """
    reasons = {name: guess.reason for name, guess in guesses.items() if isinstance(guess, LeftOut)}
    if target in reasons:
        raise InputError(
            f"{source}: column {target!r} cannot be the target.",
            faults=[reasons[target]],
            next_step="pass another column with --target",
        )
    features = tuple(guess for guess in guesses.values() if isinstance(guess, Feature))
    if len(features) < 2:
        raise InputError(
            f"{source} has too few columns that can be generated: "
            "a target and at least one more are needed.",
            faults=[f"{name}: {reason}" for name, reason in reasons.items()],
            next_step="add columns of numbers or categories",
        )
    return features


def _named_like_a_label(cells: pd.DataFrame) -> str | None:
    """The column with the likeliest name of a target; none where no name is one."""
    for likely in _TARGET_NAMES:
        for name in cells.columns:
            if name.strip().casefold() == likely:
                return str(name)
    return None


def _choose_target(
    guesses: Mapping[str, Feature | LeftOut], likely: str | None, *, required: bool
) -> tuple[str, str]:
    """The target and the reason for it."""
    if required and likely is not None:
        return likely, "asked for"
    if likely is not None and isinstance(guesses[likely], Feature):
        return likely, "named like a label; name another with --target"
    features = [guess for guess in guesses.values() if isinstance(guess, Feature)]
    complete = [feature.name for feature in features if not feature.missing]
    if complete and complete[-1] != features[-1].name:
        return complete[-1], "the last column without a blank cell; name another with --target"
    usable = [feature.name for feature in features] or list(guesses)
    return usable[-1], "the last column; name another with --target"

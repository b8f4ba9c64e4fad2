"""What of a table the vocabulary of a model has no tokens for, before the model is asked."""

from collections.abc import Iterator

from t2local.errors import DecodeError, ModelError
from t2local.llm.model import Model
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.team.rows import array

#: Numbers of levels in a message: enough to find them in a dictionary, few enough to read.
_LEVELS_SHOWN = 12


def check_vocabulary(model: Model, dictionary: FeatureDictionary) -> None:
    """Look at all that prompts and grammars hold of a dictionary.

    **Raises** `ModelError` that lists what cannot be written: levels by their numbers, as their
    texts are cells of the table.
    """
    faults = [] if _has(model, dictionary.description) else ["the description of the table"]
    for feature in dictionary.features:
        faults += [f"column {feature.name!r}: {part}" for part in _missing(model, feature)]
    for column in dictionary.left_out:
        if column.make == "text" and not _has(model, column.name + column.meaning):
            faults.append(f"column {column.name!r}: its name or its meaning")
    if faults:
        raise ModelError(
            f"The vocabulary of {model.name} has no tokens for some characters of this table:",
            faults=faults,
            next_step="choose another model (python -m t2local models list), or write these in "
            "other characters, in the table and its dictionary",
        )


def _missing(model: Model, feature: Feature) -> Iterator[str]:
    """What cannot be written of a column."""
    for part in ("name", "meaning", "unit"):
        if not _has(model, getattr(feature, part)):
            yield f"its {part}"
    levels = enumerate(feature.levels, 1)
    texts = ((i, array([feature], {feature.name: level})) for i, level in levels)
    if numbers := [str(i) for i, text in texts if not _has(model, text)]:
        which = ", ".join(numbers[:_LEVELS_SHOWN])
        if len(numbers) > _LEVELS_SHOWN:
            which += " ..."
        yield f"{len(numbers)} of its {len(feature.levels)} levels (in the dictionary: {which})"


def _has(model: Model, text: str) -> bool:
    try:
        model.tokenize(text)
    except DecodeError:
        return False
    return True

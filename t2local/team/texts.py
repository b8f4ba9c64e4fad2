"""Short free text for the rows that were kept: a worker of its own that never sees a real text.

What is in a column of free text cannot be bounded, so no prompt shows any of it: the worker knows
the row and what the dictionary says of the column. A larger model writes something sensible; the
starter model hardly does.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from t2local.llm.counters import Counters
from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar, fragment
from t2local.llm.model import Model
from t2local.llm.requests import Request, Segment
from t2local.llm.sampling import RowStream
from t2local.settings import Settings
from t2local.stats.streams import Stream
from t2local.system.json_text import JsonObject
from t2local.tables.dictionary import FeatureDictionary, LeftOut
from t2local.team.prompts import render
from t2local.team.rows import array, feature_description, max_bytes, records

#: Letters of a text are about so many to a token.
_LETTERS_PER_TOKEN = 3
#: An escaped letter (\u00e9) has six bytes.
_MAX_BYTES_PER_LETTER = 6
#: Quotes, comma and brackets around a text, generously.
_PUNCTUATION = 4
_PUNCTUATION_OF_ROW = 8


@dataclass(frozen=True)
class WrittenTexts:
    """The texts of each column, one a row (none where decoding failed), and what they cost."""

    columns: dict[str, list[str | None]]
    counters: Counters


def write_texts(
    model: Model,
    dictionary: FeatureDictionary,
    columns: Sequence[LeftOut],
    rows: pd.DataFrame,
    settings: Settings,
    seed: int,
) -> WrittenTexts:
    """A text of each column for each row of values (m, d), which may not be empty.

    **Raises** `DecodeError` when the prompt does not fit the model.
    """
    prompt = model.prompt([_prompt(dictionary, columns)])
    requests = _requests(model, dictionary, columns, rows, seed)
    longest_row = max(len(request.segments[0].prompt) for request in requests)
    n_letters = sum(column.max_length for column in columns)
    typical_row = longest_row + n_letters // _LETTERS_PER_TOKEN + _PUNCTUATION_OF_ROW
    texts: list[list[str | None]] = [[None] * len(columns) for _ in requests]
    with Decoder(
        model,
        slots=model.slots(settings.decoder.slots, typical_row).value,
        prefix_tokens=len(prompt),
        max_row_tokens=_max_row_tokens(dictionary, columns),
        typical_row_tokens=typical_row,
        temperature=settings.team.temperature,
    ) as decoder:
        decoder.prefill(prompt)
        for row, completion in decoder.complete(requests):
            if not completion.failure:
                texts[row] = json.loads(completion.texts[0])
    by_column = {column.name: [row[i] for row in texts] for i, column in enumerate(columns)}
    return WrittenTexts(by_column, decoder.counters)


def _requests(
    model: Model,
    dictionary: FeatureDictionary,
    columns: Sequence[LeftOut],
    rows: pd.DataFrame,
    seed: int,
) -> list[Request]:
    """A request for the texts of each row, which stand after its own array: no row sees another."""
    grammar = Grammar(_schema(columns), model.tokenizer)
    requests = []
    for place, record in enumerate(records(rows)):
        tokens = tuple(model.tokenize(array(dictionary.features, record)))
        stream = RowStream(seed, row=place, stream=Stream.TEXT_TOKENS)
        requests.append(Request((Segment(tokens, grammar),), stream))
    return requests


def _prompt(dictionary: FeatureDictionary, columns: Sequence[LeftOut]) -> str:
    return render(
        "texts.j2",
        description=dictionary.description,
        features=[feature_description(feature) for feature in dictionary.features],
        texts=columns,
    )


def _schema(columns: Sequence[LeftOut]) -> JsonObject:
    """An array of one text for each column."""
    strings = [
        {"type": "string", "minLength": 1, "maxLength": column.max_length} for column in columns
    ]
    size = len(strings)
    return {**fragment("cells"), "prefixItems": strings, "minItems": size, "maxItems": size}


def _max_row_tokens(dictionary: FeatureDictionary, columns: Sequence[LeftOut]) -> int:
    """The most tokens of a row and its texts: a token has at least one byte."""
    texts = [_MAX_BYTES_PER_LETTER * column.max_length + _PUNCTUATION for column in columns]
    return max_bytes(dictionary.features) + sum(texts)

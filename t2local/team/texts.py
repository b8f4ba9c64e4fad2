"""Short free text for the rows that were kept: a worker of its own, which has never seen a real text.

What is in a column of free text cannot be bounded, so no prompt shows any of it: the worker knows the row and what the dictionary
says of the column. A larger model writes something sensible; the starter model hardly does.
"""

import json
from collections.abc import Sequence

import pandas as pd

from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar, fragment
from t2local.llm.model import Model
from t2local.llm.requests import Request, Segment
from t2local.llm.sampling import RowStream
from t2local.settings import Settings
from t2local.stats.streams import Stream
from t2local.tables.dictionary import FeatureDictionary, LeftOut
from t2local.team.prompts import render
from t2local.team.rows import array, brief, longest, records

#: The stream of the texts' random numbers; no block of rows has this number.
_TEXTS = 2**28 - 4
#: Letters of a text are about so many to a token; an escaped letter has up to six bytes.
_LETTERS_A_TOKEN, _MOST_BYTES = 3, 6


def write_texts(
    model: Model,
    dictionary: FeatureDictionary,
    columns: Sequence[LeftOut],
    rows: pd.DataFrame,
    settings: Settings,
    seed: int,
) -> dict[str, list[str | None]]:
    """A text of each column for each row of values (m, d); none where its decoding failed.

    **Raises** `DecodeError` when the prompt does not fit the model.
    """
    features, told = (
        dictionary.features,
        [array(dictionary.features, record) for record in records(rows)],
    )
    facts = {
        "description": dictionary.description,
        "briefs": [brief(feature) for feature in features],
        "texts": columns,
    }
    prompt = model.prompt([render("texts.j2", **facts)])
    strings = [
        {"type": "string", "minLength": 1, "maxLength": column.max_length} for column in columns
    ]
    grammar = Grammar(
        {
            **fragment("cells"),
            "prefixItems": strings,
            "minItems": len(strings),
            "maxItems": len(strings),
        },
        model.tokenizer,
    )
    letters = sum(column.max_length for column in columns)
    usual = max(len(model.tokenize(text)) for text in told) + letters // _LETTERS_A_TOKEN + 8
    most = longest(features) + sum(_MOST_BYTES * column.max_length + 4 for column in columns)
    written: list[list[str | None]] = [[None] * len(columns) for _ in told]
    slots = model.slots(settings.decoder.slots, usual).value
    with Decoder(
        model,
        slots=slots,
        prefix_tokens=len(prompt),
        max_row_tokens=most,
        typical_row_tokens=usual,
        temperature=settings.team.temperature,
    ) as decoder:
        decoder.prefill(prompt)
        requests = [
            Request(
                (Segment(tuple(model.tokenize(text)), grammar),),
                RowStream(seed, row=row, stream=Stream.TEXT_TOKENS),
            )
            for row, text in enumerate(told)
        ]
        for row, completion in decoder.complete(requests):
            if not completion.failure:
                written[row] = json.loads(completion.texts[0])
    return {
        column.name: [texts[place] for texts in written] for place, column in enumerate(columns)
    }

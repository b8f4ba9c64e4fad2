"""Asks the manager model for a plan.

The grammar leaves nothing to repair (METHOD section 1): first 2 to 6 role names, then for each feature, by number, one
of these roles, then for each role the earlier roles that it depends on. Every text that it accepts is a partition and
an acyclic graph.
"""

import json
from typing import Any

import numpy as np
import pandas as pd

from t2local.errors import DecodeError
from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar, fragment
from t2local.llm.model import Model
from t2local.llm.requests import Request, Segment
from t2local.llm.sampling import RowStream
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import FeatureDictionary
from t2local.team.aggregates import aggregates
from t2local.team.plan import MOST_ROLES, Plan, with_label
from t2local.team.prompts import render
from t2local.team.rows import array, brief, records

#: Rows that the manager sees: enough to show what the values look like.
_ROWS_SHOWN = 3
#: The stream of the manager's random numbers: the largest block number, which no block of rows reaches.
_MANAGER_BLOCK = 2**28 - 1


def propose(
    real: pd.DataFrame,
    dictionary: FeatureDictionary,
    model: Model,
    *,
    seed: int,
    temperature: float = 1.0,
    attempts: int = 3,
    show: bool = True,
) -> Plan:
    """The manager's plan for a table.

    **Parameters:**

    * **real**: frame of values (n, d); three of its rows are shown to the model if ``show`` says so, else means and shares.

    **Raises** `DecodeError` when the prompt does not fit or the model's text is not complete after all attempts.
    """
    prompt = model.prompt([render("manager.j2", **_facts(real, dictionary, seed, show=show))])
    grammar = Grammar(plan_schema(len(dictionary.inputs)), model.tokenizer)
    segment = Segment(tuple(prompt[-1:]), grammar)
    with Decoder(
        model,
        slots=1,
        prefix_tokens=len(prompt),
        max_row_tokens=_longest(len(dictionary.inputs)),
        temperature=temperature,
    ) as decoder:
        decoder.prefill(prompt[:-1])
        for attempt in range(attempts):
            _, completion = next(
                decoder.complete(
                    [
                        Request(
                            (segment,), RowStream(seed, attempt=attempt, stream=Stream.PLAN_TOKENS)
                        )
                    ]
                )
            )
            if not completion.failure:
                return _plan(json.loads(completion.texts[0]), dictionary)
    raise DecodeError(
        "The manager wrote no complete plan.",
        faults=[completion.failure],
        next_step="take the plan from the data: --plan data",
    )


def plan_schema(features: int) -> dict[str, Any]:
    """The JSON Schema of a plan for a number of features, one alternative for each number of roles."""
    return {
        "anyOf": [
            _alternative(features, roles)
            for roles in range(2, min(MOST_ROLES, max(features, 2)) + 1)
        ]
    }


def _alternative(features: int, roles: int) -> dict[str, Any]:
    numbers = [str(number + 1) for number in range(features)]
    depends: list[dict[str, Any]] = [
        {"type": "array", "items": {"enum": list(range(1, role + 1))}, "maxItems": role}
        if role
        else {"const": []}
        for role in range(roles)
    ]
    properties = {
        "roles": {"type": "array", "items": fragment("role"), "minItems": roles, "maxItems": roles},
        "features": {
            "type": "object",
            "properties": {number: {"enum": list(range(1, roles + 1))} for number in numbers},
            "required": numbers,
            "additionalProperties": False,
        },
        "depends": {
            **fragment("cells"),
            "prefixItems": depends,
            "minItems": roles,
            "maxItems": roles,
        },
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _plan(written: dict[str, Any], dictionary: FeatureDictionary) -> Plan:
    """The written numbers as a plan: names made unique, roles without features dropped."""
    names: list[str] = []
    for name in written["roles"]:
        names.append(name if name not in names else f"{name} {len(names) + 1}")
    owners = [written["features"][str(i + 1)] for i in range(len(dictionary.inputs))]
    used = [role for role in range(1, len(names) + 1) if role in owners]
    roles = [
        (
            names[role - 1],
            [name for name, owner in zip(dictionary.inputs, owners, strict=True) if owner == role],
            [
                names[parent - 1]
                for parent in sorted(set(written["depends"][role - 1]))
                if parent in used
            ],
        )
        for role in used
    ]
    return with_label(roles, dictionary, "manager")


def _facts(
    real: pd.DataFrame, dictionary: FeatureDictionary, seed: int, *, show: bool
) -> dict[str, Any]:
    features = [dictionary[name] for name in dictionary.inputs]
    chosen = generator(seed, Stream.PLAN_EXAMPLES).choice(
        len(real), min(_ROWS_SHOWN, len(real)), replace=False
    )
    rows = [array(features, row) for row in records(real.iloc[np.sort(chosen)])] if show else []
    told = {} if show else aggregates(real, dictionary)
    briefs = [brief(feature, told.get(feature.name, "")) for feature in features]
    return {
        "description": dictionary.description,
        "goal": dictionary.target,
        "briefs": briefs,
        "rows": rows,
    }


def _longest(features: int) -> int:
    """The most bytes of a plan: six role names of 50 bytes, an entry of up to 9 bytes a feature, and the dependencies."""
    return 6 * 51 + features * (len(str(features)) + 6) + 150

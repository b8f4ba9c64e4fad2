"""Asks the manager model for a plan.

The grammar leaves nothing to repair (docs/method.md, "Plan"): first 2 to 6 role names, then for
each feature, by number, one of these roles, then for each role the earlier roles that it depends
on. Every text that it accepts is a partition of the features and an acyclic graph.
"""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.errors import DecodeError, ModelError
from t2local.llm.counters import Counters
from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar, fragment
from t2local.llm.model import Model
from t2local.llm.requests import Request, Segment
from t2local.llm.sampling import RowStream
from t2local.llm.thought import think
from t2local.stats.streams import Stream, generator
from t2local.system.json_text import JsonObject
from t2local.tables.dictionary import FeatureDictionary
from t2local.team.aggregates import aggregates
from t2local.team.plan import MOST_ROLES, Plan, plan_of_roles
from t2local.team.prompts import render
from t2local.team.rows import array, feature_description, records
from t2local.team.vocabulary_check import check_vocabulary

#: Rows that the manager sees: enough to show what the values look like.
_ROWS_SHOWN = 3
#: Three words of 16 letters (the fragment ``role``), the blanks between them, and a comma.
_MAX_ROLE_BYTES = 51
#: The keys of a plan, quotes, and the lists of dependencies of six roles.
_MAX_OTHER_BYTES = 150


@dataclass(frozen=True)
class ProposedPlan:
    """The manager's plan, and what it cost."""

    plan: Plan
    counters: Counters
    thought_tokens: int = 0


def propose(
    real: pd.DataFrame,
    dictionary: FeatureDictionary,
    model: Model,
    *,
    seed: int,
    temperature: float = 1.0,
    attempts: int = 3,
    show: bool = True,
    thinking_tokens: int = 0,
) -> ProposedPlan:
    """The manager's plan for a table.

    **Parameters:**

    * **real**: frame of values (n, d).
    * **attempts**: how often the model is asked for a complete plan, 1 or more.
    * **show**: three real rows are in the prompt; else means and shares of the real rows are.
    * **thinking_tokens**: the most tokens of a thought before the plan, which nobody else sees.

    **Raises** `DecodeError` when the prompt does not fit the model, or no text is complete after
    all attempts; `ModelError` for a model with no place for a thought or no tokens for the table.
    """
    check_vocabulary(model, dictionary)
    text = _prompt(real, dictionary, seed, show=show)
    n_plan = max_plan_bytes(len(dictionary.inputs))
    prompt, n_thought = _prompt_tokens(model, text, thinking_tokens, n_plan, seed, temperature)
    grammar = Grammar(plan_schema(len(dictionary.inputs)), model.tokenizer)
    # A segment has to open with a token: the last one of the prompt.
    segment = Segment(tuple(prompt[-1:]), grammar)
    with Decoder(
        model,
        slots=1,
        prefix_tokens=len(prompt),
        max_row_tokens=n_plan,
        temperature=temperature,
    ) as decoder:
        decoder.prefill(prompt[:-1])
        text = _complete_text(decoder, segment, seed, attempts)
    return ProposedPlan(parse_plan(json.loads(text), dictionary), decoder.counters, n_thought)


def _prompt_tokens(
    model: Model, text: str, budget: int, n_plan: int, seed: int, temperature: float
) -> tuple[list[int], int]:
    """The tokens of a prompt and of the manager's thought after it; how many are the thought.

    ``n_plan``: the most tokens of the plan that follows.
    """
    if not budget:
        return model.prompt([text]), 0
    if not model.thought_end:
        raise ModelError(
            f"The chat format of {model.name} has no place for a thought, and "
            f"team.thinking_tokens is {budget}.",
            next_step="--set team.thinking_tokens=0, or a manager that can think "
            "(--manager-model); a model that was added to the store by an earlier version of "
            "t2local can be added again",
        )
    prompt = model.prompt([text], thought=True)
    end = model.tokenize(model.thought_end, special=True)
    room = model.context_length - len(prompt) - len(end) - n_plan
    if budget > room:
        raise DecodeError(
            f"A thought of up to {budget} tokens does not fit the {model.context_length} of "
            f"{model.name} beside a prompt of {len(prompt)} and a plan of up to {n_plan}.",
            next_step=f"--set team.thinking_tokens={max(0, room)}, or a model with a longer "
            "context",
        )
    stream = RowStream(seed, stream=Stream.THOUGHT_TOKENS)
    thought = think(model, prompt, budget, stream, temperature)
    return [*prompt, *thought, *end], len(thought)


def plan_schema(n_features: int) -> JsonObject:
    """The JSON Schema of a plan for some features, one alternative for each number of roles."""
    most = min(MOST_ROLES, max(n_features, 2))
    return {"anyOf": [_alternative(n_features, n_roles) for n_roles in range(2, most + 1)]}


def parse_plan(written: JsonObject, dictionary: FeatureDictionary) -> Plan:
    """A text of `plan_schema` as a plan: names made unique, roles without features dropped."""
    names: list[str] = []
    for name in written["roles"]:
        names.append(name if name not in names else f"{name} {len(names) + 1}")
    # Roles and features are numbered from 1.
    owners = [written["features"][str(i + 1)] for i in range(len(dictionary.inputs))]
    roles = []
    for role in range(1, len(names) + 1):
        features = [
            name for name, owner in zip(dictionary.inputs, owners, strict=True) if owner == role
        ]
        parents = sorted(set(written["depends"][role - 1]) & set(owners))
        if features:
            roles.append((names[role - 1], features, [names[parent - 1] for parent in parents]))
    return plan_of_roles(roles, dictionary, "manager")


def max_plan_bytes(n_features: int) -> int:
    """The most bytes of a plan: role names, an entry of each feature, and the dependencies."""
    # "12":3, and one to spare
    entry = len(str(n_features)) + 6
    return MOST_ROLES * _MAX_ROLE_BYTES + n_features * entry + _MAX_OTHER_BYTES


def _complete_text(decoder: Decoder, segment: Segment, seed: int, attempts: int) -> str:
    """The first text that is complete."""
    for attempt in range(attempts):
        stream = RowStream(seed, attempt=attempt, stream=Stream.PLAN_TOKENS)
        _, completion = next(decoder.complete([Request((segment,), stream)]))
        if not completion.failure:
            return completion.texts[0]
    raise DecodeError(
        "The manager wrote no complete plan.",
        faults=[completion.failure],
        next_step="take the plan from the data: --plan data",
    )


def _alternative(n_features: int, n_roles: int) -> JsonObject:
    """The JSON Schema of a plan with so many roles."""
    numbers = [str(number + 1) for number in range(n_features)]
    depends: list[JsonObject] = [{"const": []}]
    depends += [
        {"type": "array", "items": {"enum": list(range(1, role + 1))}, "maxItems": role}
        for role in range(1, n_roles)
    ]
    properties = {
        "roles": {
            "type": "array",
            "items": fragment("role"),
            "minItems": n_roles,
            "maxItems": n_roles,
        },
        "features": _closed({number: {"enum": list(range(1, n_roles + 1))} for number in numbers}),
        "depends": {
            **fragment("cells"),
            "prefixItems": depends,
            "minItems": n_roles,
            "maxItems": n_roles,
        },
    }
    return _closed(properties)


def _closed(properties: JsonObject) -> JsonObject:
    """The JSON Schema of an object with exactly these properties, in this order."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _prompt(real: pd.DataFrame, dictionary: FeatureDictionary, seed: int, *, show: bool) -> str:
    features = dictionary.input_features
    statistics = {} if show else aggregates(real, dictionary)
    rows = []
    if show:
        rng = generator(seed, Stream.PLAN_EXAMPLES)
        places = rng.choice(len(real), min(_ROWS_SHOWN, len(real)), replace=False)
        rows = [array(features, row) for row in records(real.iloc[np.sort(places)])]
    return render(
        "manager.j2",
        description=dictionary.description,
        goal=dictionary.target,
        features=[feature_description(f, statistics.get(f.name, "")) for f in features],
        rows=rows,
    )

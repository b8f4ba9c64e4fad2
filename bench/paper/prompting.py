"""CLLM (Seedat 2024) and EPIC (Kim 2024), from their descriptions, on our backbone and our decoder.

The same for both: each row is a completion of its own under a grammar of its columns, so that none is malformed (theirs drop a
whole answer for one bad row). What is left is what they are: their prompt, their order of columns, their temperature, their curation.

Faults of CLLM's own code that are mended here: it draws its examples from its last examples, so that they drift to a single row;
it counts earlier answers again. Its language model's top_p is not used: our decoder has none.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.paper.studies import Task
from t2local.llm.backbone import Backbone
from t2local.llm.decoder import Counters, Decoder, Request, Segment
from t2local.llm.grammar import Grammar
from t2local.llm.sampling import RowStream
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import codes
from t2local.tables.dictionary import Feature
from t2local.team.rows import array, max_bytes, parse, records, schema

_ROWS_A_CALL, _EXAMPLES = 60, 20
CLLM_TEMPERATURE, EPIC_TEMPERATURE = 0.9, 1.0
#: EPIC: rows of a class in a group, groups in a prompt.
_GROUP_ROWS, _GROUPS = 15, 4
_STAGES = 99


@dataclass(frozen=True)
class Written:
    """Rows, and the tokens that they took."""

    rows: pd.DataFrame
    prompt: int
    text: int


def cllm(task: Task, model: Backbone, domain: str) -> Written:
    """Prompt with 20 examples (drawn with replacement), rows in the frame's order, temperature 0.9, then curation by learning dynamics.

    More is written than wanted, in proportion to what the curation drops, up to three times as much.
    """
    features = [task.known[name] for name in task.known.names]
    made, kept, counts = 0, [], [0, 0]
    while made < 3 * task.rows and sum(map(len, kept)) < task.rows:
        written = _complete(
            task,
            model,
            features,
            lambda call: _cllm_prompt(task, features, domain, call),
            task.rows,
            made,
            CLLM_TEMPERATURE,
        )
        made += task.rows
        counts = [counts[0] + written.prompt, counts[1] + written.text]
        kept.append(curate(task, written.rows))
    return Written(pd.concat(kept).head(task.rows).reset_index(drop=True), counts[0], counts[1])


def _cllm_prompt(task: Task, features: list[Feature], domain: str, call: int) -> list[str]:
    rng = np.random.default_rng([task.seed, 40, call])
    shown = records(task.real.iloc[rng.choice(len(task.real), min(_EXAMPLES, len(task.real)))])
    head = (
        "You are a synthetic data generator. Produce data that mirrors the given examples in causal structure and in feature and label distributions, "
        f"and is as diverse as possible. Real examples come first. Use your knowledge of {domain} to generate 1000 realistic but diverse samples. "
        f"Each sample is a list of: {', '.join(f.name for f in features)}. Do not copy the examples, give new diverse samples with the correct label "
        "given the features.\nexample data:\n"
    )
    return [head, *(array(features, row) + "\n" for row in shown), "new data:\n"]


def curate(task: Task, rows: pd.DataFrame) -> pd.DataFrame:
    """Drop the rows that a model of boosted trees on D_ori finds wrong at every stage (confidence <= 0.2, little aleatoric uncertainty).

    scikit-learn's boosted trees stand for XGBoost's.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    target, encoder = task.known[task.known.target], Encoder(task.known.input_features, task.real)
    y, told = (
        codes(task.real[target.name], target).astype(int),
        codes(rows[target.name], target).astype(int),
    )
    model = GradientBoostingClassifier(
        n_estimators=_STAGES, max_depth=6, learning_rate=0.3, random_state=task.seed
    ).fit(encoder.transform(task.real), y)
    place = {number: i for i, number in enumerate(model.classes_)}
    column = np.array([place.get(number, -1) for number in told])
    stages = [
        np.where(column >= 0, p[np.arange(len(rows)), column], 0.0)
        for p in model.staged_predict_proba(encoder.transform(rows))
    ]
    confidence = np.mean(stages, axis=0)
    aleatoric = np.mean([p * (1 - p) for p in stages], axis=0)
    hard = (confidence <= 0.2) & (aleatoric <= 0.75 * np.ptp(aleatoric))
    return rows[~hard]


def epic(task: Task, model: Backbone) -> Written:
    """The class first, levels as random tokens of three characters, groups with as many rows of each class, no instruction, no curation."""
    rng, target = np.random.default_rng([task.seed, 41]), task.known.target
    classes = sorted(task.real[target].unique())
    renamed, back = _mapped(task, rng)
    order = [target, *task.known.inputs]
    features = [renamed[name] for name in order]
    size = {
        label: min(_GROUP_ROWS, 2 * int((task.real[target] == label).sum())) for label in classes
    }

    def prompt(call: int) -> list[str]:
        random, groups = np.random.default_rng([task.seed, 42, call]), []
        header = ",".join(order) + "\n"
        for _ in range(_groups(task, size)):
            groups.append(header)
            for letter, label in zip("ABCDEFGH", classes, strict=False):
                own = task.real[task.real[target] == label]
                shown = own.iloc[random.choice(len(own), size[label])]
                coded = [
                    {name: back["to"].get((name, value), value) for name, value in row.items()}
                    for row in records(shown)
                ]
                groups += [f"{letter}.\n", *(array(features, row) + "\n" for row in coded)]
            groups.append("\n")
        return [*groups, header, "A.\n"]

    seen = [back["to"][target, label] for label in classes]
    features[0] = features[0].model_copy(update={"levels": tuple(seen)})
    written = _complete(
        task, model, features, prompt, task.rows, 0, EPIC_TEMPERATURE, balanced=seen
    )
    rows = written.rows.assign(
        **{
            name: written.rows[name].map(lambda v, name=name: back["from"].get((name, v), v))
            for name in order
        }
    )
    return Written(rows[task.known.names], written.prompt, written.text)


def _groups(task: Task, size: dict[str, int]) -> int:
    """As many groups as fit: a group needs each of its rows to be told apart from the others by more than chance."""
    return max(1, min(_GROUPS, math.ceil(4 * len(task.real) / sum(size.values()))))


def _mapped(
    task: Task, rng: np.random.Generator
) -> tuple[dict[str, Feature], dict[str, dict[tuple[str, Any], str]]]:
    """Features whose levels are random tokens, and the tokens there and back."""
    letters, more = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), list("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    there: dict[tuple[str, Any], str] = {}
    renamed = {}
    for name in task.known.names:
        feature = task.known[name]
        if not feature.numeric:
            for level in feature.levels:
                token = ""
                while not token or token in there.values():
                    token = rng.choice(letters) + rng.choice(more) + rng.choice(more)
                there[name, level] = str(token)
            feature = feature.model_copy(
                update={
                    "type": "category",
                    "levels": tuple(there[name, level] for level in feature.levels),
                }
            )
        renamed[name] = feature
    return renamed, {
        "to": there,
        "from": {(name, token): level for (name, level), token in there.items()},
    }


def _complete(
    task: Task,
    model: Backbone,
    features: list[Feature],
    prompt: Any,
    rows: int,
    before: int,
    temperature: float,
    balanced: list[str] | None = None,
) -> Written:
    """Rows after prompts, `_ROWS_A_CALL` after each; ``balanced``: labels of the first feature that are given in turn."""
    given = [{features[0].name: label} for label in balanced] if balanced else [{}]
    grammars, cells = (
        [Grammar(schema(features, cell), model.tokenizer) for cell in given],
        max_bytes(features),
    )
    made, tokens = [], Counters()
    for call in range(math.ceil(rows / _ROWS_A_CALL)):
        parts = model.prompt(prompt(before + call))
        wanted = range(call * _ROWS_A_CALL, min(rows, (call + 1) * _ROWS_A_CALL))
        requests = [
            Request(
                (Segment((), grammars[row % len(grammars)]),),
                RowStream(task.seed, before + call, row),
            )
            for row in wanted
        ]
        with Decoder(
            model,
            slots=min(32, len(wanted)),
            prefix_cells=len(parts),
            row_cells=cells,
            usual_cells=cells // 2,
            temperature=temperature,
        ) as decoder:
            decoder.prefill(parts)
            for index, completion in decoder.complete(requests):
                if not completion.failure:
                    made.append((wanted[index], parse(features, completion.texts[0])))
            tokens.prefix += decoder.counters.prefix
            tokens.rows += decoder.counters.rows
    frame = pd.DataFrame(
        [row for _, row in sorted(made, key=lambda pair: pair[0])],
        columns=[f.name for f in features],
    )
    return Written(frame, tokens.prefix, tokens.rows)

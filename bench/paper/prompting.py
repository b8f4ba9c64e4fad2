"""CLLM (Seedat 2024) and EPIC (Kim 2024), from their descriptions, on our backbone and our decoder.

The same for both: each row is a completion of its own under a grammar of its columns, so that none
is malformed (theirs drop a whole answer for one bad row). What is left is what they are: their
prompt, their order of columns, their temperature, their curation.

Faults of CLLM's own code that are mended here: it draws its examples from its last examples, so
that they drift to a single row; it counts earlier answers again. Its language model's top_p is not
used: our decoder has none.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from bench.paper.studies import Task
from bench.streams import Stream, generator
from t2local.llm.backbone import Backbone
from t2local.llm.counters import Counters
from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar
from t2local.llm.requests import Request, Segment
from t2local.llm.sampling import RowStream
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels
from t2local.tables.dictionary import Feature
from t2local.team.rows import array, max_bytes, parse, records, schema

_ROWS_A_CALL, _EXAMPLES = 60, 20
CLLM_TEMPERATURE, EPIC_TEMPERATURE = 0.9, 1.0
#: EPIC: rows of a class in a group, groups in a prompt.
_GROUP_ROWS, _GROUPS = 15, 4
#: Boosted trees whose learning CLLM's curation follows.
_STAGES = 99

#: ``prompt(call)`` gives the parts of the prompt of a call.
Prompt = Callable[[int], list[str]]


@dataclass(frozen=True)
class Written:
    """Rows, and the tokens that they took."""

    rows: pd.DataFrame
    prompt: int
    text: int


def cllm(task: Task, model: Backbone, domain: str) -> Written:
    """Prompt with 20 examples (drawn with replacement), then curation by learning dynamics.

    Rows are in the frame's order, the temperature is 0.9. More is written than wanted, in
    proportion to what the curation drops, up to three times as much.
    """
    features = [task.dictionary[name] for name in task.dictionary.names]
    kept: list[pd.DataFrame] = []
    n_written = n_prompt_tokens = n_text_tokens = 0
    while n_written < 3 * task.rows and sum(map(len, kept)) < task.rows:
        written = _complete(
            task,
            model,
            features,
            lambda call: _cllm_prompt(task, features, domain, call),
            first_call=n_written,
            temperature=CLLM_TEMPERATURE,
        )
        n_written += task.rows
        n_prompt_tokens += written.prompt
        n_text_tokens += written.text
        kept.append(curate(task, written.rows))
    rows = pd.concat(kept).head(task.rows).reset_index(drop=True)
    return Written(rows, n_prompt_tokens, n_text_tokens)


def _cllm_prompt(task: Task, features: list[Feature], domain: str, call: int) -> list[str]:
    rng = generator(task.seed, Stream.CLLM_EXAMPLES, call)
    examples = records(task.real.iloc[rng.choice(len(task.real), min(_EXAMPLES, len(task.real)))])
    head = (
        "You are a synthetic data generator. Produce data that mirrors the given examples in "
        "causal structure and in feature and label distributions, and is as diverse as possible. "
        f"Real examples come first. Use your knowledge of {domain} to generate 1000 realistic but "
        f"diverse samples. Each sample is a list of: {', '.join(f.name for f in features)}. "
        "Do not copy the examples, give new diverse samples with the correct label given the "
        "features.\nexample data:\n"
    )
    return [head, *(array(features, row) + "\n" for row in examples), "new data:\n"]


def curate(task: Task, rows: pd.DataFrame) -> pd.DataFrame:
    """Drop the rows that a model of boosted trees on D_ori finds wrong at every stage.

    Those are rows with a confidence of at most 0.2 and little aleatoric uncertainty. scikit-learn's
    boosted trees stand for XGBoost's.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    target = task.dictionary[task.dictionary.target]
    encoder = Encoder(task.dictionary.input_features, task.real)
    y = encode_labels(task.real[target.name], target).astype(int)
    labels = encode_labels(rows[target.name], target).astype(int)
    model = GradientBoostingClassifier(
        n_estimators=_STAGES, max_depth=6, learning_rate=0.3, random_state=task.seed
    ).fit(encoder.transform(task.real), y)
    place = {number: i for i, number in enumerate(model.classes_)}
    column = np.array([place.get(number, -1) for number in labels])
    stages = [
        np.where(column >= 0, p[np.arange(len(rows)), column], 0.0)
        for p in model.staged_predict_proba(encoder.transform(rows))
    ]
    confidence = np.mean(stages, axis=0)
    aleatoric = np.mean([p * (1 - p) for p in stages], axis=0)
    hard = (confidence <= 0.2) & (aleatoric <= 0.75 * np.ptp(aleatoric))
    return rows[~hard]


def epic(task: Task, model: Backbone) -> Written:
    """The class first, levels as random tokens, groups with as many rows of each class.

    A token has three characters. No instruction, no curation.
    """
    target = task.dictionary.target
    order = [target, *task.dictionary.inputs]
    tokens = _level_tokens(task)
    features = [_with_tokens(task.dictionary[name], tokens) for name in order]
    # Real rows may lack a class: a row starts with one that they have.
    labels = [tokens[target, label] for label in sorted(task.real[target].unique())]
    features[0] = features[0].model_copy(update={"levels": tuple(labels)})
    written = _complete(
        task,
        model,
        features,
        _epic_prompt(task, features, tokens),
        temperature=EPIC_TEMPERATURE,
        labels_in_turn=labels,
    )
    levels = {(name, token): level for (name, level), token in tokens.items()}
    rows = pd.DataFrame(
        {
            name: [levels.get((name, cell), cell) for cell in written.rows[name]]
            for name in task.dictionary.names
        }
    )
    return Written(rows, written.prompt, written.text)


def _epic_prompt(task: Task, features: list[Feature], tokens: dict[tuple[str, str], str]) -> Prompt:
    target = task.dictionary.target
    by_class = {
        label: task.real[task.real[target] == label] for label in sorted(task.real[target].unique())
    }
    sizes = {label: min(_GROUP_ROWS, 2 * len(rows)) for label, rows in by_class.items()}
    header = ",".join(feature.name for feature in features) + "\n"

    def class_rows(label: str, rng: np.random.Generator) -> list[str]:
        rows = by_class[label]
        drawn = records(rows.iloc[rng.choice(len(rows), sizes[label])])
        coded = [
            {name: tokens.get((name, cell), cell) for name, cell in row.items()} for row in drawn
        ]
        return [array(features, row) + "\n" for row in coded]

    def prompt(call: int) -> list[str]:
        rng = generator(task.seed, Stream.EPIC_EXAMPLES, call)
        parts: list[str] = []
        for _ in range(_groups(task, sizes)):
            parts.append(header)
            for letter, label in zip("ABCDEFGH", by_class, strict=False):
                parts += [f"{letter}.\n", *class_rows(label, rng)]
            parts.append("\n")
        return [*parts, header, "A.\n"]

    return prompt


def _groups(task: Task, sizes: dict[str, int]) -> int:
    """How many groups a prompt has: fewer where they would only repeat the same few rows."""
    return max(1, min(_GROUPS, math.ceil(4 * len(task.real) / sum(sizes.values()))))


def _level_tokens(task: Task) -> dict[tuple[str, str], str]:
    """A random token for each level of each column, all different."""
    rng = generator(task.seed, Stream.EPIC_LEVELS)
    letters = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    letters_and_digits = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    tokens: dict[tuple[str, str], str] = {}
    features = [task.dictionary[name] for name in task.dictionary.names]
    for feature in (feature for feature in features if not feature.numeric):
        for level in feature.levels:
            token = ""
            while not token or token in tokens.values():
                token = str(
                    rng.choice(letters)
                    + rng.choice(letters_and_digits)
                    + rng.choice(letters_and_digits)
                )
            tokens[feature.name, level] = token
    return tokens


def _with_tokens(feature: Feature, tokens: dict[tuple[str, str], str]) -> Feature:
    """A feature whose levels are their tokens."""
    if feature.numeric:
        return feature
    levels = tuple(tokens[feature.name, level] for level in feature.levels)
    return feature.model_copy(update={"type": "category", "levels": levels})


def _complete(
    task: Task,
    model: Backbone,
    features: list[Feature],
    prompt: Prompt,
    *,
    temperature: float,
    first_call: int = 0,
    labels_in_turn: list[str] | None = None,
) -> Written:
    """Rows after prompts, `_ROWS_A_CALL` after each.

    ``labels_in_turn``: labels of the first feature; each row begins with the next of them.
    """
    starts = [{features[0].name: label} for label in labels_in_turn or []] or [{}]
    grammars = [Grammar(schema(features, start), model.tokenizer) for start in starts]
    batch = _Batch(model, features, temperature, grammars)
    for call in range(math.ceil(task.rows / _ROWS_A_CALL)):
        numbers = range(call * _ROWS_A_CALL, min(task.rows, (call + 1) * _ROWS_A_CALL))
        streams = [RowStream(task.seed, first_call + call, row) for row in numbers]
        batch.write(prompt(first_call + call), streams)
    frame = pd.DataFrame(batch.rows, columns=[feature.name for feature in features])
    return Written(frame, batch.tokens.prefix_tokens, batch.tokens.row_tokens)


@dataclass
class _Batch:
    """Rows that are written call by call; a row begins as the grammar of its number says."""

    model: Backbone
    features: list[Feature]
    temperature: float
    grammars: list[Grammar]
    rows: list[dict[str, float | str | None]] = field(default_factory=list)
    tokens: Counters = field(default_factory=Counters)

    def write(self, prompt: list[str], streams: list[RowStream]) -> None:
        """One row for each stream, in their order; those that fail are left out."""
        parts = self.model.prompt(prompt)
        cells = max_bytes(self.features)
        requests = [
            Request((Segment((), self.grammars[stream.row % len(self.grammars)]),), stream)
            for stream in streams
        ]
        with Decoder(
            self.model,
            slots=min(32, len(requests)),
            prefix_tokens=len(parts),
            max_row_tokens=cells,
            typical_row_tokens=cells // 2,
            temperature=self.temperature,
        ) as decoder:
            decoder.prefill(parts)
            completions = sorted(decoder.complete(requests), key=lambda pair: pair[0])
            self.tokens += decoder.counters
        self.rows += [
            parse(self.features, completion.texts[0])
            for _, completion in completions
            if not completion.failure
        ]

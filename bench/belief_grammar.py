"""Another way to ask a model about columns: a line under a grammar in place of paired sentences.

The model writes a direction, a strength from 0 to 3 and a confidence after four solved lines, of a
higher value and of a lower one. Printed for each table: the AUC in percent of these beliefs with no
real row, beside that of the stored answers to paired sentences (bench/beliefs.py).

python -m bench.belief_grammar qwen-1.5b=/models/q15.gguf [--tables mgus2 cleveland]
"""

import argparse
from contextlib import closing
from itertools import product

import numpy as np

from bench.beliefs import alone, opinions, tables
from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar
from t2local.llm.model import Model
from t2local.llm.requests import Request, Segment
from t2local.llm.row import common_length
from t2local.llm.sampling import RowStream
from t2local.stats.streams import Stream
from t2local.tables.belief_file import Belief, Knowledge
from t2local.tables.dictionary import FeatureDictionary
from t2local.team.beliefs import _opinions, _outcome, _subjects

DIRECTIONS = {"raises": 1, "lowers": -1}
CONFIDENCES = {"low": 1 / 3, "medium": 2 / 3, "high": 1.0}
#: What each line is worth, by its text.
LINES = {
    f" {direction}, strength {strength}, confidence {confidence}": sign * strength * share
    for (direction, sign), strength, (confidence, share) in product(
        DIRECTIONS.items(), range(4), CONFIDENCES.items()
    )
}
SOLVED = """\
Direction (raises or lowers), strength from 0 (none) to 3 and confidence of effects.
Outcome: lung cancer. Feature: smoking. Effect: raises, strength 3, confidence high
Outcome: diabetes. Feature: more exercise. Effect: lowers, strength 2, confidence high
Outcome: lung cancer. Feature: left-handedness. Effect: raises, strength 0, confidence medium
Outcome: hip fracture. Feature: a higher bone density. Effect: lowers, strength 3, confidence medium
"""
#: Tokens of a prompt and of a line at most.
MAX_TOKENS = 600


def ask_lines(model: Model, dictionary: FeatureDictionary) -> Knowledge:
    """The beliefs that a model writes."""
    subjects = list(_subjects(dictionary))
    phrases = [text for s in subjects for text in (s.phrase, s.opposite) if text]
    about, outcome = dictionary.description, _outcome(dictionary)
    values = [LINES[line] for line in _lines(model, f"{SOLVED}{about}\n", outcome, phrases)]
    beliefs = [
        Belief(
            feature=subject.feature,
            level=subject.level,
            direction="raises" if value > 0 else "lowers",
            strength=abs(value),
        )
        for subject, value in zip(subjects, _opinions(subjects, np.array([values]))[0], strict=True)
    ]
    return Knowledge(target=dictionary.target, model=model.name, beliefs=tuple(beliefs))


def _lines(model: Model, head: str, outcome: str, phrases: list[str]) -> list[str]:
    """The likeliest line about each phrase."""
    grammar = Grammar.of_texts(list(LINES), model.tokenizer)
    prompts = [
        [
            *model.opening,
            *model.tokenize(f"{head}Outcome: {outcome}. Feature: {phrase}. Effect:"),
        ]
        for phrase in phrases
    ]
    n_shared = min(common_length(prompts[0], other[:-1]) for other in prompts)
    slots = model.slots(0, 60).value
    with Decoder(
        model, slots=slots, prefix_tokens=MAX_TOKENS, max_row_tokens=MAX_TOKENS, temperature=0
    ) as decoder:
        decoder.prefill(prompts[0][:n_shared])
        requests = [
            Request(
                (Segment(tuple(prompt[n_shared:]), grammar),),
                RowStream(0, row=row, stream=Stream.BELIEF_TOKENS),
            )
            for row, prompt in enumerate(prompts)
        ]
        completions = dict(decoder.complete(requests))
    return [completions[row].texts[0] for row in range(len(prompts))]


def main() -> None:
    from t2local.llm.backbone import Backbone
    from t2local.llm.store import find

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a name of the catalogue, or NAME=FILE")
    parser.add_argument("--tables", nargs="*", help="to choose by; all by default")
    options = parser.parse_args()
    name, _, file = options.model.partition("=")
    print("AUC with no real row".ljust(24), "a line".rjust(10), "sentences".rjust(10))
    with closing(Backbone(find(file or name))) as backbone:
        for table in tables("choose"):
            if options.tables and table.name not in options.tables:
                continue
            written = alone(table, ask_lines(backbone, table.dictionary))
            paired = alone(table, opinions(table, "choose")[name])
            print(table.name.ljust(24), f"{written:10.1f}", f"{paired:10.1f}", flush=True)


if __name__ == "__main__":
    main()

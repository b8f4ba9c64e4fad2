"""What a model believes of the columns, read from the word with which it would end a sentence.

For each column the model is given sentences such as "People with a higher age are", and asked how
much likelier "more" comes next than "less". The same sentence about a lower age is subtracted: what
a model says of any sentence alike is no belief. Levels are held against the mean of their column.
No row of the table is shown (docs/method.md, "Beliefs"; after LoID, arXiv 2601.17609).

What has a name without meaning gets no belief: a name or a level needs a word of three letters with
a vowel in it ("age", not "V1" or "hgb"); a description takes the place of a column's name. Of an
outcome that is called no more than "target" nothing is asked.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar
from t2local.llm.model import Model
from t2local.llm.requests import Completion, Request, Segment
from t2local.llm.row import common_length
from t2local.llm.sampling import RowStream
from t2local.settings import DecoderSettings
from t2local.stats.arrays import FloatArray
from t2local.stats.streams import Stream
from t2local.tables.belief_file import Belief, Knowledge, positive_level
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.team.scoring import level_log_probabilities


@dataclass(frozen=True)
class _Phrasing:
    """A sentence that stops before the word that decides, and the two words that may follow."""

    text: str
    up: str
    down: str


#: Among the best of 16 that were tried with a model of 0.5 billion parameters on seven tables
#: (docs/method.md, "Beliefs"). All name the outcome before the word that decides.
_PHRASINGS = (
    _Phrasing('As to "{outcome}", the risk with {subject} is', " higher", " lower"),
    _Phrasing('As to "{outcome}": people with {subject} are at a', " higher", " lower"),
    _Phrasing('As to "{outcome}", people with {subject} are', " more", " less"),
    _Phrasing("Outcome: {outcome}. People with {subject} are affected", " more", " less"),
    _Phrasing(
        'Question: is "{outcome}" more or less likely with {subject}? Answer:', " more", " less"
    ),
)
#: Words at the end of a name that are units: "fare pounds" is a fare.
_UNITS = {
    "years", "year", "months", "days", "hours", "minutes", "pounds", "dollars", "percent", "kg",
    "g", "mg", "ug", "l", "dl", "ml", "mmol", "m", "cm", "mm", "km",
}  # fmt: skip
_YES, _NO = {"yes", "true", "1", "y"}, {"no", "false", "0", "n"}
#: A word that a reader could say: three letters, one of them a vowel.
_WORD = re.compile(r"(?=[^\W\d_]*[aeiouyäöüéèêáàíóúAEIOUYÄÖÜ])[^\W\d_]{3,}")
#: Words that leave an outcome open: "a high target" can be anything.
_EMPTY_WORDS = {"a", "high", "target", "label", "class"}
#: Levels of a column that are asked about; a column of more is as good as free text.
_MAX_LEVELS = 12
#: Tokens of a topic and a sentence at most; a description may be long.
_MAX_TOKENS = 600
#: Tokens that are a sentence's own, as a rule.
_TYPICAL_TOKENS = 24


@dataclass(frozen=True)
class _Subject:
    """What a sentence is about: a level of a feature, or a higher value and a lower one."""

    feature: str
    level: str
    phrase: str
    opposite: str = ""


def ask(model: Model, dictionary: FeatureDictionary, settings: DecoderSettings) -> Knowledge:
    """The model's beliefs of all columns whose names mean something.

    **Raises** `DecodeError` when a sentence does not fit the model.
    """
    subjects = [s for s in _subjects(dictionary) if _names_outcome(dictionary)]
    opinions = np.zeros((len(_PHRASINGS), 0))  # (phrasings, subjects)
    if subjects:
        opinions = _opinions(subjects, _all_answers(model, dictionary, subjects, settings))
    return Knowledge(
        target=dictionary.target,
        positive=positive_level(dictionary),
        model=model.name,
        sha256=model.sha256,
        # Of what it knows nothing of it says nothing: "none" would mean that there is no effect.
        beliefs=tuple(b for b in map(_belief, subjects, opinions.T) if b.strength),
    )


def _all_answers(
    model: Model,
    dictionary: FeatureDictionary,
    subjects: Sequence[_Subject],
    settings: DecoderSettings,
) -> FloatArray:
    """Log-odds after each phrase, those of opposites included; (phrasings, phrases)."""
    phrases = [text for s in subjects for text in (s.phrase, s.opposite) if text]
    with Decoder(
        model,
        slots=model.slots(settings.slots, _TYPICAL_TOKENS).value,
        prefix_tokens=_MAX_TOKENS,
        max_row_tokens=_MAX_TOKENS,
        typical_row_tokens=_TYPICAL_TOKENS,
        temperature=0,
    ) as decoder:
        return np.array([_answers(decoder, model, dictionary, p, phrases) for p in _PHRASINGS])


def _answers(
    decoder: Decoder,
    model: Model,
    dictionary: FeatureDictionary,
    phrasing: _Phrasing,
    phrases: Sequence[str],
) -> list[float]:
    """Log-odds of the upward word after the sentence about each phrase."""
    grammar = Grammar.of_texts([phrasing.up, phrasing.down], model.tokenizer)
    topic, outcome = _topic(dictionary), _outcome(dictionary)
    sentences = [
        model.tokenize(topic + phrasing.text.format(outcome=outcome, subject=phrase))
        for phrase in phrases
    ]
    # What all sentences begin with is decoded once; of each at least one token is its own.
    n_shared = min(common_length(sentences[0], other[:-1]) for other in sentences)
    decoder.prefill([*model.opening, *sentences[0][:n_shared]])
    completions = dict(
        decoder.complete(
            [
                Request(
                    (Segment(tuple(tokens[n_shared:]), grammar, keep_logits=True),),
                    RowStream(0, row=row, stream=Stream.BELIEF_TOKENS),
                )
                for row, tokens in enumerate(sentences)
            ]
        )
    )
    return [_log_odds(completions[row], phrasing, grammar, model) for row in range(len(phrases))]


def _log_odds(completion: Completion, phrasing: _Phrasing, grammar: Grammar, model: Model) -> float:
    """Log-odds of the upward word against the downward one; 0 where decoding failed."""
    if completion.first_logits is None:
        return 0.0
    tokens, logits = completion.first_logits
    n_forced = len(model.tokenizer.decode_bytes(list(grammar.forced)))
    rests = [word.encode()[n_forced:] for word in (phrasing.up, phrasing.down)]
    token_bytes = [model.tokenizer.decode_bytes([token]) for token in tokens.tolist()]
    up, down = level_log_probabilities(rests, token_bytes, logits.astype(np.float64))
    return float(up - down)


def _opinions(subjects: Sequence[_Subject], answers: FloatArray) -> FloatArray:
    """What each phrasing says of each subject, with a mean square of 1; (phrasings, subjects).

    **Parameters:**

    * **answers**: log-odds after each phrase, those of opposites included; (phrasings, phrases).
    """
    columns, place = [], 0
    for subject in subjects:
        column = answers[:, place]  # (phrasings,)
        place += 1
        if subject.opposite:
            column = (column - answers[:, place]) / 2
            place += 1
        columns.append(column)
    opinions = np.array(columns).T  # (phrasings, subjects)
    names = np.array([subject.feature for subject in subjects])
    for name in names[[bool(subject.level) for subject in subjects]]:
        own = names == name
        opinions[:, own] -= opinions[:, own].mean(axis=1, keepdims=True)
    size = np.sqrt((opinions**2).mean(axis=1, keepdims=True))
    return opinions / np.maximum(size, 1e-12)


def _belief(subject: _Subject, opinions: FloatArray) -> Belief:
    """The mean of the phrasings (phrasings,), smaller where they do not agree."""
    mean, variance = opinions.mean(), opinions.var(ddof=1)
    # Empirical Bayes: the share of the mean's square that is not the phrasings' noise.
    strength = mean * mean**2 / max(mean**2 + variance / len(opinions), 1e-12)
    return Belief(
        feature=subject.feature,
        level=subject.level,
        direction="raises" if mean > 0 else "lowers",
        strength=round(abs(strength), 3),
        spread=round(float(variance**0.5), 3),
        agreement=round(float((np.sign(opinions) == np.sign(mean)).mean()), 2),
    )


def _subjects(dictionary: FeatureDictionary) -> Iterator[_Subject]:
    """All that sentences can be about, column by column."""
    for feature in dictionary.input_features:
        name = _name(feature)
        if not _means_something(name):
            continue
        if feature.numeric:
            more, less = ("more", "fewer") if _is_plural(name) else ("a higher", "a lower")
            yield _Subject(feature.name, "", f"{more} {name}", f"{less} {name}")
        elif is_yes_or_no(feature):
            no, yes = feature.levels
            yield _Subject(feature.name, no, f"no {name}")
            yield _Subject(feature.name, yes, name)
        else:
            levels = [level for level in feature.levels if _means_something(level)]
            # One level has nothing to be held against.
            for level in levels[:_MAX_LEVELS] * (len(levels) > 1):
                yield _Subject(feature.name, level, f"{name} {level.lower()}")


def _name(feature: Feature) -> str:
    """What a column is called in a sentence: its description, else its name without its unit."""
    if feature.meaning:
        return feature.meaning.strip().rstrip(".").lower()
    words = _words(feature.name).split()
    while len(words) > 1 and words[-1] in _UNITS:
        words.pop()
    return " ".join(words)


def _words(name: str) -> str:
    """A name as words: ``priorOffenses`` and ``prior_offenses`` alike."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.sub(r"[\s_.]+", " ", spaced).strip().lower()


def _means_something(text: str) -> bool:
    return bool(_WORD.search(text))


def _is_plural(name: str) -> bool:
    """Whether a name is of things that are counted."""
    return name.endswith("s") and not name.endswith(("ss", "us", "is"))


def is_yes_or_no(feature: Feature) -> bool:
    """Whether the name of the column is what its second level says."""
    levels = [level.lower() for level in feature.levels]
    return len(levels) == 2 and levels[0] in _NO and levels[1] in _YES


def _outcome(dictionary: FeatureDictionary) -> str:
    """What the columns raise or lower, in words."""
    target = dictionary.target_feature
    name = _name(target)
    if not target.levels:
        return f"a high {name}"
    positive = positive_level(dictionary)
    if positive.lower() in _YES:
        return name
    return f"{name} {positive.lower()}"


def _names_outcome(dictionary: FeatureDictionary) -> bool:
    """Whether it is said what the target is."""
    return _means_something(" ".join(set(_outcome(dictionary).split()) - _EMPTY_WORDS))


def _topic(dictionary: FeatureDictionary) -> str:
    """What comes before every sentence."""
    about = f"{dictionary.description.strip().rstrip('.')}. " if dictionary.description else ""
    return f'{about}What makes "{_outcome(dictionary)}" more or less likely?\n'

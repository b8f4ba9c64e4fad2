"""What a run says of its kept rows in a few sentences: shifts first, then purpose and benefit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from t2local.system.json_text import JsonObject
from t2local.tables.dictionary import FeatureDictionary
from t2local.trim.benefit import Benefit
from t2local.trim.shifts import FindingKind, Shifts

#: Findings that say that something of the table is gone: they are told one by one, always first.
_LOSSES: tuple[FindingKind, ...] = ("lost_class", "lost_range", "class_shares")
#: What is told with its figures of rows to train with too: what they get wrong of the target.
_TOLD: tuple[FindingKind, ...] = (*_LOSSES, "target_association")
#: Sentences in a verdict; the report has all of them.
_MAX_SENTENCES = 3

Purpose: TypeAlias = Literal["train", "train, the clearest", "share"]
_PURPOSES: dict[Purpose, str] = {
    "train": "They are for training a model.",
    "train, the clearest": "They are for training a model: clear cases are over-represented, so "
    "counts, effects and p-values of these rows are not those of the patients. Rows that look like "
    "the table come with the purpose share.",
    "share": "They are for showing what the table looks like. Effects and p-values need the real "
    "rows.",
}
_NOT_TO_DESCRIBE = (
    "They are not for describing the patients: counts, effects and p-values of these rows are not "
    "those of the real ones."
)
#: What is asked of the rows, by the answer of a report.
QUESTIONS = {"use": "May I use them?", "purpose": "For what?", "lost": "What was lost?"}
Light: TypeAlias = Literal["go", "care", "stop"]
_USE: dict[Light, str] = {
    "go": "Yes.",
    "care": "With care.",
    "stop": "No, not as they are.",
}
_NOT_COMPARED = "What was lost is not known: no real row is what was asked for."
_KEPT_ALL = "No class and no range of the real rows is lost"
_NOTHING_LOST = f"{_KEPT_ALL}, and nothing differs beyond chance"
_CHANCE_EXPLAINS_ALL = "with so few real rows chance explains nearly every difference"
#: Rows that were chosen for their clear labels: they are shifted whether a test finds it or not.
_CLEAREST: Purpose = "train, the clearest"


@dataclass(frozen=True)
class Answers:
    """What everybody asks first: may I use the rows (``use``), for what, and what was lost?

    ``light``: go; care, where rows do not describe the real ones, as something was shifted or the
    clearest were chosen or fewer than eleven real rows are compared, fewer were kept than were
    wanted, they harm a model, or give real rows away; stop, where nothing was kept or a class is
    gone.
    """

    light: Light
    use: str
    purpose: str
    lost: str


def conclusion(
    counts: str, shifts: Shifts | None, benefit: Benefit | None, purpose: Purpose | None = None
) -> str:
    """The verdict.

    **Parameters:**

    * **counts**: how many rows were kept, in one sentence.
    * **purpose**: of the rows; none: nothing was done for one, as with another generator's rows.
    """
    sentences = [counts]
    if shifts is not None:
        # Nobody reads on when something is lost: that comes before the good news.
        sentences = [*_told(shifts, purpose), counts]
    if purpose is not None and shifts is not None:
        sentences.append(_purpose(purpose, shifts))
    if benefit is not None:
        sentences.append(benefit.verdict)
    return " ".join(sentences)


def answers(
    counts: str,
    shifts: Shifts | None,
    benefit: Benefit | None,
    purpose: Purpose | None = None,
    *,
    complete: bool = True,
    warning: str = "",
    lost_groups: Sequence[str] = (),
) -> Answers:
    """The same as `conclusion`, by question and without the figures of models.

    **Parameters:**

    * **complete**: whether as many rows were kept as were wanted.
    * **warning**: what else speaks against them, in a sentence.
    * **lost_groups**: subgroups of the real rows that no kept row is of, in sentences.
    """
    if shifts is None:
        return Answers("stop", f"{_USE['stop']} {counts}", "For nothing.", "All rows.")
    kinds = {finding.kind for finding in shifts.findings}
    harms = benefit is not None and benefit.harms
    faults = bool(harms or warning or lost_groups or not (complete and shifts.compared))
    describes = _nothing_differs(shifts) and not lost_groups and purpose != _CLEAREST
    light: Light = "care" if faults or not describes else "go"
    if "lost_class" in kinds:
        light = "stop"
    use = _USE[light]
    if _trains(purpose):
        sound = not faults and not kinds.intersection(_LOSSES)
        use = _use_to_train(light, sound=sound, describes=describes)
    what_for = [_purpose(purpose, shifts)]
    if benefit is not None:
        what_for.append(benefit.plain_verdict)
    return Answers(
        light,
        " ".join(filter(None, [use, warning, counts])),
        " ".join(filter(None, what_for)),
        " ".join([*(_told(shifts, purpose) or _nothing_lost(shifts, purpose)), *lost_groups]),
    )


def answer_lines(report: JsonObject) -> list[str]:
    """The answers of a report, each in a line behind its question."""
    lines = [(question, report["answers"][name]) for name, question in QUESTIONS.items()]
    return [f"{question} {answer}" for question, answer in lines if answer]


def judged_sentence(dictionary: FeatureDictionary) -> str:
    """What the rows were judged by, where that is not all; else blank."""
    if dictionary.target is not None:
        return ""
    return " There is no target, so they were judged by their cells alone."


def _use_to_train(light: Light, *, sound: bool, describes: bool) -> str:
    """Whether a model may be trained with them, and whether they describe the patients."""
    if light == "go":
        return "Yes, to train a model."
    if light == "stop" or describes:
        return _USE[light]
    to_train = "yes" if sound else "with care"
    return f"To train a model: {to_train}. To describe the patients: no."


def _nothing_differs(shifts: Shifts) -> bool:
    """Whether no difference is beyond chance, among real rows enough to see one."""
    return shifts.passed and not shifts.few_compared


def _trains(purpose: Purpose | None) -> bool:
    return purpose not in (None, "share")


def _purpose(purpose: Purpose | None, shifts: Shifts) -> str:
    """What they are for, and what not: clear cases never describe the patients."""
    words = "" if purpose is None else _PURPOSES[purpose]
    if shifts.passed or purpose == _CLEAREST:
        return words
    return f"{words} {_NOT_TO_DESCRIBE}".strip()


def _nothing_lost(shifts: Shifts, purpose: Purpose | None) -> list[str]:
    """That no test finds anything; of the clearest rows rather what so few of them cannot prove."""
    if shifts.few_compared:
        return [f"{_NOTHING_LOST}; but {_CHANCE_EXPLAINS_ALL}."]
    pairs = [pair for pair in shifts.associations if pair.of_target]
    if purpose != _CLEAREST or not pairs:
        return [f"{_NOTHING_LOST}."]
    first, second = pairs[0].columns
    changed = (
        f"Of the pairs with the target, {first} and {second} changed most: their correlation is "
        f"{pairs[0].kept:z.2f} in the kept rows and {pairs[0].real:z.2f} in the real ones, which "
        "may be chance with so few rows."
    )
    return [f"{_KEPT_ALL}.", changed]


def _told(shifts: Shifts, purpose: Purpose | None) -> list[str]:
    """The findings in words. Rows to train with are shifted by design: of these, columns alone."""
    if not shifts.compared:
        return [_NOT_COMPARED]
    if not _trains(purpose):
        return _limited([finding.sentence for finding in shifts.findings])
    sentences = [finding.sentence for finding in shifts.findings if finding.kind in _TOLD]
    columns = dict.fromkeys(
        column
        for finding in shifts.findings
        if finding.kind not in _TOLD
        for column in finding.columns
    )
    if not columns:
        return _limited(sentences)
    names = list(columns)[:_MAX_SENTENCES]
    if more := len(columns) - len(names):
        names.append(f"{more} more")
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    shifted = f"The kept rows differ from the real ones, more than by chance, in {listed}."
    return [*_limited(sentences), shifted]


def _limited(sentences: list[str]) -> list[str]:
    more = len(sentences) - _MAX_SENTENCES
    shown = sentences[:_MAX_SENTENCES]
    if more > 0:
        shown.append(f"The report has {more} more differences.")
    return shown

"""What a run says of its kept rows in a few sentences: shifts first, then purpose and benefit."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from t2local.system.json_text import JsonObject
from t2local.tables.dictionary import FeatureDictionary
from t2local.trim.benefit import Benefit
from t2local.trim.shifts import FindingKind, Shifts

#: Findings that say that something of the table is gone: they are told one by one, always first.
_LOSSES: tuple[FindingKind, ...] = ("lost_class", "lost_range", "class_shares")
#: Sentences in a verdict; the report has all of them.
_MAX_SENTENCES = 3

Purpose: TypeAlias = Literal["train", "train, the clearest", "share"]
_PURPOSES: dict[Purpose, str] = {
    "train": "They are for training a model.",
    "train, the clearest": "They are for training a model: clear cases are over-represented.",
    "share": "They are for showing what the table looks like.",
}
Light: TypeAlias = Literal["go", "care", "stop"]
_USE: dict[Light, str] = {
    "go": "Yes.",
    "care": "With care.",
    "stop": "No, not as they are.",
}
_NOT_COMPARED = "What was lost is not known: no real row is what was asked for."
_NOTHING_LOST = "Nothing beyond chance: every class and every range of the real rows is there."


@dataclass(frozen=True)
class Answers:
    """What everybody asks first: may I use the rows (``use``), for what, and what was lost?

    ``light``: go; care, where something was shifted that these rows are for, fewer rows were kept
    than were wanted, they harm a model, or give real rows away; stop, where nothing was kept or a
    class is gone.
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
        sentences.append(_PURPOSES[purpose])
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
) -> Answers:
    """The same as `conclusion`, by question and without the figures of models.

    **Parameters:**

    * **complete**: whether as many rows were kept as were wanted.
    * **warning**: what else speaks against them, in a sentence.
    """
    if shifts is None:
        return Answers("stop", f"{_USE['stop']} {counts}", "For nothing.", "All rows.")
    losses = _told(shifts, purpose)
    light: Light = "go"
    kinds = {finding.kind for finding in shifts.findings}
    for_training = purpose not in (None, "share")
    matters = kinds.intersection(_LOSSES) if for_training else kinds
    harms = benefit is not None and benefit.harms
    if matters or harms or warning or not (complete and shifts.n_real):
        light = "care"
    if "lost_class" in kinds:
        light = "stop"
    what_for = [_purpose(purpose)]
    if benefit is not None:
        what_for.append(benefit.plain_verdict)
    return Answers(
        light,
        " ".join(filter(None, [_USE[light], warning, counts])),
        " ".join(filter(None, what_for)),
        " ".join(losses) or _NOTHING_LOST,
    )


def answer_lines(report: JsonObject) -> list[str]:
    """The answers of a report, each in a line: may I use the rows, for what, what was lost?"""
    three = report["answers"]
    return [line for line in (three["use"], three["purpose"], three["lost"]) if line]


def judged_sentence(dictionary: FeatureDictionary) -> str:
    """What the rows were judged by, where that is not all; else blank."""
    if dictionary.target is not None:
        return ""
    return " There is no target, so they were judged by their cells alone."


def _purpose(purpose: Purpose | None) -> str:
    return "" if purpose is None else _PURPOSES[purpose]


def _told(shifts: Shifts, purpose: Purpose | None) -> list[str]:
    """The findings in words. Rows to train with are shifted by design: of these, columns alone."""
    if not shifts.n_real:
        return [_NOT_COMPARED]
    if purpose in (None, "share"):
        return _limited([finding.sentence for finding in shifts.findings])
    losses = [finding.sentence for finding in shifts.findings if finding.kind in _LOSSES]
    columns = dict.fromkeys(
        column
        for finding in shifts.findings
        if finding.kind not in _LOSSES
        for column in finding.columns
    )
    if not columns:
        return _limited(losses)
    names = list(columns)[:_MAX_SENTENCES]
    if more := len(columns) - len(names):
        names.append(f"{more} more")
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    shifted = f"The kept rows differ from the real ones, more than by chance, in {listed}."
    return [*_limited(losses), shifted]


def _limited(sentences: list[str]) -> list[str]:
    more = len(sentences) - _MAX_SENTENCES
    shown = sentences[:_MAX_SENTENCES]
    if more > 0:
        shown.append(f"The report has {more} more differences.")
    return shown

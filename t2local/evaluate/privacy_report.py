"""Whom do the synthetic rows give away? What was tested, what was found, and what n cannot show."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from t2local.evaluate.inferences import InferenceRisk, inference_risks
from t2local.evaluate.membership import MEMBERSHIP_LEVEL, AttackedRows, Membership, membership
from t2local.evaluate.near_copies import NearCopies, near_copies
from t2local.evaluate.table_pair import TablePair

#: A clean generator is said to leak in 5 % of cases. Where there are two tests, they share them.
_LEVEL = 0.05
#: Without held-out rows the test of nearness is not exact: at 0.02 clean rows alarm in 4 to 6 % of
#: cases (docs/results.md, "Planted leaks").
NEARNESS_LEVEL = 0.02
#: With fewer rows of a kind nothing is said.
LEAST_ROWS = 10
#: Numbers of rows that a sentence lists.
_MOST_LISTED = 10

Finding = Literal["leak", "copies", "none found"]


@dataclass(frozen=True)
class PrivacyReport:
    """What attacks find. No figure proves that rows are anonymous.

    * ``finding``: ``leak`` where a test at the 5 % level found one, else ``copies`` where rows
      are copies of a real row and no real row is one of another. ``sentences`` say it, and what
      was not tested.
    * ``membership``: who was in the table; ``rare_membership``: rows of rare classes apart. Null
      without held-out rows, or where there are too few.
    * ``inferences``: singling out, linkability, and the inference of each column.
    """

    finding: Finding
    sentences: tuple[str, ...]
    near_copies: NearCopies
    membership: Membership | None
    rare_membership: Membership | None
    inferences: tuple[InferenceRisk, ...]

    @property
    def warning(self) -> str:
        """What has to be said before anything else; blank where nothing was found."""
        return "" if self.finding == "none found" else self.sentences[0]


def privacy_report(pair: TablePair, holdout: pd.DataFrame | None = None) -> PrivacyReport | None:
    """Attack the synthetic rows of a pair; none where there are too few rows.

    **Parameters:**

    * **holdout**: values of real rows that had no part in making the synthetic ones.
    """
    if min(len(pair.real), len(pair.synthetic)) < LEAST_ROWS:
        return None
    attacked = AttackedRows.of(pair, holdout)
    own, rare = membership(attacked)
    level = NEARNESS_LEVEL if own is None else _LEVEL - MEMBERSHIP_LEVEL
    nearness = near_copies(pair, holdout, level)
    leaks = nearness.p_value <= level
    if own is not None:
        leaks |= own.p_value <= MEMBERSHIP_LEVEL
    finding: Finding = "none found"
    if nearness.copies and not nearness.reference_copies:
        finding = "copies"
    if leaks:
        finding = "leak"
    sentences = _sentences(finding, nearness, own, len(pair.synthetic))
    return PrivacyReport(finding, sentences, nearness, own, rare, inference_risks(attacked))


def _sentences(
    finding: Finding, nearness: NearCopies, own: Membership | None, n_rows: int
) -> tuple[str, ...]:
    return (
        _VERDICTS[finding],
        _copies(nearness, n_rows),
        _near(nearness),
        _membership(own),
        _limits(nearness, own),
    )


_VERDICTS: dict[Finding, str] = {
    "leak": "These rows give real rows away: more of them are too near to real ones than chance "
    "explains. Do not pass them on.",
    "copies": "Some rows are copies of real rows. Take them out before you pass the rows on.",
    "none found": "No leak was found. That is no proof that there is none.",
}

_FEW_STAND = {0: "None of them stands", 1: "1 of them stands"}


def _copies(nearness: NearCopies, n_rows: int) -> str:
    if not nearness.copies:
        return f"None of the {n_rows} rows is a copy of a real row in all columns."
    copies = f"{_listed(nearness.copies)} of {n_rows}: equal to a real row in all columns."
    if nearness.reference_copies:
        return f"{copies} Real rows are equal to each other too, so chance makes such rows."
    return copies


def _near(nearness: NearCopies) -> str:
    expected = float(f"{nearness.expected:.2g}")
    by_chance = f"about {expected:g} would be by chance (p = {nearness.p_value:.2g})"
    if nearness.p_value > nearness.level:
        n_near = len(nearness.near)
        stand = _FEW_STAND.get(n_near, f"{n_near} of them stand")
        return f"{stand} out by being near to a single real row; {by_chance}."
    return f"{_listed(nearness.near)}: too near to a single real row; {by_chance}."


def _listed(numbers: tuple[int, ...]) -> str:
    """The numbers of rows, the first ones of many."""
    words = ", ".join(map(str, numbers[:_MOST_LISTED]))
    if len(numbers) > _MOST_LISTED:
        words += f" and {len(numbers) - _MOST_LISTED} more"
    return f"Row {words}" if len(numbers) == 1 else f"Rows {words}"


def _membership(own: Membership | None) -> str:
    if own is None:
        return (
            "Whether somebody could tell who was in the table was not tested: that needs at least "
            "11 rows of it, and 11 real rows that had no part in making these "
            "(evaluate --holdout FILE)."
        )
    auc = max(attack.auc.value for attack in own.attacks)
    return (
        f"Who was in the table: attacks tell its rows from held-out ones with an AUC of up to "
        f"{auc:.2f}, where 0.5 is guessing (test of {own.rows} against {own.holdout_rows} rows: "
        f"p = {own.p_value:.2g})."
    )


def _limits(nearness: NearCopies, own: Membership | None) -> str:
    """What so few rows cannot show."""
    if own is not None and own.smallest_leak is None:
        return "With so few rows the test of who was in the table can find no leak."
    if own is not None:
        words = _rows(own.smallest_leak or 0)
        return f"With so few rows the test of who was in the table sees no leak below {words}."
    if nearness.smallest_leak is None:
        return (
            "With so few rows, or so few different ones, no leak of rows that were changed a "
            "little would be found."
        )
    return (
        f"A leak of {_rows(nearness.smallest_leak)} that were changed a little would be found with "
        "a probability of 80 %; a smaller one may go unseen."
    )


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n} rows"

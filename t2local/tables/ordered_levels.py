"""Levels that have an order which a person knows: words of degree, and ranges of numbers."""

import re
from collections.abc import Sequence

_KNOWN_ORDERS = (
    ("very low", "low", "medium", "moderate", "high", "very high"),
    ("none", "mild", "moderate", "severe", "very severe", "critical"),
    ("never", "rarely", "sometimes", "often", "always"),
    ("poor", "fair", "good", "very good", "excellent"),
    ("i", "ii", "iii", "iv", "v"),
    ("0", "1+", "2+", "3+", "4+"),
)
#: A range, in quotes or without: 10-14, <18, 65+, 80 and more, 50s.
_RANGE = re.compile(
    r"['\"]?(<=?|≤|>=?|≥|under |over )?\s*(\d+(?:\.\d+)?)(?:\s*(?:-|–|to)\s*\d+(?:\.\d+)?)?"
    r"\s*(\+|and more|or more)?s?['\"]?",
    re.IGNORECASE,
)
_BELOW = ("<", "≤", "<=", "under")


def known_order(levels: Sequence[str]) -> list[str]:
    """These levels in the order that a person knows, in any case of letters; none without one."""
    by_word = {level.casefold(): level for level in levels}
    if len(by_word) < len(levels):  # Low and low: no order between these
        return []
    for order in _KNOWN_ORDERS:
        if by_word.keys() <= set(order):
            return [by_word[word] for word in order if word in by_word]
    return []


def order_of_ranges(levels: Sequence[str]) -> list[str]:
    """Ranges by where they start; none where a level is no range, or none has two ends."""
    matches = {level: _RANGE.fullmatch(level) for level in levels}
    if len({level.casefold() for level in levels}) < len(levels):
        return []
    if not any(re.search(r".-|–|\ds\b", level) for level in levels):
        return []
    starts = {level: _start(match) for level, match in matches.items() if match}
    if len(starts) < len(levels):
        return []
    return sorted(starts, key=starts.__getitem__)


def _start(match: re.Match[str]) -> float:
    """Where a range starts: <18 just before 18-20, and 65+ just after 65-70."""
    before, number, after = match.groups()
    if (before or "").strip() in _BELOW:
        return float(number) - 0.5
    return float(number) + 0.5 * bool(before or after)

"""Columns whose cells are identifiers of other rows: a mother, a referrer, the head of a household.

Such a column never becomes levels or numbers: its cells are persons. New rows point at new rows.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import Feature, LeftOut
from t2local.tables.disclosure import is_common

#: Where the chance that all numbers of a column are identifiers is smaller, they are.
_CHANCE = 1e-6
#: Identifiers that count the rows are numbers like others: there the name has to say it. "mother"
#: alone may be her age.
_NAME = re.compile(
    r"(mother|father|parent|mutter|vater|spouse|partner|sibling|twin|household|head|source)"
    r"[ _.-]?(id|no|nr|number|key)"
    r"|(refer+er|refer+ed.?by|infector|infected.?by|manager|supervisor|reports.?to|index.?case"
    r"|index.?patient|source.?case)([ _.-]?(id|no|nr|number|key))?",
    re.IGNORECASE,
)
#: "patient_id" at the end of a name says so too, "id" does not.
_LONG_NAME = 4
#: At most so many different numbers that repeat are codes.
_MOST_CODES = 10
#: What stands in pedigrees for "none", beside a blank.
_NO_ROW = "0"


def find_links(
    guesses: Mapping[str, Feature | LeftOut], cells: Mapping[str, pd.Series], target: str | None
) -> Iterator[LeftOut]:
    """The columns that point at a column of identifiers, each as it is left out.

    **Parameters:**

    * **guesses**: what each column is taken for; **cells**: its cells as text, None for missing.
    * **target**: what is asked for as the target is no link.
    """
    keys = {
        name: set(cells[name].dropna())
        for name, guess in guesses.items()
        if isinstance(guess, LeftOut) and guess.make == "identifier"
    }
    if not keys:
        return
    # The largest first: what it has of a smaller one, it points at in the largest.
    by_size = sorted(keys.items(), key=lambda pair: -len(pair[1]))
    to: dict[str, str] = {}
    for name, column in cells.items():
        texts = set(column.dropna())
        for key, identifiers in by_size:
            # A column that has each of them once is another identifier of the same rows.
            links = texts - ({_NO_ROW} - identifiers)
            if name == target or not links or not links < identifiers:
                continue
            is_named = _is_named(name, key, len(links), column.count())
            if is_named or _by_no_chance(links, identifiers):
                to[name] = key
                break
    for name, first in to.items():
        key = first
        while key in to:  # a link itself: what it points at has all of these, too
            key = to[key]
        reason = f"a link to another row: its cells are those of {key}"
        yield LeftOut(name=name, reason=reason, make="link", to=key)


def _is_named(name: str, key: str, n_links: int, n_cells: int) -> bool:
    """Whether a name says that a column points at a key, and its cells are no codes."""
    says_so = bool(_NAME.fullmatch(name)) or (len(key) >= _LONG_NAME and name.endswith(key))
    return says_so and (n_links > _MOST_CODES or 2 * n_links > n_cells)


def _by_no_chance(links: set[str], identifiers: set[str]) -> bool:
    """Whether texts that all are identifiers would hardly be some by chance."""
    if not all(text.isdecimal() for text in identifiers):
        return not all(map(is_common, links))
    numbers = [int(text) for text in identifiers]
    density = len(numbers) / (max(numbers) - min(numbers) + 1)
    return bool(density ** len(links) < _CHANCE)


def new_links(
    real: pd.Series, real_keys: pd.Series, keys: Sequence[str], seed: int
) -> list[str | None]:
    """Links of new rows: to an earlier one, so that they have no circles, or to none.

    As many rows as in the real table point at none, and at themselves. The first row has no earlier
    one: it points at none where any real row does, else at itself.

    **Parameters:**

    * **real**, **real_keys**: the real cells of the column and of that which it points at.
    * **keys**: the identifiers of the new rows, shape (m,).
    """
    none = _NO_ROW if (real == _NO_ROW).any() and _NO_ROW not in set(real_keys) else None
    points = real.notna() & (real != none)
    share, share_of_self = points.mean(), (points & (real == real_keys)).mean()
    rng = generator(seed, Stream.LINKS)
    links: list[str | None] = []
    for place, (chance, earlier) in enumerate(rng.random((len(keys), 2))):
        if chance < share_of_self or (not place and points.all()):
            links.append(keys[place])
        elif chance < share and place:
            links.append(keys[int(earlier * place)])
        else:
            links.append(none)
    return links

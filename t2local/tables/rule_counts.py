"""The rules between columns in words, and how many written and kept rows break each of them."""

from dataclasses import dataclass

import pandas as pd

from t2local.stats.arrays import Mask
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.disclosure import is_small
from t2local.tables.rules import binding


@dataclass(frozen=True)
class RuleCount:
    """A rule, and the rows that break it.

    * ``words``: why it holds, else its text.
    * ``support``: in how many real rows it could be broken, and is not. None of a rule that a
      person stated, and where so few real rows are left out that their number may not be said.
    * ``binds``: whether rows that break it are rejected; one that real rows break is a warning.
    * ``written``, ``kept``: how many of these rows break it.
    """

    words: str
    support: int | None
    binds: bool
    written: int
    kept: int


@dataclass(frozen=True)
class RuleReport:
    """Rules of the dictionary: ``proposed`` from the real rows, and ``stated`` by a person.

    ``every`` has each of them. One that is taken out of a dictionary does not come back:
    ``describe`` alone looks for them.
    """

    proposed: int
    stated: int
    every: tuple[RuleCount, ...]


def rule_report(
    dictionary: FeatureDictionary, real: pd.DataFrame, written: pd.DataFrame, kept: Mask
) -> RuleReport:
    """All rules of a dictionary, with the rows that break them.

    **Parameters:**

    * **real**, **written**: frames of values (n, d) and (m, d).
    * **kept**: which of the written rows were kept, shape (m,).
    """
    rules = dictionary.parsed_rules()
    demoted = binding(rules, real)[1]
    every = []
    for relation, (words, rule) in zip(dictionary.rules, rules.items(), strict=True):
        broken = ~rule.obeyed(written)
        support = relation.support
        is_shown = support > 0 and not is_small(support, len(real))
        every.append(
            RuleCount(
                words,
                support if is_shown else None,
                words not in demoted,
                int(broken.sum()),
                int((broken & kept).sum()),
            )
        )
    proposed = sum(one.support > 0 for one in dictionary.rules)
    return RuleReport(proposed, len(dictionary.rules) - proposed, tuple(every))

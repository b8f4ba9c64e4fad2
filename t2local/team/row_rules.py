"""The rules of the dictionary while rows are written: cells that break one are drawn again.

Stage 1 rejects every row that breaks a rule. What the model of the columns draws keeps the rules
from the start, cell by cell: the last column of a rule is drawn again until the rule holds, and
the total of an equation is computed. What was asked for (``--where``, ``--balance``) comes first,
a label too, and the other cells keep the rules with it. Labels that a rule forbids get no
probability. A worker knows no rules; of what it writes, totals alone are filled in.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, Mask
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.tables.rules import Rule, binding
from t2local.team.conditions import Conditions
from t2local.team.labels import FORBIDDEN


class RowRules:
    """The rules that hold in the real rows, by the column that completes each.

    **Parameters:**

    * **real**: frame of values (n, d); **features**: those that are written, in that order.
    * **conditions**: what was asked for: no total takes its place.
    """

    def __init__(
        self,
        dictionary: FeatureDictionary,
        real: pd.DataFrame,
        features: Sequence[Feature],
        conditions: Conditions | None = None,
    ) -> None:
        self._dictionary = dictionary
        given = conditions.drawing_order(real) if conditions else []
        self._given = given
        names = [feature.name for feature in features if feature.name != dictionary.target]
        order = [*given, *(name for name in names if name not in given)]
        rules = binding(dictionary.parsed_rules(), real)[0].values()
        self._of_labels = [rule for rule in rules if dictionary.target in rule.names]
        others = [rule for rule in rules if rule.names and rule.names <= set(order)]
        #: The columns in the order of writing, but each total after its parts. The target is there
        #: only where it was asked for.
        self.order = _totals_last(order, [rule for rule in others if rule.total not in given])
        #: By the last of its columns; rules of labels are not there.
        self._by_last: dict[str, list[Rule]] = {}
        for rule in others:
            last = max(rule.names, key=self.order.index)
            self._by_last.setdefault(last, []).append(rule)

    @property
    def names(self) -> set[str]:
        """The columns that a rule binds to others; the target only where it was asked for."""
        return {name for rules in self._by_last.values() for rule in rules for name in rule.names}

    def completed_by(self, name: str) -> bool:
        """Whether a rule has this column as its last one."""
        return name in self._by_last

    def computed(self, name: str, rows: pd.DataFrame) -> FloatArray:
        """The numbers of a column as its equations give them, shape (m,); NaN where none does."""
        numbers = np.full(len(rows), np.nan)
        if self._dictionary[name].numeric and name not in self._given:
            for rule in self._by_last.get(name, ()):
                solution = rule.solution(name, rows)
                numbers = np.where(np.isnan(numbers), solution, numbers)
        # A total that is missing in a row stays so.
        return np.where(rows[name].isna(), np.nan, numbers)

    def kept(self, name: str, rows: pd.DataFrame) -> Mask:
        """Which rows (m, columns so far) keep the rules and the range of their last cell."""
        kept = np.ones(len(rows), dtype=np.bool_)
        for mask in self._dictionary[name].obeyed(rows[name]).values():
            kept &= mask
        for rule in self._by_last.get(name, ()):
            kept &= rule.obeyed(rows)
        return kept

    def breaks(self, rows: pd.DataFrame) -> dict[str, Mask]:
        """For each rule between cells, by its text, which rows (m, columns) break it."""
        rules = [rule for rules in self._by_last.values() for rule in rules]
        return {rule.text: ~rule.obeyed(rows) for rule in rules}

    def with_totals(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows (m, d) with the numbers that equations give, in the order of writing."""
        for name in filter(self.completed_by, self.order):
            if self._dictionary[name].numeric and name not in self._given:
                numbers = self.computed(name, rows)
                rows = rows.assign(**{name: rows[name].where(np.isnan(numbers), numbers)})
        return rows

    def predictions(self, rows: pd.DataFrame, predictions: FloatArray) -> FloatArray:
        """Predictions of labels, log-probabilities (m, levels), without forbidden ones.

        Where all labels of a row are forbidden, and for numbers, they stay as they are.
        """
        if not (self._of_labels and self._dictionary.classification and len(rows)):
            return predictions
        target = self._dictionary.target_feature
        allowed = np.ones(predictions.shape, dtype=np.bool_)
        for place, level in enumerate(target.levels):
            labelled = rows.assign(**{target.name: pd.Series(level, rows.index, dtype=object)})
            for rule in self._of_labels:
                allowed[:, place] &= rule.obeyed(labelled)
        allowed |= ~allowed.any(axis=1, keepdims=True)
        weighed = np.where(allowed, predictions, predictions + FORBIDDEN)
        return weighed - np.logaddexp.reduce(weighed, axis=1, keepdims=True)


def _totals_last(order: Sequence[str], rules: list[Rule]) -> list[str]:
    """The columns with the total of each equation right after the last of its parts."""
    order = list(order)
    for rule in [*rules, *rules]:  # a total may be a part of another one
        if rule.total is None:
            continue
        parts = rule.names - {rule.total}
        last = max(map(order.index, parts), default=-1)
        place = order.index(rule.total)
        if place < last:
            order.insert(last, order.pop(place))
    return order

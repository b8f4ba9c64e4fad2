"""What each stage did to the rows that it saw: their number, classes, ranges and missing cells."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.tables.dictionary import FeatureDictionary
from t2local.trim.verdict import Verdict

#: A number's spread between these quantiles is its range here: no single patient decides it.
_LOW, _HIGH = 0.05, 0.95
#: With fewer rows quantiles say nothing.
_MIN_ROWS = 20


@dataclass(frozen=True)
class StageEffect:
    """The rows before and after a stage.

    * ``shares_before``, ``shares_after``: of the classes; empty for a number as label.
    * ``missing_before``, ``missing_after``: share of missing cells.
    * ``range_kept``: by number, how much of the range between the 5 % and the 95 % quantile is
      left, as a share of the one before; empty with fewer than 20 rows.
    """

    stage: str
    rows_before: int
    rows_after: int
    shares_before: Mapping[str, float]
    shares_after: Mapping[str, float]
    missing_before: float
    missing_after: float
    range_kept: Mapping[str, float]


def stage_effects(
    rows: pd.DataFrame, verdict: Verdict, dictionary: FeatureDictionary
) -> tuple[StageEffect, ...]:
    """The effects of all stages that rejected a row, in order.

    **Parameters:**

    * **rows**: frame of values (m, d); **verdict**: on these rows.
    """
    effects = []
    before = rows.reset_index(drop=True)
    stages = np.array(verdict.stages, dtype=object)
    for stage in dict.fromkeys(filter(None, _in_order(verdict))):
        after = before[stages[before.index] != stage]
        effects.append(_effect(stage, before, after, dictionary))
        before = after
    return tuple(effects)


def _in_order(verdict: Verdict) -> list[str]:
    """The stages that rejected rows, as they ran: that is the order of their figures."""
    rejecting = set(filter(None, verdict.stages))
    ran = [stage for stage in verdict.figures if stage in rejecting]
    return [*ran, *sorted(rejecting - set(ran))]


def _effect(
    stage: str, before: pd.DataFrame, after: pd.DataFrame, dictionary: FeatureDictionary
) -> StageEffect:
    return StageEffect(
        stage=stage,
        rows_before=len(before),
        rows_after=len(after),
        shares_before=_shares(before, dictionary),
        shares_after=_shares(after, dictionary),
        missing_before=_missing(before),
        missing_after=_missing(after),
        range_kept=_range_kept(before, after, dictionary),
    )


def _shares(rows: pd.DataFrame, dictionary: FeatureDictionary) -> dict[str, float]:
    if not dictionary.classification:
        return {}
    shares = rows[dictionary.target_feature.name].value_counts(normalize=True)
    return {str(label): float(share) for label, share in shares.items()}


def _missing(rows: pd.DataFrame) -> float:
    return float(rows.isna().to_numpy().mean()) if rows.size else 0.0


def _range_kept(
    before: pd.DataFrame, after: pd.DataFrame, dictionary: FeatureDictionary
) -> dict[str, float]:
    if min(len(before), len(after)) < _MIN_ROWS:
        return {}
    spans = {}
    for feature in dictionary.features:
        if not feature.numeric:
            continue
        whole = _span(before[feature.name])
        if whole > 0:
            spans[feature.name] = _span(after[feature.name]) / whole
    return spans


def _span(numbers: pd.Series) -> float:
    low, high = numbers.quantile([_LOW, _HIGH])
    return float(high - low)

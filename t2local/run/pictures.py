"""What the pictures of a report show: columns, pairs, subgroups, and some rejected rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from t2local.evaluate.association_maps import AssociationMaps, association_maps
from t2local.evaluate.marginals import Marginal, marginals
from t2local.evaluate.rejected_examples import RejectedExample, rejected_examples
from t2local.evaluate.subgroups import Subgroup, subgroups
from t2local.run.ledger import JudgedRows
from t2local.stats.arrays import FloatArray
from t2local.tables.dictionary import FeatureDictionary
from t2local.trim.sanity import COPIES


@dataclass(frozen=True)
class Pictures:
    """Figures of kept rows beside the real rows that they are like; empty without either.

    ``rejected_classes``: the share of each class among the rejected rows.
    """

    marginals: tuple[Marginal, ...] = ()
    association_maps: AssociationMaps | None = None
    rejected_classes: Mapping[str, float] | None = None
    subgroups: tuple[Subgroup, ...] = ()
    rejected_examples: tuple[RejectedExample, ...] = ()


def pictures_of(
    real: pd.DataFrame, judged: JudgedRows, dictionary: FeatureDictionary, weights: FloatArray
) -> Pictures:
    """The figures.

    **Parameters:**

    * **real**: frame of values (n, d); **weights**: what each of its rows counts for, shape (n,).
    """
    if real.empty:
        return Pictures()
    kept, rejected, notes = judged
    # What repeats a real row is shown to nobody.
    shown = ~notes["reason"].isin(COPIES).to_numpy(dtype=bool)
    examples = rejected_examples(real, rejected[shown], notes[shown], dictionary)
    classes = _class_shares(rejected, dictionary)
    if kept.empty:
        return Pictures(rejected_classes=classes, rejected_examples=examples)
    return Pictures(
        marginals(real, kept, dictionary, weights),
        association_maps(real, kept, dictionary),
        classes,
        subgroups(real, kept, rejected, dictionary, weights),
        examples,
    )


def _class_shares(rows: pd.DataFrame, dictionary: FeatureDictionary) -> dict[str, float] | None:
    if not dictionary.classification or rows.empty:
        return None
    target = dictionary.target_feature
    shares = rows[target.name].value_counts(normalize=True)
    return {level: float(shares.get(level, 0.0)) for level in target.levels}

"""What a model believes of the columns, held against the real rows: used in a run, or not."""

import numpy as np
import pandas as pd

from t2local.events import Decision, Event, Notice
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels
from t2local.stats.prior_effects import evidence_rank
from t2local.tables.belief_file import BeliefEvidence, Knowledge, with_beliefs
from t2local.tables.dictionary import FeatureDictionary

#: Beliefs are used unless nine in ten of their permutations explain the labels better. At 20 to 60
#: rows a stricter test takes from true beliefs and not from permuted ones: with 0.3, a sixth of the
#: worth of a small model's (docs/method.md, "Beliefs").
LEAST_RANK = 0.1


def hold_against(
    knowledge: Knowledge, dictionary: FeatureDictionary, values: pd.DataFrame, seed: int
) -> BeliefEvidence:
    """How the beliefs fare with real rows (values, shape (n, d))."""
    believed = with_beliefs(dictionary, knowledge)
    effects = Encoder(believed.input_features, values).effects
    encoder = Encoder(dictionary.input_features, values)
    stated = encoder.effects  # a person's: they are not in question
    if effects is not None and stated is not None:
        effects = np.where(np.isnan(stated), effects, np.nan)
    if effects is None or not np.nan_to_num(effects).any():
        return BeliefEvidence(knowledge, None, used=False)
    target = believed.target_feature
    labels = encode_labels(values[target.name], target)  # (n,)
    if target.levels:
        labels = (labels == target.positive_class).astype(np.float64)
    x = encoder.transform(values)
    rank = evidence_rank(x, labels, effects, seed, binary=bool(target.levels))
    return BeliefEvidence(knowledge, rank, used=rank > LEAST_RANK)


def belief_event(evidence: BeliefEvidence) -> Event:
    """What is said of beliefs at the start of a run."""
    knowledge, rank = evidence.knowledge, evidence.rank
    whose = f"of {knowledge.model}" if knowledge.model else "of the file"
    if rank is None:
        return Notice(
            f"The beliefs {whose} say nothing of columns that the dictionary leaves open."
        )
    if not evidence.used:
        return Notice(
            f"The beliefs {whose} are not used: {1 - rank:.0%} of their own permutations explain "
            "the real labels as well or better."
        )
    n_columns = len({belief.feature for belief in knowledge.plausible})
    reason = (
        f"{whose}; they explain the real labels better than {rank:.0%} of the same beliefs with "
        "their columns exchanged"
    )
    if n_others := len(knowledge.beliefs) - len(knowledge.plausible):
        reason += f"; {n_others} are left out, as no effect is so much stronger than the others"
    return Decision("beliefs", f"about {n_columns} columns", reason)

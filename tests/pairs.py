"""Small tables for the tests of evaluation."""

import numpy as np
import pandas as pd

import t2local
from t2local.evaluate.table_pair import TablePair
from t2local.tables.files import cells_of


def two(n=60, seed=1, shift=0.0):
    """Two numbers, a level, and a class that follows from them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1, (n, 2)).round(3)
    kind = rng.choice(["a", "b", "c"], n)
    y = np.where(x[:, 0] + (kind == "a") + rng.normal(0, 0.3, n) > 0.5, "yes", "no")
    return pd.DataFrame({"p": x[:, 0], "q": x[:, 1], "kind": kind, "y": y})


def values(frame, dictionary=None):
    """The dictionary of a frame, or a given one, and the frame as values."""
    dictionary = dictionary or t2local.describe(frame, target="y")
    return dictionary, dictionary.values(cells_of(frame))


def pair_of(real, synthetic, seed=1):
    dictionary, real_values = values(real)
    return TablePair(dictionary, real_values, values(synthetic, dictionary)[1], seed)


#: By how far the synthetic rows are shifted: mean and median distance to the closest record, and
#: the linear detection (2 AUC - 1), as sdmetrics 0.32.0 finds them (tests/sdmetrics_values.py).
FROZEN = {
    0.0: (0.029576, 0.024078, 0.0021),
    0.5: (0.034140, 0.022737, 0.3085),
    1.5: (0.064965, 0.054758, 0.7851),
}


def sdmetrics_table(seed, shift):
    """As in tests/sdmetrics_values.py, with a label."""
    rng = np.random.default_rng(seed)
    p = rng.normal(shift, 1, 150).round(3)
    q = rng.uniform(0, 10, 150).round(2)
    q[rng.random(150) < 0.1] = np.nan
    return pd.DataFrame(
        {"p": p, "q": q, "kind": rng.choice(["a", "b", "c"], 150), "y": ["no", "yes"] * 75}
    )

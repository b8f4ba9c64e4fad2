"""Small prediction problems for the tests of learners."""

import numpy as np


def problem(n=60, d=4, classes=2, seed=0):
    """Rows (n, d) and labels (n,) that depend on them; ``classes`` is 0 for a number."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    if not classes:
        return x, x @ rng.normal(size=d) + rng.normal(size=n)
    return x, (x @ rng.normal(size=(d, classes)) + rng.gumbel(size=(n, classes))).argmax(axis=1)

"""A small table that many tests share."""

import numpy as np
import pandas as pd


def patients() -> pd.DataFrame:
    """60 rows with a label that follows from the age: numbers, levels, blanks."""
    rng = np.random.default_rng(7)
    age = rng.integers(20, 90, 60)
    weight = np.round(rng.normal(70, 12, 60), 1)
    weight[::9] = np.nan
    return pd.DataFrame(
        {
            "age": age,
            "weight": weight,
            "sex": rng.choice(["F", "M"], 60),
            "smoker": rng.choice(["yes", "no"], 60),
            "ward": rng.choice(["A, left", 'B "new"', "C"], 60),
            "outcome": np.where(age + rng.normal(0, 8, 60) > 55, 1, 0),
        }
    )

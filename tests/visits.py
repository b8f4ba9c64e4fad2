"""A table with all that makes samples hard to compare, for the tests of shifts."""

import numpy as np
import pandas as pd

from t2local.tables.dictionary import Feature, FeatureDictionary

SITES = tuple("abcdefgh")
DICTIONARY = FeatureDictionary(
    target="outcome",
    features=(
        Feature(name="age", type="integer", minimum=0, maximum=120),
        Feature(name="bmi", type="decimal", minimum=5, maximum=80, decimals=1, missing=True),
        Feature(name="crp", type="decimal", minimum=0, maximum=9999, decimals=1),
        Feature(name="visits", type="integer", minimum=0, maximum=60),
        Feature(name="sex", type="category", levels=("F", "M")),
        Feature(name="rare", type="boolean", levels=("no", "yes")),
        Feature(name="site", type="category", levels=SITES, missing=True),
        Feature(name="outcome", type="category", levels=("well", "ill", "dead")),
    ),
)


def visits(n: int, seed: int) -> pd.DataFrame:
    """Skewed and discrete numbers, rare levels, missing cells, a rare class; shape (n, 8)."""
    rng = np.random.default_rng(seed)
    age = np.clip(60 + 12 * rng.normal(size=n), 0, 120).round()
    risk = (age - 60) / 12 + 0.8 * rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "age": age,
            "bmi": (27 + 4 * rng.normal(size=n)).clip(5, 80).round(1),
            "crp": np.exp(1.5 * rng.normal(size=n) + 1).clip(0, 9999).round(1),
            "visits": rng.poisson(1.2, n).astype(float),
            "sex": rng.choice(["F", "M"], n),
            "rare": np.where(rng.random(n) < 0.02, "yes", "no"),
            "site": rng.choice(SITES, n, p=[0.4, 0.3, 0.15, 0.05, 0.04, 0.03, 0.02, 0.01]),
            "outcome": np.select([risk > 1.6, risk > 0.3], ["dead", "ill"], "well"),
        }
    )
    frame.loc[rng.random(n) < 0.15, "bmi"] = np.nan
    levels = ["sex", "rare", "site", "outcome"]
    frame[levels] = frame[levels].astype(object)
    frame["site"] = frame["site"].where(rng.random(n) > 0.05, None)
    return frame

"""Prints the values that tests/pairs.py has frozen.

A program of its own, in an environment with sdmetrics (pandas below 3):

    python3 -m venv sd && sd/bin/pip install sdmetrics==0.32.0
    sd/bin/python tests/sdmetrics_values.py
"""

import numpy as np
import pandas as pd
import sdmetrics
from sdmetrics.single_table import LogisticDetection
from sdmetrics.single_table.privacy.dcr_utils import calculate_dcr


def table(seed: int, shift: float) -> pd.DataFrame:
    """150 rows: two numbers, one of them with blanks, and a level."""
    rng = np.random.default_rng(seed)
    p = rng.normal(shift, 1, 150).round(3)
    q = rng.uniform(0, 10, 150).round(2)
    q[rng.random(150) < 0.1] = np.nan
    return pd.DataFrame({"p": p, "q": q, "kind": rng.choice(["a", "b", "c"], 150)})


if __name__ == "__main__":
    metadata = {
        "columns": {
            "p": {"sdtype": "numerical"},
            "q": {"sdtype": "numerical"},
            "kind": {"sdtype": "categorical"},
        }
    }
    real = table(1, 0.0)
    print("sdmetrics", sdmetrics.__version__)
    for shift in (0.0, 0.5, 1.5):
        synthetic = table(2, shift)
        distances = calculate_dcr(dataset=synthetic, reference_dataset=real, metadata=metadata)
        mean, median = float(np.mean(distances)), float(np.median(distances))
        detection = 1 - LogisticDetection.compute(real, synthetic, metadata)
        print(f"    {shift}: ({mean:.6f}, {median:.6f}, {detection:.4f}),")

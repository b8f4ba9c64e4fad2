"""What the evidence that a source needs against it costs and saves (`t2local.trim.source`).

True rows, and the same with labels in random order or 20 or 40 % flipped, are judged as one source
beside n real rows. Reported for several thresholds: the share of sources that is accepted, and the
mean change of the AUC of four models by the accepted sources, with all of their rows.

    python -m bench.knowledge.evidence [--n 30] [--times 2] [--seeds 20-31] [--group choose]
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from bench.knowledge.__main__ import RESULTS, score
from bench.knowledge.arms import Cell, flipped, shuffled, true_rows
from bench.knowledge.tables import GROUPS, Unavailable, table
from bench.paper.table import cut_torn_line, markdown_table, read, seeds
from t2local.settings import Settings
from t2local.trim.inspector import Inspector
from t2local.trim.source import LabelEvidence, label_evidence

THRESHOLDS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0)


def lines(name: str, n: int, times: int, seed: int) -> Iterator[dict[str, Any]]:
    """The evidence of four sources, and the change of the AUC by their rows."""
    own = table(name)
    real = own.sample(n, seed).reset_index(drop=True)
    cell = Cell(own, None, own.sample(n, seed), seed, times * n)
    inspector = Inspector(real, own.dictionary, Settings().trim, seed + 1)
    true = true_rows(cell)
    base = score(cell, cell.real.head(0))
    sources = {
        "true": true,
        "20 % flipped": flipped(cell, true, 0.2),
        "40 % flipped": flipped(cell, true, 0.4),
        "shuffled": shuffled(cell, true),
    }
    for source, rows in sources.items():
        batch = inspector.state.batch(rows.reset_index(drop=True))
        found, _ = label_evidence(batch.reference, batch.x, batch.y)
        yield {
            "table": name,
            "n": n,
            "times": times,
            "seed": seed,
            "source": source,
            "same": found.same,
            "own": found.own,
            "change": score(cell, rows) - base,
        }


def markdown(results: pd.DataFrame) -> str:
    """By threshold and source: share accepted, and mean change of the AUC."""
    sources = list(dict.fromkeys(results["source"]))
    pairs = zip(results["same"], results["own"], strict=True)
    weakest = pd.Series([LabelEvidence(*pair).weakest for pair in pairs], index=results.index)
    rows = []
    for threshold in THRESHOLDS:
        accepted = weakest >= -threshold
        cells = []
        for source in sources:
            own = results["source"] == source
            change = (results["change"] * accepted)[own].mean()
            cells.append(f"{100 * accepted[own].mean():.0f} %, {change:+.2f}")
        rows.append([f"{threshold:g}", *cells])
    whole = [f"{results['change'][results['source'] == source].mean():+.2f}" for source in sources]
    return markdown_table(["nats", *sources], [*rows, ["all accepted", *whole]])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=30)
    parser.add_argument("--times", type=int, default=2, help="rows for each real one")
    parser.add_argument("--seeds", type=seeds, default=range(20, 32))
    parser.add_argument("--group", default="choose", choices=list(GROUPS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    out = options.out or RESULTS / f"evidence_{options.group}.jsonl"
    cut_torn_line(out)
    done = {(line["table"], line["n"], line["times"], line["seed"]) for line in read(out)}
    for seed in options.seeds:
        for source in GROUPS[options.group]:
            if (source.name, options.n, options.times, seed) in done:
                continue
            try:
                found = list(lines(source.name, options.n, options.times, seed))
            except Unavailable as reason:
                print(f"{source.name} is left out: {reason}")
                continue
            with out.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(line) + "\n" for line in found)
    results = pd.DataFrame(read(out))
    for (n, times), own in results.groupby(["n", "times"]):
        print(f"n = {n}, {times} n rows, {len(own) // 4} sources of each kind\n\n{markdown(own)}\n")


if __name__ == "__main__":
    main()

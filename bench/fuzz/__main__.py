"""Broken inputs by the thousand: each ends in a clear error or in a result that agrees with itself.

Tables, dictionaries, rules, codebooks, plans and headers of model files are drawn from a seed
(`inputs`) and go through reading, describing, checking, writing and reading back (`checks`). Right
is an error of t2local with a next step and without a cell, or success. The smallest input of each
different fault is kept in a folder.

    python -m bench.fuzz --n 20000 --seed 0 --jobs 1
"""

import argparse
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from bench.fuzz.outcomes import Outcome, outcome_of, shrunk

#: Inputs that a process draws at a time.
BLOCK = 200


def block(seed: int, numbers: range) -> list[Outcome]:
    return [outcome_of(seed, number) for number in numbers]


def outcomes(n: int, seed: int, jobs: int = 1) -> list[Outcome]:
    """What became of the first ``n`` inputs of a seed."""
    blocks = [range(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]
    if jobs == 1:
        return [outcome for numbers in blocks for outcome in block(seed, numbers)]
    with ProcessPoolExecutor(jobs) as pool:
        return [each for part in pool.map(partial(block, seed), blocks) for each in part]


def report(ends: list[Outcome]) -> str:
    """A line for each kind: inputs, results, clear errors, faults, the slowest."""
    lines = [f"{'kind':<12}{'inputs':>8}{'results':>9}{'errors':>8}{'faults':>8}{'slowest':>10}"]
    for kind in dict.fromkeys(end.kind for end in ends):
        own = [end for end in ends if end.kind == kind]
        counts = Counter("fault" if end.fault else end.end for end in own)
        n_errors = len(own) - counts["result"] - counts["fault"]
        slowest = max(end.seconds for end in own)
        lines.append(
            f"{kind:<12}{len(own):>8}{counts['result']:>9}{n_errors:>8}{counts['fault']:>8}"
            f"{slowest:>8.2f} s"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "faults")
    options = parser.parse_args()
    start = time.perf_counter()
    ends = outcomes(options.n, options.seed, options.jobs)
    print(report(ends))
    print(f"{len(ends)} inputs in {time.perf_counter() - start:.0f} s")
    faults = defaultdict(list)
    for end in ends:
        if end.fault:
            faults[end.fault].append(end)
    for place, (fault, same) in enumerate(sorted(faults.items(), key=lambda pair: -len(pair[1]))):
        smallest = shrunk(min(same, key=lambda end: len(end.content)))
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"{place:02}-{smallest.kind}"
        path.write_bytes(smallest.content)
        print(f"\n{len(same)} times: {fault}\n  {path}: {smallest.content[:300]!r}")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

"""What many workers bring, and what dask's scheduler takes, without a model.

*Efficiency* is simulated: W workers write blocks of 100 rows, each in one unit of time; the process
that judges takes none. It is the time of one worker over W times that of W: how many blocks are
begun ahead follows from the code itself (`t2local.run.cluster.requests_ahead`).

*Scheduler*: W workers of dask in this one process get so many tasks whose answers have the size of
a block of 100 rows, as a run sends them: at most two ahead for each worker, answers in their order.
Seconds are those of the processor, of scheduler, client and workers together.

    python -m bench.cluster --workers 100 --tasks 10000 --out bench/results/cluster.json
"""

import argparse
import heapq
import time
from collections import deque
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster

from t2local.run.cluster import _AHEAD, _NO_PAGES, requests_ahead
from t2local.run.ledger import Ledger
from t2local.system.atomic import atomic
from t2local.system.json_text import as_json
from t2local.team.writer import BlockRequest

#: Characters of a block of 100 rows and 11 columns with its predictions (docs/reliability.md).
_BLOCK = "x" * 8000


def seconds_of_run(n_workers: int, wanted: int, acceptance: float) -> float:
    """Units of time that a run takes, by events: a worker takes what was begun first."""
    ledger = Ledger(wanted, 10, 10**6, candidates=round(1.25 * wanted))
    free = [0.0] * n_workers
    ready: dict[BlockRequest, float] = {}
    now = 0.0
    while not ledger.done:
        request = BlockRequest(ledger.blocks, ledger.next_block(100), ledger.tried)
        ahead = requests_ahead(ledger, request, 100, _AHEAD * n_workers)
        expected = [request, *ahead]
        ready = {each: ready[each] for each in expected if each in ready}
        for each in expected:
            if each not in ready:
                begin = max(now, heapq.heappop(free))
                ready[each] = begin + each.rows / 100
                heapq.heappush(free, ready[each])
        now = max(now, ready.pop(request))
        ledger.blocks += 1
        ledger.generated += request.rows
        ledger.passed += round(acceptance * request.rows)
        ledger.kept = min(wanted, ledger.passed)
    return now


def answer(job: str, number: int) -> str:  # noqa: ARG001 - what a worker gets
    """An answer of the size of a block."""
    return _BLOCK


def processor_seconds(n_workers: int, n_tasks: int) -> dict[str, Any]:
    """What dask takes for so many tasks."""
    import dask

    options = {"threads_per_worker": 1, "dashboard_address": None, "memory_limit": 0}
    with (
        dask.config.set(_NO_PAGES),
        LocalCluster(n_workers=n_workers, processes=False, **options) as cluster,
        Client(cluster) as client,
    ):
        job = client.submit(str, _BLOCK * 12, key="job")
        job.result()
        begin, cpu = time.perf_counter(), time.process_time()
        waiting: deque[Any] = deque()
        for number in range(n_tasks):
            future = client.submit(answer, job, number, key=f"b-{number}", priority=-number)
            waiting.append(future)
            if len(waiting) > _AHEAD * n_workers:
                waiting.popleft().result()
        for future in waiting:
            future.result()
        cpu = time.process_time() - cpu
        wall = time.perf_counter() - begin
    return {
        "workers": n_workers,
        "tasks": n_tasks,
        "processor_ms_per_task": 1000 * cpu / n_tasks,
        "wall_ms_per_task": 1000 * wall / n_tasks,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    runs = []
    for wanted in (2_000, 20_000, 100_000):
        one = seconds_of_run(1, wanted, 0.8)
        for n_workers in (2, 4, 10, 30, 100):
            efficiency = one / (n_workers * seconds_of_run(n_workers, wanted, 0.8))
            runs.append({"wanted": wanted, "workers": n_workers, "efficiency": efficiency})
            print(f"{wanted:7,} rows, {n_workers:3} workers: efficiency {efficiency:.2f}")
    scheduler = processor_seconds(options.workers, options.tasks)
    print(scheduler)
    if options.out:
        with atomic(options.out) as file:
            file.write(as_json({"efficiency": runs, "scheduler": scheduler}))


if __name__ == "__main__":
    main()

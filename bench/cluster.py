"""What many workers bring, and what dask takes for a block.

    python -m bench.cluster simulate
    python -m bench.cluster scheduler --workers 100 --rows 100000
    python -m bench.cluster local --workers 1 2 --rows 1000

*simulate*: W workers write blocks of 100 rows, each in one unit of time; the process that judges
takes none. Efficiency is the time of one worker over W times that of W: how many blocks are begun
ahead follows from the code itself (`t2local.run.cluster.requests_ahead`).

*scheduler*: the product's own `ClusterWriter` has a run written by W workers that give ready-made
blocks at once, four of five rows passing and none judged. Scheduler, workers (as threads) and this
process are a process each; seconds are those of the processor.

*local*: `t2local.generate` with a model and 1, 2 ... workers, each kept to a core of its own
and with one thread. Their efficiency needs as many idle cores; this process, which judges, shares
them. Without the loading of the model: from the first block of each worker on.

Each appends to results/cluster.jsonl.
"""

import argparse
import asyncio
import functools
import heapq
import json
import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask
import numpy as np
import psutil
from distributed import Client, Scheduler, Worker

import t2local
from bench.tables import real_table
from t2local.events import Event, Progress, ignore
from t2local.llm.counters import Counters
from t2local.run import cluster
from t2local.run.cluster import _AHEAD, _NO_PAGES, ClusterWriter, connect, requests_ahead
from t2local.run.cluster_job import way_of_computing
from t2local.run.inputs import Inputs, new_run, read_inputs
from t2local.run.ledger import Ledger
from t2local.run.resumption import answer_of
from t2local.settings import Settings
from t2local.team.writer import Block, BlockRequest

RESULTS = Path(__file__).parent / "results" / "cluster.jsonl"
#: Real rows of 13 columns, from the folder of the real tables.
_TABLE = "heart_failure.csv"
_PASS = 0.8


def _write(ledger: Ledger, request: BlockRequest) -> None:
    """Count a block as written and judged."""
    ledger.blocks += 1
    ledger.generated += request.rows
    ledger.passed += round(_PASS * request.rows)
    ledger.kept = min(ledger.wanted, ledger.passed)


def _ledger(wanted: int) -> Ledger:
    return Ledger(wanted, 10, 10**6, candidates=round(1.25 * wanted))


def seconds_of_run(n_workers: int, wanted: int) -> float:
    """Units of time that a run takes, by events: a worker takes what was begun first."""
    ledger = _ledger(wanted)
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
        _write(ledger, request)
    return now


def simulate() -> Iterator[dict[str, Any]]:
    for wanted in (2_000, 20_000, 100_000):
        one = seconds_of_run(1, wanted)
        for n_workers in (2, 4, 10, 30, 100):
            efficiency = one / (n_workers * seconds_of_run(n_workers, wanted))
            yield {"wanted": wanted, "workers": n_workers, "efficiency": round(efficiency, 3)}


def ready_block(job: str, request: str) -> str:
    """What `t2local.run.cluster_job.write_block` returns, in no time: the job has the reply."""
    wanted = json.loads(request)
    return _reply(job, wanted["rows"]).replace('"number": 0', f'"number": {wanted["number"]}', 1)


@functools.lru_cache
def _reply(job: str, n_rows: int) -> str:
    reply = json.loads(job)
    for name in ("rows", "predictions"):
        reply["answer"][name] = reply["answer"][name][:n_rows]
    return json.dumps(reply)


def _job_of(inputs: Inputs, computes: dict[str, str]) -> str:
    """A reply of 100 rows, which is about as long as the job of a run."""
    dictionary = inputs.dictionary
    predictions = np.log(np.full((100, len(dictionary.target_feature.levels)), 0.3))
    block = Block(0, inputs.values.head(100), 0, "0" * 64, False, predictions)
    answer = {"number": 0, **answer_of(block)}
    reply = {"answer": answer, "tokens": vars(Counters()), "computes": computes, "worker": "w"}
    return json.dumps(reply)


def scheduler(n_workers: int, wanted: int) -> dict[str, Any]:
    """Seconds of the processor for a block, by process, and the memory of the scheduler."""
    cluster.write_block = ready_block
    with _processes(n_workers) as (client, processes):
        run = new_run(Settings(), 1, 10, ignore, client)
        inputs = read_inputs(run, real_table(_TABLE), None, None, "data")
        vars(run.ledger).update(vars(_ledger(wanted)))
        job = _job_of(inputs, way_of_computing(()))
        cluster.job_of = lambda *_: job
        team: Any = SimpleNamespace(counters=Counters())
        writer = ClusterWriter(run, inputs, None, team)  # type: ignore[arg-type]
        before, begin = _cpu(processes), time.perf_counter()
        while not run.ledger.done:
            ledger = run.ledger
            request = BlockRequest(ledger.blocks, ledger.next_block(100), ledger.tried)
            writer.write(request)
            _write(ledger, request)
        seconds = time.perf_counter() - begin
        spent = {name: cpu - before[name] for name, cpu in _cpu(processes).items()}
        n_blocks = run.ledger.blocks
        memory = {f"{n}_mb": p.memory_info().rss // 2**20 for n, p in processes.items()}
    per_block = {f"{n}_ms": round(1000 * cpu / n_blocks, 2) for n, cpu in spent.items()}
    return {
        "workers": n_workers,
        "blocks": n_blocks,
        "bytes_of_a_block": len(job),
        **per_block,
        "wall_ms": round(1000 * seconds / n_blocks, 2),
        **memory,
    }


def _cpu(processes: dict[str, psutil.Process]) -> dict[str, float]:
    return {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}


@contextmanager
def _processes(n_workers: int) -> Iterator[tuple[Client, dict[str, psutil.Process]]]:
    """A client, and the processes of a cluster, this one among them."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    children = [context.Process(target=_scheduler, args=(theirs,), daemon=True)]
    children[0].start()
    address = ours.recv()
    children.append(context.Process(target=_workers, args=(address, n_workers), daemon=True))
    children[1].start()
    try:
        with Client(address) as client:
            client.wait_for_workers(n_workers, timeout=600)
            names = ("scheduler", "workers")
            processes = {n: psutil.Process(c.pid) for n, c in zip(names, children, strict=True)}
            yield client, {**processes, "client": psutil.Process()}
    finally:
        for child in reversed(children):
            child.terminate()


def _scheduler(pipe: Connection) -> None:
    async def serve() -> None:
        async with Scheduler(host="127.0.0.1", port=0, dashboard_address="127.0.0.1:0") as own:
            pipe.send(own.address)
            await own.finished()

    _serve(serve())


def _workers(address: str, n_workers: int) -> None:
    # On machines of their own they would not watch the same processor a hundred times.
    alone = {"admin.system-monitor.interval": "1h", "worker.profile.enabled": False}
    dask.config.set({f"distributed.{name}": value for name, value in alone.items()})

    async def serve() -> None:
        options = {"nthreads": 1, "memory_limit": 0, "dashboard_address": "127.0.0.1:0"}
        workers = [Worker(address, **options) for _ in range(n_workers)]
        await asyncio.gather(*workers)
        await asyncio.gather(*(worker.finished() for worker in workers))

    _serve(serve())


def _serve(server: Coroutine[Any, Any, None]) -> None:
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with dask.config.set(_NO_PAGES):
        asyncio.run(server)


class _Times:
    """When so many rows were there."""

    def __init__(self) -> None:
        self.written: list[tuple[float, int]] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.written.append((time.perf_counter(), event.written))

    def rows_per_second(self, first: int) -> float:
        """From the moment on at which the first ones were there."""
        begin, n_begin = next(pair for pair in self.written if pair[1] >= first)
        end, n_end = self.written[-1]
        return (n_end - n_begin) / (end - begin)


def local(n_workers: int, rows: int, block_rows: int, model: str) -> dict[str, Any]:
    """Rows per second of a model, on so many cores."""
    times, cores = _Times(), sorted(os.sched_getaffinity(0))
    with connect(f"local:{n_workers}") as client:
        for address, core in zip(client.nthreads(), cores, strict=False):
            client.run(os.sched_setaffinity, 0, {core}, workers=[address])
        result = t2local.generate(
            real_table(_TABLE),
            rows=rows,
            plan="data",
            model=model,
            client=client,
            settings={
                "decoder.threads": 1,
                "team.block_rows": block_rows,
                "team.labels": "classifier",
                "team.cells": "worker",
            },
            on_event=times,
        )
    seconds = result.report["seconds"]
    return {
        "model": Path(model).name,
        "workers": n_workers,
        "cores": len(cores),
        "rows": result.report["rows"]["generated"],
        "rows_per_second": round(times.rows_per_second(block_rows * n_workers), 3),
        "writing_seconds": round(seconds["assembly"] + seconds["trim"], 1),
        "total_seconds": round(seconds["total"], 1),
    }


def _efficiencies(numbers: list[int], *options: Any) -> Iterator[dict[str, Any]]:
    one: float | None = None
    for n_workers in numbers:
        result = local(n_workers, *options)
        one = one or result["rows_per_second"] / n_workers
        yield result | {"efficiency": round(result["rows_per_second"] / n_workers / one, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["simulate", "scheduler", "local"])
    parser.add_argument("--workers", type=int, nargs="+")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--block-rows", type=int, default=100, help="of 'local'")
    parser.add_argument("--model", default="starter", help="of 'local'")
    options = parser.parse_args()
    measure: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
        "simulate": simulate,
        "scheduler": lambda: (
            scheduler(n, options.rows or 100_000) for n in options.workers or [100]
        ),
        "local": lambda: _efficiencies(
            options.workers or [1, 2], options.rows or 1_000, options.block_rows, options.model
        ),
    }
    for result in measure[options.what]():
        line = json.dumps({"what": options.what, **result})
        print(line, flush=True)
        with RESULTS.open("a") as file:
            file.write(f"{line}\n")


if __name__ == "__main__":
    from bench import cluster as own  # noqa: PLW0406 - workers find functions by this name

    own.main()

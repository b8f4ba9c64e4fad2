"""The workers of a cluster write the blocks of a run, as tasks of dask.distributed.

The only file that knows dask; it opens sockets, and nothing imports it but for ``--cluster``. Only
texts are sent (`t2local.run.cluster_job`), encrypted wherever they leave this machine.
"""

import copy
import ipaddress
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager

import dask
from distributed import Client, Future, KilledWorker, LocalCluster
from distributed.comm import CommClosedError

from t2local.errors import ResourceError, UsageError
from t2local.events import Decision
from t2local.llm.counters import Counters
from t2local.run.cluster_job import error_of, job_of, way_of_computing, write_block
from t2local.run.inputs import Inputs, Run
from t2local.run.ledger import Ledger
from t2local.run.resumption import block_of
from t2local.system.hashes import text_sha256
from t2local.system.json_text import JsonObject
from t2local.team.plan import Plan
from t2local.team.team import Team
from t2local.team.writer import Block, BlockRequest

#: Blocks that are begun ahead, for each that can be written at the same time: a worker that is
#: ready has the next one at once, and one that joins finds work.
_AHEAD = 2
#: Dask's pages about what it does: they go unencrypted, and nobody needs them here.
_NO_PAGES = {f"distributed.{who}.http.routes": list[str]() for who in ("scheduler", "worker")}
#: Seconds in which a scheduler has to answer, and then to have a worker.
_PATIENCE = 60
_GO_ON = "when it runs, give the same command again: it goes on with the blocks that are complete"


class ClusterWriter:
    """Writes blocks on the workers of a cluster, some of them ahead.

    A block that was written ahead is used only if it is the very one that is asked for in its turn;
    so the rows are those of one machine, and what is not needed is dropped.

    **Raises** `UsageError` where rows would leave this machine unencrypted.
    """

    def __init__(self, run: Run, inputs: Inputs, plan: Plan, team: Team) -> None:
        self._client: Client = run.client
        self._run = run
        self._dictionary = inputs.dictionary
        self._counters = team.counters
        self._computes = way_of_computing(run.ledger.decisions)
        text = job_of(run, inputs, plan, team)
        check_encryption([self._client.scheduler.address, *self._client.nthreads()])
        self._key = f"t2local-{text_sha256(text)[:16]}"
        # As the result of a task dask has it made anew where it is lost with a worker.
        self._job = self._client.submit(str, text, key=self._key)
        self._futures: dict[str, Future] = {}

    def write(self, request: BlockRequest, on_row: Callable[[], None] = lambda: None) -> Block:
        """Write a block, as `RowWriter.write`; Ctrl-C drops it.

        **Raises** the error of a worker, which names its machine; `ResourceError` where the cluster
        is gone or several workers died of this block.
        """
        if self._client.status != "running":
            raise ResourceError("The cluster is gone.", next_step=_GO_ON)
        threads = self._client.nthreads()
        check_encryption(threads)
        n_ahead = _AHEAD * sum(threads.values())
        most = self._run.settings.team.block_rows
        ahead = requests_ahead(self._run.ledger, request, most, n_ahead)
        # What is no longer expected is let go, and dask drops it.
        self._futures = dict(self._sent(each) for each in (request, *ahead))
        reply = self._reply(self._futures.pop(_text(request)))
        note_other_way(self._run, self._computes, reply)
        vars(self._counters).update(vars(self._counters + Counters(**reply["tokens"])))
        block = block_of(reply["answer"], self._dictionary)
        for _ in range(len(block.rows)):
            on_row()
        return block

    def _sent(self, request: BlockRequest) -> tuple[str, Future]:
        text = _text(request)
        if text in self._futures:
            return text, self._futures[text]
        key = f"{self._key}-{request.number}-{text_sha256(text)[:16]}"
        number = request.number
        return text, self._client.submit(write_block, self._job, text, key=key, priority=-number)

    def _reply(self, future: Future) -> JsonObject:
        try:
            reply: JsonObject = json.loads(future.result())
        except KilledWorker as error:
            message = "Several workers of the cluster ended while they wrote the same block."
            next_step = "have a look at their memory (--set decoder.slots=4 takes less); " + _GO_ON
            raise ResourceError(message, next_step=next_step) from error
        except (CancelledError, CommClosedError, OSError) as error:
            raise ResourceError("The cluster is gone.", next_step=_GO_ON) from error
        if "fault" in reply:
            raise error_of(reply)
        return reply


def note_other_way(run: Run, here: Mapping[str, str], reply: JsonObject) -> None:
    """Say, and have the manifest say, which machine computes otherwise, and from which block on.

    **Parameters:**

    * **here**: what the last digits depend on, by name (`way_of_computing`).
    """
    there, number = reply["computes"], reply["answer"]["number"]
    differences = "; ".join(f"{n} {there[n]}, here {here[n]}" for n in here if there[n] != here[n])
    what = f"machine {reply['worker']}"
    if differences and (what, differences) not in [(d.what, d.value) for d in run.ledger.decisions]:
        reason = (
            f"from block {number} on: the last digits of its numbers may be others, so its rows"
        )
        run.tell(Decision(what, differences, reason))


def requests_ahead(
    ledger: Ledger, request: BlockRequest, most: int, n_blocks: int
) -> Iterator[BlockRequest]:
    """The next blocks after one, at most so many, if rows pass as they did so far.

    None where labels are wanted: which are missing nobody knows before a block is judged.
    """
    if request.labels:
        return
    expected, acceptance = copy.copy(ledger), ledger.acceptance
    expected.passed += round(acceptance * expected.waiting)
    expected.waiting = 0
    for _ in range(n_blocks):
        expected.blocks += 1
        expected.generated += request.rows
        expected.passed += round(acceptance * request.rows)
        expected.kept = min(expected.passed, expected.wanted)
        if expected.done:
            return
        rows = expected.next_block(most)
        request = BlockRequest(expected.blocks, rows, expected.tried)
        yield request


@contextmanager
def connect(address: str) -> Iterator[Client]:
    """A client of a cluster that runs, or of one on this machine that ends with the client.

    **Parameters:**

    * **address**: of a scheduler (``tls://host:8786``, ``tcp://127.0.0.1:8786``), or ``local:N``
      for N workers here. Certificates stand in dask's own configuration; for ``local:N`` they are
      made for the run, as others may have accounts on this machine.

    **Raises** `UsageError` for an address that cannot be used, `ResourceError` where nobody is.
    """
    kind, _, count = address.partition(":")
    if kind == "local" and count.isdecimal() and int(count):
        with (
            dask.config.set(_NO_PAGES),
            LocalCluster(
                n_workers=int(count),
                threads_per_worker=1,
                security=True,
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # of its pages: any port
                memory_limit=0,  # dask would count the model's file, and end the worker
                silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    if "://" not in address:
        raise _no_cluster(address)
    check_encryption([address])
    with _client(address) as client:
        yield client


def _no_cluster(address: str) -> UsageError:
    return UsageError(
        f"{address!r} is no cluster.",
        next_step="--cluster local:2, or the address of a scheduler: --cluster tls://host:8786",
    )


def _client(address: str) -> Client:
    """A client of a scheduler that has a worker."""
    try:
        client = Client(address, timeout=_PATIENCE)
    except (TypeError, ValueError) as error:  # what dask raises without certificates
        if not address.startswith("tls://"):
            raise _no_cluster(address) from error
        raise UsageError(
            f"{address} needs certificates, and dask's configuration names none.",
            next_step="set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, "
            "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"
            " (docs/howto/many-machines.md)",
        ) from error
    except OSError as error:
        next_step = "start 'dask scheduler', or correct the address or the certificates"
        message = f"No scheduler answers at {address}."
        raise ResourceError(message, next_step=next_step) from error
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError as error:
        client.close()
        message = f"The scheduler at {address} has no worker."
        raise ResourceError(message, next_step=f"start 'dask worker {address}'") from error
    return client


def check_encryption(addresses: Iterable[str]) -> None:
    """**Raises** `UsageError` where rows would leave this machine unencrypted."""
    faults = [address for address in addresses if not _stays_or_is_encrypted(address)]
    if faults:
        raise UsageError(
            "Real rows would cross a network unencrypted:",
            faults=faults,
            next_step="give the cluster certificates, and the address of its scheduler as "
            "tls://host:8786 (docs/howto/many-machines.md)",
        )


def _stays_or_is_encrypted(address: str) -> bool:
    protocol, _, place = address.partition("://")
    host = place.rpartition(":")[0].strip("[]")
    if protocol in ("tls", "inproc") or host == "localhost":
        return True
    try:
        return protocol == "tcp" and ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, which may be anywhere
        return False


def _text(request: BlockRequest) -> str:
    return json.dumps(vars(request))

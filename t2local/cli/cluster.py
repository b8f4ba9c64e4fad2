"""The workers of ``--cluster``: dask is imported only when it is asked for."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from t2local.errors import UsageError
from t2local.system.offline import seal


def client_of(address: str | None) -> AbstractContextManager[Any]:
    """The client of a cluster, for as long as a run needs it; none without an address.

    **Raises** `UsageError` where dask is not installed.
    """
    if address is None:
        return nullcontext()
    try:
        from t2local.run.cluster import connect
    except ModuleNotFoundError as error:
        raise UsageError(
            "--cluster needs dask.distributed, which is not installed.",
            next_step="pip install 't2local[cluster]'",
        ) from error
    return connect(address)


def prepare(address: str | None, pairs: Sequence[str]) -> Mapping[str, int]:
    """Refuse sockets where no cluster is asked for; to be called before anything is imported.

    **Returns** settings that workers of this machine need: they share its cores, unless ``--set``
    says how many threads each has.
    """
    if address is None:
        seal()
    kind, _, count = (address or "").partition(":")
    own = any(pair.startswith("decoder.threads=") for pair in pairs)
    if kind != "local" or own or not count.isdecimal():
        return {}
    from t2local.llm.machine import threads

    return {"decoder.threads": max(1, threads(0).value // max(1, int(count)))}

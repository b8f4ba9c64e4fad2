"""Runs with the workers of a cluster, in a process of its own: dask opens sockets.

Called by `tests.test_cluster` with a folder; prints what happened as JSON.
"""

import json
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dask
import numpy as np
import pandas as pd
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from distributed import LocalCluster, Security

import t2local
from t2local.errors import T2LocalError
from t2local.run.cluster import connect
from tests.tiny import tiny

FILES = ("synthetic.csv", "rejected.csv", "dictionary.yaml", "plan.yaml", "journal.jsonl")
SETTINGS = {
    "team.labels": "worker",
    "team.cells": "worker",
    "team.block_rows": 10,
    "team.examples": 6,
    "team.examples_for": 20,
    "trim.keep": "all",
    "trim.candidates": 1,
    "trim.replicates": 5,
    "decoder.threads": 1,
}


def table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    age = rng.integers(60, 90, 24)
    return pd.DataFrame({"age": age, "sex": rng.choice(["F", "M"], 24), "y": age > 75})


def generate(out: Path, **options) -> dict[str, bytes]:
    """The files of a run of six blocks whose prompt changes."""
    model = str(out.parent / "tiny.gguf")
    options = {"target": "y", "rows": 50, "model": model, "plan": "data", **options}
    t2local.generate(table(), out=out, settings=SETTINGS, **options)
    return {name: (out / name).read_bytes() for name in FILES}


class Killer:
    """Kills a worker once rows of the second block are there."""

    def __init__(self, client) -> None:
        self.pids = client.run(os.getpid)

    def __call__(self, event) -> None:
        if isinstance(event, t2local.Progress) and event.written > 10 and self.pids:
            _, pid = self.pids.popitem()
            self.pids.clear()
            os.kill(pid, signal.SIGKILL)


def certificate(folder: Path, name: str) -> dict[str, str]:
    """A certificate that signs itself, and dask's settings that name its files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    own = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(key.private_bytes(pem, *own))
    (folder / f"{name}.pem").write_bytes(signed.public_bytes(pem))
    parts = {"cert": str(folder / f"{name}.pem"), "key": str(folder / f"{name}.key")}
    tls = {f"{who}.{n}": f for who in ("client", "worker", "scheduler") for n, f in parts.items()}
    return {f"distributed.comm.tls.{n}": f for n, f in {"ca-file": parts["cert"], **tls}.items()}


def message(address: str) -> str:
    """What somebody is told who cannot have this cluster."""
    try:
        with connect(address):
            return ""
    except T2LocalError as error:
        return str(error)


def main(folder: Path) -> None:
    tiny(folder / "tiny.gguf")
    facts = {}
    plain = generate(folder / "plain")
    with connect("local:2") as client:
        address = client.scheduler.address
        rows = generate(folder / "killed", client=client, on_event=Killer(client))
        facts["killed"] = rows == plain
        facts["balance"] = generate(folder / "even", client=client, balance="uniform") == generate(
            folder / "even-plain", balance="uniform"
        )
    facts["encrypted"] = address.startswith("tls://127.0.0.1:")
    with dask.config.set(certificate(folder, "ours")):
        cluster = LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            processes=False,
            protocol="tls",
            security=Security(),
            dashboard_address=None,
        )
        with cluster, connect(cluster.scheduler_address) as client:
            facts["certificates"] = generate(folder / "tls", client=client) == plain
            (folder / "tiny.gguf").rename(folder / "moved.gguf")
            with dask.config.set(certificate(folder, "others")):
                facts["other certificates"] = message(cluster.scheduler_address)
        with dask.config.set({f"distributed.comm.tls.ca-file": None}):
            facts["no certificates"] = message("tls://127.0.0.1:1")
    print(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

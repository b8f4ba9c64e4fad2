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
from t2local.trim import benefit
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
    "trim.stages": "sanity",
    "trim.replicates": 20,
    "decoder.threads": 1,
}


def table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    age = rng.integers(60, 90, 24)
    return pd.DataFrame({"age": age, "sex": rng.choice(["F", "M"], 24), "y": age > 75})


def generate(out: Path, **options) -> dict[str, bytes]:
    """The files of a run of three blocks; the prompt of the last is another one."""
    model = str(out.parent / "tiny.gguf")
    options = {"target": "none", "rows": 30, "model": model, "plan": "data", **options}
    t2local.generate(table(), out=out, settings=SETTINGS, **options)
    return {name: (out / name).read_bytes() for name in FILES}


class Killer:
    """Kills a worker once the second block is there."""

    def __init__(self, client) -> None:
        self.client = client
        self.killed = 0

    def __call__(self, event) -> None:
        if isinstance(event, t2local.Progress) and event.written > 10 and not self.killed:
            self.killed = min(self.client.run(os.getpid).values())
            os.kill(self.killed, signal.SIGKILL)


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
    # What is imported here need not be imported by each worker again.
    dask.config.set({"distributed.worker.multiprocessing-method": "fork"})
    benefit._TREES, benefit._REPEATS = 2, 1
    facts: dict[str, object] = {}
    plain = generate(folder / "plain")
    with connect("local:2") as client:
        facts["address"] = client.scheduler.address
        killer = Killer(client)
        rows = generate(folder / "killed", client=client, on_event=killer)
        facts["the same bytes though a worker is killed"] = killer.killed and rows == plain
    with dask.config.set(certificate(folder, "ours")):
        options = {"threads_per_worker": 2, "protocol": "tls", "dashboard_address": None}
        with LocalCluster(n_workers=1, processes=False, security=Security(), **options) as cluster:
            address = cluster.scheduler_address
            with connect(address) as client:
                rows = generate(folder / "certificates", client=client)
            facts["the same bytes with certificates"] = rows == plain
            with dask.config.set(certificate(folder, "others")):
                facts["with other certificates"] = message(address)
    facts["without certificates"] = message("tls://127.0.0.1:1")
    print(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

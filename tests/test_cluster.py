"""Blocks on the workers of a cluster: the bytes of one machine, and nothing unencrypted."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from t2local.cli import main
from t2local.errors import ResourceError, UsageError
from t2local.events import ignore
from t2local.run.inputs import new_run
from t2local.run.ledger import Ledger
from t2local.settings import Settings
from t2local.team.writer import BlockRequest

cluster = pytest.importorskip("t2local.run.cluster", exc_type=ModuleNotFoundError)


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    """What happened in the runs of tests/cluster_runs.py."""
    pytest.importorskip("cryptography")
    command = [sys.executable, "-m", "tests.cluster_runs", str(tmp_path_factory.mktemp("runs"))]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_local_workers_are_encrypted_and_the_death_of_one_changes_no_byte(facts):
    assert facts["the same bytes though a worker is killed"] is True
    assert facts["address"].startswith("tls://127.0.0.1:")


def test_a_cluster_is_for_those_who_have_its_certificates(facts):
    assert facts["the same bytes with certificates"] is True
    assert "No scheduler answers" in facts["with other certificates"]
    assert "DASK_DISTRIBUTED__COMM__TLS__CA_FILE" in facts["without certificates"]


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("tls://10.1.2.3:8786", True),
        ("tcp://127.0.0.1:8786", True),
        ("tcp://[::1]:8786", True),
        ("tcp://localhost:8786", True),
        ("inproc://10.1.2.3/77/1", True),
        ("tcp://10.1.2.3:8786", False),
        ("tcp://localhost.evil.example:8786", False),
        ("tcp://[fe80::1]:8786", False),
        ("ws://127.0.0.1:8786", False),
        ("ucx://10.1.2.3:8786", False),
    ],
)
def test_rows_leave_the_machine_encrypted_or_not_at_all(address, allowed):
    if allowed:
        cluster.check_encryption([address])
        return
    with pytest.raises(UsageError, match="unencrypted") as caught:
        cluster.check_encryption(["tls://10.1.2.3:8786", address])
    assert caught.value.faults == (address,)


def test_no_row_goes_to_any_worker_before_all_are_checked(monkeypatch):
    sent = []
    client = SimpleNamespace(
        scheduler=SimpleNamespace(address="tcp://127.0.0.1:8786"),
        nthreads=lambda: {"tcp://10.1.2.3:4321": 1},
        submit=lambda *arguments, **options: sent.append((arguments, options)),
    )
    monkeypatch.setattr(cluster, "job_of", lambda *_: "the table")
    monkeypatch.setattr(cluster, "way_of_computing", lambda _: {})
    run = SimpleNamespace(client=client, ledger=SimpleNamespace(decisions=[]))
    with pytest.raises(UsageError, match="unencrypted") as caught:
        cluster.ClusterWriter(
            run, SimpleNamespace(dictionary=None), None, SimpleNamespace(counters=None)
        )
    assert caught.value.faults == ("tcp://10.1.2.3:4321",)
    assert sent == []


def test_dask_gets_two_functions_and_texts(monkeypatch):
    sent = []

    class Gone:
        def result(self):
            raise OSError

    def submit(*arguments, **_):
        sent.append(arguments)
        return Gone()

    client = SimpleNamespace(
        scheduler=SimpleNamespace(address="tcp://127.0.0.1:8786"),
        nthreads=lambda: {"tcp://127.0.0.1:4321": 1},
        submit=submit,
        status="running",
    )
    monkeypatch.setattr(cluster, "job_of", lambda *_: "the table")
    run = new_run(Settings(), 1, 10, ignore, client)
    run.ledger.wanted, run.ledger.max_batches = 10, 9
    inputs, team = SimpleNamespace(dictionary=None), SimpleNamespace(counters=None)
    writer = cluster.ClusterWriter(run, inputs, None, team)
    with pytest.raises(ResourceError, match="The cluster is gone"):
        writer.write(BlockRequest(0, 10, 0))
    (text, job), (write, its_job, request) = sent
    assert (text, job) == (str, "the table")
    assert (write, type(its_job)) == (cluster.write_block, Gone)
    assert json.loads(request) == {"number": 0, "rows": 10, "first": 0, "labels": None}


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("tcp://10.1.2.3:8786", "cross a network unencrypted"),
        ("local:0", "is no cluster"),
        ("local", "is no cluster"),
        ("node7:8786", "is no cluster"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_refused_before_a_file_is_written(
    address, message, tmp_path
):
    arguments = ["generate", str(tmp_path / "t.csv"), "--cluster", address]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output
    assert not list(tmp_path.iterdir())


def test_without_dask_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "t2local.run.cluster", None)
    result = CliRunner().invoke(main, ["generate", str(tmp_path), "--cluster", "local:2"])
    assert result.exit_code == 2
    assert "pip install 't2local[cluster]'" in result.stderr


def test_a_machine_that_computes_otherwise_is_named_once_with_its_first_block():
    run = new_run(Settings(), 1, 10, ignore)
    here = {"threads": "2", "GPU layers": "0"}
    for number, layers in ((0, "0"), (1, "99"), (2, "99")):
        computes = {"threads": "2", "GPU layers": layers}
        reply = {"worker": "node7", "computes": computes, "answer": {"number": number}}
        cluster.note_other_way(run, here, reply)
    (decision,) = run.ledger.decisions
    assert (decision.what, decision.value) == ("machine node7", "GPU layers 99, here 0")
    assert decision.reason.startswith("from block 1 on")


def written(ledger: Ledger, request: BlockRequest, passed: int) -> None:
    ledger.blocks += 1
    ledger.generated += request.rows
    ledger.passed += passed
    ledger.kept = min(ledger.wanted, ledger.passed)


@pytest.mark.parametrize("share", [1.0, 0.8])
def test_the_blocks_that_are_begun_ahead_are_those_that_come(share):
    ledger, come, foreseen = Ledger(200, 10, 60, candidates=250), [], []
    while not ledger.done:
        request = BlockRequest(ledger.blocks, ledger.next_block(50), ledger.tried)
        come.append(request)
        foreseen.append([request, *cluster.requests_ahead(ledger, request, 50, 4)])
        written(ledger, request, int(share * request.rows))
    for number, requests in enumerate(foreseen[:-1]):
        n_right = sum(one == other for one, other in zip(requests, come[number:], strict=False))
        # Before the first block nobody knows how many rows pass: only the size of the last is off.
        assert n_right >= min(len(requests), len(come) - number) - (number == 0 and share < 1)
        assert len(requests) <= 5


def test_rows_that_wait_to_be_judged_are_no_reason_to_begin_more_blocks():
    judged = Ledger(1000, 10, 500)
    judged.passed = judged.kept = 800
    judged.generated = 1000
    waiting = copy.copy(judged)
    judged.passed = judged.kept = 880
    waiting.generated = judged.generated = 1100
    waiting.waiting = 100
    assert waiting.next_block(50) == judged.next_block(50)
    request = BlockRequest(22, judged.next_block(50), judged.tried)
    ahead = [list(cluster.requests_ahead(one, request, 50, 9)) for one in (judged, waiting)]
    assert ahead[0] == ahead[1]
    assert 0 < len(ahead[0]) < 9


def test_no_block_is_begun_ahead_where_it_depends_on_the_one_before_or_none_is_left():
    ledger = Ledger(200, 10, 60)
    wanted = BlockRequest(0, 10, 0, ["a"] * 10)
    assert not list(cluster.requests_ahead(ledger, wanted, 10, 4))
    last = BlockRequest(0, 200, 0)
    assert not list(cluster.requests_ahead(ledger, last, 200, 4))

"""``models pull`` with the real client of the hub, against a stand-in (tests/hub.py)."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.tiny import tiny

ROOT = Path(__file__).parents[1]
COMMIT = "c0ffee" * 6 + "c0ff"
#: Several commands in one process, as most of the time of a short one is its imports.
SEVERAL = """
import json, sys
from click.testing import CliRunner
from t2local.cli import main
runs = [CliRunner().invoke(main, arguments) for arguments in json.load(sys.stdin)]
json.dump([[run.exit_code, run.stderr] for run in runs], sys.stdout)
"""


class Stand:
    """A running hub, and a home of its own for each test.

    The hub is a process of its own: a test must not open a socket.
    """

    def __init__(self, folder, content):
        self.folder, self.log = folder, folder / "log.txt"
        self.served = folder / "served.gguf"
        self.served.write_bytes(content)
        self.blob = f"sha256-{hashlib.sha256(content).hexdigest()}.gguf"
        command = [sys.executable, str(ROOT / "tests" / "hub.py"), self.served]
        self._server = subprocess.Popen(
            [*command, self.log, "model.gguf"], stdout=subprocess.PIPE, text=True
        )
        port = self._server.stdout.readline().strip()
        keep = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        self._environment = {
            **keep,
            "HOME": str(folder),
            "HF_ENDPOINT": f"http://127.0.0.1:{port}",
        }
        self.at_home(folder / "home")

    def at_home(self, home):
        """From now on another home, and no request so far."""
        self.home = home
        self.log.write_text("")
        return self

    def stop(self):
        self._server.kill()
        self._server.communicate()

    def run(self, command, *, text="", **more):
        environment = {**self._environment, "T2LOCAL_HOME": str(self.home), **more}
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=self.folder,
        )

    def pull(self, *arguments, prefix=(), **more):
        command = [*prefix, sys.executable, "-m", "t2local", "models", "pull", *arguments]
        return self.run(command, **more)

    def pull_each(self, cases):
        """Exit code and stderr of each of several pulls."""
        commands = [["models", "pull", *arguments] for arguments in cases]
        done = self.run([sys.executable, "-c", SEVERAL], text=json.dumps(commands))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def requests(self, word):
        return [line for line in self.log.read_text().splitlines() if word in line]

    def store(self):
        return sorted(path.name for path in (self.home / "models").glob("[!.]*"))


def serve(tmp_path_factory, content):
    stand = Stand(tmp_path_factory.mktemp("hub"), content)
    yield stand
    stand.stop()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("model") / "a.gguf").read_bytes()


@pytest.fixture(scope="module")
def shared_hub(tmp_path_factory, model):
    yield from serve(tmp_path_factory, model)


@pytest.fixture
def hub(shared_hub, tmp_path):
    return shared_hub.at_home(tmp_path / "home")


def test_a_model_comes_with_its_manifest_and_is_checked(hub):
    done = hub.pull("good/x", "model.gguf", "--yes", "--name", "mine")
    assert done.returncode == 0, done.stderr
    assert "licence: apache-2.0" in done.stderr
    manifest = json.loads((hub.home / "models" / "mine.manifest.json").read_text())
    assert {
        key: manifest[key] for key in ("name", "repository", "commit", "licence", "source")
    } == {
        "name": "mine",
        "repository": "good/x",
        "commit": COMMIT,
        "licence": "apache-2.0",
        "source": "hub",
    }
    assert (hub.home / "models" / hub.blob).read_bytes() == hub.served.read_bytes()
    assert not [
        line for line in hub.requests("GET /") if "/resolve/" in line and COMMIT not in line
    ]
    again = hub.pull("good/x", "model.gguf", "--yes", "--name", "mine")
    assert again.returncode == 0
    assert len(hub.requests("/resolve/")) == 1


def test_without_a_yes_to_the_licence_nothing_is_fetched(hub):
    done = hub.pull("good/x", "model.gguf")
    assert done.returncode == 2
    assert "licence" in done.stderr
    assert hub.requests("/resolve/") == []


def test_an_interrupted_download_goes_on_where_it_stopped(tmp_path_factory, model):
    # The client keeps what it has in steps of 10 MB, and the hub sends the first half.
    for hub in serve(tmp_path_factory, model + bytes(21 << 20)):
        first = hub.pull("stops/x", "model.gguf", "--yes")
        assert first.returncode == 4, first.stderr
        assert "what was fetched is kept" in first.stderr
        assert hub.store() == []
        second = hub.pull("stops/x", "model.gguf", "--yes")
        # huggingface_hub before 2 does not try again by itself, and meets the error only now.
        if second.returncode:
            second = hub.pull("stops/x", "model.gguf", "--yes")
        assert second.returncode == 0, second.stderr
        assert f"bytes={10 << 20}-" in hub.requests("/resolve/")[-1]
        assert hub.store() == ["model.manifest.json", hub.blob]


FAULTS = [
    (["corrupt/x", "model.gguf"], 4, "sha256 expected"),
    (["gated/x", "model.gguf"], 4, "https://huggingface.co/gated/x in a browser"),
    (["barred/x", "model.gguf"], 4, "accept it, then set HF_TOKEN"),
    (["closed/x", "model.gguf"], 4, "set HF_TOKEN to a token that may read it"),
    (["qwen3.5-4b"], 4, "no such revision"),  # its commit, not main
    (["missing/x", "model.gguf"], 4, "no repository missing/x"),
    (["good/x", "other.gguf"], 4, "it has model.gguf"),
    (["good/x", "model.gguf", "--revision", "no"], 4, "no such revision"),
    (["limited/x", "model.gguf"], 4, "answered 429"),
    (["broken/x", "model.gguf"], 4, "answered 500"),
    (["plain/x", "model.gguf"], 4, "no hash"),
    (["no repository", "model.gguf"], 4, "OWNER/NAME"),
    (["starter"], 2, "pip install"),
    (["nothing"], 2, "not in the catalogue"),
    (["smollm2-135m"], 4, "no file SmolLM2-135M-Instruct.Q4_1.gguf"),
]


def test_what_goes_wrong_is_said_and_leaves_nothing(hub):
    runs = hub.pull_each([[*arguments, "--yes"] for arguments, _, _ in FAULTS])
    for (arguments, code, message), (exit_code, stderr) in zip(FAULTS, runs, strict=True):
        assert exit_code == code, (arguments, stderr)
        assert message in stderr
        assert "\nNext: " in stderr
        assert "Traceback" not in stderr
    assert not hub.home.is_dir() or hub.store() == []


def test_a_token_opens_a_gated_repository(hub):
    assert hub.pull("gated/x", "model.gguf", "--yes", HF_TOKEN="good").returncode == 0


def test_a_text_file_with_the_name_of_a_model_is_refused(tmp_path_factory):
    for hub in serve(tmp_path_factory, b"not a model"):
        done = hub.pull("good/x", "model.gguf", "--yes")
        assert done.returncode == 4
        assert "does not begin as one" in done.stderr
        assert hub.store() == []


def test_the_format_of_prompts_is_chosen_before_or_after_the_download(hub):
    refused = hub.pull("good/x", "model.gguf", "--yes", "--chat", "chatgpt")
    assert (refused.returncode, "one of plain, chatml" in refused.stderr) == (4, True)
    assert hub.requests("/") == []
    for choice in ([], ["--chat", "phi"], ["--chat", "gemma"], []):
        done = hub.pull("good/x", "model.gguf", "--yes", *choice)
        assert done.returncode == 0, done.stderr
        chat = json.loads((hub.home / "models" / "model.manifest.json").read_text())["chat"]
        assert chat["name"] == (choice[-1:] or [chat["name"]])[0]
    assert chat["name"] == "gemma"  # a pull without a choice changes nothing
    assert len(hub.requests("/resolve/")) == 1


def test_a_model_whose_template_gives_no_format_waits_for_a_choice(tmp_path_factory, tmp_path):
    broken = {"tokenizer.chat_template": (8, "{{ messages[1].content }}")}
    content = tiny(tmp_path / "a.gguf", **broken).read_bytes()
    for hub in serve(tmp_path_factory, content):
        done = hub.pull("good/x", "model.gguf", "--yes")
        assert (done.returncode, hub.store()) == (4, [])
        assert "same command again with --chat NAME" in done.stderr
        done = hub.pull("good/x", "model.gguf", "--yes", "--chat", "phi")
        assert (done.returncode, hub.store()) == (0, ["model.manifest.json", hub.blob])
        assert len(hub.requests("/resolve/")) == 1


def test_two_pulls_at_once_fetch_it_once(hub):
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: hub.pull("good/x", "model.gguf", "--yes"), range(2)))
    assert [run.returncode for run in done] == [0, 0], done[0].stderr + done[1].stderr
    assert len(hub.requests("/resolve/")) == 1
    assert hub.store() == ["model.manifest.json", hub.blob]


def test_no_network_no_space_and_a_store_that_cannot_be_written(hub):
    assert (
        "cannot be reached"
        in hub.pull("good/x", "model.gguf", "--yes", HF_ENDPOINT="http://127.0.0.1:9").stderr
    )
    (hub.folder / "file").write_text("")
    blocked = hub.pull(
        "good/x", "model.gguf", "--yes", T2LOCAL_HOME=str(hub.folder / "file" / "home")
    )
    assert (blocked.returncode, "cannot be written" in blocked.stderr) == (6, True)
    small = hub.folder / "small"
    mount = f"mkdir -p {small} && mount -t tmpfs -o size=64k,$0 tmpfs {small}"
    mounted = ["unshare", "-rm", "bash", "-c", f'{mount} && exec "$@"']
    if (
        not shutil.which("unshare")
        or subprocess.run([*mounted, "rw", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this machine does not let a user mount a file system")
    at_small = {"T2LOCAL_HOME": str(small)}
    full = hub.pull("good/x", "model.gguf", "--yes", prefix=[*mounted, "rw"], **at_small)
    assert (full.returncode, "needed" in full.stderr) == (6, True), full.stderr
    read_only = hub.pull("good/x", "model.gguf", "--yes", prefix=[*mounted, "ro"], **at_small)
    assert (read_only.returncode, "Read-only" in read_only.stderr) == (6, True), read_only.stderr

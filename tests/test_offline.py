"""The seal of a process: every socket call of Python is refused. Each test has its own process."""

import subprocess
import sys
from pathlib import Path

import pytest

import t2local

ATTEMPTS = {
    "a socket": "import socket; socket.socket()",
    "an address": "import socket; socket.getaddrinfo('localhost', 80)",
    "a name": "import socket; socket.gethostbyname('localhost')",
    "a page": "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')",
    "a page of http": "import http.client; http.client.HTTPConnection('127.0.0.1', 9).connect()",
    "mail": "import smtplib; smtplib.SMTP('127.0.0.1', 9)",
    "files": "import ftplib; ftplib.FTP('127.0.0.1')",
    "pairs of sockets": "import socket; socket.socketpair()",
}


def sealed(code, before=""):
    text = f"{before}\nfrom t2local.system.offline import seal\nseal()\n{code}"
    return subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(Path(t2local.__file__).parents[1])},
    )


def test_every_way_to_the_network_is_refused():
    code = "\n".join(
        f"try:\n    {attempt}\nexcept Exception as error:\n    print(type(error).__name__)"
        for attempt in ATTEMPTS.values()
    )
    done = sealed(code)
    assert done.stdout.splitlines() == ["NetworkRefused"] * len(ATTEMPTS), done.stderr


def test_the_message_names_the_call_and_says_that_nothing_left():
    done = sealed(ATTEMPTS["an address"])
    assert done.returncode == 1
    assert "(socket.getaddrinfo); it was refused." in done.stderr
    assert "no data has left" in done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.gethostname()",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)",
        "import tempfile; tempfile.TemporaryFile().write(b'x')",
        "import platform; platform.platform()",
    ],
)
def test_what_opens_no_connection_goes_on(code):
    assert sealed(code).returncode == 0


def test_libraries_are_told_before_they_are_imported_and_sealing_twice_is_sealing_once():
    code = """
import os
hooks = []
import sys
real = sys.addaudithook
sys.addaudithook = hooks.append
seal()
names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")
print([os.environ[name] for name in names], hooks)
"""
    done = sealed(code, before="import os; os.environ['HF_HUB_OFFLINE'] = '0'")
    assert done.stdout == "['1', '1', '1', '1'] []\n", done.stderr


def test_importing_the_library_seals_nothing_and_opens_no_cache(tmp_path):
    code = (
        "import socket, t2local, t2local.llm.grammar, t2local.llm.backbone; socket.socket().close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(t2local.__file__).parents[1]), "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())

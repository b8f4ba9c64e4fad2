"""Nothing that only POSIX has is needed to import t2local."""

import subprocess
import sys
from pathlib import Path

import t2local

#: Modules and names that Windows lacks.
CODE = """
import importlib, os, pkgutil, signal, sys
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
for name in ("SIGHUP", "SIGKILL", "SIGUSR1"):
    delattr(signal, name)
for name in ("fork", "getuid", "geteuid", "sched_getaffinity"):
    delattr(os, name)
import t2local
# The two programs for what strangers made set limits where the system has them.
names = [m.name for m in pkgutil.walk_packages(t2local.__path__, "t2local.")]
for name in names:
    # What dask imports is decided by the name of the system, which is Linux here.
    if name != "t2local.run.cluster" and not name.endswith("__main__"):
        importlib.import_module(name)
from t2local.system import interrupts
print(len(names), [int(number) for number in interrupts._SIGNALS])
"""


def test_every_module_is_imported_where_there_is_no_posix():
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(t2local.__file__).parents[1])},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    count, _, signals = done.stdout.strip().partition(" ")
    assert int(count) > 100
    assert signals == "[2, 15]"

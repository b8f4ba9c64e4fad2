"""No network outside of ``models pull`` and ``--cluster``: every socket call is refused.

An audit hook of Python does it. The commands call `seal` before they import anything else. The hook
does not see native code: `t2local.airgap.proof` watches that from outside. A program of the user's
own that imports t2local keeps its sockets; an import contract checks that the library uses none.
"""

import os
import sys

from t2local.errors import NetworkRefused

#: Variables by which libraries that could ask a server learn not to; they read them on import.
_VARIABLES = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
#: How the names of Python's audit events begin that a network call raises (docs.python.org, "Audit
#: events table"). A library of compiled code raises none: the offline proof watches the kernel.
_EVENTS = (
    "socket.",
    "http.client.",
    "urllib.Request",
    "ftplib.",
    "smtplib.",
    "imaplib.",
    "poplib.",
    "telnetlib.",
)
#: Questions about the machine itself, which open nothing.
_HARMLESS = ("socket.gethostname", "socket.sethostname")

_sealed = False


def seal() -> None:
    """Refuse network calls from here on; an audit hook cannot be taken back."""
    global _sealed  # noqa: PLW0603 - a hook of the whole process
    os.environ.update(_VARIABLES)
    if not _sealed:
        sys.addaudithook(_refuse)
        _sealed = True


def _refuse(event: str, _: tuple[object, ...]) -> None:
    """The audit hook; Python calls it for every event of the process, so it must be quick."""
    if event.startswith(_EVENTS) and event not in _HARMLESS:
        raise NetworkRefused(
            f"A library tried to use the network ({event}); it was refused.",
            next_step="report this as a bug; no data has left",
        )

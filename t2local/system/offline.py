"""No network outside of ``models pull``: an audit hook of Python that refuses every socket call of this process.

The commands seal themselves before they import anything else. What native code does cannot be seen from here:
`t2local.airgap.proof` shows it from outside. A program of the user's own that imports t2local keeps its sockets; that the
library does not use any is checked by an import contract.
"""

import os
import sys

from t2local.errors import NetworkRefused

#: What libraries that could ask a server look at; read when they are imported.
_VARIABLES = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
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
    if event.startswith(_EVENTS) and event not in _HARMLESS:
        raise NetworkRefused(
            f"A library tried to use the network ({event}); it was refused.",
            next_step="report this as a bug; no data has left",
        )

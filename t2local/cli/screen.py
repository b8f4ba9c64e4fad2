"""Live progress on stderr; what is printed on stdout is none of its business."""

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import click

from t2local.cli.text import progress_line

if TYPE_CHECKING:
    from rich.status import Status

    from t2local.events import Event, Progress

#: Seconds between lines of progress where there is no terminal: a log must not fill up with them.
_SECONDS = 10.0


class Screen:
    """Listens to a run: one live line in a terminal, a line now and then elsewhere.

    **Parameters:**

    * **quiet**: nothing is shown.
    * **seconds**: between two lines of progress where there is no terminal.
    """

    def __init__(self, *, quiet: bool = False, seconds: float = _SECONDS) -> None:
        self._quiet = quiet or sys.stderr is None  # closed
        self._seconds = seconds
        self._last_line = time.monotonic()
        self._live: Status | None = None
        if not self._quiet and sys.stderr.isatty():
            # Imported only here: rich takes longer than all of --help.
            from rich.console import Console

            self._live = Console(stderr=True, highlight=False).status("")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the live line."""
        with suppress(OSError):
            if self._live is not None:
                self._live.stop()

    def __call__(self, event: "Event") -> None:
        """Show an event; a run goes on when nobody can see it any more."""
        if self._quiet:
            return
        try:
            self._print(event)
        except OSError:
            self._quiet = True

    def _print(self, event: "Event") -> None:
        from t2local.events import Decision, Progress

        if isinstance(event, Progress):
            self._show(event)
        elif isinstance(event, Decision):
            click.echo(f"{event.what}: {event.value} ({event.reason})", err=True)
        else:
            click.echo(f"note: {event.message}", err=True)

    def _show(self, progress: "Progress") -> None:
        text = progress_line(progress)
        if self._live is not None:
            from rich.markup import escape

            self._live.start()
            # A name in brackets would be read as a colour.
            self._live.update(escape(text))
        elif time.monotonic() - self._last_line > self._seconds:
            self._last_line = time.monotonic()
            click.echo(text, err=True)

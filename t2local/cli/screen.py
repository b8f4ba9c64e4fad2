"""Live progress on stderr; what is printed on stdout is none of its business."""

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import click

from t2local.cli.text import decision_line, note_line, plain, progress_line

if TYPE_CHECKING:
    from t2local.cli.bar import Bar
    from t2local.events import Decision, Event

#: Seconds between lines of progress where there is no terminal: a log must not fill up with them.
_SECONDS = 10.0
#: What is said without --verbose: what a person may want to have otherwise.
_SHOWN = ("read", "target", "rows", "model", "rules between columns")


class Screen:
    """Listens to a run: a live bar in a terminal, a line now and then elsewhere.

    **Parameters:**

    * **quiet**: nothing is shown; **verbose**: every decision is.
    * **seconds**: between two lines of progress where there is no terminal.
    """

    def __init__(
        self, *, quiet: bool = False, verbose: bool = False, seconds: float = _SECONDS
    ) -> None:
        self._quiet = quiet or sys.stderr is None  # closed
        self._verbose = verbose
        self._seconds = seconds
        self._last_line = time.monotonic()
        self._kinds: set[str] = set()
        self._bar: Bar | None = None
        if not self._quiet and sys.stderr.isatty():
            # Imported only here: rich takes longer than all of --help.
            from t2local.cli import bar

            self._bar = bar.Bar()

    def __enter__(self) -> Self:
        """Show the bar at once: what follows may import for seconds."""
        with suppress(OSError):
            if self._bar is not None:
                self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the bar."""
        with suppress(OSError):
            if self._bar is not None:
                self._bar.stop()

    def __call__(self, event: "Event") -> None:
        """Show an event; a run goes on when nobody can see it any more."""
        if self._quiet:
            return
        try:
            self._show(event)
        except OSError:
            self._quiet = True

    def _show(self, event: "Event") -> None:
        from t2local.events import Decision, Phase, Progress

        if isinstance(event, Phase):
            self._move(f"{event.words} ...", event.words, event.seconds_left)
        elif isinstance(event, Progress):
            self._move(progress_line(event), plain(event), event.seconds_left)
        elif not isinstance(event, Decision):
            self._print(note_line(event.message))
        elif self._verbose or self._is_shown(event):
            self._print(decision_line(event))

    def _is_shown(self, decision: "Decision") -> bool:
        """The first decision of each kind that people may want to have otherwise."""
        first = decision.what in _SHOWN and decision.what not in self._kinds
        self._kinds.add(decision.what)
        return first

    def _print(self, line: str) -> None:
        if self._bar is not None:
            self._bar.print(line)
        else:
            click.echo(line, err=True)

    def _move(self, line: str, words: str, seconds_left: float | None) -> None:
        """Move the bar; without one, say where the run is now and then."""
        if self._bar is not None:
            self._bar.move(words, seconds_left)
        elif time.monotonic() - self._last_line > self._seconds:
            self._last_line = time.monotonic()
            click.echo(line, err=True)

"""The bar of a whole run in a terminal: it moves by the clock, however seldom the run says a word.

Only `t2local.cli.screen` imports it, and only for a terminal.
"""

import time

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_WIDTH = 20
_PER_SECOND = 4
#: A guess that was too short is told as this share of the run, until there is a better one.
_LEAST_LEFT = 0.05
_MINUTE = 60


class Bar:
    """How much of a run is done, by the clock and the last guess of what is left."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._started = time.monotonic()
        self._words = "starting"
        self._end: float | None = None
        self._done = 0.0
        self._live = Live(
            get_renderable=self.picture,
            console=self._console,
            refresh_per_second=_PER_SECOND,
            transient=True,
            redirect_stdout=False,
        )

    def start(self) -> None:
        """Show it."""
        self._live.start(refresh=True)

    def stop(self) -> None:
        """Clear it."""
        self._live.stop()

    def print(self, line: str) -> None:
        """Print a line above it; it is broken between words."""
        self._console.print(Text(line), soft_wrap=False)

    def move(self, words: str, seconds_left: float | None) -> None:
        """Say what goes on, and what is left of the whole run."""
        self._words = words
        if seconds_left is not None:
            self._end = time.monotonic() + seconds_left

    def picture(self) -> Table:
        """The bar, what goes on, and what is left."""
        elapsed = time.monotonic() - self._started
        row = Table.grid(padding=(0, 1), expand=True)
        for ratio in (None, 1, None):
            row.add_column(ratio=ratio, no_wrap=True, overflow="ellipsis")
        bar = ProgressBar(total=1.0, width=_WIDTH, pulse=self._end is None)
        time_left = f"{elapsed:.0f} s"
        if self._end is not None:
            left = max(self._end - time.monotonic(), _LEAST_LEFT * elapsed)
            self._done = max(self._done, elapsed / (elapsed + left))
            bar.update(completed=self._done)
            time_left = f"about {duration(left)} left"
        row.add_row(bar, Text(self._words), Text(time_left))
        return row


def duration(seconds: float) -> str:
    """Seconds as people say them: 45 s, 3 min, 2 h 5 min."""
    if seconds < 1.5 * _MINUTE:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / _MINUTE)
    if minutes < 1.5 * _MINUTE:
        return f"{minutes} min"
    return f"{minutes // _MINUTE} h {minutes % _MINUTE} min"

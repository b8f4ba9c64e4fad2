"""Seconds by part of a run."""

import time
from collections import Counter
from datetime import UTC, datetime


class Clock:
    """Starts when it is made; each `lap` counts the time since the last one for a part."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC)
        self.seconds: Counter[str] = Counter()
        self._start = time.perf_counter()
        self._last = self._start

    def lap(self, part: str) -> None:
        """Count the time since the last lap for a part."""
        now = time.perf_counter()
        self.seconds[part] += now - self._last  # type: ignore[assignment]
        self._last = now

    @property
    def total(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    def seconds_with_current_lap(self, part: str) -> float:
        """Seconds of a part that still goes on."""
        return self.seconds[part] + time.perf_counter() - self._last

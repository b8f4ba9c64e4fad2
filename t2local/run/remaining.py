"""How many seconds are left of a run: first by what runs took before, then by what this one took.

The parts of a run cost so many rows of the model, or so many fits of the ensemble. Both units are
guessed at the start and measured as soon as the run has paid some.
"""

import time
from collections.abc import Mapping
from typing import Literal, TypeAlias

from t2local.trim.benefit import MOST_ROWS

Part: TypeAlias = Literal[
    "reading", "loading", "planning", "training", "asking", "writing", "measuring"
]
#: What people read while it goes on, in the order of a run.
WORDS: Mapping[Part, str] = {
    "reading": "reading the table",
    "loading": "loading the model",
    "planning": "planning who writes what",
    "training": "learning from the real rows",
    "asking": "asking the model about real rows",
    "writing": "writing rows",
    "measuring": "measuring what the rows are worth",
}
#: Seconds of a core for a row: for each column, and each GB of weights (the starter on two idle
#: cores: 0.15 s for a row of 12 columns).
_ROW_SECONDS = 0.1
#: Seconds of a core for the folds of the ensemble of a table of some hundred rows.
_FIT_SECONDS = 5.0
#: A manager's plan, with what the model is asked about the columns, takes as long as so many rows.
_ROWS_OF_A_PLAN = 30
#: What the kept rows are worth is measured in as many seconds as the folds take, once more for each
#: so many rows that were written (of a table of 299 rows: 1,700 and 1,740 on two machines), and
#: some more.
_ROWS_OF_A_FIT = 1700
_MORE_MEASURING = 2.0
#: A part that is as long as was expected has this share of it left.
_LEAST_SHARE = 0.1


class Remaining:
    """The seconds that are left, part by part; unknown before the model is there.

    ``rows_asked``, ``rows_left``: real rows that the model is asked about, and rows to be written.
    """

    def __init__(self) -> None:
        self.rows_asked = 0
        self.rows_left = 0.0
        self._row: float | None = None
        self._fit = 0.0
        self._measuring_fits = 1.0
        self._plan_rows = 0.0
        self._part: Part = "reading"
        self._since = self._start = time.perf_counter()
        self._cpu_start = time.process_time()

    def expect(
        self, cells_times_bytes: float, cores: int, n_rows: int, *, plans: bool, fits: bool
    ) -> None:
        """What is known of the work when the model is there.

        **Parameters:**

        * **cells_times_bytes**: columns of the table, times bytes of the weights.
        * **n_rows**: to be written; **plans**: whether the model makes the plan; **fits**: whether
          an ensemble learns the labels.
        """
        speed = cores / self._slowness()
        self._row = _ROW_SECONDS * cells_times_bytes / 1e9 / speed
        self._plan_rows = _ROWS_OF_A_PLAN * plans
        self._fit = _FIT_SECONDS / speed * fits
        self._measuring_fits = 1 + min(n_rows, MOST_ROWS) / _ROWS_OF_A_FIT
        self.rows_left = n_rows

    def enter(self, part: Part) -> None:
        """A part begins; what the last one took is the measure of what is to come."""
        if part == self._part:
            return
        seconds = self._seconds_of_part()
        if self._part == "training":
            self._fit = seconds
        elif self._part == "asking" and self.rows_asked:
            self._row = seconds / self.rows_asked
        self._part, self._since = part, time.perf_counter()

    def pay(self, seconds: float, rows_done: float, rows_left: float) -> None:
        """Rows were written, or parts of rows, in so many seconds."""
        self.rows_left = rows_left
        if rows_done:
            self._row = seconds / rows_done

    def seconds(self) -> float | None:
        """A guess of what is left of the whole run; none before there is anything to guess by."""
        if self._row is None:
            return None
        costs: dict[Part, float] = {
            "planning": self._plan_rows * self._row,
            "training": self._fit,
            "asking": self.rows_asked * self._row,
            "writing": self.rows_left * self._row,
            "measuring": self._fit * self._measuring_fits + _MORE_MEASURING,
        }
        order = list(WORDS)
        here = order.index(self._part)
        left = sum(cost for part, cost in costs.items() if order.index(part) > here)
        cost = costs.get(self._part, 0.0)
        if self._part != "writing":  # there the rows are counted down
            cost = max(cost - self._seconds_of_part(), _LEAST_SHARE * cost)
        return left + cost

    def _slowness(self) -> float:
        """How many seconds went by for each one of the processor: others may keep it busy."""
        seconds = time.perf_counter() - self._start
        return max(1.0, seconds / max(time.process_time() - self._cpu_start, 1e-3 * seconds, 1e-9))

    def _seconds_of_part(self) -> float:
        return time.perf_counter() - self._since

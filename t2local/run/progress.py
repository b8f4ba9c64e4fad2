"""How far a run is, for whoever listens."""

from t2local.events import Progress
from t2local.run.inputs import Run
from t2local.team.team import Team


class RowProgress:
    """Tells of each row that is written.

    A row that is begun counts by its tokens: many are written side by side, and the first one is
    complete when the others nearly are.
    """

    def __init__(self, run: Run, team: Team) -> None:
        self._run = run
        self._team = team
        self._first_token = team.counters.row_tokens
        self._first_second = run.ledger.clock.seconds_with_current_lap("assembly")

    def tell(self, written: int) -> None:
        """Tell where the run is after so many rows."""
        ledger, counters = self._run.ledger, self._team.counters
        seconds = ledger.clock.seconds_with_current_lap("assembly") - self._first_second
        n_done = (counters.row_tokens - self._first_token) / max(1.0, self._team.expected.row)
        n_begun = max(0.0, n_done - (written - ledger.earlier_rows))
        remaining = self._run.remaining
        remaining.pay(seconds, n_done, max(0.0, ledger.rows_left(written) - n_begun))
        self._run.tell(
            Progress(
                wanted=ledger.wanted,
                written=written,
                kept=ledger.kept,
                rejected_by=dict(ledger.rejected_by),
                tokens_per_second=counters.decoded_tokens / max(seconds, 1e-9),
                seconds_left=remaining.seconds(),
            )
        )

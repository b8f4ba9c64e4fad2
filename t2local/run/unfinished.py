"""What a run left that did not come to its end, and whether this run may go on with it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from t2local.errors import UsageError
from t2local.run.checkpoint import Checkpoint
from t2local.system.json_text import JsonObject


@dataclass(frozen=True)
class Unfinished:
    """What is there of runs that are not finished.

    **Parameters:**

    * **own**: in the hidden folder, of a run that was killed.
    * **delivered**: in the place of the result, of a run that was interrupted.
    * **fingerprint**: of the run that begins; empty: it is none that can be resumed.
    """

    own: Checkpoint
    delivered: Checkpoint
    fingerprint: JsonObject

    @property
    def same(self) -> list[Checkpoint]:
        """What this run can go on with."""
        return [c for c in (self.own, self.delivered) if c.fingerprint == self.fingerprint]

    def check(self, path: Path, *, resume: bool) -> None:
        """**Raises** `UsageError` where rows of another run would be given up, or nothing is there.

        **Parameters:**

        * **path**: of the result, for messages; **resume**: whether there has to be something.
        """
        others = [c for c in (self.own, self.delivered) if c.rows or c is self.delivered]
        for other in others:
            if other.fingerprint not in (None, self.fingerprint):
                raise UsageError(
                    f"{path} has {other.rows} rows of an unfinished run that is not this one. "
                    "These differ:",
                    faults=other.differences(self.fingerprint),
                    next_step="the command of then goes on with it; or choose another folder "
                    "with --out; or --replace, which gives its rows up",
                )
        if resume and not self.same:
            raise UsageError(
                f"There is no unfinished run for {path}.", next_step="leave out --resume"
            )

    def move(self) -> None:
        """Bring into the hidden folder what is there of this run; what another had goes."""
        own, delivered = self.own.folder, self.delivered.folder
        assert own is not None
        assert delivered is not None
        most = max(self.same, key=lambda checkpoint: checkpoint.rows, default=None)
        if most is self.own:
            return
        shutil.rmtree(own, ignore_errors=True)
        if most is self.delivered:
            # A copy: what was delivered stays whole until there is more.
            shutil.copytree(delivered, own)

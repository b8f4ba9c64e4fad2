"""What a run came to, and how one that wrote its files can still be no success."""

from pathlib import Path
from typing import TYPE_CHECKING

from t2local.cli.options import render
from t2local.cli.text import run_summary
from t2local.errors import Interrupted, NothingKept

if TYPE_CHECKING:
    from t2local.system.json_text import JsonObject


def show_outcome(report: "JsonObject", out: Path, form: str) -> None:
    """Print what a run came to. **Raises** the error of one that wrote its files all the same."""
    render(report, run_summary(report, out), form)
    n_kept = report["rows"]["kept"]
    if report["interrupted"]:
        raise Interrupted(
            f"Interrupted; {n_kept} kept rows are in {out}.",
            next_step="run the same command again: it goes on with the blocks that are complete",
        )
    if not n_kept:
        raise NothingKept(
            nothing_passed(out),
            faults=[f"{count} rows: {reason}" for reason, count in report["reasons"].items()],
            next_step="try more batches (--max-batches), more real rows, "
            "or a larger model (--model)",
        )


def nothing_passed(out: Path) -> str:
    """That no row is kept, and where the reasons are."""
    file = out / "rejected.csv"
    return f"No row passed the quality stages; {file} has every row with its reason."

"""What the kept rows are worth, and which classes they have."""

from dataclasses import dataclass

import pandas as pd

from t2local.events import Notice
from t2local.run.inputs import Inputs, Run
from t2local.team.calibration import Calibration
from t2local.trim.benefit import Benefit, benefit

ClassShares = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Measured:
    """What a model gains by the kept rows (none without any), and the share of each class.

    ``class_shares``: for ``real`` and ``kept`` rows, the share of each class; empty for a number.
    """

    benefit: Benefit | None
    class_shares: ClassShares


def measure(run: Run, inputs: Inputs, calibration: Calibration, kept: pd.DataFrame) -> Measured:
    """Hold the kept rows (values, shape (m, d)) against held-out real ones."""
    measured = Measured(
        _benefit(run, inputs, calibration, kept),
        _class_shares(run, inputs, kept),
    )
    run.ledger.clock.lap("benefit")
    return measured


def _benefit(
    run: Run, inputs: Inputs, calibration: Calibration, kept: pd.DataFrame
) -> Benefit | None:
    if kept.empty:
        return None
    # How much of the labels is the word of an ensemble that had seen the held-out rows.
    ensemble_share = calibration.labels.ensemble_weight if calibration.labels else 0.0
    return benefit(
        inputs.values, kept, inputs.dictionary, run.seed, inputs.row_weights(), ensemble_share
    )


def _class_shares(run: Run, inputs: Inputs, kept: pd.DataFrame) -> ClassShares:
    """The share of each class; a class that got lost on the way is a notice."""
    if not inputs.dictionary.classification or kept.empty:
        return {}
    target = inputs.dictionary.target
    shares = {
        name: rows[target].value_counts(normalize=True)
        for name, rows in (("real", inputs.values), ("kept", kept))
    }
    lost = len(set(shares["real"].index) - set(shares["kept"].index))
    if lost and not inputs.conditions.given:
        message = f"{lost} of the classes of {target} are in no kept row"
        run.tell(Notice(f"{message}; --balance uniform asks for them"))
    return {
        name: {str(label): float(share) for label, share in by_label.items()}
        for name, by_label in shares.items()
    }

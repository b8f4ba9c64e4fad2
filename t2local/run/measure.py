"""What the kept rows are worth, and which classes they have."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.evaluate.privacy_report import PrivacyReport, privacy_report
from t2local.evaluate.table_pair import TablePair
from t2local.run.inputs import Inputs, Run
from t2local.run.ledger import CHOICE
from t2local.tables.disclosure import open_shares
from t2local.team.calibration import Calibration
from t2local.trim.benefit import Benefit, benefit
from t2local.trim.replay import Candidates
from t2local.trim.shifts import Shifts, shifts

ClassShares = dict[str, dict[str, float | str]]


@dataclass(frozen=True)
class Measured:
    """What a model gains by the kept rows, and what distinguishes them; none without any rows.

    Without a target no model gains anything; for an interrupted run it is not measured.

    * ``class_shares``: for ``real`` and ``kept`` rows, the share of each class; empty for a number.
      Of real rows only shares that may leave (`disclosure.open_shares`).
    * ``privacy``: what attacks find; no real row was held out, so only what needs none.
    """

    benefit: Benefit | None
    shifts: Shifts | None
    class_shares: ClassShares
    privacy: PrivacyReport | None = None


def measure(run: Run, inputs: Inputs, calibration: Calibration, kept: pd.DataFrame) -> Measured:
    """Hold the kept rows (values, shape (m, d)) against held-out real ones."""
    measured = Measured(
        _benefit(run, inputs, calibration, kept),
        _shifts(run, inputs, kept),
        _class_shares(inputs, kept),
        _privacy(run, inputs, kept),
    )
    run.ledger.clock.lap("benefit")
    return measured


def _benefit(
    run: Run, inputs: Inputs, calibration: Calibration, kept: pd.DataFrame
) -> Benefit | None:
    # It takes seconds, and who has asked to stop is going on or wants another run.
    if kept.empty or inputs.dictionary.target is None or run.ledger.interrupted:
        return None
    # How much of the labels is the word of an ensemble that had seen the held-out rows.
    ensemble_share = calibration.labels.ensemble_weight if calibration.labels else 0.0
    return benefit(
        inputs.values,
        kept,
        inputs.dictionary,
        run.seed,
        inputs.row_weights(),
        ensemble_share,
        _candidates(run),
        calibration.pool.ensemble.models if calibration.pool else None,
    )


def _candidates(run: Run) -> Candidates | None:
    """The rows that passed, among which the kept ones were chosen; none where labels were given."""
    ledger = run.ledger
    if ledger.predictions is None and not ledger.rejected_by[CHOICE]:
        return None
    if run.settings.trim.purpose == "share":
        return None
    rows, verdict = ledger.judged[-1]
    passed = np.array([stage in (None, CHOICE) for stage in verdict.stages])
    if ledger.predictions is None or run.settings.team.label_choice == "drawn":
        return Candidates(rows[passed])  # the labels stay
    noise = ledger.draw_noise
    return Candidates(
        rows[passed], ledger.predictions[passed], noise[passed] if noise is not None else None
    )


def _shifts(run: Run, inputs: Inputs, kept: pd.DataFrame) -> Shifts | None:
    if kept.empty:
        return None
    return shifts(
        inputs.values,
        kept,
        inputs.dictionary,
        run.seed,
        matches=inputs.matches(),
        wanted_shares=inputs.conditions.shares,
    )


def _privacy(run: Run, inputs: Inputs, kept: pd.DataFrame) -> PrivacyReport | None:
    rows = kept.reset_index(drop=True)
    return privacy_report(TablePair(inputs.dictionary, inputs.values, rows, run.seed))


def _class_shares(inputs: Inputs, kept: pd.DataFrame) -> ClassShares:
    """The share of each class."""
    if not inputs.dictionary.classification or kept.empty:
        return {}
    target = inputs.dictionary.target_feature.name
    shares = kept[target].value_counts(normalize=True)
    return {
        "real": open_shares(inputs.values[target]),
        "kept": {str(label): float(share) for label, share in shares.items()},
    }

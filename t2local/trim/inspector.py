"""The stages in order over a whole source, or batch by batch. Usable for rows of any generator.

inspector = Inspector(real, dictionary, settings.trim, seed=1)
verdict = inspector.judge_source(rows, Pool())  # all rows together, as if none had been before
verdict = inspector.judge(batch)                # what it keeps counts as accepted from then on
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from t2local.settings import TrimSettings
from t2local.stats.arrays import FloatArray, Mask
from t2local.tables.dictionary import FeatureDictionary
from t2local.trim import cost, sanity
from t2local.trim.result import n_rejected
from t2local.trim.stages import Stage, stages_of
from t2local.trim.state import Pool, Reference, TrimState
from t2local.trim.tuning import can_tune, choose_k, untuned_k
from t2local.trim.verdict import Verdict


@dataclass(frozen=True)
class UnverifiedFigures:
    """Kept rows of which only sanity could be judged."""

    rows: int
    why: str = "their class is in the dictionary and not in the real rows"


class Inspector:
    """Judges batches against the real rows and against what it has accepted so far.

    **Parameters:**

    * **real**: frame of values (n, d), every row with a label, if there is a target.
    * **weights**: what each real row counts for, shape (n,), mean 1, where the wanted rows are to
      have other shares of labels.
    * **matches**: which of them are what was asked of all rows, shape (n,); the diversity of a
      batch is held against theirs.
    * **seed**: folds, clusters and bootstraps follow from it; the same batches in the same order
      get the same verdicts.

    **Raises** `UsageError` for a stage that does not exist.
    """

    def __init__(
        self,
        real: pd.DataFrame,
        dictionary: FeatureDictionary,
        settings: TrimSettings,
        seed: int,
        weights: FloatArray | None = None,
        matches: Mask | None = None,
    ) -> None:
        self._stages = stages_of(settings)
        reference = Reference.of(real, dictionary, settings, seed, weights, matches)
        self.state = TrimState(reference, untuned_k(settings))

    @property
    def judges_sources(self) -> bool:
        """Whether the settings ask for all rows to be judged together, as one source."""
        return self.state.reference.settings.gate == "source"

    def tune(self, batches: Sequence[pd.DataFrame]) -> None:
        """Choose the k of the paper's gates by cross-validation, with these batches as candidates.

        Does nothing where k is given or rows are few. Batches are frames of values (m, d).
        """
        reference = self.state.reference
        if not can_tune(reference):
            return
        candidates = [self.state.batch(self._sane(rows)) for rows in batches]
        candidates = [batch for batch in candidates if len(batch.rows)]
        if candidates:
            self.state.use_k(choose_k(reference, candidates))

    def _sane(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows that pass stage 1 and have a class that can be judged."""
        verdict = Verdict(len(rows))
        result = sanity.judge(self.state.batch(rows), self.state)
        for rejection in result.rejections:
            verdict.reject(rejection.rows, "sanity", rejection.reason)
        return rows[verdict.kept & ~self.state.reference.unverified(rows)]

    def judge(self, rows: pd.DataFrame) -> Verdict:
        """Run the stages over one batch of values (m, d); what is kept counts as accepted."""
        verdict = Verdict(len(rows))
        for stage in self._stages:
            self._apply(stage, rows, verdict)
        unverified = verdict.kept & self.state.reference.unverified(rows)
        if unverified.any():
            verdict.figures["unverified"] = UnverifiedFigures(int(unverified.sum()))
        self.state.accept(rows[verdict.kept])
        return verdict

    def judge_source(self, rows: pd.DataFrame, pool: Pool) -> Verdict:
        """Judge all rows of a source (values, shape (m, d)) together, as if none had been before.

        So a verdict on a part of them is no longer valid when more of them are there.
        """
        self.state = TrimState(self.state.reference, self.state.k, pool)
        return self.judge(rows)

    def _apply(self, stage: Stage, rows: pd.DataFrame, verdict: Verdict) -> None:
        """Let a stage judge the rows that are still kept and that it can judge."""
        judged = verdict.kept
        if not stage.judges_new_classes:
            judged = judged & ~self.state.reference.unverified(rows)
        if not judged.any():
            return
        result = stage.judge(self.state.batch(rows[judged], judged), self.state)
        if result.figures is not None:
            verdict.figures[stage.name] = result.figures
        if stage.overrulable and self.state.reference.settings.keep == "all":
            verdict.overruled[stage.name] += n_rejected(result.rejections)
            return
        for rejection in result.rejections:
            verdict.reject_among(judged, stage.name, rejection)

    def gate(self, rows: pd.DataFrame) -> cost.GateResult:
        """Stage 2's test of a batch (values, shape (m, d)) alone; nothing is accepted by it.

        **Raises** `UsageError` where the settings ask for all rows to be judged together.
        """
        return cost.gate(self.state.batch(rows), self.state)

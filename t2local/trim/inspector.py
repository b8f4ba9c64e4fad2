"""The three stages in order over one batch. Usable alone, on the rows of any generator.

inspector = Inspector(real, dictionary, settings.trim, seed=1)
verdict = inspector.judge(batch)        # what it keeps counts as accepted from then on
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from t2local.settings import TrimSettings
from t2local.stats.arrays import FloatArray, Labels, Mask
from t2local.stats.encoding import Encoder
from t2local.stats.learners import learner
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.rules import binding
from t2local.trim import cost, diversity, gain, sanity, tuning
from t2local.trim.verdict import Verdict


@dataclass(frozen=True)
class GateResult:
    """What stage 2 found of a batch: why it is refused (else empty) with the decisive figure and its threshold, the cost of each row,

    the rows that it trims when the batch is accepted, and the figures for the report.
    """

    reason: str
    decisive: tuple[float, float]
    costs: FloatArray
    trimmed: Mask
    figures: dict[str, Any]


class Inspector:
    """Judges batches against the real rows and against what it has accepted so far.

    **Parameters:**

    * **real**: frame of values (n, d), every row with a label.
    * **weights**: what each real row counts for, shape (n,), mean 1, where the wanted rows are to have other shares of labels.
    * **like**: which of them are what was asked of all rows, shape (n,); the diversity of a batch is held against theirs.
    * **seed**: folds, clusters and bootstraps follow from it; the same batches in the same order get the same verdicts.
    """

    def __init__(
        self,
        real: pd.DataFrame,
        dictionary: FeatureDictionary,
        settings: TrimSettings,
        seed: int,
        weights: FloatArray | None = None,
        like: Mask | None = None,
    ) -> None:
        self._dictionary, self._settings, self._seed = dictionary, settings, seed
        self._encoder = Encoder(dictionary.input_features, real)
        self._weights = np.ones(len(real)) if weights is None else weights
        self._like = np.ones(len(real), dtype=np.bool_) if like is None else like
        self._x = self._encoder.transform(real)
        self._known = set(real[dictionary.target].dropna().unique())
        labels = (
            real[dictionary.target].to_numpy(dtype=np.float64)
            if not dictionary.classification
            else np.empty(0)
        )
        self._center, self._scale = (
            (float(labels.mean()), float(labels.std()) or 1.0) if len(labels) else (0.0, 1.0)
        )
        self._y = self._labels(real)
        self._classes = len(dictionary[dictionary.target].levels)
        self._fold = self._crossfit()
        #: Standard deviations above the control: the default gate needs none, its test of labels keeps chance out.
        self.k = (
            settings.gate_sd
            if settings.gate_sd is not None
            else 0.0
            if settings.gate == "utility"
            else tuning.WITHOUT_TUNING
        )
        self._thresholds: dict[int, gain.Threshold] = {}
        self._regions = (
            diversity.Regions(self._x, seed) if len(real) >= diversity.FEWEST_ROWS else None
        )
        self._copies_by_chance = sanity.few_rows_possible(dictionary, len(real))
        self._seen = set(sanity.row_hashes(real))
        self._rules = binding(dictionary.parsed_rules(), real)[0]
        self._accepted: list[pd.DataFrame] = []
        self._clusters = (
            self._regions.labels
            if self._regions and self._regions.usable
            else np.empty(0, dtype=np.intp)
        )
        self._batches = 0

    def tune(self, batches: Sequence[pd.DataFrame]) -> None:
        """Choose the k of the paper's gates by cross-validation, with these batches of values as candidates; does nothing where k is given or rows are few."""
        if (
            self._settings.gate_sd is not None
            or self._settings.gate == "utility"
            or not tuning.can_tune(self._y, self._classes)
        ):
            return
        sane = [rows[self._sane(rows).kept & ~self._unverified(rows)] for rows in batches]
        candidates = [
            (self._encoder.transform(rows), self._labels(rows)) for rows in sane if len(rows)
        ]
        if candidates:
            self.k, self._thresholds = (
                tuning.choose_k(
                    self._x, self._y, self._classes, candidates, self._settings, self._seed
                ),
                {},
            )

    def judge(self, rows: pd.DataFrame) -> Verdict:
        """Run the stages over one batch of values (n, d); what is kept counts as accepted in the next call."""
        verdict = self._sane(rows)
        unverified = verdict.kept & self._unverified(rows)
        self._stage(rows, unverified, verdict, self._cost)
        self._stage(rows, unverified, verdict, self._diversity)
        if unverified.any():
            verdict.figures["unverified"] = {
                "rows": int(unverified.sum()),
                "why": "their class is in the dictionary and not in the real rows",
            }
        self._accept(rows[verdict.kept])
        self._batches += 1
        return verdict

    def _sane(self, rows: pd.DataFrame) -> Verdict:
        """Stage 1."""
        verdict = Verdict(len(rows))
        sanity.check(
            rows,
            self._dictionary,
            self._rules,
            self._seen,
            verdict,
            copies_by_chance=self._copies_by_chance,
        )
        return verdict

    def _unverified(self, rows: pd.DataFrame) -> Mask:
        """Rows of a class that no real row has: nothing here can judge them."""
        labels = rows[self._dictionary.target]
        return (
            ~labels.isin(self._known).to_numpy()
            if self._classes
            else np.zeros(len(rows), dtype=np.bool_)
        )

    def _stage(
        self,
        rows: pd.DataFrame,
        unverified: Mask,
        verdict: Verdict,
        stage: Callable[[pd.DataFrame, Mask, Verdict], None],
    ) -> None:
        """Run a stage over the rows that are still kept and can be judged."""
        judged = verdict.kept & ~unverified
        if judged.any():
            stage(rows[judged], judged, verdict)

    def gate(self, rows: pd.DataFrame) -> "GateResult":
        """Stage 2's test of a batch (values, shape (n, d)), as it stands; nothing is accepted by it."""
        x, y = self._encoder.transform(rows), self._labels(rows)
        if self._settings.gate == "utility":
            return self._utility(x, y)
        delta, level, trimmed = self._bootstrap_comparison(x, y)
        reason = (
            ""
            if delta > level.level
            else _falls_short(self._settings.gate.replace("_", " "), delta, level.level)
        )
        return GateResult(
            reason,
            (delta, level.level),
            self._costs(x, y),
            trimmed,
            {"measured": delta, "threshold": level.level, **level.figures},
        )

    def _cost(self, rows: pd.DataFrame, judged: Mask, verdict: Verdict) -> None:
        """Stage 2: the batch against a control, then its costliest rows."""
        found = self.gate(rows)
        verdict.figures["cost"] = {
            "gate": self._settings.gate,
            "rows": len(rows),
            **found.figures,
            "accepted": not found.reason,
        }
        if found.reason:
            verdict.reject(judged, "cost", found.reason, *found.decisive)
        else:
            spread, costs = _within(judged, found.trimmed), np.full(len(judged), np.nan)
            costs[judged] = found.costs
            highest = float(found.costs[~found.trimmed].max(initial=0.0))
            verdict.reject(
                spread,
                "cost",
                "its label is among those of its batch that fit its features least",
                costs,
                highest,
            )

    def _utility(self, x: FloatArray, y: Labels) -> "GateResult":
        most, rng = (
            self._settings.significance_level,
            generator(self._seed, Stream.RANDOM_LABELS, self._batches),
        )
        level = self._threshold(
            len(x), lambda size: gain.utility_control(self._fold, size, self.k, self._seed)
        )
        needed, measured = max(level.level, 0.0), gain.utility(self._fold, x, y)
        chance = gain.chance(self._fold, x, y, most, rng) if most < 1 else None
        reason = "" if measured > needed else _falls_short("held-out likelihood", measured, needed)
        if not reason and chance is not None and chance >= most:
            reason = f"its labels fit its features no better than chance: {chance:.0%} of random labels do as well, needed less than {most:.0%}"
        decisive = (
            (chance, most) if measured > needed and chance is not None else (measured, needed)
        )
        costs, figures = (
            self._costs(x, y),
            {"measured": measured, "threshold": needed, **level.figures, "chance": chance},
        )
        return GateResult(
            reason, decisive, costs, cost.worst(costs, self._settings.worst_share), figures
        )

    def _costs(self, x: FloatArray, y: Labels) -> FloatArray:
        """Cost of each row by the models of all folds: none of them has seen it."""
        return cost.costs(self._fold.fits.log_likelihood(x, y).mean(axis=0))

    def _bootstrap_comparison(self, x: FloatArray, y: Labels) -> tuple[float, gain.Threshold, Mask]:
        s, rng = self._settings, generator(self._seed, Stream.BOOTSTRAP_COMPARISON, self._batches)
        level = self._threshold(len(x), self._null)
        more = pd.concat(self._accepted) if self._accepted else None
        x_d = self._x if more is None else np.vstack([self._x, self._encoder.transform(more)])
        y_d = self._y if more is None else np.concatenate([self._y, self._labels(more)])
        information = gain.Information.of(x_d, y_d, self._classes, s.gate)
        delta, inside = gain.bootstrap_comparison(
            information, self._fold, x, y, alpha=s.alpha, beta=s.beta, rng=rng
        )
        return delta, level, ~inside

    def _null(self, size: int) -> gain.Threshold:
        s = self._settings
        information = gain.Information.of(self._x, self._y, self._classes, s.gate)
        surprise = cost.costs(self._fold.held_out)
        return gain.null_threshold(
            information,
            surprise,
            size,
            alpha=s.alpha,
            beta=s.beta,
            replicates=s.replicates,
            k=self.k,
            seed=self._seed,
        )

    def _threshold(self, size: int, compute: Callable[[int], gain.Threshold]) -> gain.Threshold:
        """The control of a batch size; it depends on the real rows alone, so each size is computed once."""
        if size not in self._thresholds:
            self._thresholds[size] = compute(size)
        return self._thresholds[size]

    def _diversity(self, rows: pd.DataFrame, judged: Mask, verdict: Verdict) -> None:
        """Stage 3: the rows that would be kept, against what is accepted so far."""
        few = self._like.sum() < diversity.FEWEST_ROWS
        if few or self._regions is None or not self._regions.usable:
            of = "" if self._like.all() else " that are what was asked for"
            why = (
                f"fewer than {diversity.FEWEST_ROWS} real rows{of}"
                if few
                else "the real rows have no clusters"
            )
            verdict.figures["diversity"] = {"skipped": why}
            return
        count, real = self._regions.clusters, self._regions.labels
        before = diversity.entropy(self._clusters, count)
        both = np.concatenate([self._clusters, self._regions.of(self._encoder.transform(rows))])
        change = diversity.entropy(both, count) - before
        needed = diversity.threshold(
            real,
            self._clusters,
            count,
            len(rows),
            self._settings,
            self._seed,
            self._weights * self._like,
        )
        figures: dict[str, Any] = {
            "clusters": count,
            "silhouette": self._regions.silhouette,
            "entropy_before": before,
            "change": change,
        }
        verdict.figures["diversity"] = {
            **figures,
            "threshold": needed,
            "rule": self._settings.diversity,
            "accepted": change >= needed,
        }
        if change < needed:
            reason = f"its batch adds too little diversity: cluster entropy {change:+.4f}, needed {needed + 0.0:+.4f}"
            verdict.reject(judged, "diversity", reason, change, needed)

    def _accept(self, rows: pd.DataFrame) -> None:
        if rows.empty:
            return
        self._accepted.append(rows)
        self._seen.update(sanity.row_hashes(rows))
        if len(self._clusters) and self._regions is not None:
            self._clusters = np.concatenate(
                [self._clusters, self._regions.of(self._encoder.transform(rows))]
            )

    def _labels(self, rows: pd.DataFrame) -> Labels:
        """Class numbers by the dictionary's levels, or the number standardised by the real rows."""
        column = rows[self._dictionary.target]
        if not self._dictionary.classification:
            return (column.to_numpy(dtype=np.float64) - self._center) / self._scale
        return pd.Categorical(
            column, categories=list(self._dictionary[self._dictionary.target].levels)
        ).codes.astype(np.intp)

    def _crossfit(self) -> cost.Crossfit:
        """Folds and fits; a numeric label is then rescaled by its out-of-fold error, so that costs are in its units."""
        model = learner(self._settings.model, self._classes, self._seed)
        fold = cost.crossfit(self._x, self._y, model, self._seed, self._weights)
        if self._classes:
            return fold
        # log density = -residual^2 / 2 - ln(2 pi) / 2, so the mean of -2 (log density) gives the squared scale.
        error = float(np.sqrt(max(-2 * fold.held_out.mean() - np.log(2 * np.pi), 1e-12)))
        self._scale *= error
        self._y = self._y / error
        return cost.crossfit(self._x, self._y, model, self._seed, self._weights)


def _falls_short(what: str, measured: float, needed: float) -> str:
    return (
        f"its batch does not help the model: {what} {measured:+.4f}, needed more than {needed:+.4f}"
    )


def _within(judged: Mask, chosen: Mask) -> Mask:
    """A mask over the judged rows as a mask over all rows."""
    result = np.zeros_like(judged)
    result[np.flatnonzero(judged)[chosen]] = True
    return result

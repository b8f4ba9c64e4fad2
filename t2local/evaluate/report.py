"""The evaluation report: each metric's value with its bounds, its direction and a reference."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.errors import InputError
from t2local.evaluate import fidelity, plausibility, utility
from t2local.evaluate.metric import Better, Metric, measure
from t2local.evaluate.privacy_report import PrivacyReport, privacy_report
from t2local.evaluate.table_pair import MOST_LEARNED, TablePair
from t2local.evaluate.utility import Predictions
from t2local.settings import TableSettings
from t2local.stats.ensemble import encode_labels
from t2local.stats.folds import stratified_folds
from t2local.stats.intervals import Interval
from t2local.stats.streams import Stream, generator
from t2local.system.json_text import JsonObject, to_json
from t2local.tables.describe import dictionary_of
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.tables.files import cells_of, from_frame

#: The metrics of a pair of tables, in the order of the report. A new one is added here.
METRICS: tuple[Metric[TablePair], ...] = (*fidelity.METRICS, *plausibility.METRICS)

#: With fewer rows a figure says more about chance than about the rows.
_MIN_ROWS = 10
_N_FOLDS = 5
_NO_PROOF = (
    "No figure proves that rows are anonymous: they say what was looked at, beside a reference."
)
_NO_TARGET = "Without a target there is nothing to predict, so utility is not measured."
#: Metrics of utility whose difference has an interval.
_WITH_INTERVAL = ("auc", "r2")
#: What it means when that of an arm lies below zero.
_LOSSES = {
    "real_and_synthetic": "They harm: models that also learn from them predict unseen real rows "
    "worse",
    "synthetic": "They do not take the place of the real rows: models that learn from them alone "
    "predict unseen real rows worse",
}
_NO_HOLDOUT = (
    "Without --holdout the tests of utility use real rows that the synthetic ones may have seen: "
    "the most to be hoped for."
)
_SAMPLE = (
    f"Utility and fidelity are those of {MOST_LEARNED:,} rows at random where a table has more; "
    "plausibility is that of all rows."
)


@dataclass(frozen=True)
class Figure:
    """One value of a metric.

    ``name`` is its key, ``label`` its words in the text. ``better``: higher, lower, or how a good
    value compares with the ``reference``; ``against`` says whose value the reference is.
    ``difference``: how far the value is above it, with a 95 % interval, of AUC and R squared.
    """

    group: str
    name: str
    label: str
    value: float
    lowest: float
    highest: float
    better: Better
    reference: float
    against: str
    difference: Interval | None = None


@dataclass(frozen=True)
class Evaluation:
    """The ``figures``, what attacks find (``privacy``), and ``notes`` on what they cannot say.

    ``rows``: how many of each table.
    """

    rows: Mapping[str, int]
    target: str | None
    seed: int
    figures: tuple[Figure, ...]
    privacy: PrivacyReport | None
    notes: tuple[str, ...]

    @property
    def losses(self) -> list[str]:
        """Where models learn less than from the real rows alone, beyond chance; in sentences."""
        return [
            f"{_LOSSES[figure.name.partition('_')[2]]} ({figure.label.partition(',')[0].upper()} "
            f"{figure.value:.1f} %, where the real rows alone give {figure.reference:.1f} %)."
            for figure in self.figures
            if figure.difference is not None and figure.difference.high < 0
        ]

    def as_report(self) -> JsonObject:
        """As it stands in report.json; a bound that is infinite is None."""
        return to_json(self)

    def text(self) -> str:
        """As a table for a terminal of 80 columns."""
        lines = [f"{'':<28}{'value':>8}{'range':>12}  {'better':<16}{'reference':>9}"]
        heading = ""
        for figure in self.figures:
            if heading != (heading := f"{figure.group}, beside {figure.against}"):
                lines.append(heading)
            bounds = f"{figure.lowest:g} to {figure.highest:g}"
            lines.append(
                f"  {figure.label:<26}{figure.value:>8.3f}{bounds:>12}  "
                f"{figure.better:<16}{figure.reference:>9.3f}"
            )
        if self.privacy:
            lines += ["privacy", *(f"  {sentence}" for sentence in self.privacy.sentences)]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def evaluate(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    target: str | None = None,
    holdout: pd.DataFrame | None = None,
    dictionary: FeatureDictionary | None = None,
    seed: int = 1,
) -> Evaluation:
    """Measure synthetic rows: utility, fidelity and privacy (docs/method.md, "Evaluation").

    Without a target there is no utility.

    **Parameters:**

    * **real**: the rows from which the synthetic ones were made.
    * **target**: the column to predict, or ``none``; else a guess.
    * **holdout**: real rows that had no part in that, the best reference there is. Without it
      models are cross-fitted on the real rows, and one half of these is the reference for the
      other.
    * **dictionary**: what the columns may hold; else a guess from the real rows. Columns that it
      leaves out are not looked at.

    **Raises** `InputError` when columns differ, labels are missing, or there are fewer than 10 rows
    of a kind.
    """
    cells = from_frame(real).cells
    dictionary = dictionary_of(cells, dictionary, target, TableSettings(), "the real rows")
    frames = {"real": real, "synthetic": synthetic}
    if holdout is not None:
        frames["holdout"] = holdout
    values = {name: _values(dictionary, frame, name) for name, frame in frames.items()}
    pair = TablePair(dictionary, values["real"], values["synthetic"], seed)
    figures = [
        *_utility_figures(pair, values.get("holdout")),
        *_pair_figures(pair, *_reference(pair, values.get("holdout"))),
    ]
    n_rows = {name: len(frame) for name, frame in values.items()}
    parts = privacy_report(pair, values.get("holdout")), _notes(dictionary, n_rows)
    return Evaluation(n_rows, dictionary.target, seed, tuple(figures), *parts)


def _notes(dictionary: FeatureDictionary, n_rows: Mapping[str, int]) -> tuple[str, ...]:
    notes = [_NO_PROOF]
    if dictionary.target is None:
        notes.append(_NO_TARGET)
    elif "holdout" not in n_rows:
        notes.append(_NO_HOLDOUT)
    if max(n_rows.values()) > MOST_LEARNED:
        notes.append(_SAMPLE)
    return tuple(notes)


def _values(dictionary: FeatureDictionary, frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """A table as values of the dictionary, a label in every row if there is a target."""
    if missing := [column for column in dictionary.names if column not in frame.columns]:
        raise InputError(
            f"The {name} rows lack columns:",
            faults=missing,
            next_step="give all tables the same columns",
        )
    if len(frame) < _MIN_ROWS:
        raise InputError(
            f"There are {len(frame)} {name} rows; {_MIN_ROWS} are needed to say anything.",
            next_step="evaluate more rows",
        )
    values = dictionary.values(cells_of(frame)).reset_index(drop=True)
    if dictionary.target is not None:
        _check_labels(values[dictionary.target], dictionary.target_feature, name)
    return values


def _check_labels(labels: pd.Series, target: Feature, name: str) -> None:
    """**Raises** `InputError` where a label is missing, or one that the dictionary lacks."""
    if n_blank := int(labels.isna().sum()):
        raise InputError(
            f"{n_blank} {name} rows have no label in {target.name!r}.",
            next_step="leave these rows out",
        )
    if target.levels and (n_unknown := int((~labels.isin(target.levels)).sum())):
        raise InputError(
            f"{n_unknown} {name} rows have a label in {target.name!r} "
            "that the dictionary does not have.",
            next_step="add the label to a dictionary, and pass it",
        )


def _reference(pair: TablePair, holdout: pd.DataFrame | None) -> tuple[TablePair, str]:
    """Two tables of real rows, and what they are: metrics of them are the best to be hoped for."""
    if holdout is not None:
        return TablePair(pair.dictionary, pair.real, holdout, pair.seed), "holdout"
    order = generator(pair.seed, Stream.EVALUATION_HALVES).permutation(len(pair.real))
    first, second = (
        pair.real.iloc[np.sort(half)].reset_index(drop=True) for half in np.array_split(order, 2)
    )
    halves = TablePair(pair.dictionary, first, second, pair.seed)
    return halves, "half of the real rows against the other"


def _folds(
    pair: TablePair, holdout: pd.DataFrame | None
) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Training and test rows; without a holdout five folds, each with its share of every class."""
    real, _ = pair.learned
    if holdout is not None:
        return [(real, holdout)]
    target = pair.dictionary.target_feature
    labels = encode_labels(real[target.name], target)
    rng = generator(pair.seed, Stream.EVALUATION_FOLDS)
    folds = stratified_folds(labels, _N_FOLDS, rng)
    return [
        (real[folds != number].reset_index(drop=True), real[folds == number].reset_index(drop=True))
        for number in range(_N_FOLDS)
    ]


def _utility_figures(pair: TablePair, holdout: pd.DataFrame | None) -> Iterator[Figure]:
    """Models trained on real and synthetic rows, and on synthetic ones, beside real rows alone."""
    if pair.dictionary.target is None:
        return
    target = pair.dictionary.target_feature
    _, synthetic = pair.learned
    runs: dict[str, list[list[Predictions]]] = {}
    for train, test in _folds(pair, holdout):
        training_sets = {
            "real": train,
            "real + synthetic": pd.concat([train, synthetic], ignore_index=True),
            "synthetic": synthetic,
        }
        for name, rows in training_sets.items():
            models = utility.predictions(pair.dictionary, rows, test, pair.seed, scale=train)
            runs.setdefault(name, []).append(models)
    means = {name: _mean_scores(folds, target) for name, folds in runs.items()}
    reference, real = means.pop("real"), runs.pop("real")
    differences = {name: _difference(folds, real, target) for name, folds in runs.items()}
    for metric in utility.metrics_of(target):
        for name, scores in means.items():
            yield Figure(
                metric.group,
                f"{metric.name}_{name.replace(' + ', '_and_')}",
                f"{metric.label}, {name}",
                scores[metric.name],
                metric.lowest,
                metric.highest,
                metric.better,
                reference[metric.name],
                "real rows alone",
                differences[name] if metric.name in _WITH_INTERVAL else None,
            )


def _mean_scores(folds: list[list[Predictions]], target: Feature) -> dict[str, float]:
    """The scores of the models; a fold whose test rows have one class has no AUC."""
    runs = [utility.mean_scores(models, target) for models in folds]
    names = [metric.name for metric in utility.metrics_of(target)]
    return {name: _mean([run[name] for run in runs]) for name in names}


def _mean(scores: list[float]) -> float:
    """The mean of those that there are; not a number where there is none."""
    numbers = [score for score in scores if not np.isnan(score)]
    return float(np.mean(numbers)) if numbers else float("nan")


def _difference(
    folds: list[list[Predictions]], reference: list[list[Predictions]], target: Feature
) -> Interval | None:
    """How far the AUC or R squared of models is above that of others, row by row; in percent."""
    pairs = list(zip(folds, reference, strict=True))
    values = np.concatenate(
        [utility.row_values(a, target) - utility.row_values(b, target) for a, b in pairs]
    )
    if len(values) < _MIN_ROWS:
        return None
    if not target.levels:
        return Interval.of_losses(values)
    labels = np.concatenate([models[0].labels for models in folds]).astype(np.intp)
    counts = np.bincount(labels)
    return Interval.of_auc(values, int(counts[counts > 0].min()))


def _pair_figures(pair: TablePair, reference: TablePair, against: str) -> Iterator[Figure]:
    """All `METRICS`, each beside its value on a pair of real tables; then the second references."""
    values = measure(METRICS, pair)
    references = measure(METRICS, reference)
    for metric in METRICS:
        value = values[metric.name]
        yield _figure(metric, value, metric.better, references[metric.name], against)
    for metric in METRICS:
        if second := metric.second_reference:
            value = values[metric.name]
            yield _figure(metric, value, second.better, second.compute(pair), second.against)


def _figure(
    metric: Metric[TablePair], value: float, better: Better, reference: float, against: str
) -> Figure:
    return Figure(
        metric.group,
        metric.name,
        metric.label,
        value,
        metric.lowest,
        metric.highest,
        better,
        reference,
        against,
    )

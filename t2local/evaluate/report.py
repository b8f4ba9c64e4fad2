"""All figures on synthetic rows, each with its range, its direction and a reference value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from t2local.errors import InputError
from t2local.evaluate import fidelity, privacy, utility
from t2local.settings import Settings
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels
from t2local.stats.folds import stratified_folds
from t2local.stats.streams import Stream, generator
from t2local.tables.describe import describe
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.files import cells_of, from_frame

#: Below these, a figure says more about chance than about the rows.
_FEWEST_ROWS, _FOLDS = 10, 5


@dataclass(frozen=True)
class Figure:
    """One measurement. ``better``: higher, lower, or near the reference; ``reference``: what it is worth against, which ``against`` names."""

    group: str
    name: str
    value: float
    lowest: float
    highest: float
    better: str
    reference: float
    against: str


@dataclass(frozen=True)
class Evaluation:
    """The ``figures``, and ``notes`` on what they cannot say."""

    figures: tuple[Figure, ...]
    notes: tuple[str, ...]
    rows: Mapping[str, int]
    target: str
    seed: int

    def as_report(self) -> dict[str, Any]:
        """As it stands in report.json."""
        return {
            "rows": dict(self.rows),
            "target": self.target,
            "seed": self.seed,
            "figures": [asdict(figure) for figure in self.figures],
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """As a table for a terminal."""
        lines = [f"{'':<34}{'value':>8}{'range':>14}   {'better':<16}{'reference':>9}"]
        group = ""
        for f in self.figures:
            if f.group != group:
                group = f.group
                lines.append(group)
            bounds = f"{f.lowest:g} to {f.highest:g}"
            lines.append(
                f"  {f.name:<32}{f.value:>8.3f}{bounds:>14}   {f.better:<16}{f.reference:>9.3f}  {f.against}"
            )
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
    """Measure synthetic rows: what models learn from them (utility), how like the real ones they are (fidelity), what they give away (privacy).

    **Parameters:**

    * **real**: the rows from which the synthetic ones were made; **holdout**: real rows that had no part in that, the best reference there is.
      Without it models are cross-fitted on the real rows, and one half of these is the reference for the other.
    * **dictionary**: what the columns may hold; else a guess from the real rows. Columns that it leaves out are not looked at.

    **Raises** `InputError` when columns differ, labels are missing, or there are fewer than 10 rows of a kind.
    """
    known = dictionary or describe(
        from_frame(real).cells, target=target, settings=Settings().table, source="the real rows"
    )
    frames = {
        "real": real,
        "synthetic": synthetic,
        **({"holdout": holdout} if holdout is not None else {}),
    }
    values = {name: _values(known, frame, name) for name, frame in frames.items()}
    made, own, kept_out = values["synthetic"], values["real"], values.get("holdout")
    notes = [
        "No figure proves that rows are anonymous: they say what was looked at, beside a reference."
    ]
    if kept_out is None:
        notes.append(
            "Without --holdout the tests of utility use real rows that the synthetic ones may have seen: the most to be hoped for."
        )
        order = generator(seed, Stream.EVALUATION_HALVES).permutation(len(own))
        halves = [
            own.iloc[np.sort(half)].reset_index(drop=True) for half in np.array_split(order, 2)
        ]
        reference, against = (halves[0], halves[1]), "half of the real rows against the other"
    else:
        reference, against = (own, kept_out), "holdout"
    figures = [
        *_utility(known, own, made, kept_out, seed),
        *_fidelity(known, own, made, reference, against, seed),
        *_privacy(known, own, made, reference, against, seed),
    ]
    return Evaluation(
        tuple(figures),
        tuple(notes),
        {name: len(frame) for name, frame in values.items()},
        known.target,
        seed,
    )


def _values(known: FeatureDictionary, frame: pd.DataFrame, name: str) -> pd.DataFrame:
    if missing := [column for column in known.names if column not in frame.columns]:
        raise InputError(
            f"The {name} rows lack columns:",
            faults=missing,
            next_step="give all tables the same columns",
        )
    if len(frame) < _FEWEST_ROWS:
        raise InputError(
            f"There are {len(frame)} {name} rows; {_FEWEST_ROWS} are needed to say anything.",
            next_step="evaluate more rows",
        )
    values = known.values(cells_of(frame)).reset_index(drop=True)
    if blank := int(values[known.target].isna().sum()):
        raise InputError(
            f"{blank} {name} rows have no label in {known.target!r}.",
            next_step="leave these rows out",
        )
    levels = known[known.target].levels
    if levels and (unknown := int((~values[known.target].isin(levels)).sum())):
        raise InputError(
            f"{unknown} {name} rows have a label in {known.target!r} that the dictionary does not have.",
            next_step="add the label to a dictionary, and pass it",
        )
    return values


def _utility(
    known: FeatureDictionary,
    real: pd.DataFrame,
    made: pd.DataFrame,
    holdout: pd.DataFrame | None,
    seed: int,
) -> list[Figure]:
    """Models trained on the real rows, on both, and on the synthetic ones."""
    folds = [(real, holdout)] if holdout is not None else _folds(known, real, seed)
    trained: dict[str, list[dict[str, float]]] = {
        "real": [],
        "real + synthetic": [],
        "synthetic": [],
    }
    for train, test in folds:
        for name, rows in (
            ("real", train),
            ("real + synthetic", pd.concat([train, made], ignore_index=True)),
            ("synthetic", made),
        ):
            trained[name].append(utility.downstream(known, rows, test, seed, scale=train))
    mean = {
        name: {score: float(np.nanmean([run[score] for run in runs])) for score in runs[0]}
        for name, runs in trained.items()
    }
    shown = [score for score in mean["real"] if " of " not in score]
    return [
        Figure(
            "utility (%)",
            f"{score}, {name}",
            mean[name][score],
            -np.inf if score == "r2" else 0,
            100,
            "higher",
            mean["real"][score],
            "real rows alone",
        )
        for score in shown
        for name in ("real + synthetic", "synthetic")
    ]


def _folds(
    known: FeatureDictionary, real: pd.DataFrame, seed: int
) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Training and test rows; every class is dealt to the folds in turn."""
    labels = encode_labels(real[known.target], known[known.target])
    fold = stratified_folds(labels, _FOLDS, generator(seed, Stream.EVALUATION_FOLDS))
    return [
        (real[fold != number].reset_index(drop=True), real[fold == number].reset_index(drop=True))
        for number in range(_FOLDS)
    ]


def _fidelity(
    known: FeatureDictionary,
    real: pd.DataFrame,
    made: pd.DataFrame,
    reference: tuple[pd.DataFrame, pd.DataFrame],
    against: str,
    seed: int,
) -> list[Figure]:
    found, normal = (likeness(known, *pair, seed) for pair in ((real, made), reference))
    better = {
        "alpha-precision": "higher",
        "beta-recall": "higher",
        "detection (GOGGLE)": "near reference",
    }
    return [
        Figure(
            "fidelity",
            name,
            value,
            0.0,
            1.0,
            better.get(name, "lower, 0.5 best"),
            normal[name],
            against,
        )
        for name, value in found.items()
    ]


def likeness(
    known: FeatureDictionary, real: pd.DataFrame, made: pd.DataFrame, seed: int
) -> dict[str, float]:
    """The figures of `fidelity`, by name: frames of values (n, d) and (m, d)."""
    inputs, whole = (
        fidelity.encoded(known, names, real, made)
        for names in (known.inputs, [*known.inputs, known.target])
    )
    precision, recall = fidelity.precision_and_recall(inputs[0], inputs[1], seed)
    encoder = Encoder(known.input_features, real)
    one_hot = [np.hstack([encoder.transform(rows), _labels(known, rows)]) for rows in (real, made)]
    told = fidelity.c2st_auc(one_hot[0], one_hot[1], seed)
    goggle = fidelity.goggle_detection(whole[0], whole[1], seed)
    return {
        "alpha-precision": precision,
        "beta-recall": recall,
        "told apart, linear": told["linear"],
        "told apart, trees": told["trees"],
        "detection (GOGGLE)": goggle,
    }


def _labels(known: FeatureDictionary, rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    target = known[known.target]
    y = encode_labels(rows[target.name], target)
    return np.eye(len(target.levels))[y.astype(np.intp)] if target.levels else y[:, None]


def _privacy(
    known: FeatureDictionary,
    real: pd.DataFrame,
    made: pd.DataFrame,
    reference: tuple[pd.DataFrame, pd.DataFrame],
    against: str,
    seed: int,
) -> list[Figure]:
    names = [*known.inputs, known.target]
    found = privacy.closeness(privacy.Gower(known, names, real), real, made, len(names))
    normal = privacy.closeness(privacy.Gower(known, names, reference[0]), *reference, len(names))
    better = {
        "distance": "not below",
        "distance, closest 5 %": "not below",
        "nearest over second": "not below",
    }
    figures = [
        Figure(
            "privacy", name, value, 0.0, 1.0, better.get(name, "not above"), normal[name], against
        )
        for name, value in found.items()
    ]
    uniform = privacy.random_rows(known, names, real, len(made), seed)
    far = float(np.median(privacy.Gower(known, names, real).nearest(uniform, real)))
    return [
        *figures,
        Figure(
            "privacy",
            "distance",
            found["distance"],
            0.0,
            1.0,
            "between both",
            far,
            "rows drawn at random",
        ),
    ]

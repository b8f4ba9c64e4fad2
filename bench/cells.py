"""Who should write a cell? Ways to pool the workers with models of the columns, by their rows.

For each table: ``n`` real rows, rows written after them, and the rest of the table held out.
Printed: held-out log-likelihood of real rows in nats, and of the written rows how well a forest
tells them from held-out real ones (C2ST, 0.5 is best) and the AUC of a logistic regression on real
and written rows. Labels are the ensemble's in every way, so that the ways differ in the features
alone.

* ``worker``: as the model writes them. ``independent``, ``tree``, ``copula``, ``columns`` (the
  mixture of tree and copula): all cells from that model. ``half``, ``fitted``: mixture of worker
  and columns. ``fitted, tree``: of worker and tree, as it was before there was a copula.
* ``resampled``: three times as many rows from the worker, of which a share is drawn by the weight
  that the fitted mixture gives the whole row over the worker. ``log-linear``: the same with the
  weight (p_columns / p_worker)^(1/2).
* Likelihoods under weights that were fitted on other rows of the thirty (five folds): ``worker +
  columns``; ``worker + tree``, ``worker + copula``; ``three``: one weight for each of worker, tree
  and copula in each column; ``... shared``: the same in all columns.

python -m bench.cells [--seeds 100-102] [--model starter] [--rows 60] [--out FILE]

With ``--rows 0`` only likelihoods are measured.
"""

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logsumexp
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from bench.streams import single
from bench.tables import interval, real_table
from t2local.llm.backbone import Backbone
from t2local.llm.store import find
from t2local.settings import Settings
from t2local.stats.densities import IndependentColumns
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels, fit_ensemble, predict_ensemble
from t2local.stats.folds import stratified_folds
from t2local.stats.mixture_weights import mixture, mixture_weights
from t2local.system.environment import environment
from t2local.system.json_text import to_json
from t2local.tables.describe import describe
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.files import from_frame
from t2local.team.calibration import Calibration, calibrate, column_mixture
from t2local.team.cell_calibration import CellCalibration, CellMixture
from t2local.team.plan import from_data
from t2local.team.scoring import RowScorer
from t2local.team.team import Team
from t2local.team.writer import BlockRequest, RowWriter

TABLES = {
    "heart_failure.csv": "DEATH_EVENT",
    "compas_readable_9feat.csv": "two_year_recid",
    "titanic.csv": "Survived",
}
TIMES = 3
#: What one weight for all columns is worth beside those of each column, in rows, and steps of
#: expectation maximisation, as in `t2local.stats.mixture_weights`.
PRIOR_ROWS, STEPS = 10.0, 50


@dataclass(frozen=True)
class Unruled:
    """A part of the model of the columns by itself: it draws without rules and conditions."""

    part: Any

    @property
    def n_uniforms(self) -> int:
        return self.part.n_uniforms

    def rows(self, uniforms: np.ndarray, *_: None) -> pd.DataFrame:
        return self.part.rows(uniforms)


def written(team: Team, calibration: Calibration, rows: int) -> dict[str, pd.DataFrame]:
    """Rows of every way."""
    names = team.dictionary.inputs
    cells = cells_of(calibration)
    weights = cells.weights
    rng = single(0)
    independent = IndependentColumns(team.dictionary.input_features, team.real)
    columns = column_mixture(team, team.real)
    tree, copula = Unruled(columns.tree), Unruled(columns.copula)
    result = {"independent": independent.rows(rng.random((rows, independent.n_uniforms)))}
    mixtures = {
        "worker": None,
        "tree": CellMixture(tree, dict.fromkeys(names, 0.0)),
        "copula": CellMixture(copula, dict.fromkeys(names, 0.0)),
        "columns": CellMixture(columns, dict.fromkeys(names, 0.0)),
        "half": CellMixture(columns, dict.fromkeys(names, 0.5)),
        "fitted": CellMixture(columns, weights),
        "fitted, tree": CellMixture(tree, mixture_weights(cells.worker, cells.tree)),
    }
    for way, cells_by in mixtures.items():
        writer = RowWriter(team, replace(calibration, cell_mixture=cells_by))
        result[way] = writer.write(BlockRequest(number=1, rows=rows, first=0)).rows
    workers = RowWriter(team, replace(calibration, cell_mixture=None))
    candidates = workers.write(BlockRequest(number=2, rows=TIMES * rows, first=0)).rows
    worker = RowScorer(team).score(candidates).cells
    other = columns.log_probability(candidates)[names]
    log_weights = {
        "resampled": mixture(worker, other, weights) - worker,
        "log-linear": (other - worker) / 2,
    }
    for way, by_cell in log_weights.items():  # without replacement, by Gumbel's trick
        order = np.argsort(-(by_cell.sum(axis=1).to_numpy() + rng.gumbel(size=len(candidates))))
        result[way] = candidates.iloc[order[:rows]].reset_index(drop=True)
    return result


def stacked(sources: list[pd.DataFrame], *, shared: bool) -> np.ndarray:
    """Weights of any number of sources, (sources, columns), by expectation maximisation."""
    likelihoods = np.stack([source.to_numpy() for source in sources])  # (sources, m, columns)
    prior = np.full((len(sources), 1), 1 / len(sources))
    for _ in range(STEPS):
        prior = _responsibilities(likelihoods, prior).mean(axis=(1, 2))[:, None]
    weights = np.repeat(prior, likelihoods.shape[2], axis=1)
    for _ in range(0 if shared else STEPS):
        sums = _responsibilities(likelihoods, weights).sum(axis=1)
        weights = (sums + PRIOR_ROWS * prior) / (likelihoods.shape[1] + PRIOR_ROWS)
    return weights


def _responsibilities(likelihoods: np.ndarray, weights: np.ndarray) -> np.ndarray:
    joint = np.log(weights)[:, None, :] + likelihoods
    return np.exp(joint - logsumexp(joint, axis=0))


def held_out_nats(cells: CellCalibration) -> dict[str, float]:
    """Nats a row of mixtures whose weights were fitted on other rows."""
    ways = {
        "worker + tree": [cells.worker, cells.tree],
        "worker + copula": [cells.worker, cells.copula],
        "worker + columns": [cells.worker, cells.columns],
        "three": [cells.worker, cells.tree, cells.copula],
    }
    folds = stratified_folds(np.zeros(len(cells.worker)), 5, single(0))
    nats = {}
    for way, sources in ways.items():
        for shared in (False, True):
            sums = []
            for fold in np.unique(folds):
                weights = stacked([source[folds != fold] for source in sources], shared=shared)
                own = np.stack([source[folds == fold].to_numpy() for source in sources])
                sums.append(logsumexp(own + np.log(weights)[:, None, :], axis=0).sum())
            nats[way + shared * " shared"] = float(sum(sums)) / len(folds)
    return nats


def cells_of(calibration: Calibration) -> CellCalibration:
    if calibration.cells is None:
        raise SystemExit("no real row could be scored")
    return calibration.cells


def judged(
    known: FeatureDictionary, real: pd.DataFrame, test: pd.DataFrame, rows: pd.DataFrame, seed: int
) -> dict[str, float]:
    """C2ST of the features, and the AUC of a logistic regression on real and written rows."""
    encoder, target = Encoder(known.input_features, real), known[known.target]
    x, x_test = encoder.transform(rows), encoder.transform(test)
    some = single(seed).permutation(len(test))[: len(rows)]
    both, label = np.vstack([x, x_test[some]]), np.repeat([0, 1], [len(rows), len(some)])
    told = cross_val_predict(
        RandomForestClassifier(200, random_state=seed), both, label, cv=5, method="predict_proba"
    )[:, 1]
    x_real, y_real = encoder.transform(real), encode_labels(real[target.name], target)
    y = predict_ensemble(fit_ensemble(x_real, y_real, target, seed), x, target).argmax(axis=1)
    linear = fit_ensemble(
        np.vstack([x_real, x]), np.concatenate([y_real, y]), target, seed, n_trees=1
    )[:1]
    p = predict_ensemble(linear, x_test, target)
    return {
        "c2st": 100 * max(roc_auc_score(label, told), 0.5),
        "auc": 100 * roc_auc_score(encode_labels(test[target.name], target), p[:, 1]),
    }


def one(
    model: Backbone, name: str, target: str, n: int, rows: int, seed: int
) -> dict[str, dict[str, float]]:
    frame = pd.read_csv(real_table(name)).sample(frac=1, random_state=seed).reset_index(drop=True)
    cells = from_frame(frame).cells
    known = describe(cells, target=target)
    values = known.values(cells)
    real, test = (
        values.head(n).reset_index(drop=True),
        values.iloc[n : n + 500].reset_index(drop=True),
    )
    settings = Settings.load({"team.labels": "classifier", "team.examples": 30})
    with Team(model, known, from_data(real, known), real, settings, seed) as team:
        calibration = calibrate(team)
        cells = cells_of(calibration)
        summary = cells.summary([])
        half = (
            mixture(cells.worker, cells.columns, dict.fromkeys(known.inputs, 0.5))
            .sum(axis=1)
            .mean()
        )
        result = {
            "nats": {**summary.nats_per_row, "half": float(half), **held_out_nats(cells)},
            "weights": summary.weights,
        }
        if not rows:
            return result
        for way, made in written(team, calibration, rows).items():
            result[way] = judged(known, real, test, made, seed)
        target_feature, encoder = known[known.target], Encoder(known.input_features, real)
        base = fit_ensemble(
            encoder.transform(real),
            encode_labels(real[target], target_feature),
            target_feature,
            seed,
            n_trees=1,
        )[:1]
        p = predict_ensemble(base, encoder.transform(test), target_feature)
        result["real rows alone"] = {
            "auc": 100 * roc_auc_score(encode_labels(test[target], target_feature), p[:, 1])
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="100-102", help="first and last; 0-9 for development")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--rows", type=int, default=60, help="rows written in each way")
    parser.add_argument("--real", type=int, default=40, help="real rows")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    first, last = map(int, asked.seeds.split("-"))
    model, found = Backbone(find(asked.model)), dict[str, Any]()
    for name, target in TABLES.items():
        runs = [
            one(model, name, target, asked.real, asked.rows, seed)
            for seed in range(first, last + 1)
        ]
        table = {
            way: {figure: interval([run[way][figure] for run in runs]) for figure in runs[0][way]}
            for way in runs[0]
        }
        found[name] = table
        rows = f"{asked.real} real rows, {asked.rows} written"
        print(f"\n{name}, {rows}, {len(runs)} seeds (mean ± 95 %)")
        print(
            "nats a row   "
            + "\n             ".join(
                f"{source} {mean:.2f} ± {half:.2f}"
                for source, (mean, half) in table["nats"].items()
            )
        )
        for way in [way for way in table if "auc" in table[way]]:
            print(
                f"  {way:<18}"
                + "   ".join(
                    f"{figure} {mean:5.1f} ± {half:4.1f}"
                    for figure, (mean, half) in table[way].items()
                ),
                flush=True,
            )
    if asked.out:
        asked.out.write_text(
            json.dumps(
                {
                    "environment": to_json(environment()),
                    "model": asked.model,
                    "seeds": asked.seeds,
                    **found,
                },
                indent=1,
            )
            + "\n"
        )


if __name__ == "__main__":
    main()

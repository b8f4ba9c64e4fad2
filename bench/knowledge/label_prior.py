"""The prior of the label weights, fitted over tables (empirical Bayes).

How far is a label worker to be trusted before its answers on the real rows are seen? For each cell
(a choosing table, a number of real rows, a seed, a source of opinions) the log loss of the pool
p_worker^a p_ensemble^b is measured on the real rows, cross-fitted as in the product, on a grid of a
and b. The sources are the starter model and the oracle with several doses: workers that know
nothing, something, and much. The prior is the distribution on the grid under which all these
measurements are likeliest (nonparametric maximum likelihood, Kiefer and Wolfowitz 1956, by
expectation maximisation).

    python -m bench.knowledge.label_prior measure --source oracle
    python -m bench.knowledge.label_prior measure --source starter
    python -m bench.knowledge.label_prior fit
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.knowledge.__main__ import DOSES, RESULTS, oracle_of
from bench.knowledge.arms import OracleScorer
from bench.knowledge.tables import GROUPS, Unavailable, table
from bench.paper.table import read, seeds
from t2local.llm.scripted import ScriptedModel
from t2local.settings import Settings
from t2local.stats.streams import Stream, generator
from t2local.team.calibration import label_folds, questions
from t2local.team.label_calibration import LabelEnsemble, probability_knows
from t2local.team.plan import from_data
from t2local.team.scoring import RowScorer, Scorer
from t2local.team.team import Team

OUT = RESULTS / "label_prior.jsonl"
#: The grid of a and b, and steps of expectation maximisation: enough to settle.
STEPS = np.arange(41) / 20
EM_STEPS = 1000
KEYS = ("worker", "ensemble", "truth")
NAMES = ("worker", "ensemble", "pool")


def team_of(name: str, n: int, seed: int, model: Any) -> Team:
    own = table(name)
    real = own.sample(n, seed).reset_index(drop=True)
    plan = from_data(real, own.dictionary)
    return Team(model, own.dictionary, plan, real, Settings(), seed + 1)


def opinions(team: Team, scorer: Scorer) -> pd.DataFrame:
    """The worker's log-probabilities of real rows that its prompt does not show."""
    answers = [
        scorer.score(question.values, prompt=question.prompt, with_cells=False).labels
        for question in questions(team)
    ]
    return pd.concat(answers).sort_index()


def cell(name: str, n: int, seed: int, source: str, worker: pd.DataFrame, team: Team) -> dict:
    """Log-probabilities of the true labels' classes, as lists: all that a fit needs."""
    ensemble = LabelEnsemble(team.real, team.dictionary, label_folds(team), team.seed)
    rows = worker.index.to_numpy()
    return {
        "table": name,
        "n": n,
        "seed": seed,
        "source": source,
        "worker": np.round(worker.to_numpy(), 4).tolist(),
        "ensemble": np.round(ensemble.out_of_fold[rows], 4).tolist(),
        "truth": ensemble.truth[rows].astype(int).tolist(),
    }


def cells(source: str, ns: list[int], which: range, done: set[tuple]) -> Iterator[dict]:
    model = ScriptedModel()
    if source == "starter":
        from t2local.llm.backbone import Backbone
        from t2local.llm.store import find

        model = Backbone(find(None), threads=1)
    for n in ns:
        for seed in which:
            for own in GROUPS["choose"]:
                names = [source] if source == "starter" else [f"oracle {dose:g}" for dose in DOSES]
                if all((own.name, n, seed, name) in done for name in names):
                    continue
                try:
                    with team_of(own.name, n, seed, model) as team:
                        for name in names:
                            scorer: Scorer = RowScorer(team)
                            if source == "oracle":
                                view = oracle_of(own.name).with_dose(float(name.split()[1]))
                                scorer = OracleScorer(view)
                            yield cell(own.name, n, seed, name, opinions(team, scorer), team)
                except Unavailable as reason:
                    print(reason)


def support(lines: list[dict]) -> pd.DataFrame:
    """The points a and b of the prior, and their weights: what is left of a grid after EM.

    All sources of a kind (the starter, the oracles) count as much together.
    """
    grid = np.array([(a, b) for a in STEPS for b in STEPS])  # (points, 2)
    log_p = np.array([_log_likelihood(line, grid) for line in lines])  # (cells, points)
    p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
    kinds = pd.Series([line["source"].split()[0] for line in lines])
    cell_weights = (1 / kinds.map(kinds.value_counts())).to_numpy()
    weights = np.full(len(grid), 1 / len(grid))
    for _ in range(EM_STEPS):
        posterior = p * weights
        posterior /= posterior.sum(axis=1, keepdims=True)
        weights = cell_weights @ posterior / cell_weights.sum()
    frame = pd.DataFrame({"a": grid[:, 0], "b": grid[:, 1], "weight": weights})
    return frame[frame["weight"] > 0.01].sort_values("weight", ascending=False)


def _log_likelihood(line: dict, points: np.ndarray) -> np.ndarray:
    """Of the true labels under the pool with each pair of weights, shape (points,)."""
    worker, ensemble = np.array(line["worker"]), np.array(line["ensemble"])  # (m, classes)
    pooled = points[:, 0, None, None] * worker + points[:, 1, None, None] * ensemble
    pooled -= np.logaddexp.reduce(pooled, axis=2, keepdims=True)
    return pooled[:, np.arange(len(worker)), line["truth"]].sum(axis=1)


def losses(lines: list[dict]) -> pd.DataFrame:
    """Mean log loss by source on a third of the rows, of worker, ensemble, and the product's pool.

    The pool's weight is that of the other two thirds.
    """
    found = []
    for line in lines:
        rng = generator(line["seed"], Stream.CALIBRATION_ROWS, line["n"])
        folds = rng.permutation(len(line["truth"])) % 3
        arrays = [np.array(line[name]) for name in ("worker", "ensemble", "truth")]
        for fold in range(3):
            worker, ensemble, truth = (array[folds != fold] for array in arrays)
            a = probability_knows(worker, ensemble, truth)
            held_out = {name: np.array(line[name])[folds == fold].tolist() for name in KEYS}
            points = np.array([(1, 0), (0, 1), (a, 1 - a)])
            loss = -_log_likelihood(held_out, points) / (folds == fold).sum()
            found.append(
                {
                    "source": line["source"],
                    "n": line["n"],
                    "a": a,
                    **dict(zip(NAMES, loss, strict=True)),
                }
            )
    return pd.DataFrame(found).groupby(["source", "n"]).mean()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["measure", "fit"])
    parser.add_argument("--source", choices=["oracle", "starter"], default="oracle")
    parser.add_argument("--n", type=int, nargs="+", default=[30, 100])
    parser.add_argument("--seeds", type=seeds, default=range(5))
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    if options.command == "fit":
        lines = read(options.out)
        print(support(lines).round(2).to_string(index=False))
        print(losses(lines).round(3).to_string())
    else:
        there = read(options.out)
        done = {(line["table"], line["n"], line["seed"], line["source"]) for line in there}
        for line in cells(options.source, options.n, options.seeds, done):
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(line["table"], line["n"], line["seed"], line["source"], flush=True)


if __name__ == "__main__":
    main()

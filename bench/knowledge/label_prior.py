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

With results/label_prior_test.jsonl (``--out``, both commands) it is measured on test rows as well,
of other tables too, how good the word of a worker is (`on_test_rows`).
"""

import argparse
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from bench.knowledge.__main__ import DOSES, RESULTS, oracle_of
from bench.knowledge.arms import OracleScorer
from bench.knowledge.tables import GROUPS, Unavailable, table
from bench.paper.table import read, seeds
from t2local.llm.catalog import KNOWS_LABELS
from t2local.llm.scripted import ScriptedModel
from t2local.settings import Settings
from t2local.stats.ensemble import encode_labels
from t2local.team.calibration import label_folds, questions
from t2local.team.label_calibration import LabelEnsemble, probability_knows
from t2local.team.plan import from_data
from t2local.team.scoring import RowScorer, Scorer
from t2local.team.team import Team

OUT = RESULTS / "label_prior.jsonl"
#: The grid of a and b, and steps of expectation maximisation: enough to settle.
STEPS = np.arange(41) / 20
EM_STEPS = 1000
#: Test rows that the worker is asked about.
N_TEST = 120
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


def cell(name: str, n: int, seed: int, source: str, scorer: Scorer, team: Team) -> dict:
    """Log-probabilities of the classes of real rows and of test rows, as lists."""
    ensemble = LabelEnsemble(team.real, team.dictionary, label_folds(team), team.seed)
    worker = opinions(team, scorer)
    rows = worker.index.to_numpy()
    test = table(name).test.head(N_TEST).reset_index(drop=True)
    prompt = questions(team)[-1].prompt
    on_test = scorer.score(test, prompt=prompt, with_cells=False).labels
    assert on_test is not None
    return {
        "table": name,
        "n": n,
        "seed": seed,
        "source": source,
        "worker": np.round(worker.to_numpy(), 4).tolist(),
        "ensemble": np.round(ensemble.out_of_fold[rows], 4).tolist(),
        "truth": ensemble.truth[rows].astype(int).tolist(),
        "test_worker": np.round(on_test.to_numpy(), 4).tolist(),
        "test_ensemble": np.round(ensemble.predict(test.loc[on_test.index]), 4).tolist(),
        "test_truth": encode_labels(
            test.loc[on_test.index, team.dictionary.target], ensemble.target
        )
        .astype(int)
        .tolist(),
    }


def cells(options: argparse.Namespace, done: set[tuple]) -> Iterator[dict]:
    """The cells that are not done yet: of a model, or of the oracle with all doses."""
    model: Any = ScriptedModel()
    sources = [f"oracle {dose:g}" for dose in DOSES]
    if options.source != "oracle":
        from t2local.llm.backbone import Backbone
        from t2local.llm.store import find

        model = Backbone(find(options.source), threads=1)
        sources = [model.name]
    names = [source.name for group in ("choose", "extra") for source in GROUPS[group]]
    for n, seed, name in itertools.product(options.n, options.seeds, names):
        missing = [source for source in sources if (name, n, seed, source) not in done]
        try:
            if not missing or not table(name).dictionary.classification:
                continue
            with team_of(name, n, seed, model) as team:
                for source in missing:
                    scorer: Scorer = RowScorer(team)
                    if options.source == "oracle":
                        view = oracle_of(name).with_dose(float(source.split()[1]))
                        scorer = OracleScorer(view)
                    yield cell(name, n, seed, source, scorer, team)
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


def on_test_rows(lines: list[dict]) -> pd.DataFrame:
    """By source: AUC (%) and log loss on test rows of worker, ensemble, and the product's pool.

    ``a`` is the worker's mean weight, by the real rows; ``knows`` in how many cells it knows more
    than the ensemble, as it is likeliest for these cells (expectation maximisation).
    """
    found = []
    for line in lines:
        worker, ensemble, truth = (np.array(line[name]) for name in KEYS)
        a = probability_knows(worker, ensemble, truth)
        log_odds = np.log(a / (1 - a)) - np.log(KNOWS_LABELS / (1 - KNOWS_LABELS))
        own = {"source": line["source"], "n": line["n"], "a": a, "log_odds": log_odds}
        tested = {name: np.array(line[f"test_{name}"]) for name in KEYS}
        tested["pool"] = a * tested["worker"] + (1 - a) * tested["ensemble"]
        for name in NAMES:
            p = tested[name] - np.logaddexp.reduce(tested[name], axis=1, keepdims=True)
            own[f"AUC of {name}"] = 100 * _auc(np.exp(p), tested["truth"])
            own[f"loss of {name}"] = -p[np.arange(len(p)), tested["truth"]].mean()
        found.append(own)
    by_source = pd.DataFrame(found).groupby(["source", "n"])
    means = by_source.mean().drop(columns="log_odds")
    return means.assign(cells=by_source.size(), knows=by_source["log_odds"].apply(_share_knowing))


def _auc(p: np.ndarray, truth: np.ndarray) -> float:
    """Mean over the classes that the rows have; of two classes the second one alone."""
    classes = [c for c in range(p.shape[1]) if c in truth][-1:]
    if p.shape[1] > 2:
        classes = [c for c in range(p.shape[1]) if c in truth]
    return float(np.mean([roc_auc_score(truth == c, p[:, c]) for c in classes]))


def _share_knowing(log_odds: pd.Series) -> float:
    share = 0.5
    for _ in range(EM_STEPS):
        share = float((share / (share + (1 - share) * np.exp(-log_odds))).mean())
    return share


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["measure", "fit"])
    parser.add_argument("--source", default="oracle", help="oracle, or a model")
    parser.add_argument("--n", type=int, nargs="+", default=[30, 100])
    parser.add_argument("--seeds", type=seeds, default=range(5))
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    if options.command == "fit":
        lines = read(options.out)
        print(support(lines).round(2).to_string(index=False))
        if tested := [line for line in lines if "test_truth" in line]:
            print(on_test_rows(tested).round(3).to_string())
    else:
        there = read(options.out)
        done = {(line["table"], line["n"], line["seed"], line["source"]) for line in there}
        for line in cells(options, done):
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(line["table"], line["n"], line["seed"], line["source"], flush=True)


if __name__ == "__main__":
    main()

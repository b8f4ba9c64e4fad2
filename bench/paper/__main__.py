"""python -m bench.paper run | table | plot: the paper's studies with local models (bench/paper/RESULTS.md).

run     writes one JSON line for each method, setting and seed to results/STUDY.jsonl; what stands there is not run again
table   prints the tables of a study as Markdown
plot    draws AUC against n, the stages, and t-SNE pictures with the starter's rows (matplotlib)
cost    writes where the time and the tokens of one run go to results/cost.json
report  writes RESULTS.md: the text of RESULTS.in.md with the tables of all results
"""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from bench.paper import classical, prompting, report, table, team
from bench.paper.data import Unavailable
from bench.paper.prompting import Written
from bench.paper.studies import STUDIES, Setting, Task
from t2local.evaluate import utility
from t2local.evaluate.fidelity import METRICS as FIDELITY_METRICS
from t2local.evaluate.metric import measure
from t2local.evaluate.privacy import METRICS as PRIVACY_METRICS
from t2local.evaluate.table_pair import TablePair

RESULTS = Path(__file__).parent / "results"
DOMAINS = {
    "Risk": "diabetes risk factors",
    "Outcome": "diabetes risk factors",
    "accept": "travel behaviour and incentives",
}
DOMAINS |= {"twoyearrecid": "criminal recidivism", "nicotine": "features leading to drug usage"}


class _Model:
    """The backbone, loaded when the first method asks for it."""

    def __init__(self, name: str) -> None:
        self._name, self._loaded = name, None

    def __call__(self) -> Any:
        if self._loaded is None:
            from t2local.llm.backbone import Backbone
            from t2local.llm.store import find

            self._loaded = Backbone(find(self._name))
        return self._loaded


def groups(model: _Model, manager: str | None) -> dict[str, Callable[[Task], dict[str, Written]]]:
    """What is run together: a name to a function that gives the rows of one or more methods."""
    alone = {
        name: lambda task, name=name, method=method: {name: Written(method(task), 0, 0)}
        for name, method in classical.METHODS.items()
    }
    return {
        "D_ori": lambda task: {"D_ori": Written(task.real.head(0), 0, 0)},
        "the ensemble itself": lambda task: {
            "the ensemble itself": Written(task.real.head(0), 0, 0)
        },
        "other real rows": lambda task: {
            "other real rows": Written(task.test.iloc[task.rows :].head(task.rows), 0, 0)
        },
        **alone,
        "CLLM": lambda task: {"CLLM": prompting.cllm(task, model(), DOMAINS[task.known.target])},
        "EPIC": lambda task: {"EPIC": prompting.epic(task, model())},
        "paper mode": lambda task: team.paper_mode(task, model()),
        "ours": lambda task: team.stages(task, model(), manager),
        **{
            name: lambda task, name=name: team.ablation(task, model(), name)
            for name in team.ABLATIONS
        },
    }


def judged(task: Task, name: str, rows: pd.DataFrame, *, fidelity: bool) -> dict[str, float]:
    """The figures of a method's rows."""
    if name == "the ensemble itself":
        predictions = utility.Predictions(*classical.ensemble_scores(task))
        return utility.scores(predictions, task.known[task.known.target])
    found: dict[str, float] = {}
    if name != "other real rows":  # which are test rows: they show what fidelity can be
        train = pd.concat([task.real, rows], ignore_index=True)[task.known.names]
        found = utility.downstream(task.known, train, task.test, task.seed)
    if fidelity and len(rows) >= 10:
        held = task.test.head(max(10, len(rows)))
        found |= measure(FIDELITY_METRICS, TablePair(task.known, held, rows, task.seed))
        found |= measure(PRIVACY_METRICS, TablePair(task.known, task.real, rows, task.seed))
    return found


def cells(
    setting: Setting, task: Task, name: str, method: Callable[[Task], dict[str, Written]]
) -> list[dict[str, Any]]:
    """One line for each method of a group; a failure is a line too."""
    base, began = {"setting": setting.name, "n": setting.n, "seed": task.seed}, time.perf_counter()
    try:
        made = method(task)
    except Exception as error:  # noqa: BLE001 - a method that fails on a seed is named and counted, and the others go on
        where = traceback.extract_tb(error.__traceback__)[-1]
        return [
            {
                **base,
                "group": name,
                "method": name,
                "error": f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})",
            }
        ]
    seconds, lines = time.perf_counter() - began, []
    for method_name, written in made.items():
        figures = judged(task, method_name, written.rows, fidelity=setting.fidelity)
        line = {
            **base,
            "group": name,
            "method": method_name,
            "rows": len(written.rows),
            "seconds": round(seconds, 2),
        }
        lines.append(
            {
                **line,
                "tokens": [written.prompt, written.text],
                "figures": {key: round(value, 4) for key, value in figures.items()},
            }
        )
    return lines


def run(asked: argparse.Namespace) -> None:
    asked.out.mkdir(parents=True, exist_ok=True)
    others = [
        f"-{part}-{Path(name).stem}"
        for part, name, usual in (
            ("model", asked.model, "starter"),
            ("manager", asked.manager, None),
        )
        if name != usual
    ]
    path = asked.out / f"{asked.study}{''.join(others)}.jsonl"
    done = {
        (line["setting"], line["seed"], line["group"])
        for line in table.read(path)
        if "error" not in line
    }
    every = groups(_Model(asked.model), asked.manager)
    sets = {
        "all": [name for name in every if name not in team.ABLATIONS],
        "ablations": ["ours", *team.ABLATIONS],
    }
    chosen = sets.get(asked.methods) or asked.methods.split(",")
    if unknown := [name for name in chosen if name not in every]:
        sys.exit(f"no such methods: {', '.join(unknown)}; there are {', '.join(every)}")
    settings = [
        setting for setting in STUDIES[asked.study] if (asked.setting or "") in setting.name
    ]
    if not settings:
        sys.exit(
            f"no such setting: {asked.setting}; there are {'; '.join(setting.name for setting in STUDIES[asked.study])}"
        )
    for seed in asked.seeds:
        for setting in settings:
            waiting = [name for name in chosen if (setting.name, seed, name) not in done]
            try:
                task = setting.task(seed)
            except Unavailable as error:
                base = {"setting": setting.name, "n": setting.n, "seed": seed, "error": str(error)}
                keep(path, [{**base, "group": name, "method": name} for name in waiting])
                continue
            for name in waiting:
                keep(path, cells(setting, task, name, every[name]))


def keep(path: Path, lines: list[dict[str, Any]]) -> None:
    """Append the lines of a group to the results in one piece, so that a run that is cut off leaves none half done; and show them."""
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))
    for line in lines:
        told = (
            line.get("error")
            or f"AUC {line['figures'].get('auc', float('nan')):.1f}, {line['rows']} rows, {line['seconds']} s"
        )
        print(f"{line['seed']} {line['setting']:<36} {line['method']:<28} {told}", flush=True)


def plot(asked: argparse.Namespace) -> None:
    from bench.paper import plots  # matplotlib is of the bench extra

    plots.draw(asked.files, asked.seeds, asked.output)


def cost(asked: argparse.Namespace) -> None:
    """One default run of the imbalance study, by its parts."""
    setting = STUDIES["imbalance"][0]
    found = {
        "setting": setting.name,
        "seed": 0,
        "model": asked.model,
        "parts": team.parts(setting.task(0), _Model(asked.model)()),
    }
    text = json.dumps(found, indent=1) + "\n"
    (RESULTS / "cost.json").write_text(text, encoding="utf-8")
    print(text)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("run")
    one.add_argument("--study", choices=STUDIES, required=True)
    one.add_argument(
        "--seeds",
        type=table.seeds,
        default="0-9",
        help="first and last; 100-109 are for reporting, once",
    )
    one.add_argument("--methods", default="all", help="names with commas, all, or ablations")
    one.add_argument("--setting", help="only settings whose name has this")
    one.add_argument("--model", default="starter")
    one.add_argument("--manager", help="another model for our plans")
    one.add_argument("--out", type=Path, default=RESULTS)
    one.set_defaults(do=run)
    two = commands.add_parser("table")
    two.add_argument("files", nargs="+", type=Path)
    two.add_argument("--seeds", type=table.seeds, default="100-109")
    two.set_defaults(do=lambda asked: print(table.markdown(asked.files, asked.seeds)))
    three = commands.add_parser("plot")
    three.add_argument("files", nargs="+", type=Path)
    three.add_argument("--seeds", type=table.seeds, default="100-109")
    three.add_argument("-o", "--output", type=Path, default=RESULTS)
    three.set_defaults(do=plot)
    four = commands.add_parser("cost")
    four.add_argument("--model", default="starter")
    four.set_defaults(do=cost)
    five = commands.add_parser("report")
    five.set_defaults(do=lambda _: report.TARGET.write_text(report.written(), encoding="utf-8"))
    asked = parser.parse_args()
    asked.do(asked)


if __name__ == "__main__":
    main()

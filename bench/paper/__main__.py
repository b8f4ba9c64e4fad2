"""python -m bench.paper COMMAND: the paper's studies with local models (bench/paper/RESULTS.md).

run     writes one JSON line for each method, setting and seed to results/STUDY.jsonl; what stands
        there is not run again
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
from collections.abc import Callable, Sequence
from functools import cache, partial
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
from t2local.evaluate.plausibility import METRICS as PLAUSIBILITY_METRICS
from t2local.evaluate.table_pair import TablePair
from t2local.llm.backbone import Backbone
from t2local.llm.store import find

RESULTS = Path(__file__).parent / "results"
#: What CLLM's prompt calls the table, by its target.
DOMAINS = {
    "Risk": "diabetes risk factors",
    "Outcome": "diabetes risk factors",
    "accept": "travel behaviour and incentives",
    "twoyearrecid": "criminal recidivism",
    "nicotine": "features leading to drug usage",
}
#: Fewer rows are too few to be held against real ones.
_LEAST_ROWS = 10

#: A method, or several that share one run: a task to the rows of each, by its name.
Group = Callable[[Task], dict[str, Written]]


def groups(model: Callable[[], Backbone], manager: str | None) -> dict[str, Group]:
    """What is run together, by name; ``model`` is loaded when the first group asks for it."""
    return {
        "D_ori": lambda task: {"D_ori": Written(task.real.head(0), 0, 0)},
        "the ensemble itself": lambda task: {
            "the ensemble itself": Written(task.real.head(0), 0, 0)
        },
        "other real rows": lambda task: {
            "other real rows": Written(task.test.iloc[task.rows :].head(task.rows), 0, 0)
        },
        **{name: partial(_classical, name) for name in classical.METHODS},
        "CLLM": lambda task: {
            "CLLM": prompting.cllm(task, model(), DOMAINS[task.dictionary.target])
        },
        "EPIC": lambda task: {"EPIC": prompting.epic(task, model())},
        "paper mode": lambda task: team.paper_mode(task, model()),
        "ours": lambda task: team.stages(task, model(), manager),
        "team to share": lambda task: {"team to share": team.to_share(task, model())},
        **{
            name: lambda task, name=name: team.ablation(task, model(), name)
            for name in team.ABLATIONS
        },
    }


def _classical(name: str, task: Task) -> dict[str, Written]:
    return {name: Written(classical.METHODS[name](task), 0, 0)}


def judged(task: Task, name: str, rows: pd.DataFrame, *, fidelity: bool) -> dict[str, float]:
    """The figures of a method's rows."""
    dictionary = task.dictionary
    if name == "the ensemble itself":
        predictions = utility.Predictions(*classical.ensemble_scores(task))
        return utility.scores(predictions, dictionary[dictionary.target])
    figures: dict[str, float] = {}
    if name != "other real rows":  # which are test rows: they show what fidelity can be
        train = pd.concat([task.real, rows], ignore_index=True)[dictionary.names]
        figures = utility.downstream(dictionary, train, task.test, task.seed)
    if fidelity and len(rows) >= _LEAST_ROWS:
        held_out = task.test.head(len(rows))
        figures |= measure(FIDELITY_METRICS, TablePair(dictionary, held_out, rows, task.seed))
        figures |= measure(PLAUSIBILITY_METRICS, TablePair(dictionary, task.real, rows, task.seed))
    return figures


def cells(setting: Setting, task: Task, name: str, group: Group) -> list[dict[str, Any]]:
    """One line for each method of a group; a failure is a line too."""
    base = {"setting": setting.name, "n": setting.n, "seed": task.seed, "group": name}
    start = time.perf_counter()
    try:
        by_method = group(task)
    except Exception as error:  # noqa: BLE001 - one method's failure is counted, the others go on
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        return [{**base, "method": name, "error": f"{type(error).__name__}: {error} ({place})"}]
    seconds = round(time.perf_counter() - start, 2)
    lines = []
    for method, written in by_method.items():
        figures = judged(task, method, written.rows, fidelity=setting.fidelity)
        lines.append(
            {
                **base,
                "method": method,
                "rows": len(written.rows),
                "seconds": seconds,
                "tokens": [written.prompt, written.text],
                "figures": {key: round(value, 4) for key, value in figures.items()},
            }
        )
    return lines


def run(options: argparse.Namespace) -> None:
    """Every method, setting and seed that the file of results does not have yet."""
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{_results_name(options)}.jsonl"
    table.cut_torn_line(path)
    done = {
        (line["setting"], line["seed"], line["group"])
        for line in table.read(path)
        if "error" not in line
    }
    every = groups(cache(lambda: Backbone(find(options.model))), options.manager)
    names = _methods(options.methods, every)
    settings = _settings(options.study, options.setting or "")
    for seed in options.seeds:
        for setting in settings:
            waiting = [name for name in names if (setting.name, seed, name) not in done]
            try:
                task = setting.task(seed)
            except Unavailable as error:
                base = {"setting": setting.name, "n": setting.n, "seed": seed, "error": str(error)}
                keep(path, [{**base, "group": name, "method": name} for name in waiting])
                continue
            for name in waiting:
                keep(path, cells(setting, task, name, every[name]))


def _results_name(options: argparse.Namespace) -> str:
    """The study, and the models where they are not the usual ones."""
    name = str(options.study)
    if options.model != "starter":
        name += f"-model-{Path(options.model).stem}"
    if options.manager:
        name += f"-manager-{Path(options.manager).stem}"
    return name


def _methods(text: str, every: dict[str, Group]) -> list[str]:
    """The names that ``--methods`` stands for."""
    sets = {
        "all": [name for name in every if name not in team.ABLATIONS],
        "ablations": ["ours", *team.ABLATIONS],
    }
    names = sets.get(text) or text.split(",")
    if unknown := [name for name in names if name not in every]:
        sys.exit(f"no such methods: {', '.join(unknown)}; there are {', '.join(every)}")
    return names


def _settings(study: str, part: str) -> list[Setting]:
    """The settings of a study whose name has this part."""
    settings = [setting for setting in STUDIES[study] if part in setting.name]
    if not settings:
        names = "; ".join(setting.name for setting in STUDIES[study])
        sys.exit(f"no such setting: {part}; there are {names}")
    return settings


def keep(path: Path, lines: list[dict[str, Any]]) -> None:
    """Append the lines of a group to the results, and show them.

    They are written in one piece, so that a run that is cut off leaves none half done.
    """
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))
    for line in lines:
        summary = line.get("error") or _summary(line)
        print(f"{line['seed']} {line['setting']:<36} {line['method']:<28} {summary}", flush=True)


def _summary(line: dict[str, Any]) -> str:
    auc = line["figures"].get("auc", float("nan"))
    return f"AUC {auc:.1f}, {line['rows']} rows, {line['seconds']} s"


def plot(options: argparse.Namespace) -> None:
    """Pictures of the results."""
    from bench.paper import plots  # matplotlib is of the bench extra

    plots.draw(options.files, options.seeds, options.output)


def cost(options: argparse.Namespace) -> None:
    """One default run of the imbalance study, by its parts."""
    setting = STUDIES["imbalance"][0]
    result = {
        "setting": setting.name,
        "seed": 0,
        "model": options.model,
        "parts": team.parts(setting.task(0), Backbone(find(options.model))),
    }
    text = json.dumps(result, indent=1) + "\n"
    (RESULTS / "cost.json").write_text(text, encoding="utf-8")
    print(text)


def _add_run(commands: Any) -> None:
    parser = commands.add_parser("run")
    parser.add_argument("--study", choices=STUDIES, required=True)
    seeds_help = "first and last; 100-109 are for reporting, once"
    parser.add_argument("--seeds", type=table.seeds, default="0-9", help=seeds_help)
    methods_help = "names with commas, all, or ablations"
    parser.add_argument("--methods", default="all", help=methods_help)
    parser.add_argument("--setting", help="only settings whose name has this")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--manager", help="another model for our plans")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.set_defaults(do=run)


def _add_results(commands: Any, name: str) -> argparse.ArgumentParser:
    """A command that reads files of results."""
    parser: argparse.ArgumentParser = commands.add_parser(name)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--seeds", type=table.seeds, default="100-109")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    _add_run(commands)
    tables = _add_results(commands, "table")
    tables.set_defaults(do=lambda options: print(table.markdown(options.files, options.seeds)))
    pictures = _add_results(commands, "plot")
    pictures.add_argument("-o", "--output", type=Path, default=RESULTS)
    pictures.set_defaults(do=plot)
    costs = commands.add_parser("cost")
    costs.add_argument("--model", default="starter")
    costs.set_defaults(do=cost)
    results_page = commands.add_parser("report")
    results_page.set_defaults(do=lambda _: report.TARGET.write_text(report.page(), "utf-8"))
    options = parser.parse_args(arguments)
    options.do(options)


if __name__ == "__main__":
    main()

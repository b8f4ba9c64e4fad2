"""Lines of results to tables: mean, 95 % interval, rank."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.tables import interval
from t2local.evaluate.report import METRICS

#: Methods that add no row: they have no rank among those that do.
REFERENCES = ("D_ori", "the ensemble itself", "other real rows")

#: The names of figures in results that were stored before metrics had names in snake_case.
OLD_NAMES = {
    "alpha-precision": "alpha_precision",
    "beta-recall": "beta_recall",
    "told apart, linear": "c2st_auc_linear",
    "told apart, trees": "c2st_auc_trees",
    "detection (GOGGLE)": "detection_goggle",
    "near copies": "near_copies",
    "distance": "dcr",
    "distance, closest 5 %": "dcr_5_percent",
    "nearest over second": "nndr",
}
#: The metrics in the tables of fidelity.
FIDELITY = ("detection_goggle", "c2st_auc_trees", "alpha_precision", "beta_recall", "near_copies")

#: What the stages are worth: the same written rows with fewer of them, and the paper's choices.
STAGES = ("team alone", "team + sanity", "team + sanity + cost", "ours", "paper mode")


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a file; a torn last line (an interrupted run) is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def cut_torn_line(path: Path) -> None:
    """Cut a torn last line off a file, so that what is appended starts on a line of its own."""
    if path.is_file():
        whole_lines, _, torn = path.read_bytes().rpartition(b"\n")
        if torn:
            path.write_bytes(whole_lines + b"\n" * bool(whole_lines))


def seeds(text: str) -> range:
    """``100-109`` or ``7``, as it is written on the command line."""
    first, _, last = text.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal() and int(first) <= int(last or first)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a seed nor a first and a last one, such as 100-109"
        )
    return range(int(first), int(last or first) + 1)


def frame(paths: list[Path], seeds: range) -> pd.DataFrame:
    """One row for each method, setting and seed, with its figures as columns.

    The column ``file`` has the name of the file of results.
    """
    lines = [
        {"file": path.stem, **line}
        for path in paths
        for line in read(path)
        if line["seed"] in seeds
    ]
    figures = [
        {OLD_NAMES.get(key, key): value for key, value in line.pop("figures", {}).items()}
        for line in lines
    ]
    return pd.DataFrame([line | own for line, own in zip(lines, figures, strict=True)])


def ranks(results: pd.DataFrame, figure: str = "auc", higher: bool = True) -> pd.Series:
    """Mean rank of each method that adds rows, over settings and seeds; 1 is best.

    Parts of ours (the stages) are not ranked beside it.
    """
    adding = results[
        ~results["method"].isin(REFERENCES)
        & ~results["method"].str.startswith("team")
        & results.get(figure, pd.Series(dtype=float)).notna()
    ]
    by_cell = adding.groupby(["setting", "seed"])[figure].rank(ascending=not higher)
    return by_cell.groupby(adding["method"]).mean().sort_values()


def markdown(paths: list[Path], seeds: range) -> str:
    """All tables of some results.

    AUCs and ranks by setting, the paired changes against D_ori, where ours stands, fidelity, costs,
    and what failed.
    """
    results = frame(paths, seeds)
    if results.empty:
        return f"no results for seeds {seeds[0]}-{seeds[-1]}"
    tables = (aucs, changes, standing, fidelity, costs, failures)
    return "\n\n".join(filter(None, (table(results) for table in tables)))


def failures(results: pd.DataFrame) -> str:
    """What failed and was not made up for by a later run: named and counted.

    A cell with fewer seeds than others says how many it has.
    """
    if "error" not in results:
        return ""
    cell = ["setting", "seed", "group"]
    done = pd.MultiIndex.from_frame(results.loc[results["error"].isna(), cell])
    failed = results[results["error"].notna()].drop_duplicates(cell)
    left = failed[~pd.MultiIndex.from_frame(failed[cell]).isin(done)]
    return "\n".join(
        f"Failed: {name}, {len(own)} times; the first: {own['error'].iloc[0]}"
        for name, own in left.groupby("method")
    )


def aucs(results: pd.DataFrame) -> str:
    """The AUC of each method by setting; with one setting of several classes, by class too."""
    good = _with_auc(results)
    if good.empty:
        return ""
    n_seeds = good["seed"].nunique()
    settings = list(dict.fromkeys(good["setting"]))
    # Of two classes both have the same AUC; of several settings there is no place for classes.
    classes = [name for name in good if name.startswith("auc of ")]
    if len(settings) > 1 or len(classes) < 3:
        classes = []
    mean_rank = ranks(good)
    wide = _wide(good)
    lines = []
    for method in _ranked_first(good, mean_rank):
        own = good[good["method"] == method]
        columns = [own.loc[own["setting"] == setting, "auc"] for setting in settings]
        cells = [_shown(column, n_seeds) for column in [*columns, *(own[c] for c in classes)]]
        minus_ours = "-"
        if method != "ours" and "ours" in wide:
            minus_ours = _shown(wide[method] - wide["ours"], len(wide))
        n_rows = f"{own['rows'].mean():.0f}"
        lines.append([method, *cells, _rank(mean_rank, method), minus_ours, n_rows])
    titles = settings if len(settings) > 1 else [f"{settings[0]}: AUC"]
    class_names = [name.removeprefix("auc of ") for name in classes]
    return markdown_table(["method", *titles, *class_names, "rank", "minus ours", "rows"], lines)


def _with_auc(results: pd.DataFrame) -> pd.DataFrame:
    """The lines of results that have an AUC."""
    return results[results["auc"].notna()] if "auc" in results else results.head(0)


def _wide(results: pd.DataFrame) -> pd.DataFrame:
    """AUCs, one row for each setting and seed, one column for each method."""
    return results.pivot_table(index=["setting", "seed"], columns="method", values="auc")


def _ranked_first(results: pd.DataFrame, mean_rank: pd.Series) -> list[str]:
    """The methods of results: references, those with a rank by their rank, parts of ours."""
    parts_of_ours = [m for m in dict.fromkeys(results["method"]) if m.startswith("team")]
    methods = [*REFERENCES, *mean_rank.index, *parts_of_ours]
    return [method for method in methods if method in set(results["method"])]


def _rank(mean_rank: pd.Series, method: str) -> str:
    return f"{mean_rank[method]:.1f}" if method in mean_rank else ""


def changes(results: pd.DataFrame) -> str:
    """The mean AUC of D_ori and with ours, of the best other method, and of the ensemble.

    The best other method is one that adds rows. Beside each stands what ours has more, paired over
    seeds.
    """
    ensemble = REFERENCES[1]
    lines = []
    for setting, own in _with_auc(results).groupby("setting", sort=False):
        wide = own.pivot_table(index="seed", columns="method", values="auc")
        if not {"ours", "D_ori", ensemble} <= set(wide):
            continue
        mean = {name: f"{value:.1f}" for name, value in wide.mean().items()}
        best = _best_other(wide)
        more = {
            name: _shown(wide["ours"] - wide[name], len(wide)) for name in ("D_ori", best, ensemble)
        }
        ours = [mean["D_ori"], mean["ours"], more["D_ori"]]
        others = [f"{mean[best]} ({best})", more[best], mean[ensemble], more[ensemble]]
        lines.append([str(setting), *ours, *others])
    header = [
        "real rows",
        "alone",
        "with ours",
        "ours minus it",
        "with the best other method's",
        "ours minus it",
        "the ensemble alone",
        "ours minus it",
    ]
    return markdown_table(header, lines) if lines else ""


def _best_other(wide: pd.DataFrame) -> str:
    """The method with the highest mean AUC of those that add rows, ours aside; else D_ori."""
    others = [
        name for name in wide if name not in (*REFERENCES, "ours") and not name.startswith("team")
    ]
    return str(wide[others].mean().idxmax()) if others else "D_ori"


def standing(results: pd.DataFrame) -> str:
    """Ours beside each method over all settings: the paired difference, and who is above whom.

    One is above the other in a setting where it is by more than the interval.
    """
    good = _with_auc(results)
    if good["setting"].nunique() < 2 or "ours" not in set(good["method"]):
        return ""
    wide = _wide(good)
    mean_rank = ranks(good)
    methods = [name for name in (*REFERENCES, *mean_rank.index) if name in wide]
    lines = []
    for method in (name for name in methods if name != "ours"):
        pairs = (wide["ours"] - wide[method]).dropna()
        by_setting = [
            interval(own.to_numpy()) for _, own in pairs.groupby("setting") if len(own) > 1
        ]
        n_above = sum(mean > half for mean, half in by_setting)
        n_below = sum(-mean > half for mean, half in by_setting)
        counts = [f"{n} of {len(by_setting)}" for n in (n_above, n_below)]
        difference = _shown(pairs, len(pairs))
        lines.append([method, _rank(mean_rank, method), difference, *counts])
    header = [
        f"ours (mean rank {mean_rank['ours']:.1f}) beside",
        "mean rank",
        "ours minus it",
        "settings with ours above",
        "with ours below",
    ]
    return markdown_table(header, lines)


def fidelity(results: pd.DataFrame) -> str:
    """How close added rows are to real ones, in percent, a table for each setting."""
    if "alpha_precision" not in results or not results["alpha_precision"].notna().any():
        return ""
    labels = {metric.name: metric.label for metric in METRICS}
    parts = []
    for setting, own in results[results["alpha_precision"].notna()].groupby("setting", sort=False):
        seeds = own["seed"].nunique()
        lines = [
            [method, *(_shown(100 * rows[name], seeds) for name in FIDELITY)]
            for method, rows in own.groupby("method", sort=False)
        ]
        parts.append(
            markdown_table([f"{setting} (%)", *(labels[name] for name in FIDELITY)], lines)
        )
    return "\n\n".join(parts)


def costs(results: pd.DataFrame) -> str:
    """Tokens decoded and seconds for a row that was kept, by method."""
    if "seconds" not in results:
        return ""
    costly = results[
        results["seconds"].notna() & (results["rows"] > 0) & ~results["method"].isin(REFERENCES)
    ]
    if costly.empty:
        return ""
    lines = []
    for method, own in costly.groupby("method", sort=False):
        tokens = np.array(own["tokens"].tolist(), dtype=float).sum(axis=0) / own["rows"].sum()
        seconds = own["seconds"].mean()
        lines.append([str(method), f"{tokens[0]:.0f}", f"{tokens[1]:.0f}", f"{seconds:.1f}"])
    header = ["method", "prompt tokens a row", "row tokens a row", "seconds a run"]
    return markdown_table(header, lines)


def gains(results: pd.DataFrame) -> pd.DataFrame:
    """AUC minus D_ori's, one column for each of `STAGES` and the tree without them.

    One row for each setting and seed.
    """
    wide = _wide(_with_auc(results))
    methods = [name for name in (*STAGES, "tree + ensemble labels") if name in wide]
    return wide[methods].sub(wide["D_ori"], axis=0)


def stages(results: pd.DataFrame) -> str:
    """What each stage adds to D_ori, over all settings, and how often it added anything at all."""
    gain = gains(results)
    lines = []
    for name in gain:
        n_rows = results.loc[results["method"] == name, "rows"]
        runs = f"{(n_rows > 0).sum()} of {len(n_rows)}"
        lines.append([str(name), _shown(gain[name], len(gain)), f"{n_rows.mean():.0f}", runs])
    return markdown_table(["", "AUC minus D_ori's", "rows", "runs with rows"], lines)


def models(results: pd.DataFrame) -> str:
    """Ours by file of results: by the model that wrote, and the one that planned."""
    good = _with_auc(results)
    ours = good[good["method"] == "ours"]
    n_seeds = ours["seed"].nunique()
    lines = []
    for file, own in ours.groupby("file", sort=False):
        means = [f"{own['rows'].mean():.0f}", f"{own['seconds'].mean():.0f}"]
        lines.append([str(file), _shown(own["auc"], n_seeds), *means])
    return markdown_table(["results", "AUC", "rows", "seconds a run"], lines) if lines else ""


def _shown(values: pd.Series, n_seeds: int) -> str:
    """Mean and half of the 95 % interval; in brackets how many seeds where not all have a value."""
    values = values.dropna()
    fewer = f" [{len(values)}]" if len(values) < n_seeds else ""
    if values.empty:
        return "-"
    if len(values) == 1:
        return f"{values.iloc[0]:z.1f}{fewer}"
    mean, half = interval(values.to_numpy())
    return f"{mean:z.1f} ± {half:.1f}{fewer}"


def markdown_table(header: list[str], lines: Iterable[list[str]]) -> str:
    """A table in Markdown, its first line the header."""
    rule = "|" + "---|" * len(header)
    rows = ["| " + " | ".join(line) + " |" for line in [header, *lines]]
    return "\n".join([rows[0], rule, *rows[1:]])

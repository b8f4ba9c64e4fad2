"""Lines of results to tables: mean, 95 % interval, rank."""

import argparse
import json
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


def seeds(text: str) -> range:
    """``100-109`` or ``7``, as it is written on the command line."""
    first, _, last = text.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal() and int(first) <= int(last or first)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a seed nor a first and a last one, such as 100-109"
        )
    return range(int(first), int(last or first) + 1)


def frame(paths: list[Path], seeds: range) -> pd.DataFrame:
    """One row for each method, setting and seed, with its figures as columns and the name of its file."""
    lines = [
        {"file": path.stem, **line}
        for path in paths
        for line in read(path)
        if line["seed"] in seeds
    ]
    plain = [
        {
            **{key: value for key, value in line.items() if key != "figures"},
            **{OLD_NAMES.get(key, key): value for key, value in line.get("figures", {}).items()},
        }
        for line in lines
    ]
    return pd.DataFrame(plain)


def ranks(results: pd.DataFrame, figure: str = "auc", higher: bool = True) -> pd.Series:
    """Mean rank of each method that adds rows, over settings and seeds; 1 is best. Parts of ours (the stages) are not ranked beside it."""
    adding = results[
        ~results["method"].isin(REFERENCES)
        & ~results["method"].str.startswith("team")
        & results.get(figure, pd.Series(dtype=float)).notna()
    ]
    by_cell = adding.groupby(["setting", "seed"])[figure].rank(ascending=not higher)
    return by_cell.groupby(adding["method"]).mean().sort_values()


def markdown(paths: list[Path], seeds: range) -> str:
    """A table of AUCs for each setting, the ranks, the paired changes against D_ori, where ours stands, fidelity, costs, and what failed."""
    results = frame(paths, seeds)
    if results.empty:
        return f"no results for seeds {seeds[0]}-{seeds[-1]}"
    parts = [aucs(results), changes(results), standing(results), fidelity(results), costs(results)]
    parts.append(failures(results))
    return "\n\n".join(filter(None, parts))


def failures(results: pd.DataFrame) -> str:
    """What failed and was not made up for by a later run: named and counted; a cell with fewer seeds than others says how many it has."""
    if "error" not in results:
        return ""
    failed = results[results["error"].notna()]
    good = set(
        map(
            tuple,
            results[results["error"].isna()][["setting", "seed", "group"]].to_numpy().tolist(),
        )
    )
    left = failed[
        [tuple(key) not in good for key in failed[["setting", "seed", "group"]].to_numpy().tolist()]
    ]
    left = left.drop_duplicates(["setting", "seed", "group"])
    return "\n".join(
        f"Failed: {name}, {len(own)} times; the first: {own['error'].iloc[0]}"
        for name, own in left.groupby("method")
    )


def aucs(results: pd.DataFrame) -> str:
    good = results[results["auc"].notna()] if "auc" in results else results.head(0)
    if good.empty:
        return ""
    seeds = good["seed"].nunique()
    settings, mean_rank = list(dict.fromkeys(good["setting"])), ranks(good)
    classes = [name for name in good if name.startswith("auc of ") and len(settings) == 1]
    classes = classes if len(classes) > 2 else []  # of two classes both have the same
    wide = good.pivot_table(index=["setting", "seed"], columns="method", values="auc")
    header = [
        "method",
        *(f"{s}{'' if len(settings) > 1 else ': AUC'}" for s in settings),
        *(c.removeprefix("auc of ") for c in classes),
        "rank",
        "minus ours",
        "rows",
    ]
    lines = []
    for method in [
        *REFERENCES,
        *mean_rank.index,
        *(name for name in dict.fromkeys(good["method"]) if name.startswith("team")),
    ]:
        own = good[good["method"] == method]
        if own.empty:
            continue
        cells = [_shown(own[own["setting"] == s]["auc"], seeds) for s in settings] + [
            _shown(own[c], seeds) for c in classes
        ]
        rank = f"{mean_rank[method]:.1f}" if method in mean_rank else ""
        pairs = (
            wide[method] - wide["ours"]
            if method != "ours" and "ours" in wide
            else pd.Series(dtype=float)
        )
        lines.append([method, *cells, rank, _shown(pairs, len(pairs)), f"{own['rows'].mean():.0f}"])
    return markdown_table(header, lines)


def changes(results: pd.DataFrame) -> str:
    """The mean AUC of D_ori and with ours, of the best other method that adds rows, and of the ensemble; what ours has more, paired over seeds."""
    good = results[results["auc"].notna()] if "auc" in results else results.head(0)
    lines = []
    for setting, own in good.groupby("setting", sort=False):
        wide = own.pivot_table(index="seed", columns="method", values="auc")
        if not {"ours", *REFERENCES[:2]} <= set(wide):
            continue
        mean, ensemble = wide.mean(), REFERENCES[1]
        others = mean.drop(
            [name for name in wide if name in (*REFERENCES, "ours") or name.startswith("team")]
        )
        best = str(others.idxmax()) if len(others) else "D_ori"
        more = {
            name: _shown(wide["ours"] - wide[name], len(wide)) for name in ("D_ori", best, ensemble)
        }
        means = [f"{mean[name]:.1f}" for name in ("D_ori", "ours", best, ensemble)]
        lines.append(
            [
                str(setting),
                *means[:2],
                more["D_ori"],
                f"{means[2]} ({best})",
                more[best],
                means[3],
                more[ensemble],
            ]
        )
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


def standing(results: pd.DataFrame) -> str:
    """Ours beside each method over all settings: the paired difference, and in how many settings one is above the other by more than the interval."""
    good = results[results["auc"].notna()] if "auc" in results else results.head(0)
    if good["setting"].nunique() < 2 or "ours" not in set(good["method"]):
        return ""
    wide, mean_rank, lines = (
        good.pivot_table(index=["setting", "seed"], columns="method", values="auc"),
        ranks(good),
        [],
    )
    for method in [
        name for name in (*REFERENCES, *mean_rank.index) if name in wide and name != "ours"
    ]:
        pairs = (wide["ours"] - wide[method]).dropna()
        by_setting = [
            interval(own.to_numpy()) for _, own in pairs.groupby("setting") if len(own) > 1
        ]
        counts = [
            f"{sum(sign * mean > half for mean, half in by_setting)} of {len(by_setting)}"
            for sign in (1, -1)
        ]
        lines.append(
            [
                method,
                f"{mean_rank[method]:.1f}" if method in mean_rank else "",
                _shown(pairs, len(pairs)),
                *counts,
            ]
        )
    return markdown_table(
        [
            f"ours (mean rank {mean_rank['ours']:.1f}) beside",
            "mean rank",
            "ours minus it",
            "settings with ours above",
            "with ours below",
        ],
        lines,
    )


def fidelity(results: pd.DataFrame) -> str:
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
        lines.append(
            [str(method), f"{tokens[0]:.0f}", f"{tokens[1]:.0f}", f"{own['seconds'].mean():.1f}"]
        )
    return markdown_table(
        ["method", "prompt tokens a row", "row tokens a row", "seconds a run"], lines
    )


def gains(results: pd.DataFrame) -> pd.DataFrame:
    """AUC minus D_ori's, one column for each of `STAGES` and the tree without them, one row for each setting and seed."""
    wide = results[results["auc"].notna()].pivot_table(
        index=["setting", "seed"], columns="method", values="auc"
    )
    return wide[[name for name in (*STAGES, "tree + ensemble labels") if name in wide]].sub(
        wide["D_ori"], axis=0
    )


def stages(results: pd.DataFrame) -> str:
    """What each stage adds to D_ori, over all settings, and how often it added anything at all."""
    lines, found = [], gains(results)
    for name in found:
        own = results[results["method"] == name]
        lines.append(
            [
                str(name),
                _shown(found[name], len(found)),
                f"{own['rows'].mean():.0f}",
                f"{(own['rows'] > 0).sum()} of {len(own)}",
            ]
        )
    return markdown_table(["", "AUC minus D_ori's", "rows", "runs with rows"], lines)


def models(results: pd.DataFrame) -> str:
    """Ours by file of results: by the model that wrote, and the one that planned."""
    own = (
        results[(results["method"] == "ours") & results["auc"].notna()]
        if "auc" in results
        else results.head(0)
    )
    seeds = own["seed"].nunique()
    lines = [
        [str(f), _shown(o["auc"], seeds), f"{o['rows'].mean():.0f}", f"{o['seconds'].mean():.0f}"]
        for f, o in own.groupby("file", sort=False)
    ]
    return markdown_table(["results", "AUC", "rows", "seconds a run"], lines) if lines else ""


def _shown(values: pd.Series, seeds: int) -> str:
    """Mean and half of the 95 % interval, and in brackets how many seeds where it is not all of them."""
    values = values.dropna()
    fewer = f" [{len(values)}]" if len(values) < seeds else ""
    if len(values) < 2:
        return f"{values.iloc[0]:z.1f}{fewer}" if len(values) else "-"
    mean, half = interval(values.to_numpy())
    return f"{mean:z.1f} ± {half:.1f}{fewer}"


def markdown_table(header: list[str], lines: list[list[str]]) -> str:
    rows = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*rows, *("| " + " | ".join(line) + " |" for line in lines)])

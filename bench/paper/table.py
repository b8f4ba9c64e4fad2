"""Lines of results to tables: mean, 95 % interval, rank."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.tables import interval

#: Methods that add no row: they have no rank among those that do.
REFERENCES = ("D_ori", "the ensemble itself")


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a file; a torn last line (an interrupted run) is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def frame(paths: list[Path], seeds: str) -> pd.DataFrame:
    """One row for each method, setting and seed, with its figures as columns."""
    first, last = map(int, seeds.split("-"))
    lines = [line for path in paths for line in read(path) if first <= line["seed"] <= last]
    plain = [{**{key: value for key, value in line.items() if key != "figures"}, **line.get("figures", {})} for line in lines]
    return pd.DataFrame(plain)


def ranks(results: pd.DataFrame, figure: str = "auc", higher: bool = True) -> pd.Series:
    """Mean rank of each method that adds rows, over settings and seeds; 1 is best."""
    adding = results[~results["method"].isin(REFERENCES) & results.get(figure, pd.Series(dtype=float)).notna()]
    by_cell = adding.groupby(["setting", "seed"])[figure].rank(ascending=not higher)
    return by_cell.groupby(adding["method"]).mean().sort_values()


def markdown(paths: list[Path], seeds: str) -> str:
    """A table of AUCs for each setting, the ranks, costs, and what failed."""
    results = frame(paths, seeds)
    if results.empty:
        return f"no results for seeds {seeds}"
    parts = [_aucs(results), _fidelity(results), _costs(results)]
    failed = results[results["error"].notna()] if "error" in results else results.head(0)
    if len(failed):
        counts = failed.groupby("method").size()
        parts.append("Failed: " + "; ".join(f"{name} {count} times ({failed[failed['method'] == name]['error'].iloc[0]})" for name, count in counts.items()))
    return "\n\n".join(filter(None, parts))


def _aucs(results: pd.DataFrame) -> str:
    good = results[results["auc"].notna()]
    settings, mean_rank = list(dict.fromkeys(good["setting"])), ranks(good)
    classes = [name for name in good if name.startswith("auc of ") and len(settings) == 1]
    header = ["method", *(f"{s}{'' if len(settings) > 1 else ': AUC'}" for s in settings), *(c.removeprefix("auc of ") for c in classes), "rank", "rows"]
    lines = []
    for method in [*REFERENCES, *mean_rank.index]:
        own = good[good["method"] == method]
        if own.empty:
            continue
        cells = [_shown(own[own["setting"] == s]["auc"]) for s in settings] + [_shown(own[c]) for c in classes]
        rank = f"{mean_rank[method]:.1f}" if method in mean_rank else ""
        lines.append([method, *cells, rank, f"{own['rows'].mean():.0f}"])
    return _table(header, lines)


def _fidelity(results: pd.DataFrame) -> str:
    if "alpha-precision" not in results or not results["alpha-precision"].notna().any():
        return ""
    names = ["detection (GOGGLE)", "told apart, trees", "alpha-precision", "beta-recall", "near copies"]
    parts = []
    for setting, own in results[results["alpha-precision"].notna()].groupby("setting", sort=False):
        lines = [[method, *(_shown(100 * rows[name]) for name in names)] for method, rows in own.groupby("method", sort=False)]
        parts.append(_table([f"{setting} (%)", *names], lines))
    return "\n\n".join(parts)


def _costs(results: pd.DataFrame) -> str:
    """Tokens decoded and seconds for a row that was kept, by method."""
    costly = results[results["seconds"].notna() & (results["rows"] > 0)]
    if costly.empty:
        return ""
    lines = []
    for method, own in costly.groupby("method", sort=False):
        tokens = np.array(own["tokens"].tolist(), dtype=float).sum(axis=0) / own["rows"].sum()
        lines.append([str(method), f"{tokens[0]:.0f}", f"{tokens[1]:.0f}", f"{own['seconds'].mean():.1f}"])
    return _table(["method", "prompt tokens a row", "row tokens a row", "seconds a run"], lines)


def _shown(values: pd.Series) -> str:
    values = values.dropna()
    if len(values) < 2:
        return f"{values.iloc[0]:.1f}" if len(values) else "-"
    mean, half = interval(values.to_numpy())
    return f"{mean:.1f} ± {half:.1f}"


def _table(header: list[str], lines: list[list[str]]) -> str:
    rows = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*rows, *("| " + " | ".join(line) + " |" for line in lines)])

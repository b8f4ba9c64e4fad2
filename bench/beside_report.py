"""The tables of docs/beside.md, from the lines of `bench.beside`.

A figure is the mean over samples. In brackets stands its difference from ours, paired by sample,
with the 95 % interval of this difference; ours and the references have the interval of the mean.
A change of the AUC, which is paired itself, has its interval, and the difference beside it.
"""

from typing import Any

import pandas as pd

from bench.paper.table import markdown_table
from bench.tables import interval

#: What the other programs are held against; for rows to train with by the model that knows nothing,
#: since those of the starter model take minutes a sample.
OURS = {"share": "t2local starter", "train": "t2local scripted"}
#: What needs no program: no difference from ours is told.
REFERENCES = ("ensemble", "real rows", "other real rows")
#: What some lines lack.
FIGURES = ("auc", "spearman", "c2st", "marginals", "finding", "seconds", "error")


def report(lines: list[dict[str, Any]]) -> str:
    """A table for each question, and what failed."""
    results = pd.DataFrame([{**dict.fromkeys(FIGURES), **line} for line in lines])
    results = results.set_index(["table", "seed"])
    parts = [
        fidelity_table(results[results["purpose"] == "share"]),
        usefulness_table(results[results["purpose"] == "train"]),
        privacy_table(results[results["finding"].notna()]),
        seconds_table(results[results["seconds"].notna()]),
    ]
    failed = results[results["error"].notna()]
    for arm, own in failed.groupby("arm"):
        parts.append(f"{arm}: {len(own)} failed, the first with {own['error'].iloc[0]}")
    return "\n\n".join(parts)


def shown(values: pd.Series, digits: int = 1, sign: str = "") -> str:
    """Mean and half of the 95 % interval over samples."""
    values = values.dropna()
    if values.empty:
        return "-"
    if len(values) == 1:
        return f"{values.iloc[0]:{sign}.{digits}f}"
    mean, half = interval(values.to_list())
    return f"{mean:{sign}.{digits}f} ± {half:.{digits}f}"


def difference(arm: str, figures: pd.DataFrame, name: str, ours: str, digits: int = 1) -> str:
    """Of an arm from ours on the samples that both have; empty for ours and the references."""
    if arm in (*REFERENCES, ours):
        return ""
    own, base = (figures.loc[figures["arm"] == which, name] for which in (arm, ours))
    paired = (own - base).dropna().astype(float)
    return "" if paired.empty else shown(paired, digits, "+")


def compared(arm: str, figures: pd.DataFrame, name: str, ours: str, digits: int = 1) -> str:
    """Mean of an arm, and its difference from ours."""
    own = figures.loc[figures["arm"] == arm, name]
    from_ours = difference(arm, figures, name, ours, digits)
    if not from_ours:
        return shown(own, digits)
    return f"{own.mean():.{digits}f} ({from_ours})"


def fidelity_table(share: pd.DataFrame) -> str:
    rows = []
    for arm, own in share.groupby("arm", sort=False):
        figures = {"spearman": 3, "c2st": 1, "marginals": 1}
        cells = [
            compared(arm, share, name, OURS["share"], digits) for name, digits in figures.items()
        ]
        rows.append([arm, *cells, str(len(own))])
    return markdown_table(["", "association error", "C2ST", "marginals", "samples"], rows)


def usefulness_table(train: pd.DataFrame) -> str:
    """The AUC with the real rows alone, its change, and what this is against ours."""
    alone = train.loc[train["arm"] == "real rows", "auc"]
    added = train[train["arm"] != "real rows"]
    added = added.assign(change=added["auc"] - alone.reindex(added.index))
    names = list(dict.fromkeys(train.index.get_level_values("table")))
    by_table = alone.groupby("table").mean()
    cells = [f"{by_table[name]:.1f}" for name in names]
    rows = [["real rows", shown(alone), "", *cells, str(len(alone))]]
    for arm, own in added.groupby("arm", sort=False):
        means = own.groupby("table")["change"].mean().reindex(names)
        cells = [f"{mean:+.1f}".replace("+nan", "-") for mean in means]
        from_ours = difference(arm, added, "change", OURS["train"])
        rows.append([arm, shown(own["change"], sign="+"), from_ours, *cells, str(len(own))])
    return markdown_table(["", "change of AUC", "against ours", *names, "samples"], rows)


def privacy_table(attacked: pd.DataFrame) -> str:
    """What the attacks find, by purpose: findings, copies, AUC of the two attacks."""
    rows = []
    for (purpose, arm), own in attacked.groupby(["purpose", "arm"], sort=False):
        figures = attacked[attacked["purpose"] == purpose]
        near = f"{own['near'].sum():.0f} ({own['near_expected'].sum():.1f})"
        attacks = ("string distance", "density ratio")
        aucs = [compared(arm, figures, name, OURS[purpose]) for name in attacks]
        leaks = f"{(own['finding'] == 'leak').sum()} of {len(own)}"
        rows.append([purpose, arm, leaks, f"{own['copies'].sum():.0f}", near, *aucs])
    header = ["rows", "", "leak", "copies", "near (by chance)", "string distance", "density ratio"]
    return markdown_table(header, rows)


def seconds_table(timed: pd.DataFrame) -> str:
    purposes = list(dict.fromkeys(timed["purpose"]))
    rows = []
    for arm, own in timed.groupby("arm", sort=False):
        cells = [shown(own.loc[own["purpose"] == purpose, "seconds"]) for purpose in purposes]
        rows.append([arm, *cells])
    return markdown_table(["CPU seconds", *purposes], rows)

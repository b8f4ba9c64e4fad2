"""The four pictures of docs/results.md, drawn from the files of the benches.

    python -m bench.pictures

Needs matplotlib (the extra ``bench``). The same results give the same files, in
docs/_static/results/.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from bench.paper.table import read
from bench.tables import interval

mpl.use("Agg")
import matplotlib.pyplot as plt

mpl.rcParams.update({
    "svg.hashsalt": "t2local", "font.size": 10, "axes.spines.top": False,
    "axes.spines.right": False, "legend.frameon": False, "svg.fonttype": "none",
    "font.family": "sans-serif",
})  # fmt: skip

BENCH = Path(__file__).parent
PICTURES = BENCH.parent / "docs" / "_static" / "results"
#: Colours that people with any colour vision tell apart (Okabe and Ito).
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
DOSES = (0, 0.25, 0.5, 0.75, 1)
MODELS = {
    "qwen-1.5b": ("1.5 billion parameters", BLUE, "o"),
    "qwen-0.5b": ("0.5 billion", GREEN, "s"),
    "starter": ("0.27 billion (starter)", ORANGE, "^"),
}


def of_seeds(lines: pd.DataFrame, column: str) -> tuple[float, float]:
    """Mean over tables and seeds, and half a 95 % interval over the seeds."""
    return interval(lines.groupby("seed")[column].mean().to_numpy())


def dose_and_response(axis: plt.Axes) -> None:
    """What 300 added rows bring by how much their writer knows; 30 real rows, five tables."""
    lines = pd.DataFrame(read(BENCH / "knowledge" / "results" / "report.jsonl"))
    lines = lines[(lines["n"] == 30) & lines["times"].isin([0, 10])]
    changes = {arm: of_seeds(own, "change") for arm, own in lines.groupby("arm")}
    own = np.array([changes[f"product, dose {dose:g}"] for dose in DOSES])
    axis.errorbar(DOSES, own[:, 0], yerr=own[:, 1], color=BLUE, marker="o", capsize=3)
    axis.annotate("rows of t2local", (0.25, own[1, 0]), (8, -12), textcoords="offset points",
                  color=BLUE)  # fmt: skip
    others = {"true rows": "true rows", "ensemble": "the ensemble, no rows",
              "SMOTE": "SMOTE"}  # fmt: skip
    for arm, words in others.items():
        mean, _ = changes[arm]
        axis.axhline(mean, color=GREY, linestyle="--", linewidth=1)
        axis.annotate(words, (0.99, mean), (0, 4), textcoords="offset points", color=GREY,
                      ha="right")  # fmt: skip
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set(xlabel="share of the table's truth that the writer knows", xticks=DOSES,
             ylabel="change of a user's AUC (points)")  # fmt: skip


def gain_by_size(axis: plt.Axes) -> None:
    """What the beliefs of a model about columns bring the ensemble, by real rows and model."""
    lines = pd.DataFrame(read(BENCH / "results" / "beliefs_report.jsonl"))
    lines["gain"] = lines["auc"] - lines["zero"]
    plain = lines[~lines["permuted"].astype(bool) & (lines["n"] > 0)]
    for place, (model, (words, colour, marker)) in enumerate(MODELS.items()):
        of_model = plain[plain["model"] == model].groupby("n")
        found = np.array([(n, *of_seeds(own, "gain")) for n, own in of_model])
        x = np.arange(len(found)) + 0.08 * (place - 1)
        axis.errorbar(x, found[:, 1], yerr=found[:, 2], color=colour, marker=marker, capsize=3,
                      label=words)  # fmt: skip
        axis.set_xticks(np.arange(len(found)), [f"{n:.0f}" for n in found[:, 0]])
    axis.axhline(0, color="black", linewidth=0.8)
    axis.legend(title="language model with", loc="upper right")
    axis.set(xlabel="real rows", ylabel="gain of the ensemble's AUC (points)")


def fidelity(axis: plt.Axes) -> None:
    """How far associations are off, table by table, beside samples of real rows."""
    lines = pd.DataFrame(read(BENCH / "results" / "fidelity.jsonl"))
    lines = lines[lines["seed"] >= 100]
    means = lines.pivot_table(index="table", columns="arm", values="spearman", sort=False)
    upper = lines[lines["arm"] == "real sample"].groupby("table")["upper"].mean()
    places = np.arange(len(means))[::-1]
    axis.barh(places, upper[means.index], height=0.7, color="#DDDDDD",
              label="where 95 % of real samples lie")  # fmt: skip
    (own,) = set(means.columns) - {"real sample", "real rows", "copula", "columns"}
    axis.plot(means["copula"], places, "D", color=ORANGE, label="Gaussian copula")
    axis.plot(means[own], places, "o", color=BLUE, label="t2local, 1.5 billion parameters")
    axis.set_yticks(places, means.index)
    axis.set(xlabel="mean error of the correlations (0 is best)", ylim=(-0.6, len(means) + 1.7))
    axis.legend(loc="upper left", ncols=1)


def time(axis: plt.Axes) -> None:
    """Rows a second of the starter on two cores, in one run."""
    pairs = json.loads((BENCH / "results" / "decoder.json").read_text("utf-8"))["targets"]["pairs"]
    ways = {
        "paper": "a call for each\nworker and batch", "common": "Outlines,\n10 rows a call",
        "ours (parents)": "t2local, parents", "ours (row)": "t2local, default",
    }  # fmt: skip
    rows = [_median(pair[way]["rows/s"] for pair in pairs) for way in ways]
    bars = axis.barh(list(ways.values()), rows, color=[GREY, GREY, BLUE, BLUE], height=0.6)
    axis.bar_label(bars, fmt="%.1f", padding=3)
    axis.set(xlabel="rows a second", xlim=(0, 1.15 * max(rows)))


def _median(values: Iterable[float]) -> float:
    return float(np.median(list(values)))


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    for draw, size in (
        (dose_and_response, (6, 4)), (gain_by_size, (6, 4)), (fidelity, (6, 4.6)), (time, (6, 2.6)),
    ):  # fmt: skip
        figure, axis = plt.subplots(figsize=size, layout="constrained", facecolor="white")
        draw(axis)
        figure.savefig(PICTURES / f"{draw.__name__}.svg", metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    main()

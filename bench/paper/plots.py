"""Pictures of the studies: AUC against n, the stages, and t-SNE of real and added rows."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from bench.paper import classical, table, team
from bench.paper.studies import STUDIES
from bench.tables import interval
from t2local.llm.backbone import Backbone
from t2local.llm.store import find
from t2local.stats.encoding import Encoder

mpl.use("Agg")
import matplotlib.pyplot as plt

mpl.rcParams["svg.hashsalt"] = "t2local"  # the same results, the same file

#: The methods that a picture with all of them could not show.
SHOWN = ["D_ori", "the ensemble itself", "SMOTE", "TVAE", "CLLM", "EPIC", "team alone", "ours"]
STYLES = {"ours": {"color": "black", "linewidth": 2.5}}


def draw(files: list[Path], seeds: range, folder: Path) -> None:
    """Write every picture that the results have data for, as SVG."""
    results = table.frame(files, seeds)
    results = results[results["auc"].notna()]
    name = "-".join(path.stem for path in files)
    families = results["setting"].str.replace(r", n=\d+$", "", regex=True)
    if (several := results.groupby(families)["n"].transform("nunique") > 1).any():
        against_n(results[several], families[several], folder / f"{name}-auc.svg")
    stages(results, folder / f"{name}-stages.svg")
    neighbours(folder / f"{name}-tsne.svg", files[0].stem.split("-")[0], seeds[0])
    print(f"written to {folder}")


def against_n(results: pd.DataFrame, families: pd.Series, path: Path) -> None:
    """AUC by the number of real rows, one picture for each table.

    ``families``: the table of each row of the results.
    """
    n_families = families.nunique()
    figure, axes = plt.subplots(1, n_families, figsize=(4.5 * n_families, 4), squeeze=False)
    for axis, (family, own) in zip(axes[0], results.groupby(families, sort=False), strict=True):
        for place, method in enumerate(SHOWN):
            # A little to the side, so that no interval hides another.
            shift = (place - len(SHOWN) / 2) * own["n"].max() / 100
            by_n = own[own["method"] == method].groupby("n")["auc"]
            if len(by_n):
                means = by_n.mean()
                half_widths = by_n.apply(lambda values: interval(values.to_numpy())[1])
                style = {"linewidth": 1} | STYLES.get(method, {})
                axis.errorbar(means.index + shift, means, yerr=half_widths, label=method, **style)
        axis.set(title=family, xlabel="real rows", ylabel="AUC (%)")
    axes[0][0].legend(fontsize=7)
    _save(figure, path)


def stages(results: pd.DataFrame, path: Path) -> None:
    """What each stage adds: the change of AUC over D_ori, mean over settings and seeds."""
    gains = table.gains(results)[list(table.STAGES)]
    intervals = [interval(values.dropna().to_numpy()) for _, values in gains.items()]
    means = [mean for mean, _ in intervals]
    figure, axis = plt.subplots(figsize=(6, 3.5))
    axis.bar([*gains], means, yerr=[half for _, half in intervals], capsize=3)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set(ylabel="change of AUC (points)")
    axis.tick_params(axis="x", labelrotation=15, labelsize=8)
    _save(figure, path)


def neighbours(path: Path, study: str, seed: int) -> None:
    """t-SNE of D_ori, test rows, SMOTE's rows and those of the default with the starter model."""
    from sklearn.manifold import TSNE

    task = STUDIES[study][0].task(seed)
    encoder = Encoder(task.dictionary.input_features, task.real)
    sets = {
        "test rows": task.test.head(200),
        "SMOTE": classical.smote(task),
        "ours": team.stages(task, Backbone(find()))["ours"].rows,
        "D_ori": task.real,
    }
    x = np.vstack([encoder.transform(rows) for rows in sets.values()])
    points = TSNE(random_state=1, perplexity=20, init="pca").fit_transform(x)
    ends = np.cumsum([len(rows) for rows in sets.values()])
    figure, axis = plt.subplots(figsize=(5, 5))
    for name, part in zip(sets, np.split(points, ends[:-1]), strict=True):
        axis.scatter(part[:, 0], part[:, 1], s=30 if name == "D_ori" else 8, label=name)
    axis.legend(fontsize=8)
    axis.set(xticks=[], yticks=[])
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)

"""Rows of other generators, in an interpreter of their own: `bench.beside` runs this as a program.

Nothing of t2local is imported. Each generator has the settings that its own documentation starts
with; the kind of each column is stated, as all of them advise.

PYTHON bench/beside_others.py FOLDER

FOLDER has ``real.csv`` and ``task.json``: generator, rows, seed, target, numbers and levels by
their names. ``synthetic.csv`` and ``told.json`` (versions, CPU seconds of fitting and writing) are
written there.
"""

import json
import os
import sys
import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

#: Draws rows of a model that is fitted.
Sampler = Callable[[int], pd.DataFrame]


def sdv(real: pd.DataFrame, task: dict[str, Any], kind: str) -> Sampler:
    """SDV's synthesizers: its defaults (CTGAN: 300 epochs)."""
    import torch
    from sdv import single_table
    from sdv.metadata import Metadata

    torch.manual_seed(task["seed"])
    metadata = Metadata.detect_from_dataframes({"rows": real}, infer_keys=None)
    for name in real:
        sdtype = "numerical" if name in task["numbers"] else "categorical"
        metadata.update_column(column_name=name, sdtype=sdtype)
    synthesizer = getattr(single_table, kind)(metadata)
    synthesizer.fit({"rows": real})
    return lambda n: synthesizer.sample(num_rows=n)["rows"]


def mostlyai(real: pd.DataFrame, task: dict[str, Any]) -> Sampler:
    """MOSTLY AI's TabularARGN: a network that is trained from nothing, with its defaults."""
    from mostlyai.engine import TabularARGN, set_random_state

    set_random_state(task["seed"])
    kinds = {
        **dict.fromkeys(task["numbers"], "TABULAR_NUMERIC_AUTO"),
        **dict.fromkeys(task["levels"], "TABULAR_CATEGORICAL"),
    }
    model = TabularARGN(random_state=task["seed"], tgt_encoding_types=kinds)
    model.fit(real)
    return lambda n: model.sample(n_samples=n)


def synthcity(real: pd.DataFrame, task: dict[str, Any], plugin: str) -> Sampler:
    """A plugin of synthcity with its defaults.

    It takes no missing cells: a number has the mean, a level one of its own.
    """
    from synthcity.plugins import Plugins
    from synthcity.plugins.core.dataloader import GenericDataLoader
    from synthcity.utils.reproducibility import enable_reproducible_results

    enable_reproducible_results(task["seed"])
    means = {name: real[name].astype(float).mean() for name in task["numbers"]}
    whole = real.fillna({**means, **dict.fromkeys(task["levels"], "missing")})
    model = Plugins().get(plugin, random_state=task["seed"])
    model.fit(GenericDataLoader(whole, target_column=task["target"]))
    return lambda n: model.generate(count=n, random_state=task["seed"]).dataframe()


#: By name: the package whose version is told, the module that takes its time to import, the fit.
GENERATORS: dict[str, tuple[str, str, Callable[[pd.DataFrame, dict[str, Any]], Sampler]]] = {
    "SDV GaussianCopula": (
        "sdv",
        "sdv.single_table",
        partial(sdv, kind="GaussianCopulaSynthesizer"),
    ),
    "SDV CTGAN": ("sdv", "sdv.single_table", partial(sdv, kind="CTGANSynthesizer")),
    "MOSTLY AI TabularARGN": ("mostlyai-engine", "mostlyai.engine", mostlyai),
    **{
        f"synthcity {plugin}": ("synthcity", "synthcity.plugins", partial(synthcity, plugin=plugin))
        for plugin in ("arf", "bayesian_network", "tvae", "ddpm")
    },
}


def cpu_seconds() -> float:
    """Of this process and the children that have ended."""
    return sum(os.times()[:4])


def main() -> None:
    folder = Path(sys.argv[1])
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    real = pd.read_csv(
        folder / "real.csv",
        dtype=dict.fromkeys(task["levels"], str),
        keep_default_na=False,
        na_values=[""],
    )
    package, module, fit = GENERATORS[task["generator"]]
    import_module(module)
    np.random.seed(task["seed"])  # noqa: NPY002 - the packages draw from the global generator
    warnings.simplefilter("ignore")
    began = cpu_seconds()  # reading libraries is not counted
    sample = fit(real, task)
    fitted = cpu_seconds()
    rows = sample(task["rows"])
    told = {
        "version": f"{package} {version(package)}",
        "fit_seconds": round(fitted - began, 2),
        "seconds": round(cpu_seconds() - began, 2),
    }
    rows.to_csv(folder / "synthetic.csv", index=False)
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()

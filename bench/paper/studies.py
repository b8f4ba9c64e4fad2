"""Which settings each study has, and what one of them asks of a method."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from bench.paper.data import Source, compas_source, drug_source, noisy_source, risk_source
from t2local.tables.dictionary import FeatureDictionary


@dataclass(frozen=True)
class Task:
    """What a method is given: the dictionary, D_ori (values), how many rows to add.

    ``test`` is for judging alone.
    """

    dictionary: FeatureDictionary
    real: pd.DataFrame
    test: pd.DataFrame
    rows: int
    seed: int


@dataclass(frozen=True)
class Setting:
    """One column of a table: a source, the size of D_ori, the rows to add.

    ``fidelity``: the rows are also held against real ones.
    """

    name: str
    source: Callable[[], Source]
    n: int
    rows: int = 100
    fidelity: bool = False

    def task(self, seed: int) -> Task:
        source = self.source()
        real, test = source.split(self.n, seed)
        return Task(source.dictionary, real, test, self.rows, seed)


def _noise(name: str, flip: float, n: int) -> Setting:
    return Setting(
        f"{name}, {flip:.0%} flipped, n={n}", lambda: noisy_source(name, flip), n, rows=60
    )


def _real(name: str, source: Callable[[], Source], n: int) -> Setting:
    return Setting(f"{name}, n={n}", source, n, rows=60, fidelity=True)


def _risk(counts: dict[str, int], rows: int = 100, *, fidelity: bool = False) -> Setting:
    shares = ":".join(str(counts.get(label, 0)) for label in ("LR", "MR", "HR"))
    n = sum(counts.values())
    name = f"Diabetes {shares}, n={n}"
    return Setting(name, lambda: risk_source(counts), n, rows=rows, fidelity=fidelity)


STUDIES: dict[str, list[Setting]] = {
    "imbalance": [_risk({"LR": 7, "MR": 2, "HR": 1})],
    "incompleteness": [_risk({"LR": 8, "MR": 2})],
    "noise": [_noise("Diabetes", flip, 60) for flip in (0.2, 0.3, 0.4)],
    "travel": [_noise("TravelBehavior", flip, 60) for flip in (0.0, 0.3, 0.4)],
    "sizes": [
        *(_real("COMPAS", compas_source, n) for n in (20, 60, 200)),
        *(_real("Drug-A", lambda: drug_source("A"), n) for n in (40, 150)),
        *(_real("Drug-B", lambda: drug_source("B"), n) for n in (40, 150)),
    ],
    "smoke": [_risk({"LR": 7, "MR": 2, "HR": 1}, rows=20, fidelity=True)],
}

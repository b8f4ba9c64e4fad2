"""Real rows, their dictionary, and batches of new rows, for the tests of the quality stages."""

import copy
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from t2local.settings import Settings, TrimSettings
from t2local.tables.describe import describe
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.files import from_frame
from t2local.trim.inspector import Inspector
from t2local.trim.state import Reference, TrimState
from tests.patients import patients


def described(frame: pd.DataFrame, target: str = "outcome") -> tuple[pd.DataFrame, Any]:
    """The values of a frame, and its dictionary."""
    cells = from_frame(frame).cells
    dictionary = describe(cells, target=target)
    return dictionary.values(cells), dictionary


@cache
def real_rows() -> pd.DataFrame:
    """The values of the patients; tests must not change them."""
    return described(patients())[0]


@cache
def dictionary() -> FeatureDictionary:
    """Their dictionary."""
    return described(patients())[1]


def fresh(n: int = 10, seed: int = 3, real: pd.DataFrame | None = None) -> pd.DataFrame:
    """Rows of the real distribution: weights moved a little, so that no row is a copy."""
    if real is None:
        real = real_rows()
    rows = real.sample(n, random_state=seed).reset_index(drop=True)
    moves = np.random.default_rng(seed).uniform(0.1, 3, n)
    rows["weight"] = (rows["weight"].fillna(70) + moves).round(1)
    return rows


def flipped(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with the other label."""
    return rows.assign(outcome=rows["outcome"].map({"0": "1", "1": "0"}))


def trim_settings(**trim: Any) -> TrimSettings:
    """Settings of the stages by their short names; the gate judges batch by batch if none is named.

    All rows as one source, the default of the program, are ``gate="source"`` here.
    """
    named = {"gate": "utility", **trim}
    return Settings.load({f"trim.{name}": value for name, value in named.items()}).trim


def new_inspector(real: pd.DataFrame, dictionary: FeatureDictionary, **trim: Any) -> Inspector:
    """An inspector of any real rows."""
    return Inspector(real, dictionary, trim_settings(**trim), seed=1)


@cache
def _first_inspector(trim: tuple[tuple[str, Any], ...]) -> Inspector:
    return new_inspector(real_rows(), dictionary(), **dict(trim))


def inspect(**trim: Any) -> Inspector:
    """An inspector of the patients that has accepted nothing.

    What follows from the real rows alone is computed once for all tests.
    """
    first = _first_inspector(tuple(sorted(trim.items())))
    inspector = copy.copy(first)
    inspector.state = TrimState(
        first.state.reference, first.state.k, thresholds=first.state.thresholds
    )
    return inspector


def reference(**trim: Any) -> Reference:
    """The reference of the patients."""
    return inspect(**trim).state.reference

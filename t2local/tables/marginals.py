"""Every column by itself: how likely a cell is, and cells drawn from that. The yardstick and the partner of the feature workers.

Levels have smoothed frequencies; numbers a kernel density on the steps of their dictionary, mixed with the values that real
rows repeat (rounded weights, scores) and a little of everything that is allowed. A missing cell is a level of its own.
"""

from typing import Any

import numpy as np
import pandas as pd

from t2local.tables.dictionary import Feature, FeatureDictionary

Floats = np.ndarray[Any, np.dtype[np.float64]]
#: Share of all allowed numbers alike: no cell is impossible.
_UNIFORM = 0.05
#: What each level gets before it is counted (Jeffreys' prior).
_PRIOR = 0.5


class Marginals:
    """The columns of a table, one by one.

    **Parameters:**

    * **real**: frame of values (n, d).
    """

    def __init__(self, dictionary: FeatureDictionary, real: pd.DataFrame) -> None:
        self._columns = {f.name: (_Numbers if f.numeric else _Levels)(f, real[f.name].dropna()) for f in dictionary.features}
        self._missing = {f.name: (real[f.name].isna().sum() + _PRIOR) / (len(real) + 2 * _PRIOR) if f.missing else 0.0 for f in dictionary.features}

    def log_probability(self, values: pd.DataFrame) -> pd.DataFrame:
        """Log-probability of each cell, shape of ``values``."""
        return pd.DataFrame({name: self._log(str(name), values[name]) for name in values}, index=values.index)

    def draw(self, name: str, rng: np.random.Generator) -> float | str | None:
        """A value of a column."""
        return None if rng.random() < self._missing[name] else self._columns[name].draw(rng)

    def _log(self, name: str, values: pd.Series) -> Floats:
        result, present = np.full(len(values), np.log(max(self._missing[name], 1e-12))), values.notna().to_numpy()
        result[present] = np.log1p(-self._missing[name]) + self._columns[name].log(values[present])
        return result


class _Levels:
    def __init__(self, feature: Feature, present: pd.Series) -> None:
        counts = present.value_counts().reindex(list(feature.levels), fill_value=0) + _PRIOR
        self._shares: pd.Series = counts / counts.sum()

    def log(self, values: pd.Series) -> Floats:
        return np.log(values.map(self._shares).to_numpy(dtype=np.float64))

    def draw(self, rng: np.random.Generator) -> str:
        return str(rng.choice(self._shares.index.to_numpy(dtype=object), p=self._shares.to_numpy()))


class _Numbers:
    """Counted in steps of the dictionary, so that a probability is one of a written number.

    A column of 3 decimals may hold whole numbers mostly: how many decimals a number is written with has shares of its own.
    """

    def __init__(self, feature: Feature, present: pd.Series) -> None:
        self._grid, self._decimals = 10.0**feature.decimals, feature.decimals
        self._low, self._high = feature.steps
        self._steps = np.round(present.to_numpy(dtype=np.float64) * self._grid)
        values, counts = np.unique(self._steps, return_counts=True)
        self._repeated = dict(zip(values[counts > 1].tolist(), (counts[counts > 1] / max(1, len(self._steps))).tolist(), strict=True))
        written = np.bincount(self._written(self._steps), minlength=feature.decimals + 1) + _PRIOR
        self._shares = written / written.sum()
        spread = min(self._steps.std(), (np.quantile(self._steps, 0.75) - np.quantile(self._steps, 0.25)) / 1.34 or np.inf) if len(values) > 1 else 0.0
        # Silverman's rule; the kernel is logistic, whose scale is its deviation times sqrt(3) / pi.
        self._scale = max(0.9 * spread * max(1, len(self._steps)) ** -0.2, 0.5) * np.sqrt(3) / np.pi

    def log(self, values: pd.Series) -> Floats:
        steps = np.round(values.to_numpy(dtype=np.float64) * self._grid)
        uniform = 1 / (self._high - self._low + 1)
        if not len(self._steps):
            return np.full(len(steps), np.log(uniform))
        atoms, decimals = np.array([self._repeated.get(step, 0.0) for step in steps.tolist()]), self._written(steps)
        half = 0.5 * 10.0 ** (self._decimals - decimals)[:, None]
        inside = self._below(self._high + 0.5) - self._below(self._low - 0.5)
        near = ((self._below(steps[:, None] + half) - self._below(steps[:, None] - half)) / inside).mean(axis=1)
        # A tenth of the numbers on a grid are on the next coarser one.
        smooth = self._shares[decimals] * np.where(decimals, 10 / 9, 1.0) * near
        kernel = 1 - sum(self._repeated.values()) / 2
        return np.log((1 - _UNIFORM) * (atoms / 2 + kernel * smooth) + _UNIFORM * uniform)

    def draw(self, rng: np.random.Generator) -> float:
        if rng.random() < _UNIFORM or not len(self._steps):
            return int(rng.integers(self._low, self._high, endpoint=True)) / self._grid
        step = float(rng.choice(self._steps))
        if not (step in self._repeated and rng.random() < 1 / 2):
            coarse = 10.0 ** (self._decimals - int(self._written(np.array([step]))[0]))
            moved = np.round((step + self._scale * rng.logistic(size=20)) / coarse) * coarse
            step = next((s for s in moved.tolist() if self._low <= s <= self._high), step)
        return float(np.clip(step, self._low, self._high)) / self._grid

    def _written(self, steps: Floats) -> "np.ndarray[Any, np.dtype[np.intp]]":
        """With how many decimals each number is written."""
        zeros = np.sum([steps % 10.0**power == 0 for power in range(1, self._decimals + 1)], axis=0, dtype=np.intp)
        return self._decimals - np.broadcast_to(zeros, steps.shape)

    def _below(self, step: Any) -> Floats:
        """The share of each kernel that lies below a step."""
        return 1 / (1 + np.exp(-np.clip((step - self._steps) / self._scale, -500, 500)))

"""Fits that many tests ask for again: the same model, of the same rows, with the same seed.

A run fits some sixty models on its real rows alone, seconds of work, and most tests have the same
real rows. A fit is a function of what stands in its key, and nobody changes a fitted model, so no
test can tell the difference. Tests of this very property fit anew (`fits_anew` in conftest.py).
"""

import copy
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from t2local.stats import column_mixture


class Fits:
    """The latest ``most`` results of ``fit``, by the ``key`` of all that one depends on."""

    def __init__(self, fit: Callable[..., Any], key: Callable[..., bytes], most: int) -> None:
        self.fit = fit
        self._key = key
        self._most = most
        self._models: OrderedDict[bytes, Any] = OrderedDict()

    def __call__(self, *arguments):
        """Fit, or find what was fitted."""
        key = self._key(*arguments)
        if key not in self._models:
            self._models[key] = self.fit(*arguments)
        self._models.move_to_end(key)
        if len(self._models) > self._most:
            self._models.popitem(last=False)
        return copy.copy(self._models[key])


def members(fit: Callable[..., Any]) -> Fits:
    """Members of ensembles. A run has some 70; 500 together take about 100 MB."""
    return Fits(fit, _member_key, 500)


def mixtures(fit: Callable[..., Any]) -> Fits:
    """Models of the columns. A run has five, which take half of its time once all is fitted."""
    return Fits(fit, _mixture_key, 60)


def _mixture_key(columns, real, seed) -> bytes:
    """Of all that a `ColumnMixture` depends on."""
    parts = [repr(list(columns)), repr(real.dtypes.to_dict()), f"{seed} {column_mixture._N_FOLDS}"]
    digest = hashlib.sha256("\n".join(parts).encode())
    digest.update(pd.util.hash_pandas_object(real).to_numpy().tobytes())
    return digest.digest()


def _member_key(model, x, y, target, weights) -> bytes:
    """Of all that a member depends on: the model's kind and parameters, and the rows."""
    parts = [type(model).__name__, repr(sorted(model.get_params().items())), str(target.levels)]
    digest = hashlib.sha256("\n".join(parts).encode())
    for array in (x, y, weights):
        digest.update(b"none" if array is None else str((array.shape, array.dtype)).encode())
        if array is not None:
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()

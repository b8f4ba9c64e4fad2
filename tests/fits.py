"""Fits that many tests ask for again: the same model, of the same rows, with the same seed.

A run fits some sixty models on its real rows alone, seconds of work, and most tests have the same
real rows. A fit is a function of what stands in its key, and nobody changes a fitted model, so no
test can tell the difference. Tests of this very property fit anew (`fits_anew` in conftest.py).
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

#: A run has some 70 fits; together they take about 100 MB.
_MOST = 500


class Fits:
    """The latest fits by `t2local.stats.ensemble._fit_one`, which ``fit`` is."""

    def __init__(self, fit: Callable[..., list[Any]]) -> None:
        self.fit = fit
        self._models: OrderedDict[bytes, list[Any]] = OrderedDict()

    def __call__(self, model, x, y, target, weights):
        """Fit, or find what was fitted."""
        key = _key(model, x, y, target, weights)
        if key not in self._models:
            self._models[key] = self.fit(model, x, y, target, weights)
        self._models.move_to_end(key)
        if len(self._models) > _MOST:
            self._models.popitem(last=False)
        return list(self._models[key])


def _key(model, x, y, target, weights) -> bytes:
    """Of all that a fit depends on: the model's kind and parameters, and the rows."""
    parts = [type(model).__name__, repr(sorted(model.get_params().items())), str(target.levels)]
    digest = hashlib.sha256("\n".join(parts).encode())
    for array in (x, y, weights):
        digest.update(b"none" if array is None else str((array.shape, array.dtype)).encode())
        if array is not None:
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()

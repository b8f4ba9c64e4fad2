"""The array types of all rooms, each by the kind of its numbers."""

from typing import Any, TypeAlias

import numpy as np

FloatArray: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
IntArray: TypeAlias = np.ndarray[Any, np.dtype[np.intp]]
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
#: Class numbers (integers), or standardised numbers (floats); shape (n,).
Labels: TypeAlias = np.ndarray[Any, np.dtype[Any]]

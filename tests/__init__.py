"""Tests of behaviour, one file for each module."""

import os

# The tests' matrices are small: threads of BLAS would wait for each other, and for the test that
# runs beside. This file is imported before numpy.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

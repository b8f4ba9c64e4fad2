"""Tests of behaviour, one file for each module."""

import os

# The tests' matrices are small: threads of BLAS would wait for each other, and for the test that
# runs beside. This file is imported before numpy.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# For the same reason each of several workers of pytest-xdist has CPUs of its own: llama.cpp takes
# as many threads as there are CPUs, and all of them wait for the slowest at each layer.
if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    _cpus = sorted(os.sched_getaffinity(0))
    _number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    _count = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.sched_setaffinity(0, _cpus[_number % len(_cpus) :: _count])

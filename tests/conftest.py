"""What all tests share: no sockets, a home of their own, and the real tables where they lie."""

import os
import sys
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from t2local.evaluate import fidelity, utility
from t2local.evaluate import report as evaluate_report
from t2local.llm import catalog
from t2local.stats import column_mixture, ensemble
from t2local.team import calibration, label_calibration
from t2local.trim import benefit
from tests.batches import patients as make_patients
from tests.fits import members, mixtures

_SOCKETS = (
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "socket.sendto",
    "http.client.connect",
    "urllib.Request",
)


def _refuse(event: str, args: tuple[object, ...]) -> None:
    if event in _SOCKETS:
        raise RuntimeError(f"a test opened a socket: {event}")


sys.addaudithook(_refuse)


@pytest.fixture(autouse=True)
def _scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the person who runs the tests must not reach them.

    Only the model store is theirs, so that it is not built anew. Nor must the settings reach a test
    which the command line sets when it seals a process (``HF_HUB_OFFLINE``): it runs in this one
    too.
    """
    for name in os.environ:
        if name.startswith(("T2LOCAL_", "HF_", "TRANSFORMERS_")) and name not in (
            "T2LOCAL_HOME",
            "T2LOCAL_BENCH_DATA",
        ):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _without_the_starter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel of the real starter model is there for tests with the mark ``model`` alone."""
    if not request.node.get_closest_marker("model"):
        installed, hidden = catalog._installed, catalog.entries()["starter"].wheels
        monkeypatch.setattr(
            catalog, "_installed", lambda part: None if part in hidden else installed(part)
        )


_MEMBERS = members(ensemble._fit_one)
_MIXTURES = mixtures(calibration.ColumnMixture)


@pytest.fixture(autouse=True, scope="session")
def _remembered_fits():
    """What was fitted once is not fitted again by another test (tests/fits.py)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ensemble, "_fit_one", _MEMBERS)
        patch.setattr(calibration, "ColumnMixture", _MIXTURES)
        # scikit-learn reads the signature of its trees again for each one: a quarter of a forest's
        # time.
        names = BaseEstimator.__dict__["_get_param_names"].__func__
        patch.setattr(BaseEstimator, "_get_param_names", classmethod(cache(names)))
        yield


@pytest.fixture
def fits_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what a fit depends on: none is remembered."""
    monkeypatch.setattr(ensemble, "_fit_one", _MEMBERS.fit)
    monkeypatch.setattr(calibration, "ColumnMixture", _MIXTURES.fit)


@pytest.fixture(scope="module")
def few_trees():
    """For modules whose tests do not read what the forests say.

    That is tested in test_benefit.py and test_label_calibration.py; whole runs with all trees are
    in test_cli_commands.py and test_label_calibration.py, and the README's own in `.ci/run`.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benefit, "_TREES", 2)
        patch.setattr(benefit, "_REPEATS", 1)
        patch.setattr(label_calibration, "_TREES_OF_A_FOLD", 10)
        yield


@pytest.fixture(scope="module")
def fewest_fits(few_trees):
    """For modules of many whole runs that ask only whether files, columns and texts are right."""
    forest, classifiers = ensemble._forest, utility._classifiers
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (benefit, "FOLDS"),
            (label_calibration, "N_FOLDS"),
            (column_mixture, "_N_FOLDS"),
            (fidelity, "_N_FOLDS"),
            (evaluate_report, "_N_FOLDS"),
        ):
            patch.setattr(module, name, 2)
        patch.setattr(ensemble, "_forest", lambda t, n, *others: forest(t, min(n, 10), *others))
        patch.setattr(utility, "_classifiers", lambda seed: classifiers(seed)[:1])
        yield


@pytest.fixture
def real_table():
    """A function from a file name to its path among the real tables; skips where they are not."""
    folder = Path(
        os.environ.get("T2LOCAL_BENCH_DATA") or Path(__file__).parents[2] / "shared" / "data"
    )

    def find(name: str) -> Path:
        if not (folder / name).is_file():
            hint = "set T2LOCAL_BENCH_DATA to the folder of the real tables"
            pytest.skip(f"{name} is not in {folder}; {hint}")
        return folder / name

    return find


@pytest.fixture
def patients() -> pd.DataFrame:
    """60 rows with a label that follows from the age: numbers, levels, blanks."""
    return make_patients()


@pytest.fixture(scope="session")
def patients_pool():
    """The ensemble of the patients' labels, a second of forests; frozen, so that tests share it."""
    from t2local.team.calibration import uncalibrated
    from tests.teams import team_of

    with team_of(make_patients(), labels="classifier") as team:
        return uncalibrated(team).pool

"""Synthetic rows in the place of SMOTE: a sampler with the interface of imbalanced-learn."""

import warnings
from collections import Counter
from collections.abc import Mapping
from numbers import Integral
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from t2local.errors import UsageError
from t2local.pipeline import generate
from t2local.run.inputs import DictionarySource
from t2local.run.models import ModelSource
from t2local.settings import SettingsSource
from t2local.system.arguments import checked
from t2local.tables.files import cell_text

_STRATEGY = (
    '"auto" (each class as large as the largest), "minority", "not minority", a share of the '
    "larger of two classes, or a dict of rows by class"
)


class OverSampler(OneToOneFeatureMixin, BaseEstimator):  # type: ignore[misc]  # it has no types
    """Adds synthetic rows until the classes are as large as they are wanted.

    A step of a ``Pipeline`` of imbalanced-learn, which is not needed for it.

    **Parameters:**

    * **sampling_strategy**: ``"auto"`` for each class as large as the largest, ``"minority"`` or
      ``"not minority"`` for some of them, a share of the larger of two classes, as 0.5, or a dict
      of rows by class, real and new ones together.
    * **dictionary**, **model**, **plan**, **settings**, **seed**: as in `t2local.generate`.

    After ``fit_resample``:

    * ``sampling_strategy_``: new rows wanted, by class.
    * ``result_``: the `Result` with report and rejected rows; none: no new row was wanted.
    """

    def __init__(
        self,
        sampling_strategy: str | float | Mapping[Any, int] = "auto",
        *,
        dictionary: DictionarySource | None = None,
        model: ModelSource | None = None,
        plan: Any = "manager",
        settings: SettingsSource | None = None,
        seed: int = 1,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.dictionary = dictionary
        self.model = model
        self.plan = plan
        self.settings = settings
        self.seed = seed

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 -- scikit-learn's name
        """Count the classes and say what is wanted of each, without a new row.

        **Raises** `UsageError` as `fit_resample`.
        """
        self.n_features_in_ = _frame(X).shape[1]
        if isinstance(X, pd.DataFrame):
            self.feature_names_in_ = X.columns.to_numpy(dtype=object)
        check_consistent_length(X, y)
        self.sampling_strategy_ = _wanted(self.sampling_strategy, Counter(_labels(y)))
        return self

    @checked
    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:  # noqa: N803 -- scikit-learn's name
        """The rows and labels, followed by new ones, in the types in which they came.

        Fewer new rows than wanted are there where the quality stages refused them: it warns then.

        **Parameters:**

        * **X**: DataFrame, array or list, shape (n, d); **y**: labels, shape (n,).

        **Raises** `UsageError` for one class, for numbers as labels, and for what a strategy
        cannot be; else as `t2local.generate`.
        """
        self.fit(X, y)
        self.result_ = None
        n_wanted = sum(self.sampling_strategy_.values())
        if not n_wanted:
            return X, y
        rows, labels = _frame(X), _labels(y)
        target = str(labels.name)
        while target in rows:
            target += "_"
        self.result_ = checked(generate)(
            rows.assign(**{target: labels}),
            target=target,
            rows=n_wanted,
            balance={
                str(cell_text(label)): count / n_wanted
                for label, count in self.sampling_strategy_.items()
            },
            dictionary=self.dictionary,
            model=self.model,
            plan=self.plan,
            settings=self.settings,
            seed=self.seed,
        )
        new = self.result_.synthetic
        if len(new) < n_wanted:
            message = f"{len(new)} of {n_wanted} new rows were kept; result_.summary() says why"
            warnings.warn(message, stacklevel=3)
        return _followed_by(X, new[list(rows)]), _followed_by(y, new[[target]])


def _frame(rows: Any) -> pd.DataFrame:
    """The rows with a text as the name of each column."""
    if isinstance(rows, pd.DataFrame):
        return rows.rename(columns=str).reset_index(drop=True)
    array = np.asarray(rows)
    if array.ndim != 2:
        message = "X takes a DataFrame, an array or a list of shape (n, d)."
        raise UsageError(message, next_step="make it dense and two-dimensional")
    return pd.DataFrame(array, columns=[f"column_{n}" for n in range(1, array.shape[1] + 1)])


def _labels(y: Any) -> pd.Series:
    """The labels, with the name of their column in the table that is generated."""
    if pd.isna(np.asarray(y, dtype=object)).any():
        raise UsageError("y has blank labels.", next_step="leave their rows out")
    check_classification_targets(y)
    if type_of_target(y).startswith("multi") and np.ndim(y) == 2 and np.shape(y)[1] > 1:
        message = "Multilabel and multioutput targets are not supported."
        raise UsageError(message, next_step="pass one label for each row")
    if isinstance(y, pd.DataFrame):
        y = y.iloc[:, 0]
    name = getattr(y, "name", None)
    labels = y if isinstance(y, pd.Series) else pd.Series(np.asarray(y).ravel())
    return labels.reset_index(drop=True).rename("target" if name is None else str(name))


def _wanted(strategy: Any, counts: Mapping[Any, int]) -> dict[Any, int]:
    """How many new rows are wanted, by class.

    **Parameters:**

    * **counts**: real rows by class.
    """
    if len(counts) < 2:
        raise UsageError("y has one class.", next_step="pass rows of two classes or more")
    wanted = _sizes(strategy, counts)
    if unknown := [label for label in wanted if label not in counts]:
        raise UsageError(
            "sampling_strategy has classes that y has not:",
            faults=list(map(str, unknown)),
            next_step="name classes of y",
        )
    if smaller := [label for label, size in wanted.items() if size < counts[label]]:
        raise UsageError(
            "sampling_strategy takes no row away, and y has more of these classes:",
            faults=list(map(str, smaller)),
            next_step="ask for more rows than y has",
        )
    return {label: size - counts[label] for label, size in wanted.items()}


def _sizes(strategy: Any, counts: Mapping[Any, int]) -> dict[Any, int]:
    """How many rows each class is to have, real and new ones together."""
    if isinstance(strategy, Mapping):
        if not all(isinstance(size, Integral) for size in strategy.values()):
            raise UsageError("sampling_strategy takes whole numbers.", next_step="count rows")
        return dict(strategy)
    by_size = sorted(counts, key=lambda label: counts[label])
    most = counts[by_size[-1]]
    if isinstance(strategy, float) and len(counts) == 2 and 0 < strategy <= 1:
        return {by_size[0]: round(strategy * most)}
    classes = {
        "auto": by_size[:-1],
        "not majority": by_size[:-1],
        "all": by_size,
        "minority": by_size[:1],
        "not minority": by_size[1:],
    }
    if not isinstance(strategy, str) or strategy not in classes:
        raise UsageError(f"sampling_strategy takes {_STRATEGY}.", next_step="pass one of these")
    return dict.fromkeys(classes[strategy], most)


def _dtype(first: np.dtype[Any], has_blank: bool) -> Any:
    """A type for an array and new cells, of which some may be blank or longer texts."""
    if has_blank:
        return np.float64 if first.kind in "iuf" else object
    return str if first.kind == "U" else first


def _followed_by(first: Any, new: pd.DataFrame) -> Any:
    """Rows or labels followed by new ones, in the type of the first."""
    if isinstance(first, pd.DataFrame):
        return pd.concat([first, new.set_axis(first.columns, axis=1)], ignore_index=True)
    if isinstance(first, pd.Series):
        labels = pd.Series(new.iloc[:, 0], name=first.name)
        return pd.concat([first, labels], ignore_index=True)
    array = np.asarray(first)
    cells = new.to_numpy().reshape(-1, *array.shape[1:])
    joined = np.concatenate([array, cells]).astype(
        _dtype(array.dtype, bool(new.isna().any(axis=None)))
    )
    return joined.tolist() if isinstance(first, list) else joined

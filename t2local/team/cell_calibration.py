"""What the feature workers know of the columns, and cells that are calibrated by it.

The yardstick is a model of independent columns: a worker that sees how columns depend on each other
finds a held-out real row likelier than this model does. A model of the columns that knows the real
rows alone is often better than the worker for a cell. So with calibrated cells each cell comes from
the worker or from that model, a mixture of copula and tree, with a mixture weight for each column
that is fitted on held-out real rows (docs/method.md, "Cells").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from t2local.stats.arrays import FloatArray
from t2local.stats.column_mixture import ColumnMixture
from t2local.stats.mixture_weights import mixture, mixture_weights
from t2local.team.conditions import Conditions
from t2local.team.plan import Component
from t2local.team.row_rules import RowRules
from t2local.team.rows import Record, records


@dataclass(frozen=True)
class CellSummary:
    """Mean log-likelihoods of real rows in nats per row, in all and by component.

    **Parameters:**

    * **nats_per_row**: by source: ``worker``; ``tree`` and ``copula``, and their mixture
      ``columns``; the ``mixture`` of worker and columns; ``independent`` columns.
    * **worker_minus_independent**: a mean above 0 says that the workers know how columns depend on
      each other; **standard_error**: of this mean; none with one row.
    * **components**: the same as ``nats_per_row``, by the role of a component.
    * **weights**: the weight of the worker in each column, 0 to 1.
    """

    rows: int
    nats_per_row: dict[str, float]
    worker_minus_independent: float
    standard_error: float | None
    components: dict[str, dict[str, float]]
    weights: dict[str, float]


@dataclass(frozen=True)
class CellCalibration:
    """Log-likelihoods of real rows that no source had seen, cell by cell, in nats.

    Each is a frame (m, columns).

    **Parameters:**

    * **worker**: under the workers; **tree**, **copula**: under these models of the columns;
      **columns**: under the mixture of both; **independent**: under independent columns.
    """

    worker: pd.DataFrame
    tree: pd.DataFrame
    copula: pd.DataFrame
    columns: pd.DataFrame
    independent: pd.DataFrame

    @property
    def weights(self) -> dict[str, float]:
        """The weight of the worker in its mixture with the model of the columns, by column."""
        return mixture_weights(self.worker, self.columns)

    def summary(self, components: Sequence[Component]) -> CellSummary:
        """The figures of all rows together.

        **Parameters:**

        * **components**: of the plan, in any order.
        """
        weights = self.weights
        means = {
            "worker": self.worker.mean(),
            "tree": self.tree.mean(),
            "copula": self.copula.mean(),
            "columns": self.columns.mean(),
            "mixture": mixture(self.worker, self.columns, weights).mean(),
            "independent": self.independent.mean(),
        }
        by_component = {}
        for component in components:
            columns = [name for name in component.features if name in self.worker]
            if columns:
                sums = {source: float(mean[columns].sum()) for source, mean in means.items()}
                by_component[component.role] = sums
        difference = (self.worker - self.independent).sum(axis=1)
        n_rows = len(difference)
        error = float(difference.std(ddof=1)) / n_rows**0.5 if n_rows > 1 else None
        return CellSummary(
            rows=n_rows,
            nats_per_row={source: float(mean.sum()) for source, mean in means.items()},
            worker_minus_independent=float(difference.mean()),
            standard_error=error,
            components=by_component,
            weights=weights,
        )


class CellMixture:
    """Says for each row that is to be written which cells the model of the columns gives.

    **Parameters:**

    * **weights**: by column, the share of rows in which the worker writes the cell. A column that
      is not there is always the worker's.
    * **rules**: what the cells keep; the cells that they bind come from the same source.
    * **conditions**: what is asked for of the cells, which are then never the worker's.
    """

    def __init__(
        self,
        columns: ColumnMixture,
        weights: dict[str, float],
        rules: RowRules | None = None,
        conditions: Conditions | None = None,
    ) -> None:
        self.columns = columns
        self._rules = rules
        self._conditions = conditions
        weights = weights | dict.fromkeys(conditions.given if conditions else (), 0.0)
        bound = rules.names & weights.keys() if rules else set()
        share = min((weights[name] for name in bound), default=0.0)
        self._weights = weights | dict.fromkeys(bound, share)
        #: How many random numbers a row takes.
        self.n_uniforms = 1 + columns.n_uniforms

    def sample(self, uniforms: FloatArray, labels: Sequence[str] | None = None) -> list[Record]:
        """The given cells of each row.

        One number decides all cells of a row, so that cells which depend on each other come from
        the same source as often as can be.

        **Parameters:**

        * **uniforms**: random numbers from 0 to 1, shape (m, ``n_uniforms``); a row depends on its
          own alone. **labels**: of the rows, where shares of them are asked for.
        """
        limits = None
        if self._conditions:
            limits = self._conditions.limits(len(uniforms), labels)
        rows = records(self.columns.rows(uniforms[:, 1:], self._rules, limits))
        return [
            {name: row[name] for name, weight in self._weights.items() if shared >= weight}
            for row, shared in zip(rows, uniforms[:, 0].tolist(), strict=True)
        ]

"""What a metric is: a name, a direction, bounds, and a function.

To add a metric, write its function in a module and its `Metric` in one of the tuples:
`t2local.evaluate.report.METRICS` for a pair of tables (or ``METRICS`` of ``fidelity`` and
``plausibility``, which it holds), or those of ``utility`` for the predictions of a model. The
report and its text take everything else from there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

#: What a metric is computed on: a `TablePair`, or `Predictions`.
Subject = TypeVar("Subject")

#: Which values are good. "not below" and "not above" are held against the reference.
Better = Literal[
    "higher",
    "lower",
    "lower, 0.5 best",
    "near reference",
    "not below",
    "not above",
    "between both",
]


@dataclass(frozen=True)
class Reference(Generic[Subject]):
    """Another value that a metric is held against.

    ``against`` says what has this value; ``better`` how a good value compares with it.
    """

    against: str
    better: Better
    compute: Callable[[Subject], float]


@dataclass(frozen=True)
class Metric(Generic[Subject]):
    """A metric. Its first reference is always the metric itself on real rows.

    **Parameters:**

    * **name**: the key in JSON, in snake_case; **label**: the words of the text table.
    * **group**: the part of the report; **lowest**, **highest**: the bounds, infinite where there
      are none.
    * **second_reference**: one more value to hold it against.
    """

    name: str
    label: str
    group: str
    better: Better
    compute: Callable[[Subject], float]
    lowest: float = 0.0
    highest: float = 1.0
    second_reference: Reference[Subject] | None = None


def measure(metrics: Iterable[Metric[Subject]], subject: Subject) -> dict[str, float]:
    """The value of each metric, by its name."""
    return {metric.name: float(metric.compute(subject)) for metric in metrics}

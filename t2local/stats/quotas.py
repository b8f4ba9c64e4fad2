"""Shares of classes as whole numbers of rows, and the labels of rows under such numbers."""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from t2local.stats.arrays import FloatArray, IntArray

#: What counts as impossible: a sum with it stays finite, and no set of likelier labels outweighs
#: it. (The float64 sums of a million rows still tell differences of 1e-4 beside it.)
_IMPOSSIBLE = -1e6
#: Of more rows so many say first where the classes part. One row after another finds that too, in
#: a time that grows with the square of their number: minutes for 100,000 rows.
_FEW_ROWS = 4000


def quotas(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """How many of ``total`` rows each class gets: whole numbers with this sum.

    This is the largest remainder method: the largest remainders are rounded up.

    **Parameters:**

    * **shares**: of each class, with the sum 1.
    """
    exact = {label: share * total for label, share in shares.items()}
    counts = {label: math.floor(number) for label, number in exact.items()}
    by_remainder = sorted(exact, key=lambda label: counts[label] - exact[label])
    for label in by_remainder[: total - sum(counts.values())]:
        counts[label] += 1
    return counts


def none_lost(counts: Mapping[str, int], labels: Iterable[str]) -> dict[str, int]:
    """The counts with at least a row for each of these classes, taken from the largest one."""
    counts = dict(counts)
    for label in labels:
        largest = max(counts, key=lambda name: counts[name])
        if not counts[label] and counts[largest] > 1:
            counts[label] = 1
            counts[largest] -= 1
    return counts


def assign(log_probabilities: FloatArray, counts: IntArray | Sequence[int]) -> IntArray:
    """The labels with the highest sum of log-probabilities, of which each class has its count.

    The likeliest label of each row empties rare classes, and drawn labels are noise; these keep the
    shares of the classes without either. Of two equally good rows the first gets the higher class
    (two classes) or is moved (more of them), so the result is always the same.

    **Parameters:**

    * **log_probabilities**: shape (m, classes); minus infinity counts as -1e6.
    * **counts**: how many rows each class gets, shape (classes,), with the sum m.

    **Returns** the class of each row, shape (m,).

    **Raises** `ValueError` for counts that do not fit.
    """
    scores = np.maximum(log_probabilities, _IMPOSSIBLE)  # (m, classes)
    wanted = np.asarray(counts, dtype=np.intp)  # (classes,)
    if len(wanted) != scores.shape[1] or wanted.sum() != len(scores) or (wanted < 0).any():
        raise ValueError(f"counts {wanted.tolist()} do not fit scores of shape {scores.shape}")
    if len(wanted) == 2:
        return _two_classes(scores, wanted)
    return _Assignment(scores, wanted).labels()


def _two_classes(scores: FloatArray, wanted: IntArray) -> IntArray:
    """The highest log-odds of the second class get it."""
    order = np.argsort(scores[:, 0] - scores[:, 1], kind="stable")  # (m,)
    labels: IntArray = np.zeros(len(scores), dtype=np.intp)
    labels[order[: wanted[1]]] = 1
    return labels


class _Assignment:
    """The transportation problem of several classes, by successive shortest paths.

    Every row begins with its likeliest class under the offsets of the classes; these are 0, or of
    very many rows those of a sample. That is the best assignment for the counts that it has. Then
    one row after another leaves a class that has too many, along the cheapest chain of moves to a
    class that has too few (Ahuja, Magnanti and Orlin, Network Flows, 1993, section 9.7). After each
    chain the assignment is the best one for its counts, so the last one is exact. The nodes of the
    network are the classes alone, so that 100,000 rows take well under a second.

    **Parameters:**

    * **scores**: finite, shape (m, classes); **wanted**: counts, shape (classes,), with the sum m.
    """

    def __init__(self, scores: FloatArray, wanted: IntArray) -> None:
        n_classes = len(wanted)
        self._scores = scores
        #: Offsets of the classes under which every row has its highest score; they keep the
        #: lengths of all moves at 0 or more.
        self.offsets = _offsets_of_sample(scores, wanted)  # (classes,)
        self._classes: IntArray = (scores + self.offsets).argmax(axis=1)  # (m,)
        self._excess = np.bincount(self._classes, minlength=n_classes) - wanted  # (classes,)
        #: What the cheapest move of a row from one class (row) to another (column) costs.
        self._costs = np.full((n_classes, n_classes), np.inf)
        self._movers = np.zeros((n_classes, n_classes), dtype=np.intp)  # the row that it moves
        self._moves = [self._moves_out_of(number) for number in range(n_classes)]
        for number in range(n_classes):
            self._update_moves(number)

    def labels(self) -> IntArray:
        """The class of each row when every class has its count."""
        while (self._excess > 0).any():
            distances, previous = self._distances()
            short = np.flatnonzero(self._excess < 0)
            target = int(short[distances[short].argmin()])
            self.offsets += np.minimum(distances, distances[target])
            self._move_along(target, previous)
        return self._classes

    def _distances(self) -> tuple[FloatArray, IntArray]:
        """How far each class is from those with too many rows, and the class before it (-1: none).

        By Bellman and Ford.
        """
        offsets = self.offsets
        # Rounding must not make a length negative, or a chain could run in a circle.
        lengths = np.maximum(self._costs + offsets[:, None] - offsets, 0.0)  # (classes, classes)
        distances = np.where(self._excess > 0, 0.0, np.inf)  # (classes,)
        previous = np.full(len(distances), -1)
        for _ in distances:
            through = distances[:, None] + lengths
            nearest = through.argmin(axis=0)  # (classes,)
            shortest = through[nearest, np.arange(len(distances))]
            shorter = shortest < distances
            if not shorter.any():
                break
            distances[shorter] = shortest[shorter]
            previous[shorter] = nearest[shorter]
        return distances, previous

    def _move_along(self, target: int, previous: IntArray) -> None:
        """Move one row along each step of the chain that ends in a class."""
        self._excess[target] += 1
        changed = [target]
        moves = []
        while previous[changed[-1]] >= 0:
            changed.append(int(previous[changed[-1]]))
            moves.append((int(self._movers[changed[-1], changed[-2]]), changed[-2]))
        self._excess[changed[-1]] -= 1
        for row, number in moves:
            self._classes[row] = number
            costs = self._scores[row, number] - self._scores[row]
            for moves_to, cost in zip(self._moves[number], costs.tolist(), strict=True):
                moves_to.add(cost, row)
        for number in changed:
            self._update_moves(number)

    def _moves_out_of(self, number: int) -> list["_Moves"]:
        """The moves out of a class, to each class."""
        rows = np.flatnonzero(self._classes == number)
        costs = self._scores[rows, number][:, None] - self._scores[rows]  # (rows, classes)
        return [_Moves(rows, own) for own in costs.T]

    def _update_moves(self, number: int) -> None:
        """The cheapest moves out of a class."""
        for other, moves in enumerate(self._moves[number]):
            if other != number:
                cost, row = moves.cheapest(self._classes, number)
                self._costs[number, other], self._movers[number, other] = cost, row


def _offsets_of_sample(scores: FloatArray, wanted: IntArray) -> FloatArray:
    """Where `_Assignment` begins, (classes,): near its end, so that few rows are left to move."""
    if len(scores) <= _FEW_ROWS:
        return np.zeros(len(wanted))
    sample = scores[:: -(-len(scores) // _FEW_ROWS)]
    shares = {str(number): count / len(scores) for number, count in enumerate(wanted.tolist())}
    counts = np.array(list(quotas(shares, len(sample)).values()))
    assignment = _Assignment(sample, counts)
    assignment.labels()
    return assignment.offsets


class _Moves:
    """The moves of the rows of one class to another one, the cheapest first, then the first row.

    A row that has left the class is passed over when its turn comes.

    **Parameters:**

    * **rows**: their numbers in order, and **costs**: of their moves; shapes (n,).
    """

    def __init__(self, rows: IntArray, costs: FloatArray) -> None:
        order = np.argsort(costs, kind="stable")
        self._rows, self._costs = rows[order], costs[order]
        self._place = 0
        self._joined: list[tuple[float, int]] = []  # a heap

    def add(self, cost: float, row: int) -> None:
        """A row joins the class."""
        heapq.heappush(self._joined, (cost, row))

    def cheapest(self, classes: IntArray, number: int) -> tuple[float, int]:
        """Cost and row of the cheapest move; infinity where the class ``number`` has no row.

        **Parameters:**

        * **classes**: of all rows now, shape (m,).
        """
        while self._place < len(self._rows) and classes[self._rows[self._place]] != number:
            self._place += 1
        while self._joined and classes[self._joined[0][1]] != number:
            heapq.heappop(self._joined)
        cheapest = self._joined[0] if self._joined else (np.inf, 0)
        if self._place == len(self._rows):
            return cheapest
        return min(cheapest, (float(self._costs[self._place]), int(self._rows[self._place])))

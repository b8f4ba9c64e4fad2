"""Allowed tokens and their logits to one token; random numbers that depend on the row alone.

Nothing here depends on a position in a batch: the same row draws the same numbers wherever it is written.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from t2local.stats.streams import Stream, generator

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]
Integers = np.ndarray[Any, np.dtype[np.integer[Any]]]


@dataclass(frozen=True)
class RowStream:
    """The source of a row's random numbers: run seed, block, row in the block, attempt."""

    seed: int
    block: int = 0
    row: int = 0
    attempt: int = 0
    stream: Stream = Stream.ROW_TOKENS

    def uniforms(self, count: int) -> Floats:
        """``count`` numbers in [0, 1): number ``i`` is for step ``i``, however many are asked for."""
        return generator(self.seed, self.stream, self.block, self.row, self.attempt).random(count)


def allowed_tokens(bits: Integers) -> Integers:
    """Ids of the tokens whose bit is set, from one row of a mask (int32 words, lowest bit first)."""
    words = np.flatnonzero(bits)
    flags = np.unpackbits(
        np.ascontiguousarray(bits[words]).view(np.uint8).reshape(-1, 4), axis=1, bitorder="little"
    )
    word, bit = np.nonzero(flags)
    return words[word] * 32 + bit


def draw(
    scores: Floats, allowed: Integers, temperature: float, uniform: float
) -> tuple[int, float]:
    """One of the allowed tokens, and its log-probability among them (at temperature 1).

    ``scores`` are the logits of the ``allowed`` tokens, none else; the draw inverts their cumulative distribution at ``uniform``.
    """
    scores = scores.astype(np.float64)
    scores -= scores.max()
    if temperature == 0:
        choice = int(scores.argmax())
    else:
        cumulative = np.exp(scores / temperature).cumsum()
        choice = min(
            int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right")),
            len(allowed) - 1,
        )
    return int(allowed[choice]), float(scores[choice] - np.log(np.exp(scores).sum()))

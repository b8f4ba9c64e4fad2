"""From the logits of the allowed tokens to one token.

Random numbers depend on the row alone, not on a position in a batch: a row draws the same numbers
wherever it is written.
"""

from dataclasses import dataclass

import numpy as np

from t2local.llm.grammar import Bitmask
from t2local.llm.model import LogitArray, TokenArray
from t2local.stats.arrays import FloatArray
from t2local.stats.streams import Stream, generator


@dataclass(frozen=True)
class RowStream:
    """The source of a row's random numbers: seed of the run, block, row in the block, attempt."""

    seed: int
    block: int = 0
    row: int = 0
    attempt: int = 0
    stream: Stream = Stream.ROW_TOKENS

    def uniforms(self, count: int) -> FloatArray:
        """Numbers in [0, 1), shape (count,); number ``i`` does not depend on ``count``."""
        return generator(self.seed, self.stream, self.block, self.row, self.attempt).random(count)


def allowed_tokens(bits: Bitmask) -> TokenArray:
    """Ids of the tokens whose bit is set, in order.

    **Parameters:**

    * **bits**: one row of a mask, shape (ceil(n_vocab / 32),), lowest bit first.
    """
    # Few words have a bit, as a grammar allows few tokens: only those are unpacked.
    words = np.flatnonzero(bits)
    flags = np.unpackbits(
        np.ascontiguousarray(bits[words]).view(np.uint8).reshape(-1, 4), axis=1, bitorder="little"
    )
    word, bit = np.nonzero(flags)
    return words[word] * 32 + bit


def draw(
    logits: LogitArray, allowed: TokenArray, temperature: float, uniform: float
) -> tuple[int, float]:
    """One of the allowed tokens, and its log-probability among them at temperature 1.

    **Parameters:**

    * **logits**: of the ``allowed`` tokens, none else, shape (n_allowed,).
    * **temperature**: the logits are divided by it; 0 takes the likeliest token.
    * **uniform**: a number in [0, 1); the draw inverts the cumulative distribution there.
    """
    # Open text allows up to 262,144 tokens: a float32 sum would lose the smallest probabilities.
    shifted = logits.astype(np.float64)
    shifted -= shifted.max()
    if temperature == 0:
        choice = int(shifted.argmax())
    else:
        cumulative = np.exp(shifted / temperature).cumsum()
        place = int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
        # Rounding can put the product at the very end of the last step.
        choice = min(place, len(allowed) - 1)
    return int(allowed[choice]), float(shifted[choice] - np.log(np.exp(shifted).sum()))

"""A thought before an answer: text that no grammar binds, of models that were trained to think."""

from collections.abc import Sequence
from contextlib import closing

import numpy as np

from t2local.llm.model import Model
from t2local.llm.sampling import RowStream, draw


def think(
    model: Model, prompt: Sequence[int], budget: int, stream: RowStream, temperature: float
) -> list[int]:
    """The tokens of a thought after a prompt that opens one, without what closes it.

    What its chat format closes it with ends it, and so does any control token: the model cannot
    take the turn of another.

    **Parameters:**

    * **budget**: the most tokens of the thought, 1 or more.
    """
    # Models may write on differently behind the mark itself, such as with one line break or two.
    mark = "".join(model.thought_end.strip().partition(">")[:2]).encode()
    n_tokens = len(prompt) + budget
    vocabulary, places = np.arange(model.n_vocab), np.arange(n_tokens, dtype=np.int32)
    pending = np.array(prompt, dtype=np.int32)
    tokens: list[int] = []
    ends: list[int] = []
    text = b""
    with closing(model.context(n_tokens, 1)) as context:
        for end, uniform in enumerate(stream.uniforms(budget), len(prompt)):
            positions = places[end - len(pending) : end]
            outputs = positions == end - 1
            logits = context.decode(pending, positions, 0 * positions, outputs, full=True)
            token, _ = draw(logits[0, vocabulary], vocabulary, temperature, float(uniform))
            if model.tokenizer.is_special_token(token):
                break
            pending = np.array([token], dtype=np.int32)
            tokens.append(token)
            text += model.tokenizer.decode_bytes([token])
            ends.append(len(text))
            if mark in text:
                break
    length = len(text.partition(mark)[0].rstrip())  # the chat format has white space of its own
    return [token for token, end in zip(tokens, ends, strict=True) if end <= length]

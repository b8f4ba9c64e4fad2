"""What decoding took: tokens, failures and seconds."""

from dataclasses import dataclass, fields, replace
from typing import Self


@dataclass
class Counters:
    """Totals of one decoder; ``+`` gives those of several (manager, workers, texts) together.

    **Parameters:**

    * **context_tokens**, **context_bytes**: size of the context; of several decoders, that of the
      largest.
    * **prefix_tokens**, **row_tokens**: tokens decoded, of shared prefixes and of rows.
    * **sampled_tokens**: tokens of rows whose logits were computed.
    * **failed_rows**: rows that ended without all their texts.
    * **failed_decodes**: calls of the model that raised.
    * **requeued_rows**: rows begun anew because the context was full.
    * **decode_seconds**: seconds inside the model.
    """

    context_tokens: int = 0
    context_bytes: int = 0
    prefix_tokens: int = 0
    row_tokens: int = 0
    sampled_tokens: int = 0
    failed_rows: int = 0
    failed_decodes: int = 0
    requeued_rows: int = 0
    decode_seconds: float = 0.0

    @property
    def decoded_tokens(self) -> int:
        """All tokens that went through the model."""
        return self.prefix_tokens + self.row_tokens

    def __add__(self, other: Self) -> Self:
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        # Contexts are opened one after another, so the memory of the largest is what a run needs.
        largest = {
            name: max(getattr(self, name), getattr(other, name))
            for name in ("context_tokens", "context_bytes")
        }
        return type(self)(**{**sums, **largest})

    def since(self, earlier: Self) -> Self:
        """What was decoded since these counters were as in ``earlier``, a copy of them."""
        names = [f.name for f in fields(self) if not f.name.startswith("context_")]
        return replace(self, **{n: getattr(self, n) - getattr(earlier, n) for n in names})

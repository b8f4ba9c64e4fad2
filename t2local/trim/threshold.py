"""What a batch must exceed: mean and deviation of what brings nothing new, and a factor."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Threshold:
    """Mean and standard deviation under "nothing new", and the level that a batch must exceed."""

    mean: float
    sd: float
    k: float

    @property
    def level(self) -> float:
        """Mean + k sd."""
        return self.mean + self.k * self.sd

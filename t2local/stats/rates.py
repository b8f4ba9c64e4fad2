"""A share of trials with its interval."""

from dataclasses import dataclass
from math import sqrt

#: 95 % of a normal distribution are within so many deviations.
NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Rate:
    """A share, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(successes: int, trials: int) -> Rate:
    """A share with Wilson's interval (1927, doi 10.1080/01621459.1927.10502953).

    **Parameters:**

    * **trials**: 1 or more.
    """
    z2 = NORMAL_95**2
    centre = (successes + z2 / 2) / (trials + z2)
    spread = successes * (trials - successes) / trials + z2 / 4
    half = NORMAL_95 * sqrt(spread) / (trials + z2)
    share = successes / trials
    return Rate(share, min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share))


def residual_risk(attack: Rate, control: Rate) -> Rate:
    """The part of an attack's success that its success on unseen rows does not explain, 0 to 1.

    The middles of both intervals, ``(attack - control) / (1 - control)``, with the errors carried
    forward (Giomi et al. 2023, arXiv 2211.10459, section 3).
    """
    (rate, error), (base, base_error) = ((_middle(one)) for one in (attack, control))
    room = 1 - base
    risk = (rate - base) / room
    half = sqrt((error / room) ** 2 + (base_error * (1 - rate) / room**2) ** 2)
    low, value, high = (min(max(end, 0.0), 1.0) for end in (risk - half, risk, risk + half))
    return Rate(value, low, high)


def _middle(rate: Rate) -> tuple[float, float]:
    """Middle and half width of an interval."""
    return (rate.low + rate.high) / 2, (rate.high - rate.low) / 2

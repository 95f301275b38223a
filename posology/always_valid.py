"""Intervals that may be looked at as often as one likes.

An interval for one look is wrong sooner or later when it is looked at each
hour. A confidence sequence covers at all looks together: it is wider, and who
stops at the moment it shows something is right with the promised probability.
"""

import math

import numpy as np

from posology.bootstrap import LEVEL, Interval
from posology.errors import TooSmall

MINIMUM = 30  # values: below it a variance is not known well enough (as G101's minimum_patients)
TIGHTEST_AT = 100  # values at which the interval is narrowest for its level


def always_valid_mean(values: np.ndarray, *, level: float = LEVEL) -> Interval:
    """The mean with an asymptotic confidence sequence.

    m ± s √(2 (n ρ² + 1) / (n² ρ²) · log(√(n ρ² + 1) / α)), with m the mean and
    s the standard deviation of the n values so far, α = 1 − level and ρ such
    that the interval is narrowest at ``TIGHTEST_AT`` values (Waudby-Smith,
    Arbour, Sinha, Kennedy & Ramdas 2024, The Annals of Statistics 52:2613,
    Theorem 2.2).

    Args:
        values: (n,) independent, for example one for each patient.
        level: of all looks together.

    Raises:
        TooSmall: fewer than ``MINIMUM`` values.
    """
    n, alpha = len(values), 1 - level
    if n < MINIMUM:
        raise TooSmall(f"an interval that may always be looked at needs {MINIMUM} values or more, there are {n}")
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / TIGHTEST_AT
    width = math.sqrt(2 * (n * rho2 + 1) / (n**2 * rho2) * math.log(math.sqrt(n * rho2 + 1) / alpha))
    mean, half = float(values.mean()), float(values.std(ddof=1)) * width
    return Interval(mean, mean - half, mean + half)


def always_valid_difference(values: np.ndarray, others: np.ndarray, *, level: float = LEVEL) -> Interval:
    """Mean of some less mean of others, each with half the error (Bonferroni): valid at all looks at both.

    Raises:
        TooSmall: fewer than ``MINIMUM`` of either.
    """
    half = 1 - (1 - level) / 2
    one, other = always_valid_mean(values, level=half), always_valid_mean(others, level=half)
    return Interval(one.value - other.value, one.low - other.high, one.high - other.low)

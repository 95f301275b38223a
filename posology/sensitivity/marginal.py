"""Bounds of a mean where the propensities may be wrong by a factor of their odds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LARGEST_ODDS = 100.0  # beyond it nothing in practice confounds; asked no further


@dataclass(frozen=True)
class MeanUnderOdds:
    """A doubly robust mean and what it can be when something unobserved moved the choice.

    The marginal sensitivity model: the odds of being given the content, known
    all that was unobserved, are within a factor Γ of the stated ones (Tan
    2006, JASA 101:1619). The inverse propensity then lies between
    1 + (1/p − 1)/Γ and 1 + (1/p − 1)Γ; the weighted mean residual is largest
    where all residuals above a threshold weigh most and all others least
    (Zhao, Small & Bhattacharya 2019, JRSS B 81:735).

    Attributes:
        predicted: the mean prediction that the residuals correct.
        residual: (n,) of the decisions in which the content was given.
        propensity: (n,) with which it was given, as stated.
        share: (n,) weight of each beside the inverse propensity; 1 for a single content.
    """

    predicted: float
    residual: np.ndarray
    propensity: np.ndarray
    share: np.ndarray

    def low(self, odds: float) -> float:
        """The least mean at a factor Γ."""
        return self.predicted + self._extreme(odds, np.argsort(self.residual, kind="stable"), np.minimum)

    def high(self, odds: float) -> float:
        """The largest mean at a factor Γ."""
        return self.predicted + self._extreme(odds, np.argsort(-self.residual, kind="stable"), np.maximum)

    def _extreme(self, odds: float, order: np.ndarray, better: np.ufunc) -> float:
        residual, against = self.residual[order], 1 / self.propensity[order] - 1
        large, small = self.share[order] * (1 + against * odds), self.share[order] * (1 + against / odds)
        weight = _before(large) + small.sum() - _before(small)
        total = _before(large * residual) + (small * residual).sum() - _before(small * residual)
        return float(better.reduce(total / weight))


def odds_that_flip(leader: MeanUnderOdds, other: MeanUnderOdds, *, error: float = 0.0) -> float:
    """The least Γ at which the leader may be no better than the other; ``LARGEST_ODDS`` where none below does.

    Args:
        leader: the larger mean.
        other: the smaller one.
        error: half the width of the difference's interval; with it the Γ at
            which the interval's lower end may be at 0.
    """
    return _crossing(lambda odds: leader.low(odds) - other.high(odds) - error)


def _crossing(gap: Callable[[float], float]) -> float:
    low, high = 0.0, float(np.log(LARGEST_ODDS))
    if gap(1.0) <= 0:
        return 1.0
    if gap(LARGEST_ODDS) > 0:
        return LARGEST_ODDS
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if gap(float(np.exp(middle))) > 0 else (low, middle)
    return float(np.exp((low + high) / 2))


def _before(values: np.ndarray) -> np.ndarray:
    """(n + 1,) sums of the first 0, 1, … n values."""
    return np.concatenate([[0.0], np.cumsum(values)])

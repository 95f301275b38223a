"""Inverse propensity scoring with weights that sum to one."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.bootstrap import ratio
from posology.offpolicy.log import LoggedDecisions


@dataclass(frozen=True)
class SelfNormalised:
    """Weighted mean of F: V = Σ w r / Σ w, w = π(a|x) / p(a|x).

    Symbols: r the reward F, a the content given, x the situation, p the
    logging and π the target policy.
    Assumption: as for IPS, and enough decisions, for its bias is of order 1/n.
    It stays within the rewards seen, and adding a constant to F adds it to V.
    Breaks when: propensities are wrong or missing; logging was deterministic;
    few decisions carry the weight (a small effective sample size).
    Reference: Swaminathan & Joachims 2015, NeurIPS 28.
    """

    name: ClassVar[str] = "self_normalised"
    is_diagnostic: ClassVar[bool] = False

    def terms(self, log: LoggedDecisions) -> np.ndarray:
        """(n, 2) weighted reward, weight."""
        return np.stack([log.weights * log.reward, log.weights], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        """Weighted rewards over weights."""
        return ratio(sums)

    def span(self, log: LoggedDecisions) -> None:
        """None: not a mean of terms."""

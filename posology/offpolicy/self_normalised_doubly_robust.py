"""A prediction of F, corrected by what was seen with weights that sum to one."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.offpolicy.log import LoggedDecisions


@dataclass(frozen=True)
class SelfNormalisedDoublyRobust:
    """DR with weights that sum to one: V = (1/n) Σ Σ_b π(b|x) q(x, b) + Σ w (r − q(x, a)) / Σ w.

    Symbols: q predicted F, r the reward F, a the content given, b any
    content, w = π(a|x) / p(a|x), p the logging and π the target policy.
    Assumption: as for DR, and enough decisions, for its bias is of order 1/n.
    Breaks when: as DR, but a few huge weights move it less.
    Reference: Thomas & Brunskill 2016, ICML 33 (weighted DR at horizon one).
    """

    name: ClassVar[str] = "self_normalised_doubly_robust"
    is_diagnostic: ClassVar[bool] = False

    def terms(self, log: LoggedDecisions) -> np.ndarray:
        """(n, 4) prediction, one, weighted error, weight."""
        error = log.weights * (log.reward - log.predicted_given)
        return np.stack([log.predicted_target, np.ones(len(log)), error, log.weights], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        """Mean prediction and weighted mean of the error."""
        prediction, n, error, weight = np.moveaxis(sums, -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((n > 0) & (weight > 0), prediction / n + error / weight, np.nan)

    def span(self, log: LoggedDecisions) -> None:
        """None: not a mean of terms."""

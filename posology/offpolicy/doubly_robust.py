"""A prediction of F, corrected by what was seen."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.bootstrap import ratio
from posology.offpolicy.log import LoggedDecisions


@dataclass(frozen=True)
class DoublyRobust:
    """Predicted F plus the reweighted error of prediction: V = (1/n) Σ [Σ_b π(b|x) q(x, b) + w (r − q(x, a))].

    The weights are not self-normalised: so the estimate is exactly unbiased
    under logged propensities, and what normalising saves is mostly saved by
    subtracting q already.

    Symbols: q predicted F, r the reward F, a the content given, b any
    content, w = π(a|x) / p(a|x), p the logging and π the target policy.
    Assumption: propensities or q are right (not both need be), q was fitted
    on other patients, π is covered by p, and decisions are judged one at a time.
    Breaks when: both are wrong (the errors multiply); q has seen these
    rewards; weights are huge where q is bad.
    Reference: Dudík, Langford & Li 2011, ICML 28.
    """

    name: ClassVar[str] = "doubly_robust"
    is_diagnostic: ClassVar[bool] = False

    def terms(self, log: LoggedDecisions) -> np.ndarray:
        """(n, 2) corrected prediction, one."""
        corrected = log.predicted_target + log.weights * (log.reward - log.predicted_given)
        return np.stack([corrected, np.ones(len(log))], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        """Corrected predictions over decisions."""
        return ratio(sums)

    def span(self, log: LoggedDecisions) -> tuple[float, float]:
        """Least and largest term where predictions lie in [0, 1]."""
        largest = float(log.weights.max())
        return -largest, 1 + largest

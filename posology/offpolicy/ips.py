"""Inverse propensity scoring."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.bootstrap import ratio
from posology.offpolicy.log import LoggedDecisions


@dataclass(frozen=True)
class IPS:
    """Mean F reweighted from the logging to the target policy: V = (1/n) Σ w r, w = π(a|x) / p(a|x).

    Symbols: r the reward F, a the content given, x the situation, p the
    logging and π the target policy.
    Assumption: p is what was truly used, above zero wherever π is, and
    decisions are judged one at a time: situations come as under logging.
    Breaks when: propensities are wrong or missing; logging was deterministic;
    a few weights are huge (unbiased still, but the variance explodes).
    Reference: Horvitz & Thompson 1952, JASA 47:663.
    """

    name: ClassVar[str] = "ips"
    is_diagnostic: ClassVar[bool] = False

    def terms(self, log: LoggedDecisions) -> np.ndarray:
        """(n, 2) weighted reward, one."""
        return np.stack([log.weights * log.reward, np.ones(len(log))], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        """Weighted rewards over decisions."""
        return ratio(sums)

    def span(self, log: LoggedDecisions) -> tuple[float, float]:
        """Least and largest term."""
        return 0.0, float(log.weights.max())

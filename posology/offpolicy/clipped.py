"""Inverse propensity scoring with no weight above a limit."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.bootstrap import ratio
from posology.offpolicy.log import LoggedDecisions


@dataclass(frozen=True)
class Clipped:
    """IPS with weights cut off: V = (1/n) Σ min(w, λ) r, w = π(a|x) / p(a|x).

    Symbols: r the reward F, a the content given, x the situation, p the
    logging and π the target policy, λ the limit.
    Assumption: as for IPS, and what is cut off matters little. As F is not
    negative, V can only be too low.
    Breaks when: the target policy lives on contents that were seldom given:
    their worth is cut off with the weights.
    Reference: Ionides 2008, J. Computational and Graphical Statistics 17:295, also for λ = √n.

    Attributes:
        limit: λ; √n when None, at which bias and standard error vanish alike.
    """

    name: ClassVar[str] = "clipped"
    is_diagnostic: ClassVar[bool] = False
    limit: float | None = None

    def terms(self, log: LoggedDecisions) -> np.ndarray:
        """(n, 2) reward by clipped weight, one."""
        limit = np.sqrt(len(log)) if self.limit is None else self.limit
        return np.stack([np.minimum(log.weights, limit) * log.reward, np.ones(len(log))], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        """Weighted rewards over decisions."""
        return ratio(sums)

    def span(self, log: LoggedDecisions) -> tuple[float, float]:
        """Least and largest term."""
        largest = float(log.weights.max())
        return 0.0, largest if self.limit is None else min(largest, self.limit)

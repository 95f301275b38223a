"""Doubly robust with weights shrunk towards zero, the large ones most."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.bootstrap import ratio
from posology.offpolicy.log import LoggedDecisions
from posology.offpolicy.tuning import least_error


@dataclass(frozen=True)
class Shrinkage:
    """DR with optimistic shrinkage: V = (1/n) Σ [Σ_b π(b|x) q(x, b) + λw / (w² + λ) · (r − q(x, a))].

    λ = 0 is the direct method, λ = ∞ doubly robust; in between little bias
    is taken for much less variance.

    Symbols: q predicted F, r the reward F, a the content given, b any
    content, w = π(a|x) / p(a|x), p the logging and π the target policy.
    Assumption: as for DR; q need not be right, but the more weights are
    shrunk the more its errors count.
    Breaks when: q is wrong where weights are large and λ is small.
    Reference: Su, Dimakopoulou, Krishnamurthy & Dudík 2020, ICML 37.

    Attributes:
        constant: λ; of the smallest error by the data when None, see ``tuning``.
    """

    name: ClassVar[str] = "doubly_robust_shrinkage"
    is_diagnostic: ClassVar[bool] = False
    constant: float | None = None

    def weights(self, log: LoggedDecisions, constant: float) -> np.ndarray:
        """(n,) λw / (w² + λ)."""
        weights = log.weights
        if np.isinf(constant):
            return weights
        return np.divide(
            constant * weights, weights**2 + constant, out=np.zeros_like(weights), where=(weights > 0) | (constant > 0)
        )

    def candidates(self, log: LoggedDecisions) -> np.ndarray:
        """Constants to choose from: evenly by ratio from far below to far above w², as in the paper, and ∞."""
        low, high = np.quantile(np.square(log.weights[log.weights > 0]), [0.05, 0.95])
        return np.append(np.geomspace(0.01 * low, 100 * high, 30), np.inf)

    def chosen(self, log: LoggedDecisions) -> float:
        """The constant that is used."""
        return least_error(log, self.weights, self.candidates(log)) if self.constant is None else self.constant

    def terms(self, log: LoggedDecisions) -> np.ndarray:
        """(n, 2) corrected prediction, one."""
        weights = self.weights(log, self.chosen(log))
        corrected = log.predicted_target + weights * (log.reward - log.predicted_given)
        return np.stack([corrected, np.ones(len(log))], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        """Corrected predictions over decisions."""
        return ratio(sums)

    def span(self, log: LoggedDecisions) -> tuple[float, float]:
        """Least and largest term where predictions lie in [0, 1]."""
        largest = float(self.weights(log, self.chosen(log)).max())
        return -largest, 1 + largest

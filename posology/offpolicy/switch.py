"""Doubly robust where weights are small, the prediction alone where they are large."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.bootstrap import ratio
from posology.offpolicy.log import LoggedDecisions
from posology.offpolicy.tuning import least_error


@dataclass(frozen=True)
class Switch:
    """DR without corrections by large weights: V = (1/n) Σ [Σ_b π(b|x) q(x, b) + 1(w ≤ λ) w (r − q(x, a))].

    Symbols: q predicted F, r the reward F, a the content given, b any
    content, w = π(a|x) / p(a|x), p the logging and π the target policy,
    1(·) one where it holds and zero elsewhere, λ the limit.
    Assumption: as for DR, and q is right where w > λ.
    Breaks when: q is wrong for the contents seldom given.
    Reference: Wang, Agarwal & Dudík 2017, ICML 34 (SWITCH-DR).

    Attributes:
        limit: λ; of the smallest error by the data when None, see ``tuning``.
    """

    name: ClassVar[str] = "switch"
    is_diagnostic: ClassVar[bool] = False
    limit: float | None = None

    def weights(self, log: LoggedDecisions, limit: float) -> np.ndarray:
        """(n,) w, zero above the limit."""
        return np.where(log.weights <= limit, log.weights, 0.0)

    def candidates(self, log: LoggedDecisions) -> np.ndarray:
        """Limits to choose from: between small and large weights, evenly by ratio, and the largest of all."""
        low, high = np.quantile(log.weights[log.weights > 0], [0.05, 0.95])
        return np.append(np.geomspace(low, high, 30), log.weights.max())

    def chosen(self, log: LoggedDecisions) -> float:
        """The limit that is used."""
        return least_error(log, self.weights, self.candidates(log)) if self.limit is None else self.limit

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

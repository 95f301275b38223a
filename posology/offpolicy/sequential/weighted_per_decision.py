"""Per-decision importance sampling with weights that sum to one at each decision."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.offpolicy.sequential.trajectories import Trajectories


@dataclass(frozen=True)
class WeightedPerDecision:
    """Weighted mean F of each decision: V = Σ_t s_t (Σ_i w_0:t r_t / Σ_i w_0:t).

    Symbols: r_t the reward F of decision t, w_0:t = Π_k≤t π(a_k|x_k) / p(a_k|x_k),
    p the logging and π the target policy, s_t = γ^t / Σ γ^t, i the runs.
    Assumption: as for per-decision, and enough runs, for its bias is of order 1/n.
    Breaks when: few runs carry the weight of the later decisions.
    Reference: Precup, Sutton & Singh 2000, ICML 17; Thomas 2015, PhD thesis, University of Massachusetts, 3.9.
    """

    name: ClassVar[str] = "weighted_per_decision"
    is_diagnostic: ClassVar[bool] = False
    by_whole_run: ClassVar[bool] = True

    def terms(self, log: Trajectories) -> np.ndarray:
        """(n, 2 * horizon) share times weighted reward at each decision, then weights."""
        weights = log.weights_so_far
        return np.concatenate([weights * log.rewards * log.shares, weights], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        """Weighted rewards over weights, added over decisions."""
        rewards, weights = np.split(sums, 2, axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(weights > 0, rewards / weights, np.nan).sum(axis=-1))

    def span(self, log: Trajectories) -> None:
        """None: not a mean of terms."""

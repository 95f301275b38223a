"""Per-decision importance sampling."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.bootstrap import ratio
from posology.offpolicy.sequential.trajectories import Trajectories


@dataclass(frozen=True)
class PerDecision:
    """Each F reweighted by what led to it: V = (1/n) Σ_i Σ_t s_t w_0:t r_t.

    Symbols: r_t the reward F of decision t, w_0:t = Π_k≤t π(a_k|x_k) / p(a_k|x_k),
    p the logging and π the target policy, s_t = γ^t / Σ γ^t, n runs.
    Assumption: p is what was truly used, above zero wherever π is; x_t holds
    all that moved the choice.
    Breaks when: the horizon is long: the products explode, few runs carry all.
    Reference: Precup, Sutton & Singh 2000, ICML 17.
    """

    name: ClassVar[str] = "per_decision"
    is_diagnostic: ClassVar[bool] = False
    by_whole_run: ClassVar[bool] = True

    def terms(self, log: Trajectories) -> np.ndarray:
        """(n, 2) weighted reward of the run, one."""
        return np.stack([(log.weights_so_far * log.rewards) @ log.shares, np.ones(len(log))], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        """Weighted rewards over runs."""
        return ratio(sums)

    def span(self, log: Trajectories) -> tuple[float, float]:
        """Least and largest term."""
        return 0.0, float(log.weights_so_far.max(axis=0) @ log.shares)

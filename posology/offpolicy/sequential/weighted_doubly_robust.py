"""Sequential doubly robust with weights that sum to one at each decision."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.offpolicy.sequential.trajectories import Trajectories


@dataclass(frozen=True)
class WeightedDoublyRobust:
    """Sequential DR with normalised weights: V = Σ_t s_t Σ_i [u_t (r_t − Q_t) + u_t−1 V_t], u_t = w_0:t / Σ_i w_0:t.

    Symbols: r_t the reward F of decision t, Q_t and V_t predicted values to the
    end of the run, w_0:t = Π_k≤t π(a_k|x_k) / p(a_k|x_k) with w_0:−1 = 1, p the
    logging and π the target policy, s_t = γ^t / Σ γ^t, i the runs.
    Assumption: as for sequential DR, and enough runs, for its bias is of order 1/n.
    Breaks when: as sequential DR, later.
    Reference: Thomas & Brunskill 2016, ICML 33.
    """

    name: ClassVar[str] = "weighted_doubly_robust"
    is_diagnostic: ClassVar[bool] = False
    by_whole_run: ClassVar[bool] = True

    def terms(self, log: Trajectories) -> np.ndarray:
        """(n, 3 * horizon + 1) share times weighted errors, share times weighted values, one and weights."""
        weights = np.concatenate([np.ones((len(log), 1)), log.weights_so_far], axis=1)
        errors = weights[:, 1:] * (log.rewards - log.predicted_given) * log.shares
        values = weights[:, :-1] * log.predicted_target * log.shares
        return np.concatenate([errors, values, weights], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        """Both over their weights, added over decisions."""
        horizon = sums.shape[-1] // 3
        errors, values, weights = np.split(sums, [horizon, 2 * horizon], axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = errors / weights[..., 1:] + values / weights[..., :-1]
        return np.asarray(found.sum(axis=-1))

    def span(self, log: Trajectories) -> None:
        """None: not a mean of terms."""

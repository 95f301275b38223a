"""Predicted values, corrected at each decision by what was seen."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.bootstrap import ratio
from posology.offpolicy.sequential.trajectories import Trajectories


@dataclass(frozen=True)
class SequentialDoublyRobust:
    """Per-decision IS with predictions as control variate: V = (1/n) Σ_i Σ_t s_t [w_0:t (r_t − Q_t) + w_0:t−1 V_t].

    Symbols: r_t the reward F of decision t, Q_t and V_t predicted values to the
    end of the run, w_0:t = Π_k≤t π(a_k|x_k) / p(a_k|x_k) with w_0:−1 = 1, p the
    logging and π the target policy, s_t = γ^t / Σ γ^t, n runs.
    Assumption: propensities or Q are right (not both need be), Q was fitted on
    other patients, π is covered by p.
    Breaks when: both are wrong; the horizon is long and Q bad.
    Reference: Jiang & Li 2016, ICML 33.
    """

    name: ClassVar[str] = "sequential_doubly_robust"
    is_diagnostic: ClassVar[bool] = False
    by_whole_run: ClassVar[bool] = True

    def terms(self, log: Trajectories) -> np.ndarray:
        """(n, 2) corrected prediction of the run, one."""
        weights = log.weights_so_far
        before = np.concatenate([np.ones((len(log), 1)), weights[:, :-1]], axis=1)
        corrected = weights * (log.rewards - log.predicted_given) + before * log.predicted_target
        return np.stack([corrected @ log.shares, np.ones(len(log))], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        """Corrected predictions over runs."""
        return ratio(sums)

    def span(self, log: Trajectories) -> tuple[float, float]:
        """Least and largest term where predictions lie between 0 and what is left of the run."""
        largest = np.append(1.0, log.weights_so_far.max(axis=0))
        left = (log.discount ** np.arange(log.horizon)).cumsum()[::-1]
        low = -(log.shares * largest[1:] * left).sum()
        return float(low), float((log.shares * (largest[1:] + largest[:-1] * left)).sum())

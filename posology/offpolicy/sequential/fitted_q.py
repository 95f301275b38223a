"""Predicted value of whole runs, taken at its word."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.bootstrap import ratio
from posology.offpolicy.sequential.trajectories import Trajectories


@dataclass(frozen=True)
class FittedQ:
    """Mean predicted value where runs begin: V = (1/n) Σ_i V_0(x_0) / Σ_t γ^t. A diagnostic only.

    Q is fitted backwards from the last decision to what came and what is
    predicted next (fitted Q evaluation); the interval does not know how wrong it is.

    Symbols: V_0 the predicted value of the first decision under the target
    policy, γ the discount, n runs.
    Assumption: Q is right everywhere the target policy goes, and x_t holds all
    that the future depends on.
    Breaks when: it is not; errors of later decisions add up in the first.
    Reference: Le, Voloshin & Yue 2019, ICML 36.
    """

    name: ClassVar[str] = "fitted_q"
    is_diagnostic: ClassVar[bool] = True
    by_whole_run: ClassVar[bool] = False

    def terms(self, log: Trajectories) -> np.ndarray:
        """(n, 2) predicted mean F of the run, one."""
        return np.stack([log.predicted_target[:, 0] / log.scale, np.ones(len(log))], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        """Predictions over runs."""
        return ratio(sums)

    def span(self, log: Trajectories) -> tuple[float, float]:  # noqa: ARG002 - the same face for all
        """Least and largest predicted mean F."""
        return 0.0, 1.0

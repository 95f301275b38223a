"""Predicted F, taken at its word."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.bootstrap import ratio
from posology.offpolicy.log import LoggedDecisions


@dataclass(frozen=True)
class DirectMethod:
    """Mean predicted F under the target policy: V = (1/n) Σ Σ_b π(b|x) q(x, b). A diagnostic only.

    The policy was made by maximising q, so q flatters it, and the interval
    knows only who the patients were, not how wrong q is. Far from the other
    estimators it says that q is biased where the policy goes.

    Symbols: q predicted F, b any content, x the situation, π the target policy.
    Assumption: q is right everywhere the target policy goes.
    Breaks when: it is not, and nothing in the data need show it.
    Reference: Dudík, Langford & Li 2011, ICML 28.
    """

    name: ClassVar[str] = "direct_method"
    is_diagnostic: ClassVar[bool] = True

    def terms(self, log: LoggedDecisions) -> np.ndarray:
        """(n, 2) predicted F under the target policy, one."""
        return np.stack([log.predicted_target, np.ones(len(log))], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        """Predictions over decisions."""
        return ratio(sums)

    def span(self, log: LoggedDecisions) -> tuple[float, float]:  # noqa: ARG002 - the same face for all
        """Least and largest prediction of F."""
        return 0.0, 1.0

"""What an off-policy estimator is."""

from typing import ClassVar, Protocol

import numpy as np

from posology.offpolicy.log import LoggedDecisions


class Estimator(Protocol):
    """A frozen value whose estimate is a function of sums over decisions, so that patients can be resampled.

    Attributes:
        name: as written in reports.
        is_diagnostic: whether it may only be read beside the others, never alone.
    """

    name: ClassVar[str]
    is_diagnostic: ClassVar[bool]

    def terms(self, log: LoggedDecisions) -> np.ndarray:
        """(n, n_terms) what is summed over decisions."""
        ...

    def value(self, sums: np.ndarray) -> np.ndarray:
        """Sums (..., n_terms) → mean F under the target policy (...)."""
        ...

    def span(self, log: LoggedDecisions) -> tuple[float, float] | None:
        """Least and largest value of a decision's first term, where the estimate is that term's mean; else None.

        The largest weight seen stands for the largest possible.
        """
        ...

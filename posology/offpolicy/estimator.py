"""What an off-policy estimator is."""

from typing import ClassVar, Protocol, TypeVar

import numpy as np

Log_contra = TypeVar("Log_contra", contravariant=True)  # LoggedDecisions, or Trajectories


class Estimator(Protocol[Log_contra]):
    """A frozen value whose estimate is a function of sums over rows of a log, so that patients can be resampled.

    Attributes:
        name: as written in reports.
        is_diagnostic: whether it may only be read beside the others, never alone.
    """

    name: ClassVar[str]
    is_diagnostic: ClassVar[bool]

    def terms(self, log: Log_contra) -> np.ndarray:
        """(n, n_terms) what is summed over the rows."""
        ...

    def value(self, sums: np.ndarray) -> np.ndarray:
        """Sums (..., n_terms) → mean F under the target policy (...)."""
        ...

    def span(self, log: Log_contra) -> tuple[float, float] | None:
        """Least and largest value of a row's first term, where the estimate is that term's mean; else None.

        The largest weight seen stands for the largest possible.
        """
        ...

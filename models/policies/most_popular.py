"""What is given most."""

from dataclasses import dataclass

import numpy as np

from models.policies.decisions import Decisions, certain


@dataclass(frozen=True)
class MostPopular:
    """The eligible content that was given most often, over all patients.

    Attributes:
        times: (n_contents,) how often each was given, in the order of the contents table.
    """

    times: np.ndarray

    def probabilities(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) 1 for it; the first of those given equally often."""
        popular = np.where(decisions.eligible, self.times, -1)
        return certain(popular.argmax(axis=1), popular.shape[1])

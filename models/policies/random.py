"""Any eligible content."""

from dataclasses import dataclass

import numpy as np

from models.policies.decisions import Decisions


@dataclass(frozen=True)
class Random:
    """All eligible contents alike."""

    def probabilities(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) the same for every eligible content."""
        return decisions.eligible / decisions.eligible.sum(axis=1, keepdims=True)

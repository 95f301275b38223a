"""Any eligible content."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from models.policies.decisions import Decisions
from models.policies.policy import Plain


@dataclass(frozen=True)
class Random(Plain):
    """All eligible contents alike."""

    kind: ClassVar[str] = "random"

    def probabilities(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) the same for every eligible content."""
        return decisions.eligible / decisions.eligible.sum(axis=1, keepdims=True)

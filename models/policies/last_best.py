"""What went best with this patient."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from models.policies.decisions import Decisions
from models.policies.policy import Plain


@dataclass(frozen=True)
class LastBest(Plain):
    """The eligible content that lately brought the patient most F; any eligible one before there is any."""

    kind: ClassVar[str] = "last-best"

    def probabilities(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) shared by those that are equal."""
        brought = np.where(decisions.eligible, decisions.feature("content_feedback"), np.nan)
        brought = np.where(np.isnan(brought), -np.inf, brought)
        best = decisions.eligible & (brought == brought.max(axis=1, keepdims=True))
        return best / best.sum(axis=1, keepdims=True)

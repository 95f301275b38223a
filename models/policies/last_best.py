"""What went best with this patient."""

from dataclasses import dataclass

import numpy as np

from models.policies.decisions import Decisions


@dataclass(frozen=True)
class LastBest:
    """The eligible content that lately brought the patient most F; any eligible one before there is any."""

    def probabilities(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) shared by those that are equal."""
        brought = np.where(decisions.eligible, decisions.feature("content_feedback"), np.nan)
        brought = np.where(np.isnan(brought), -np.inf, brought)
        best = decisions.eligible & (brought == brought.max(axis=1, keepdims=True))
        return best / best.sum(axis=1, keepdims=True)

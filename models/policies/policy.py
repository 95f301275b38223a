"""What a policy is."""

from typing import Protocol

import numpy as np

from models.policies.decisions import Decisions


class Policy(Protocol):
    """Gives every content a probability, from what is known before each decision and from nothing else.

    Off-policy evaluation, training and service ask it through this one
    method. In a simulator it is asked through ``models.treating``.
    """

    def probabilities(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) rows that sum to one, zero where not eligible."""
        ...

"""The clinic that treats a cohort: a stochastic policy with known probabilities."""

from dataclasses import dataclass

import numpy as np

from posology.simulators.policies import Moment
from posology.simulators.simulator import Simulator


@dataclass(frozen=True)
class Clinician:
    """Prefers what looks suitable, and tries everything sometimes.

    Attributes:
        trying: probability spread evenly over all eligible contents.
    """

    trying: float = 0.25

    def probabilities(self, rng: np.random.Generator, simulator: Simulator, moment: Moment) -> np.ndarray:
        """(n, n_contents) chance of each content; rows sum to 1, 0 where not eligible."""
        eligible = moment.eligible
        liking = simulator.impression(rng, moment.patients) * eligible
        return (1 - self.trying) * liking / liking.sum(axis=1, keepdims=True) + (
            self.trying * eligible / eligible.sum(axis=1, keepdims=True)
        )

"""The clinic that treated the cohort: a stochastic policy with known probabilities."""

from dataclasses import dataclass

import numpy as np

from posology.simulators.world import World


@dataclass(frozen=True)
class Clinician:
    """Prefers levels near the capacity as the clinic sees it, and tries everything sometimes.

    Attributes:
        eye_sd: levels; how far the picture of a patient is off, the same for the whole course.
        glance_sd: levels; how far it is off besides on one day.
        width: levels; how strictly the level must fit the picture.
        trying: probability spread evenly over all eligible contents.
        rest: how much a rest is preferred to a content that fits perfectly.
    """

    eye_sd: float = 1.8
    glance_sd: float = 0.5
    width: float = 1.5
    trying: float = 0.25
    rest: float = 0.15

    def probabilities(
        self, rng: np.random.Generator, world: World, patients: np.ndarray, eligible: np.ndarray
    ) -> np.ndarray:
        """(n, n_contents) chance of each content; rows sum to 1, 0 where not eligible."""
        misjudged = world.eye[patients] * self.eye_sd + rng.normal(0, self.glance_sd, len(patients))
        gap = world.gap(patients) - misjudged[:, None]
        liking = np.where(world.is_rest, self.rest, np.exp(-0.5 * (gap / self.width) ** 2)) * eligible
        return (1 - self.trying) * liking / liking.sum(axis=1, keepdims=True) + (
            self.trying * eligible / eligible.sum(axis=1, keepdims=True)
        )


def draw(rng: np.random.Generator, probabilities: np.ndarray) -> np.ndarray:
    """(n,) one content for each row of probabilities, never one whose probability is 0."""
    ends = probabilities.cumsum(axis=1)
    at = rng.random(len(ends)) * ends[:, -1]
    return (at[:, None] >= ends).sum(axis=1)

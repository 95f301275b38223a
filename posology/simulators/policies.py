"""Who chooses the contents in a simulation: policies whose probabilities are known."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl

from posology.simulators.simulator import Simulator


@dataclass(frozen=True)
class Moment:
    """n patients who have opened the app today, each waiting for a content.

    Attributes:
        day: since the simulation began.
        patients: (n,) their numbers.
        situations: ``user_id``, ``decided_at``, U and context columns, one row each.
        eligible: (n, n_contents) what may be given.
    """

    day: int
    patients: np.ndarray
    situations: pl.DataFrame
    eligible: np.ndarray


class Policy(Protocol):
    """Gives every content a probability."""

    def probabilities(self, rng: np.random.Generator, simulator: Simulator, moment: Moment) -> np.ndarray:
        """(n, n_contents) chance of each content; rows sum to 1, 0 where not eligible."""


def draw(rng: np.random.Generator, probabilities: np.ndarray) -> np.ndarray:
    """(n,) one content for each row of probabilities, never one whose probability is 0."""
    ends = probabilities.cumsum(axis=1)
    at = rng.random(len(ends)) * ends[:, -1]
    return (at[:, None] >= ends).sum(axis=1)

"""Who chooses the contents in a simulation: policies whose probabilities are known."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import polars as pl

from posology.errors import CannotDo
from posology.simulators.simulator import Simulator
from posology.tables import Tables


@dataclass(frozen=True)
class Moment:
    """n patients who have opened the app today, each waiting for a content.

    Attributes:
        day: since the simulation began.
        patients: (n,) their numbers.
        situations: ``user_id``, ``decided_at``, U and context columns, one row each.
        eligible: (n, n_contents) what may be given.
        content_feedback: gives (n_contents,) mean F that each content brought until yesterday; NaN where none.
        known: gives the tables as recorded until yesterday, of these patients.
    """

    day: int
    patients: np.ndarray
    situations: pl.DataFrame
    eligible: np.ndarray
    content_feedback: Callable[[], np.ndarray]
    known: Callable[[], Tables]


class Policy(Protocol):
    """Gives every content a probability.

    ``learns`` tells whether it looks at ``content_feedback``, what other
    patients brought: then all must live by one calendar.
    """

    @property
    def learns(self) -> bool:
        """Whether it learns from other patients."""

    def probabilities(self, rng: np.random.Generator, simulator: Simulator, moment: Moment) -> np.ndarray:
        """(n, n_contents) chance of each content; rows sum to 1, 0 where not eligible."""


@dataclass(frozen=True)
class Clinician:
    """Prefers what looks suitable, and tries everything sometimes.

    Attributes:
        trying: probability spread evenly over all eligible contents; 1 gives all of them alike.
    """

    trying: float = 0.25
    learns: ClassVar[bool] = False

    def probabilities(self, rng: np.random.Generator, simulator: Simulator, moment: Moment) -> np.ndarray:
        """(n, n_contents) in proportion to the impression, beside the trying."""
        eligible = moment.eligible
        liking = simulator.impression(rng, moment.patients) * eligible
        return (1 - self.trying) * liking / liking.sum(axis=1, keepdims=True) + (
            self.trying * eligible / eligible.sum(axis=1, keepdims=True)
        )


@dataclass(frozen=True)
class EpsilonGreedy:
    """The eligible content that brought most F so far, over all patients; any eligible one with chance epsilon.

    It learns as it goes: a content nobody has had counts as one that brings F of 1.
    """

    epsilon: float = 0.2
    learns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon <= 1:
            raise CannotDo(f"epsilon is {self.epsilon:g}; expected a probability from 0 to 1")

    def probabilities(self, rng: np.random.Generator, simulator: Simulator, moment: Moment) -> np.ndarray:  # noqa: ARG002
        """(n, n_contents) epsilon shared by all, the rest to the best; the first of those that are equal."""
        eligible = moment.eligible
        hope = np.where(eligible, np.nan_to_num(moment.content_feedback(), nan=1.0), -np.inf)
        best = np.eye(eligible.shape[1])[hope.argmax(axis=1)]
        return self.epsilon * eligible / eligible.sum(axis=1, keepdims=True) + (1 - self.epsilon) * best


@dataclass(frozen=True)
class Oracle:
    """The eligible content with the largest true mean of F: what no policy can beat on the next F."""

    learns: ClassVar[bool] = False

    def probabilities(self, rng: np.random.Generator, simulator: Simulator, moment: Moment) -> np.ndarray:  # noqa: ARG002
        """(n, n_contents) 1 for the best."""
        expected = np.where(moment.eligible, simulator.expected_feedback(moment.patients), -np.inf)
        return np.eye(expected.shape[1])[expected.argmax(axis=1)]


def draw(rng: np.random.Generator, probabilities: np.ndarray) -> np.ndarray:
    """(n,) one content for each row of probabilities, never one whose probability is 0."""
    ends = probabilities.cumsum(axis=1)
    at = rng.random(len(ends)) * ends[:, -1]
    return (at[:, None] >= ends).sum(axis=1)

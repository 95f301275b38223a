"""What a policy is."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from models.policies.decisions import Decisions
from models.predictors.predictor import Predictor
from models.targets import Target
from posology.therapy import Therapy

Predictors = Mapping[Target, Predictor]


class Policy(Protocol):
    """Gives every content a probability, from what is known before each decision and from nothing else.

    Off-policy evaluation, simulators (by ``models.treating``) and the service
    (by ``models.choice``, as the policy of a release) ask it through this one
    method, with what may not be given masked in ``decisions.eligible``.
    """

    def probabilities(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) rows that sum to one, zero where not eligible."""
        ...


class Kept(Policy, Protocol):
    """A policy that a release can carry: saved as JSON, it finds the rest in the release."""

    kind: ClassVar[str]

    @property
    def parameters(self) -> dict[str, Any]:
        """What it has of its own, as JSON takes it."""
        ...

    @classmethod
    def of(cls, parameters: Mapping[str, Any], therapy: Therapy, predictors: Predictors) -> Self:
        """The policy with these parameters, in a release of this therapy with these predictors."""
        ...


@dataclass(frozen=True)
class Plain:
    """A frozen dataclass of plain values that needs nothing of its release."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)

    @classmethod
    def of(cls, parameters: Mapping[str, Any], therapy: Therapy, predictors: Predictors) -> Self:  # noqa: ARG003
        """The policy with these fields."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()})

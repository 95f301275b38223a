"""Dynamic Personalized Optimization: the therapy's objective over predicted F and what contents do to Mf."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from models.policies.decisions import Decisions
from models.policies.exploration import explored
from models.policies.leaving import FEEDBACK, Leaving
from models.policies.policy import Predictors
from models.policies.status_effects import StatusEffects
from models.predictors.predictor import Predictor
from posology.safety import LOOK_BACK
from posology.therapy import Therapy

SURE = 1.0  # standard errors by which a content must be worse for Mf to be left out; docs/decisions/0004


@dataclass(frozen=True)
class Dpo:
    """The content that promises most, by the objective of the therapy.

    ``feedback``: the largest F. ``status``: the best Mf. ``constrained``: the
    largest F among contents whose Mf is not inferior. With the therapy's
    exploration and its costs of monotony and drop-out. Pairs of course and
    content unlike those seen do not compete: they keep the floor.

    Attributes:
        therapy: objective, margin, monotony, dropout and exploration.
        feedback: predicts F.
        effects: of contents on Mf. None where too little was there to learn
            them: then no content is known to be inferior.
        leaving: after each content. None where the therapy puts no cost on it
            or too few left to learn it: then it costs nothing.
    """

    kind: ClassVar[str] = "dpo"
    therapy: Therapy = field(repr=False)
    feedback: Predictor | None
    effects: StatusEffects | None = field(default=None, repr=False)
    leaving: Leaving | None = field(default=None, repr=False)

    def probabilities(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) see ``explored``.

        Raises:
            ValueError: the objective needs a prediction that is not there.
        """
        feedback = decisions.predicted(self.feedback)[:, :, 0] if self.feedback else None
        known = _or_all(decisions.eligible & self._is_like_those_seen(decisions), decisions.eligible)
        competing = known & self._not_inferior(feedback, known)
        score = self._score(feedback) - self._monotony(decisions) - self._dropout(decisions, feedback)
        return explored(score, competing, decisions.eligible, self.therapy.exploration)

    @property
    def parameters(self) -> dict[str, Any]:
        """The effects and who leaves; the rest is in the release."""
        leaving = {"leaving": self.leaving.parameters} if self.leaving else {}
        return {"effects": self.effects.parameters if self.effects else None, **leaving}

    @classmethod
    def of(cls, parameters: Mapping[str, Any], therapy: Therapy, predictors: Predictors) -> Self:
        """With the predictors there are."""
        effects, leaving = parameters["effects"], parameters.get("leaving")
        return cls(
            therapy,
            predictors.get("feedback"),
            StatusEffects.of(effects) if effects else None,
            Leaving.of(leaving) if leaving else None,
        )

    def _is_like_those_seen(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) where the prediction of F is more than a guess."""
        return decisions.supported(self.feedback) if self.feedback else decisions.eligible

    def _monotony(self, decisions: Decisions) -> np.ndarray | float:
        """(n, n_contents) what is taken off for the share of the last nine contents that were of the kind."""
        if not self.therapy.monotony:
            return 0.0
        return self.therapy.monotony * decisions.feature("group_of_last_9") / LOOK_BACK

    def _dropout(self, decisions: Decisions, feedback: np.ndarray | None) -> np.ndarray | float:
        """(n, n_contents) what is taken off for the chance that the patient leaves after the content."""
        if not self.therapy.dropout or self.leaving is None:
            return 0.0
        told = {} if feedback is None else {FEEDBACK: feedback}
        known = [told[name] if name in told else decisions.feature(name) for name in self.leaving.names]
        return self.therapy.dropout * self.leaving.chance(np.stack(known, axis=-1))

    def _not_inferior(self, feedback: np.ndarray | None, eligible: np.ndarray) -> np.ndarray:
        """(n, n_contents) not surely worse for Mf than the best, by more than a decision's share of the margin."""
        if self.therapy.objective != "constrained" or self.effects is None:
            return eligible
        loss = self.effects.loss(feedback, eligible)
        allowed = (self.therapy.noninferiority_margin or 0.0) / self.effects.decisions
        return loss.mean - SURE * loss.error <= allowed + 1e-9

    def _score(self, feedback: np.ndarray | None) -> np.ndarray:
        """(n, n_contents) F; or what a course of the content would do to Mf, in smallest important changes."""
        if self.therapy.objective == "status":
            if self.effects is None or self.therapy.status is None:
                raise ValueError("objective status needs to know what contents do to Mf")
            whole_course = self.effects.gain(feedback) * self.effects.decisions
            return whole_course / self.therapy.status.smallest_important_change
        if feedback is None:
            raise ValueError(f"objective {self.therapy.objective} needs predictions of F")
        return feedback


def _or_all(some: np.ndarray, eligible: np.ndarray) -> np.ndarray:
    """(n, n_contents) some of the eligible contents; all of them in a row that has none."""
    return np.where(some.any(axis=1, keepdims=True), some, eligible)

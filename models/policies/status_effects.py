"""What one more session of each content does to Mf, and how surely that is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np


class Loss(NamedTuple):
    """How much less a content does for Mf than the best: ``mean`` and its standard ``error``, both (n, n_contents)."""

    mean: np.ndarray
    error: np.ndarray


@dataclass(frozen=True)
class StatusEffects:
    """Gain of Mf by one session of content c: ``content[c] + slope · (F̂ − usual[c])``, in points, positive better.

    A content does what it usually does, and more to a patient whom it promises
    more F than others: its level fits. All intervals are of differences
    between contents, in which what is unknown of the patient cancels.

    Attributes:
        content: (n_contents,) what each usually does.
        slope: of Mf in F̂ within a content; 0 where the therapy has no feedback.
        usual: (n_contents,) the mean F̂ of each.
        covariance: (n_contents + 1, n_contents + 1) of ``content`` and ``slope``.
        decisions: in a course, on average.
    """

    content: np.ndarray
    slope: float
    usual: np.ndarray
    covariance: np.ndarray
    decisions: float

    def gain(self, feedback: np.ndarray | None) -> np.ndarray:
        """(n, n_contents) by one session of each content; ``feedback`` is predicted F, (n, n_contents)."""
        return self.content + self.slope * self._more_than_usual(feedback)

    def loss(self, feedback: np.ndarray | None, eligible: np.ndarray) -> Loss:
        """By giving each content instead of the best eligible one."""
        gain, more, rows = self.gain(feedback), self._more_than_usual(feedback), np.arange(len(eligible))
        best = np.where(eligible, gain, -np.inf).argmax(axis=1)
        more = np.broadcast_to(more, eligible.shape) - np.broadcast_to(more, eligible.shape)[rows, best, None]
        of_contents, with_slope = self.covariance[:-1, :-1], self.covariance[:-1, -1]
        own = np.diag(of_contents)
        variance = own + own[best, None] - 2 * of_contents[best]
        variance = variance + 2 * more * (with_slope - with_slope[best, None]) + more**2 * self.covariance[-1, -1]
        gain = np.broadcast_to(gain, eligible.shape)
        return Loss(gain[rows, best, None] - gain, np.sqrt(variance.clip(0)))

    def _more_than_usual(self, feedback: np.ndarray | None) -> np.ndarray:
        return np.zeros((1, self.usual.size)) if feedback is None else feedback - self.usual

    @property
    def parameters(self) -> dict[str, Any]:
        """As JSON takes them."""
        return {
            "content": self.content.tolist(),
            "slope": self.slope,
            "usual": self.usual.tolist(),
            "covariance": self.covariance.tolist(),
            "decisions": self.decisions,
        }

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """From ``parameters``."""
        arrays = {name: np.array(parameters[name]) for name in ("content", "usual", "covariance")}
        return cls(slope=parameters["slope"], decisions=parameters["decisions"], **arrays)

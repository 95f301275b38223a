"""What one more session of each content does to Mf, and how surely that is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numba
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
        more = np.zeros(eligible.shape) if feedback is None else self._more_than_usual(feedback)
        return Loss(*_loss(self.content, self.slope, more, self.covariance, eligible))

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


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _loss(
    content: np.ndarray, slope: float, more: np.ndarray, covariance: np.ndarray, eligible: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    mean, error, last = np.empty(more.shape), np.empty(more.shape), content.size
    for row in range(more.shape[0]):
        gain, best, most = content + slope * more[row], 0, -np.inf
        for place in range(last):
            if eligible[row, place] and gain[place] > most:
                best, most = place, gain[place]
        for place in range(last):
            above = more[row, place] - more[row, best]
            variance = covariance[place, place] + covariance[best, best] - 2 * covariance[best, place]
            variance += 2 * above * (covariance[place, last] - covariance[best, last])
            variance += above * above * covariance[last, last]
            mean[row, place], error[row, place] = gain[best] - gain[place], np.sqrt(max(variance, 0.0))
    return mean, error

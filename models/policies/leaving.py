"""How likely a patient leaves after each content."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import expit

FEEDBACK = "feedback_foretold"  # predicted F of the content, beside what the features are called


@dataclass(frozen=True)
class Leaving:
    """The chance that no other session follows: ``expit(intercept + weight · (x − centre) / scale + content[c])``.

    Attributes:
        names: (k,) of x: features, and predicted F as ``FEEDBACK`` where the therapy has it.
        centre: (k,) mean of each; what is missing counts as it.
        scale: (k,) standard deviation of each.
        weight: (k,) log-odds of leaving by one standard deviation.
        content: (n_contents,) log of how many times as many left after it as x foretells.
        intercept: log-odds of leaving where all is as usual.
    """

    names: tuple[str, ...]
    centre: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    content: np.ndarray
    intercept: float

    def chance(self, known: np.ndarray) -> np.ndarray:
        """(n, n_contents) to leave after each content; ``known`` is x, (n, n_contents, k).

        A decision's chances are the same bits whatever others are asked with it.
        """
        moved = np.nan_to_num(known - self.centre) * (self.weight / self.scale)
        return expit(moved.sum(axis=-1) + (self.intercept + self.content))

    @property
    def parameters(self) -> dict[str, Any]:
        """As JSON takes them."""
        return {
            "names": list(self.names),
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
            "weight": self.weight.tolist(),
            "content": self.content.tolist(),
            "intercept": self.intercept,
        }

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """From ``parameters``."""
        arrays = {name: np.array(parameters[name]) for name in ("centre", "scale", "weight", "content")}
        return cls(names=tuple(parameters["names"]), intercept=parameters["intercept"], **arrays)

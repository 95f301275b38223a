"""MABWiser's LinUCB: a ridge regression for each content."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from log import Flat, Log
from mabwiser.mab import MAB, LearningPolicy


@dataclass(frozen=True)
class LinUcb:
    """Contents by their upper confidence bound; nothing is learnt while it acts."""

    GRID: ClassVar = [{"alpha": alpha, "l2_lambda": penalty} for alpha in (0.0, 0.25) for penalty in (30, 100, 300)]
    flat: Flat
    bandit: MAB

    @classmethod
    def fit(cls, log: Log, options: dict) -> "LinUcb":
        """All decisions at once."""
        flat = Flat.of(log)
        bandit = MAB(list(range(log.eligible.shape[1])), LearningPolicy.LinUCB(**options))
        bandit.fit(log.given, log.reward, _with_one(flat.rows(log.shared, log.own)))
        return cls(flat, bandit)

    def scores(self, shared: np.ndarray, own: np.ndarray, eligible: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """(n, n_contents) upper confidence bounds."""
        found = self.bandit.predict_expectations(_with_one(self.flat.rows(shared, own)))
        found = [found] if isinstance(found, dict) else found
        return np.array([[row[content] for content in range(own.shape[1])] for row in found])


def _with_one(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([np.ones((len(rows), 1)), rows], axis=1)

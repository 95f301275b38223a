"""The same order for everybody."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from models.policies.decisions import Decisions, certain
from models.policies.policy import Plain


@dataclass(frozen=True)
class FixedSchedule(Plain):
    """The contents in a fixed order, over and over, each patient from the start.

    A content that is not eligible is passed over.

    Attributes:
        order: content ids; those of the contents table, in its order, when empty.
    """

    kind: ClassVar[str] = "fixed"
    order: tuple[str, ...] = ()

    def probabilities(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) 1 for the next content; for any eligible one, the first, where none of the order is."""
        n_contents = decisions.eligible.shape[1]
        order = decisions.content_places(self.order) if self.order else np.arange(n_contents)
        given_before = decisions.feature("given")[:, 0].astype(int)
        turn = order[(given_before[:, None] + np.arange(order.size)) % order.size]
        may = np.take_along_axis(decisions.eligible, turn, axis=1)
        following = turn[np.arange(len(turn)), may.argmax(axis=1)]
        return certain(np.where(may.any(axis=1), following, decisions.eligible.argmax(axis=1)), n_contents)

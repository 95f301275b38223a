"""What is given most."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from models.contents import ContentArrays
from models.policies.decisions import Decisions, certain
from models.policies.policy import Plain
from posology.tables import Tables
from posology.therapy import Therapy


@dataclass(frozen=True)
class MostPopular(Plain):
    """The eligible content that was given most often, over all patients.

    Attributes:
        times: how often each was given, in the order of the contents table.
    """

    kind: ClassVar[str] = "most-popular"
    times: tuple[int, ...]

    def probabilities(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) 1 for it; the first of those given equally often."""
        popular = np.where(decisions.eligible, np.array(self.times), -1)
        return certain(popular.argmax(axis=1), popular.shape[1])

    @classmethod
    def of_log(cls, therapy: Therapy, tables: Tables) -> Self:
        """Counted in these tables."""
        places = ContentArrays(therapy, tables.contents).places(tables.sessions["content_id"])
        return cls(tuple(np.bincount(places[places >= 0], minlength=tables.contents.height).tolist()))

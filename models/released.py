"""A release."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from models.batches import patient_batches
from models.choice import score
from models.policies.decisions import Decisions
from models.release import Release
from posology.errors import CannotDo


@dataclass(frozen=True)
class Released:
    """Gives contents the probabilities that the release's service would give them, shield and all."""

    release: Release

    def probabilities(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) in the order of the decisions' contents; one the release does not know has none.

        A content of the release that the decisions do not know is not offered.

        Raises:
            CannotDo: the decisions are of another therapy.
        """
        release = self.release
        if release.therapy.name != decisions.therapy.name:
            raise CannotDo(
                f"release {release.name} is of therapy {release.therapy.name}; expected {decisions.therapy.name}"
            )
        place = release.features.contents.places(decisions.tables.contents["content_id"])
        known = np.flatnonzero(place >= 0)  # of the decisions' contents
        offered = np.zeros((len(decisions), release.contents.height), dtype=bool)
        offered[:, place[known]] = decisions.eligible[:, known]
        found = np.zeros(decisions.eligible.shape)
        found[:, known] = self._scored(decisions, offered)[:, place[known]]
        return found

    def _scored(self, decisions: Decisions, offered: np.ndarray) -> np.ndarray:
        """(n, n_contents of the release), patients some at a time."""
        sessions = decisions.tables.sessions[decisions.sessions]
        found = np.zeros(offered.shape)
        for users in patient_batches(sessions):
            tables = decisions.tables.of_users(users)
            rows = sessions["user_id"].is_in(users.implode()).arg_true().to_numpy()
            wanted = tables.sessions["decision_id"].is_in(sessions["decision_id"].implode()).arg_true()
            found[rows] = score(self.release, tables, wanted.cast(pl.Int64).to_numpy(), offered[rows]).probability
        return found

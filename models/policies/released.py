"""A release."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from models.batches import patient_batches
from models.choice import score
from models.policies.decisions import Decisions
from models.release import Release


@dataclass(frozen=True)
class Released:
    """Gives contents the probabilities that the release would give them."""

    release: Release

    def probabilities(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) in the order of the log's contents; one the release does not know has none.

        A content of the release that the log does not know is not offered.
        """
        ids = decisions.tables.contents["content_id"]
        place = self.release.features.contents.places(ids)  # of the log's contents in the release
        known = np.flatnonzero(place >= 0)
        offered = np.zeros((len(decisions), self.release.contents.height), dtype=bool)
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

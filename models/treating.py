"""A release as the policy that treats simulated patients."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from models.choice import PENDING, score
from models.release import Release
from posology.errors import CannotDo
from posology.simulators import Moment, Simulator
from posology.tables import Tables


@dataclass(frozen=True)
class ReleasePolicy:
    """Gives contents the probabilities that the release's service would give them.

    Like the service, it gives the safe default to a patient never measured,
    and looks at nothing but what is recorded.
    """

    learns: ClassVar[bool] = False
    release: Release

    def probabilities(self, rng: np.random.Generator, simulator: Simulator, moment: Moment) -> np.ndarray:  # noqa: ARG002
        """(n, n_contents) in the order of the simulator's contents.

        Raises:
            CannotDo: the simulator's therapy or contents are not the release's.
        """
        release, ids = self.release, simulator.contents["content_id"]
        if not release.contents["content_id"].equals(ids) or release.therapy != simulator.therapy:
            raise CannotDo(
                f"release {release.name} is of therapy {release.therapy.name} with {release.contents.height} contents; "
                f"expected the definition that is simulated, {simulator.therapy.name} with {len(ids)}"
            )
        tables = moment.known()
        pending = self._with_decisions(tables, moment.situations)
        is_pending = (pending.sessions["decision_id"] == PENDING).to_numpy()
        place = pending.sessions["user_id"].filter(is_pending)
        found = score(release, pending, np.flatnonzero(is_pending)).probability
        order = moment.situations["user_id"].replace_strict(place, np.arange(len(place)), return_dtype=pl.Int64)
        return self._measured_only(found[order.to_numpy()], tables, moment.situations["user_id"])

    def _with_decisions(self, tables: Tables, situations: pl.DataFrame) -> Tables:
        """The tables with each decision being made as a session; nothing looks at its content."""
        therapy = self.release.therapy
        decisions = situations.select("user_id", "decided_at", *therapy.context).with_columns(
            decision_id=pl.lit(PENDING), content_id=pl.lit(therapy.safety.safe_default)
        )
        sessions = pl.concat([tables.sessions, decisions], how="diagonal")
        of_users = {name: getattr(tables, name) for name in ("users", "measurements", "contents")}
        return Tables.conform(therapy, {**of_users, "sessions": sessions})

    def _measured_only(self, probabilities: np.ndarray, tables: Tables, user_ids: pl.Series) -> np.ndarray:
        if self.release.therapy.status is None:
            return probabilities
        is_default = (self.release.contents["content_id"] == self.release.therapy.safety.safe_default).to_numpy()
        is_measured = user_ids.is_in(tables.measurements["user_id"].implode()).to_numpy()
        return np.where(is_measured[:, None], probabilities, is_default.astype(float))

"""A policy as the one that treats simulated patients."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from models.choice import PENDING
from models.learnt import NOTHING_LEARNT, Learnt
from models.policies.decisions import Decisions
from models.policies.policy import Policy
from posology.simulators import Moment, Simulator
from posology.tables import Tables
from posology.therapy import Therapy


@dataclass(frozen=True)
class Treating:
    """Lets a policy choose in a simulator: it meets each moment as it would meet a log's decisions.

    It looks at nothing but what is recorded until yesterday.

    Attributes:
        policy: what chooses.
        learnt: what the features were made with that its predictors know.
    """

    learns: ClassVar[bool] = False
    policy: Policy
    learnt: Learnt = NOTHING_LEARNT

    def probabilities(self, rng: np.random.Generator, simulator: Simulator, moment: Moment) -> np.ndarray:  # noqa: ARG002
        """(n, n_contents) in the order of the moment's patients and the simulator's contents."""
        tables = _with_decisions(simulator.therapy, moment)
        pending = (tables.sessions["decision_id"].str.starts_with(PENDING)).arg_true().cast(pl.Int64).to_numpy()
        place = pl.Series(np.arange(pending.size))
        turn = moment.situations["user_id"].replace_strict(tables.sessions["user_id"][pending], place).to_numpy()
        eligible = np.empty_like(moment.eligible)
        eligible[turn] = moment.eligible
        features = self.learnt.features(simulator.therapy, tables.contents)
        described = features.of_candidates(tables, pending).features.reshape(*eligible.shape, -1)
        decisions = Decisions(simulator.therapy, tables, pending, eligible, described, features.names)
        return self.policy.probabilities(decisions)[turn]


def _with_decisions(therapy: Therapy, moment: Moment) -> Tables:
    """What is known, with each decision being made as a session; nothing looks at its content."""
    known = moment.known()
    decisions = moment.situations.select("user_id", "decided_at", *therapy.context).with_columns(
        decision_id=PENDING + pl.col("user_id"), content_id=pl.lit(therapy.safety.safe_default)
    )
    sessions = pl.concat([known.sessions, decisions], how="diagonal")
    of_users = {name: getattr(known, name) for name in ("users", "measurements", "contents")}
    return Tables.conform(therapy, {**of_users, "sessions": sessions})

"""What a policy is truly worth: mean F when it treats patients it has never met, in a simulator that knows."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from models.choice import PENDING
from models.contents import ContentArrays
from models.features import Features
from models.policies import Decisions, Policy
from posology.simulators import Moment, Simulator, simulate
from posology.simulators import Policy as Treats
from posology.tables import Tables
from posology.therapy import Therapy


def true_value(policy: Policy | Treats, therapy: Therapy, *, patients: int, seed: int) -> float:
    """Mean true F over all decisions of a fresh world's patients, treated by the policy from the first day.

    What it makes of them, and who leaves because of it, is in it.

    Args:
        policy: as a log's decisions or as a simulator's moments are put to it.
        therapy: whose mechanism.
        patients: in the world.
        seed: of the world; the same for policies that are compared.
    """
    treats = policy if hasattr(policy, "learns") else Treating(policy)
    truth = simulate(therapy, patients=patients, seed=seed, policy=treats).truth
    return float(truth.decisions["given_feedback"].mean())  # type: ignore[arg-type]


@dataclass(frozen=True)
class Treating:
    """Lets a policy choose in a simulator."""

    learns: ClassVar[bool] = False
    policy: Policy

    def probabilities(self, rng: np.random.Generator, simulator: Simulator, moment: Moment) -> np.ndarray:  # noqa: ARG002
        """(n, n_contents) in the order of the moment's patients."""
        therapy, known = simulator.therapy, moment.known()
        decisions = moment.situations.select("user_id", "decided_at", *therapy.context).with_columns(
            decision_id=PENDING + pl.col("user_id"), content_id=pl.lit(therapy.safety.safe_default)
        )
        sessions = pl.concat([known.sessions, decisions], how="diagonal")
        of_users = {name: getattr(known, name) for name in ("users", "measurements", "contents")}
        tables = Tables.conform(therapy, {**of_users, "sessions": sessions})
        pending = tables.sessions["decision_id"].str.starts_with(PENDING).arg_true().cast(pl.Int64).to_numpy()
        place = pl.Series(np.arange(pending.size))
        turn = moment.situations["user_id"].replace_strict(tables.sessions["user_id"][pending], place).to_numpy()
        eligible = np.empty_like(moment.eligible)
        eligible[turn] = moment.eligible
        features = Features(therapy, ContentArrays(therapy, tables.contents))
        described = features.of_candidates(tables, pending).features.reshape(*eligible.shape, -1)
        return self.policy.probabilities(Decisions(therapy, tables, pending, eligible, described, features.names))[turn]

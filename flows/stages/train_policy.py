"""Train the policy: what contents do to the final status and who leaves after them, from courses that have ended."""

from collections.abc import Callable
from typing import Any, TypeVar

import polars as pl

from flows.evaluation.candidate import Candidate
from flows.params import Params
from flows.workspace import Workspace, write_json
from models.leaving import left_after
from models.policies import Dpo
from models.policies.fit_leaving import Departures, fit_leaving
from models.policies.fit_status_effects import GivenSessions, fit_status_effects
from models.policies.kinds import save_policy
from models.policies.leaving import Leaving
from models.policies.status_effects import StatusEffects
from posology.errors import TooSmall
from posology.files import whole_folder
from posology.tables import as_of_folder

T = TypeVar("T")


def train_policy(workspace: Workspace, params: Params) -> None:
    """Write ``policy.json``; with too few courses, one to whom no content is known to be inferior.

    ``training.json`` says why, where it could not be learnt what contents do;
    or, where the therapy puts a cost on drop-out, after which patients leave.
    """
    candidate = Candidate.of(workspace, params)
    therapy, effects, leaving, reason = candidate.therapy, None, None, None
    if "status" in candidate.targets:
        effects, reason = _unless_too_small(_effects, candidate)
    about: dict[str, Any] = {"effects": effects is not None, "reason": reason}
    if therapy.dropout:
        leaving, reason = _unless_too_small(_leaving, candidate)
        about["leaving"] = {"learnt": leaving is not None, "reason": reason}
    with whole_folder(workspace.policy) as partial:
        save_policy(partial / "policy.json", Dpo(therapy, candidate.predictors.get("feedback"), effects, leaving))
        write_json(partial / "training.json", about)


def _unless_too_small(learn: Callable[[Candidate], T], candidate: Candidate) -> tuple[T | None, str | None]:
    """What is learnt; or None, and why not."""
    try:
        return learn(candidate), None
    except TooSmall as error:
        return None, str(error)


def _effects(candidate: Candidate) -> StatusEffects:
    """Learnt from the patients that no release is judged on."""
    given = candidate.feature_table("status").filter(pl.col("part") != "judge")
    file = candidate.workspace.validation / "accepted" / "sessions.parquet"
    chances = pl.scan_parquet(file).select(
        "decision_id",
        chance="probability",
        n_eligible=pl.col("eligible").list.len().fill_null(candidate.contents.height),
    )
    described = given.lazy().join(chances, on="decision_id", how="left", maintain_order="left").collect()
    return fit_status_effects(GivenSessions.of(described, candidate.features, candidate.predictors.get("feedback")))


def _leaving(candidate: Candidate) -> Leaving:
    """Learnt from the patients that no release is judged on, the lost among them."""
    status, folder = candidate.therapy.status, candidate.workspace.validation / "accepted"
    as_of = as_of_folder(folder, candidate.therapy)
    if status is None or as_of is None:
        raise TooSmall("expected a status and something that happened, got none")
    sessions = pl.read_parquet(folder / "sessions.parquet", columns=["decision_id", "user_id", "decided_at"])
    left = left_after(status, sessions, pl.read_parquet(folder / "measurements.parquet"), as_of)
    given = pl.read_parquet(candidate.workspace.features / "status.parquet").filter(pl.col("part") != "judge")
    described = given.join(left, on="decision_id", how="inner", maintain_order="left")
    return fit_leaving(Departures.of(described, candidate.features, candidate.predictors.get("feedback")))

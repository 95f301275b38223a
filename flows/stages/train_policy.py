"""Train the policy: what contents do to the final status, learnt from courses that have ended."""

import polars as pl

from flows.evaluation.candidate import Candidate
from flows.params import Params
from flows.workspace import Workspace, write_json
from models.policies import Dpo
from models.policies.fit_status_effects import GivenSessions, fit_status_effects
from models.policies.kinds import save_policy
from models.policies.status_effects import StatusEffects
from posology.errors import TooSmall
from posology.files import whole_folder


def train_policy(workspace: Workspace, params: Params) -> None:
    """Write ``policy.json``; with too few courses, one to whom no content is known to be inferior.

    ``training.json`` says why, where it could not be learnt what contents do.
    """
    candidate, effects, reason = Candidate.of(workspace, params), None, None
    if "status" in candidate.targets:
        try:
            effects = _effects(candidate)
        except TooSmall as error:
            reason = str(error)
    with whole_folder(workspace.policy) as partial:
        save_policy(partial / "policy.json", Dpo(candidate.therapy, candidate.predictors.get("feedback"), effects))
        write_json(partial / "training.json", {"effects": effects is not None, "reason": reason})


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

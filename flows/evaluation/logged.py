"""The judge patients' logged decisions, with what the candidate's policy would have done in them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from flows.evaluation.candidate import Candidate
from models.batches import patient_batches
from models.choice import Scored, score
from models.offpolicy.choices import explored
from models.release import Release
from posology.offpolicy import LoggedDecisions
from posology.tables import Tables


@dataclass(frozen=True)
class Judged:
    """Logged decisions and the candidate's probabilities in them.

    Attributes:
        decision_id: (n,).
        given: (n,) place of the content given.
        probability: (n, n_contents) of the candidate's policy.
        logged: what off-policy evaluation takes.
    """

    decision_id: pl.Series
    given: np.ndarray
    probability: np.ndarray
    logged: LoggedDecisions

    @property
    def table(self) -> pl.DataFrame:
        """``decision_id``, ``given``, ``reward`` and ``probability`` (of every content), one row a decision."""
        return pl.DataFrame(
            {
                "decision_id": self.decision_id,
                "given": self.given,
                "reward": self.logged.reward,
                "probability": self.probability.tolist(),
            }
        )


def judged_decisions(candidate: Candidate) -> Judged | None:
    """Decisions of judge patients whose F is known; None without F, a policy or any such decision.

    Whole patients are taken, in the order of their ids, up to the number of
    decisions that params.yaml sets.
    """
    if "feedback" not in candidate.targets or not candidate.can_choose:
        return None
    table = explored(candidate.tables, candidate.feature_table("feedback").filter(pl.col("part") == "judge"))
    reached = table.group_by("user_id", maintain_order=True).len().with_columns(pl.col("len").cum_sum())
    most = max(candidate.params.evaluation.logged_decisions, reached["len"].min() or 0)
    table = table.filter(pl.col("user_id").is_in(reached.filter(pl.col("len") <= most)["user_id"].implode()))
    if table.is_empty():
        return None
    parts = list(_scored(candidate.release, candidate.tables, table))
    decided = pl.concat([part[0] for part in parts])
    probability = np.concatenate([part[1].probability for part in parts])
    predicted = [part[1].feedback for part in parts]
    q = np.concatenate([p[:, :, 0] for p in predicted if p is not None])
    return _judged(candidate.release, decided, probability, q)


def _scored(release: Release, tables: Tables, table: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, Scored]]:
    for users in patient_batches(table):
        some = tables.of_users(users)
        wanted = some.sessions.with_row_index("row").join(table.select("decision_id", "target"), on="decision_id")
        wanted = wanted.sort("row")
        rows = wanted["row"].cast(pl.Int64).to_numpy()
        yield wanted.drop("row"), score(release, some, rows, _offered(release, wanted))


def _offered(release: Release, decided: pl.DataFrame) -> np.ndarray:
    """(n, n_contents) what was eligible then; all where it was not logged."""
    listed = decided.select("eligible").with_row_index("row").explode("eligible")
    place = release.features.contents.places(listed["eligible"])
    is_content = place >= 0  # not what has left the catalogue since
    offered = np.zeros((decided.height, release.contents.height), dtype=bool)
    offered[listed["row"].to_numpy()[is_content], place[is_content]] = True
    offered[decided["eligible"].is_null().to_numpy()] = True
    return offered


def _judged(release: Release, decided: pl.DataFrame, probability: np.ndarray, q: np.ndarray) -> Judged:
    given = release.features.contents.places(decided["content_id"])
    row = np.arange(given.size)
    n_all = release.contents.height
    logged = LoggedDecisions(
        patient=decided["user_id"].rank("dense").cast(pl.Int64).to_numpy(),
        reward=decided["target"].to_numpy(),
        propensity=decided["probability"].cast(pl.Float64).fill_null(np.nan).to_numpy(),
        target=np.clip(probability[row, given], 0.0, 1.0),
        predicted_given=q[row, given],
        predicted_target=(probability * q).sum(axis=1),
        n_eligible=decided["eligible"].list.len().fill_null(n_all).cast(pl.Int64).to_numpy(),
    )
    return Judged(decided["decision_id"], given, probability, logged)

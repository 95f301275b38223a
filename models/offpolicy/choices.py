"""A log's decisions whose F is known, as they were met."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from models.batches import patient_batches
from models.contents import ContentArrays
from models.features import Features
from models.learnt import NOTHING_LEARNT, Learnt
from models.policies.decisions import Decisions
from models.targets import target_rows
from posology.errors import CannotDo, TooSmall
from posology.offpolicy import LoggedDecisions
from posology.safety import blocks
from posology.tables import ON_SCHEDULE, Tables
from posology.therapy import Therapy

LEAST_PATIENTS = 2  # each one's F is predicted by the others; whether they are enough to tell, the estimators say


@dataclass(frozen=True)
class LoggedChoices:
    """n decisions, sorted by patient and time, and what came of them; not those of a standard schedule.

    Attributes:
        decisions: what a policy may see of them.
        patient: (n,) codes.
        given: (n,) place of the content given.
        reward: (n,) F, or Mf in points of the instrument where that was asked for.
        logged: (n,) the propensity as logged; nan where it was not.
    """

    decisions: Decisions
    patient: np.ndarray
    given: np.ndarray
    reward: np.ndarray
    logged: np.ndarray

    @classmethod
    def of(
        cls,
        therapy: Therapy,
        tables: Tables,
        *,
        target: Literal["feedback", "status"] = "feedback",
        most: int | None = None,
        learnt: Learnt = NOTHING_LEARNT,
        detail: Callable[[str], None] = lambda _: None,
    ) -> "LoggedChoices":
        """The decisions in these tables.

        Args:
            therapy: with a feedback, or whatever is the target.
            tables: of the patients that are to be judged.
            target: what came of a decision.
            most: decisions to take; whole patients, in the order of their ids.
            learnt: what the features were made with that a policy's predictors know.
            detail: told how far it has come.

        Raises:
            CannotDo: the therapy declares no feedback, or a content given had a logged probability of 0.
            TooSmall: fewer than two patients.
        """
        if getattr(therapy, target) is None:
            raise CannotDo(f"therapy {therapy.name} declares no {target}; policies are valued by F")
        rows = _some(explored(tables, target_rows(therapy, tables, target)), most)
        patients = rows["user_id"].n_unique()
        if patients < LEAST_PATIENTS:
            raise TooSmall(f"expected decisions with known F of {LEAST_PATIENTS} patients or more, got {patients}")
        tables = tables.of_users(rows["user_id"].unique())
        features = learnt.features(therapy, tables.contents)
        described = _described(features, tables, rows["decision_id"], detail)
        sessions = tables.sessions[described.sessions]
        given = ContentArrays(therapy, tables.contents).places(sessions["content_id"])
        described.eligible[np.arange(given.size), given] = True
        found = sessions.select("decision_id").join(rows, on="decision_id", how="left", maintain_order="left")
        return cls(
            decisions=described,
            patient=sessions["user_id"].rank("dense").cast(pl.Int64).to_numpy() - 1,
            given=given,
            reward=found["target"].to_numpy(),
            logged=_logged(sessions),
        )

    def __len__(self) -> int:
        return len(self.given)

    def given_in(self, matrix: np.ndarray) -> np.ndarray:
        """(n,) the column of (n, n_contents) that is of the content given."""
        return matrix[np.arange(len(self)), self.given]

    def under(self, probability: np.ndarray, propensity: np.ndarray, q: np.ndarray) -> LoggedDecisions:
        """What a policy would have done, as the estimators take it.

        Args:
            probability: (n, n_contents) of the policy.
            propensity: (n,) with which the content given was chosen.
            q: (n, n_contents) predicted F.
        """
        return LoggedDecisions(
            patient=self.patient,
            reward=self.reward,
            propensity=propensity,
            target=self.given_in(probability).clip(0, 1),
            predicted_given=self.given_in(q),
            predicted_target=(probability * q).sum(axis=1),
            n_eligible=self.decisions.eligible.sum(axis=1),
        )

    def as_logged(self, propensity: np.ndarray, q: np.ndarray) -> LoggedDecisions:
        """The logged policy itself: what was given is its own sample of what it gives."""
        given = self.given_in(q)
        return LoggedDecisions(
            patient=self.patient,
            reward=self.reward,
            propensity=propensity,
            target=np.nan_to_num(propensity, nan=1.0),
            predicted_given=given,
            predicted_target=given,
            n_eligible=self.decisions.eligible.sum(axis=1),
        )


def explored(tables: Tables, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of decisions without those that the standard schedule made.

    Nothing else had a chance there, so they tell of no other policy; in which arm a patient is does not depend
    on the patient, so the others are a fair sample.
    """
    scheduled = tables.sessions.filter(pl.col("release").str.ends_with(ON_SCHEDULE))["decision_id"]
    return rows.filter(~pl.col("decision_id").is_in(scheduled.implode())) if scheduled.len() else rows


def _some(rows: pl.DataFrame, most: int | None) -> pl.DataFrame:
    if most is None or rows.height <= most:
        return rows
    reached = rows.group_by("user_id").len().sort("user_id").with_columns(reached=pl.col("len").cum_sum())
    kept = reached.filter(pl.col("reached") <= max(most, reached["len"][0]))["user_id"]
    return rows.filter(pl.col("user_id").is_in(kept.implode()))


def _described(features: Features, tables: Tables, wanted: pl.Series, detail: Callable[[str], None]) -> Decisions:
    """The wanted decisions, patients some at a time: features of every content, and what was eligible."""
    therapy = features.therapy
    is_wanted = tables.sessions["decision_id"].is_in(wanted.implode())
    n, m = int(is_wanted.sum()), tables.contents.height
    described = np.empty((n, m, len(features.names)), dtype=np.float32)
    eligible = np.zeros((n, m), dtype=bool)
    done = 0
    for users in patient_batches(tables.sessions.filter(is_wanted)):
        some = tables.of_users(users)
        rows = some.sessions["decision_id"].is_in(wanted.implode()).arg_true().cast(pl.Int64).to_numpy()
        candidates = features.of_candidates(some, rows)
        part = slice(done, done + rows.size)
        described[part] = candidates.features.reshape(rows.size, m, -1)
        shield = blocks(therapy, tables.contents, candidates.situations, candidates.recent).eligible
        eligible[part] = _eligible(features.contents, some.sessions[rows], shield)
        done += rows.size
        detail(f"{done:,} of {n:,} decisions")
    sessions = is_wanted.arg_true().cast(pl.Int64).to_numpy()
    return Decisions(therapy, tables, sessions, eligible, described, features.names)


def _eligible(contents: ContentArrays, sessions: pl.DataFrame, shield: np.ndarray) -> np.ndarray:
    """(n, n_contents) what was eligible then; by the therapy's rules where it was not logged."""
    listed = sessions.select("eligible").with_row_index("row").explode("eligible")
    place = contents.places(listed["eligible"])
    is_content = place >= 0  # not what has left the catalogue since
    eligible = np.zeros(shield.shape, dtype=bool)
    eligible[listed["row"].to_numpy()[is_content], place[is_content]] = True
    not_logged = sessions["eligible"].is_null().to_numpy()
    eligible[not_logged] = shield[not_logged]
    return eligible


def _logged(sessions: pl.DataFrame) -> np.ndarray:
    logged = sessions["probability"].fill_null(np.nan).to_numpy()
    if impossible := int((logged <= 0).sum()):
        raise CannotDo(
            f"sessions: {impossible} contents were given with a logged probability of 0; expected above 0, "
            "or none where it is not known"
        )
    return logged

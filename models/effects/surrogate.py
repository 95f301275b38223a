"""The evidence on F as a stand-in for Mf, from the scores of a log."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from models.contents import ContentArrays
from models.effects.doubly_robust import Scores
from models.offpolicy import LoggedChoices
from models.targets import Target
from posology.errors import TooSmall
from posology.surrogate import ArmScores, CourseOutcomes, SurrogateEvidence


def surrogate_evidence(logs: Mapping[Target, LoggedChoices], scores: Mapping[Target, Scores]) -> SurrogateEvidence:
    """What tells whether F stands in for Mf.

    Args:
        logs: see ``logs_of``.
        scores: of each log, with all propensities known.

    Raises:
        TooSmall: F and Mf are not both known of enough patients.
    """
    if set(scores) != {"feedback", "status"}:
        raise TooSmall("F and Mf must both be known of finished courses to tell whether one stands in for the other")
    status, feedback = scores["status"], _of_finished(logs, scores)
    rows = np.arange(len(status))
    is_one = status.given < len(status.ids)
    own = np.where(is_one, status.given, 0)
    eligible = status.eligible | (np.arange(len(status.ids)) == own[:, None])
    n_eligible = eligible.sum(axis=1)
    by_feedback, by_status = (
        np.where(eligible, predicted, -np.inf).argmax(axis=1) for predicted in (feedback.predicted, status.predicted)
    )
    mean = _mean(feedback.predicted, eligible)
    declared = logs["status"].decisions.therapy.status
    return SurrogateEvidence(
        patient=status.patient,
        weight=np.where(is_one, 1 / (status.propensity * n_eligible), 0.0),
        feedback=feedback.predicted[rows, own] - mean,
        status=status.outcome - _mean(status.predicted, eligible),
        by_feedback=_mean(status.difference, _better_quarter(feedback.predicted, eligible))
        - _mean(status.difference, eligible),
        lost=status.difference[rows, by_status] - status.difference[rows, by_feedback],
        arms=ArmScores(
            status.ids[1:], feedback.difference[:, 1:], status.difference[:, 1:], eligible[:, 1:] & eligible[:, [0]]
        ),
        courses=_courses(logs),
        smallest_important_change=declared.smallest_important_change if declared else 1.0,
    )


def _of_finished(logs: Mapping[Target, LoggedChoices], scores: Mapping[Target, Scores]) -> Scores:
    """The scores on F in the decisions and for the contents that those on Mf are about."""
    feedback, status = scores["feedback"], scores["status"]
    is_finished = np.isin(logs["feedback"].decisions.sessions, logs["status"].decisions.sessions)
    columns = [feedback.ids.index(content_id) for content_id in status.ids]
    if is_finished.sum() != len(status):
        raise TooSmall("propensities are missing in some decisions of finished courses")
    return feedback.where(is_finished, columns)


def _better_quarter(predicted: np.ndarray, eligible: np.ndarray) -> np.ndarray:
    """(n, k) whether a content is among the quarter of the eligible ones with the largest prediction; one at least."""
    rank = np.where(eligible, -predicted, np.inf).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return np.asarray(rank < np.ceil(eligible.sum(axis=1, keepdims=True) / 4))


def _mean(values: np.ndarray, eligible: np.ndarray) -> np.ndarray:
    """(n,) over what is eligible."""
    return np.asarray((values * eligible).sum(axis=1) / eligible.sum(axis=1))


def _courses(logs: Mapping[Target, LoggedChoices]) -> CourseOutcomes:
    """One row a patient with a finished course."""
    feedback, status = logs["feedback"], logs["status"]
    tables, therapy = status.decisions.tables, status.decisions.therapy
    is_finished = np.isin(feedback.decisions.sessions, status.decisions.sessions)
    contents = ContentArrays(therapy, tables.contents)
    rows = pl.DataFrame(
        {
            "user_id": tables.sessions["user_id"].gather(status.decisions.sessions),
            "feedback": feedback.reward[is_finished],
            "status": status.reward,
            "arm": contents.groups[status.given],
        }
    )
    patients = rows.group_by("user_id", maintain_order=True).agg(pl.col("feedback").mean(), pl.col("status").first())
    first = tables.measurements.group_by("user_id").agg(pl.col("score").sort_by("measured_at").first())
    users = patients.join(first, on="user_id", how="left", maintain_order="left").join(
        tables.users, on="user_id", how="left", maintain_order="left"
    )
    direction = therapy.status.direction if therapy.status else 1.0
    protected = [name for name, column in therapy.user.items() if column.protected and column.values]
    by_arm = rows.group_by("user_id", "arm").agg(pl.col("feedback").mean())
    return CourseOutcomes(
        feedback=users["feedback"].to_numpy(),
        gain=users["status"].to_numpy() - direction * users["score"].to_numpy(),
        groups={name: users[name].fill_null("unknown").to_numpy().astype(str) for name in protected},
        feedback_in={
            name: users.select("user_id")
            .join(by_arm.filter(arm=arm), on="user_id", how="left", maintain_order="left")["feedback"]
            .fill_null(np.nan)
            .to_numpy()
            for arm, name in enumerate(contents.group_values)
        },
    )

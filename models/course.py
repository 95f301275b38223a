"""Courses as the fold takes them: readings, decisions and feedback of all users, each in time order.

A reading is known when it was taken, a decision when it was made, feedback
when it arrived, or its absence when it was due. Feedback never comes before
its own decision.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from polars._typing import SearchSortedSide

from models.contents import ContentArrays
from models.fold import Courses
from posology.errors import TableError
from posology.feedback_value import values_of
from posology.tables import Tables
from posology.therapy import Feedback, Therapy

MICROSECONDS_PER_DAY = 86_400_000_000


class KnownFeedback(NamedTuple):
    """F of n sessions: ``value`` (n,), NaN for none, and when it was known, ``known_at`` (n,), UTC in µs."""

    value: np.ndarray
    known_at: np.ndarray


def feedback_known(therapy: Therapy, sessions: pl.DataFrame) -> KnownFeedback:
    """F of each session and when it was known.

    Feedback that is not there ``due_hours`` after the decision counts as
    missing and is known, as such, at that moment.
    """
    feedback, decided_at = therapy.feedback, sessions["decided_at"].to_numpy()
    if feedback is None:
        return KnownFeedback(np.full(decided_at.size, np.nan), decided_at)
    return known_by(feedback, values_of(feedback, sessions), decided_at, sessions["feedback_at"].to_numpy())


def known_by(feedback: Feedback, value: np.ndarray, decided_at: np.ndarray, feedback_at: np.ndarray) -> KnownFeedback:
    """As ``feedback_known``, of what came: F (NaN for none) and when (NaT for never), each (n,)."""
    came_at = np.maximum(feedback_at, decided_at)
    due_at = decided_at + np.timedelta64(round(feedback.due_hours * 3.6e9), "us")
    came = (came_at <= due_at) & ~np.isnan(value)
    missing = np.nan if feedback.missing is None else feedback.missing
    return KnownFeedback(np.where(came, value, missing), np.where(came, came_at, due_at))


def courses_of(therapy: Therapy, tables: Tables, contents: ContentArrays) -> Courses:
    """The courses of all users in the tables, each content as usual as any other.

    Every array is writable: numba compiles for those that are not anew.

    Raises:
        TableError: rows of somebody who is not in the users table.
    """
    known = feedback_known(therapy, tables.sessions)
    courses = Courses(
        enrolled=_days(tables.users["enrolled_at"].to_numpy()),
        readings_end=_ends(tables, "measurements"),
        measured=_days(tables.measurements["measured_at"].to_numpy()),
        score=tables.measurements["score"].to_numpy(writable=True),
        sessions_end=_ends(tables, "sessions"),
        decided=_days(tables.sessions["decided_at"].to_numpy()),
        content=contents.places(tables.sessions["content_id"]),
        known=_days(known.known_at),
        feedback=known.value,
        usual=np.full(known.value.size, contents.catalogue.usual),
    )
    _check_order(courses.measured, courses.readings_end)
    _check_order(courses.decided, courses.sessions_end)
    return courses


def _check_order(time: np.ndarray, ends: np.ndarray) -> None:
    goes_back = np.diff(time, append=np.inf) < 0
    goes_back[ends[ends > 0] - 1] = False  # the next row is another user's
    if goes_back.any():
        raise ValueError("expected tables sorted by user and time, as posology.tables.ORDERS has them")


def _days(times: np.ndarray) -> np.ndarray:
    return times.astype("datetime64[us]").astype(np.int64) / MICROSECONDS_PER_DAY


def _ends(tables: Tables, table: str) -> np.ndarray:
    """(n_users,) where the rows of each user end: tables are sorted by user."""
    if not (tables.users["user_id"].is_sorted() and getattr(tables, table)["user_id"].is_sorted()):
        raise ValueError("expected tables sorted by user_id, as posology.tables.ORDERS has them")
    users, ids = pl.lit(tables.users["user_id"]), getattr(tables, table)["user_id"]
    sides: tuple[SearchSortedSide, ...] = ("left", "right")
    bounds = pl.select(pl.lit(ids).search_sorted(users, side).cast(pl.Int64).alias(side) for side in sides)
    begins, ends = bounds["left"].to_numpy(), bounds["right"].to_numpy(writable=True)
    strangers = ids.len() - int((ends - begins).sum())
    if strangers:
        raise TableError(
            f"{table}: {strangers} rows of users who are not in the table users; validate the tables first",
            table=table,
            column="user_id",
        )
    return ends

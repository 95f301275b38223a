"""Courses as event arrays: everything known about users, in time order.

An event is known at one time: a reading when it was taken, a decision when it
was made, feedback when it arrived, or its absence when it was due. Feedback
never comes before its own decision.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from models.contents import ContentArrays, places_in
from models.fold import DECIDED, FED_BACK, FED_BACK_AT_ONCE, MEASURED
from posology.errors import TableError
from posology.tables import Tables
from posology.therapy import Therapy

MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class Courses:
    """Events of all users, sorted by user, time and kind.

    Attributes:
        user: (n_events,) place in the users table.
        time: (n_events,) days since 1970.
        kind: (n_events,) MEASURED, FED_BACK, DECIDED or FED_BACK_AT_ONCE.
        content: (n_events,) place in the contents table, -1 where there is none.
        value: (n_events,) score, F, or NaN for a decision.
        session: (n_events,) row of the sessions table for a decision, else -1.
        enrolled: (n_users,) days since 1970.
    """

    user: np.ndarray
    time: np.ndarray
    kind: np.ndarray
    content: np.ndarray
    value: np.ndarray
    session: np.ndarray
    enrolled: np.ndarray


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
    value = sessions.select(value=feedback.expression)["value"].to_numpy()
    came_at = np.maximum(sessions["feedback_at"].to_numpy(), decided_at)
    due_at = decided_at + np.timedelta64(round(feedback.due_hours * 3.6e9), "us")
    came = (came_at <= due_at) & ~np.isnan(value)
    missing = np.nan if feedback.missing is None else feedback.missing
    return KnownFeedback(np.where(came, value, missing), np.where(came, came_at, due_at))


def courses_of(therapy: Therapy, tables: Tables, contents: ContentArrays) -> Courses:
    """The courses of all users in the tables.

    Raises:
        TableError: rows of somebody who is not in the users table.
    """
    measured, sessions = tables.measurements, tables.sessions
    users = pl.Enum(tables.users["user_id"])
    user, content = _users(tables, "sessions", users), contents.places(sessions["content_id"])
    decided_at = _days(sessions["decided_at"].to_numpy())
    known = feedback_known(therapy, sessions)
    is_known, known_at = ~np.isnan(known.value), _days(known.known_at)
    fed_back = np.where(known_at > decided_at, FED_BACK, FED_BACK_AT_ONCE)
    nothing, none = np.full(measured.height, -1), np.full(sessions.height, np.nan)
    columns = {
        "user": (_users(tables, "measurements", users), user[is_known], user),
        "time": (_days(measured["measured_at"].to_numpy()), known_at[is_known], decided_at),
        "kind": (np.full(measured.height, MEASURED), fed_back[is_known], np.full(sessions.height, DECIDED)),
        "content": (nothing, content[is_known], content),
        "value": (measured["score"].to_numpy(), known.value[is_known], none),
        "session": (nothing, np.full(is_known.sum(), -1), np.arange(sessions.height)),
    }
    events = {name: np.concatenate(parts) for name, parts in columns.items()}
    order = np.lexsort((events["kind"], events["time"], events["user"]))
    enrolled = _days(tables.users["enrolled_at"].to_numpy())
    return Courses(**{name: column[order] for name, column in events.items()}, enrolled=enrolled)


def _days(times: np.ndarray) -> np.ndarray:
    return times.astype("datetime64[us]").astype(np.int64) / MICROSECONDS_PER_DAY


def _users(tables: Tables, table: str, users: pl.Enum) -> np.ndarray:
    places = places_in(users, getattr(tables, table)["user_id"])
    strangers = int((places < 0).sum())
    if strangers:
        raise TableError(
            f"{table}: {strangers} rows of users who are not in the table users; validate the tables first",
            table=table,
            column="user_id",
        )
    return places

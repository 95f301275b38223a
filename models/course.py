"""Courses as event arrays: everything known about users, in time order.

An event is known at one time: a reading when it was taken, a decision when it
was made, feedback when it arrived, or its absence when it was due.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from models.contents import ContentArrays
from posology.tables import Tables
from posology.therapy import UTC_TIME, Therapy

MEASURED, FED_BACK, DECIDED = 0, 1, 2  # also the order at equal times
MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class Courses:
    """Events of all users, sorted by user, time and kind.

    Attributes:
        user: (n_events,) place in the users table.
        time: (n_events,) days since 1970.
        kind: (n_events,) MEASURED, FED_BACK or DECIDED.
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


def feedback_known(therapy: Therapy, sessions: pl.DataFrame) -> pl.DataFrame:
    """F of each session and when it was known: columns ``value`` (null: none) and ``known_at``.

    Feedback that is not there ``due_hours`` after the decision counts as
    missing and is known, as such, at that moment.
    """
    feedback = therapy.feedback
    if feedback is None:
        nothing = {"value": pl.Float64(), "known_at": UTC_TIME}
        return pl.DataFrame({name: pl.Series([None] * sessions.height, dtype=kind) for name, kind in nothing.items()})
    due = pl.col("decided_at") + pl.duration(microseconds=round(feedback.due_hours * 3.6e9))
    came = pl.col("feedback_at").is_not_null() & (pl.col("feedback_at") <= due) & feedback.expression.is_not_null()
    return sessions.select(
        pl.when(came).then(feedback.expression).otherwise(pl.lit(feedback.missing, dtype=pl.Float64)).alias("value"),
        pl.when(came).then("feedback_at").otherwise(due).alias("known_at"),
    )


def courses_of(therapy: Therapy, tables: Tables, contents: ContentArrays) -> Courses:
    """The courses of all users in the tables."""
    place = {user_id: n for n, user_id in enumerate(tables.users["user_id"])}
    decided = tables.sessions.select(
        user=_places(tables.sessions, place),
        time=_days("decided_at"),
        kind=pl.lit(DECIDED),
        content=pl.lit(contents.places(tables.sessions["content_id"])),
        value=pl.lit(None, dtype=pl.Float64),
        session=pl.int_range(pl.len()),
    )
    known = feedback_known(therapy, tables.sessions)
    fed_back = (
        decided.with_columns(known["value"], kind=pl.lit(FED_BACK), time=known.select(_days("known_at"))["known_at"])
        .filter(pl.col("value").is_not_null())
        .with_columns(session=pl.lit(-1, dtype=pl.Int64))
    )
    measured = tables.measurements.select(
        user=_places(tables.measurements, place),
        time=_days("measured_at"),
        kind=pl.lit(MEASURED),
        content=pl.lit(-1, dtype=pl.Int64),
        value="score",
        session=pl.lit(-1, dtype=pl.Int64),
    )
    events = pl.concat([measured, fed_back, decided], how="vertical_relaxed").sort(
        "user", "time", "kind", maintain_order=True
    )
    return Courses(
        **{name: _array(events[name]) for name in ("user", "time", "kind", "content", "value", "session")},
        enrolled=_array(tables.users.select(_days("enrolled_at"))["enrolled_at"]),
    )


def _days(column: str) -> pl.Expr:
    return pl.col(column).dt.epoch("us") / MICROSECONDS_PER_DAY


def _places(frame: pl.DataFrame, place: dict[str, int]) -> pl.Series:
    return frame["user_id"].replace_strict(place, return_dtype=pl.Int64)


def _array(column: pl.Series) -> np.ndarray:
    kind = np.float64 if column.dtype == pl.Float64 else np.int64
    return np.ascontiguousarray(column.to_numpy().astype(kind))

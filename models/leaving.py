"""Who left: the decisions after which no other came, though the course and the data went on."""

from datetime import datetime

import polars as pl

from models.targets import final_status
from posology.therapy import Status

SILENT_DAYS = 14.0  # that a decision must be the last by, before its course ends, to have been left after


def left_after(status: Status, sessions: pl.DataFrame, measurements: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Whether the patient left after each decision of the courses whose time is over.

    A course ends with Mf, or without one when Mf was due; its last
    ``SILENT_DAYS`` tell nothing and have no rows. A course that the end of
    the data cuts off has none at all: whom time alone kept from going on has
    not left.

    Args:
        status: says when a course is over.
        sessions: ``decision_id``, ``user_id`` and ``decided_at``, all of each user's.
        measurements: of the users.
        as_of: when the data end.

    Returns:
        ``decision_id`` and ``left``.
    """
    due, window, silent = (
        pl.duration(microseconds=round(days * 86.4e9))
        for days in (status.final_after_days, status.final_window_days, SILENT_DAYS)
    )
    final = final_status(status, measurements).select("user_id", "known_at")
    courses = (
        measurements.filter(pl.col("instrument") == status.instrument)
        .group_by("user_id", maintain_order=True)
        .agg(first_at=pl.col("measured_at").min())
        .filter(pl.col("first_at") + due + window <= as_of)
        .join(final, on="user_id", how="left", maintain_order="left")
        .select("user_id", "first_at", until=pl.coalesce("known_at", pl.col("first_at") + due) - silent)
    )
    return (
        sessions.select("decision_id", "user_id", "decided_at")
        .with_columns(left=pl.col("decided_at") == pl.col("decided_at").max().over("user_id"))
        .join(courses, on="user_id", how="inner", maintain_order="left")
        .filter(pl.col("decided_at").is_between("first_at", "until"))
        .select("decision_id", "left")
    )

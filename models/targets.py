"""What the predictors learn: F of each session, Mf of each patient, and when each was known."""

from datetime import datetime
from typing import Literal

import polars as pl

from models.course import feedback_known
from posology.tables import Tables
from posology.therapy import Status, Therapy

Target = Literal["feedback", "status"]
TARGETS: tuple[Target, ...] = ("feedback", "status")


def targets_of(therapy: Therapy) -> tuple[Target, ...]:
    """The targets a therapy declares."""
    return tuple(target for target in TARGETS if getattr(therapy, target) is not None)


def target_rows(
    therapy: Therapy, tables: Tables, target: Target, *, as_of: datetime | None = None, unfinished: bool = False
) -> pl.DataFrame:
    """The sessions that have the target.

    Args:
        therapy: declares it.
        tables: of all patients, or of some.
        target: which.
        as_of: when the data end, where the tables are of some patients only.
        unfinished: with the sessions of those who were not measured though their time is over: Mf is null.

    Returns:
        ``session`` (row of the sessions table), ``user_id``, ``decision_id``,
        ``decided_at``, ``content_id``, ``target`` and ``known_at``.
    """
    sessions = tables.sessions.with_row_index("session")
    if target == "feedback":
        rows = _feedback(therapy, tables, sessions).filter(pl.col("known_at") <= (as_of or tables.as_of))
    else:
        rows = _status(therapy, tables, sessions)
        if unfinished:
            rows = pl.concat([rows, _unfinished(therapy, tables, sessions, as_of or tables.as_of)])
            rows = rows.sort("session")
    known = pl.col("content_id").is_in(tables.contents["content_id"].implode())
    return rows.filter(known).select(
        pl.col("session").cast(pl.Int64), "user_id", "decision_id", "decided_at", "content_id", "target", "known_at"
    )


def final_status(status: Status, measurements: pl.DataFrame) -> pl.DataFrame:
    """Each user's Mf: ``user_id``, ``first_at``, ``known_at`` and ``target`` (the score).

    Mf is the reading nearest ``final_after_days`` after the first one, and
    within ``final_window_days`` of that day; a user without one has no row.
    """
    after = pl.duration(microseconds=round(status.final_after_days * 86.4e9))
    window = pl.duration(microseconds=round(status.final_window_days * 86.4e9))
    readings = measurements.filter(pl.col("instrument") == status.instrument).with_columns(
        first_at=pl.col("measured_at").min().over("user_id")
    )
    distance = (pl.col("measured_at") - pl.col("first_at") - after).abs()
    return (
        readings.with_columns(distance=distance)
        .filter((pl.col("distance") <= window) & (pl.col("measured_at") > pl.col("first_at")))
        .sort("user_id", "distance", "measured_at")
        .unique("user_id", keep="first", maintain_order=True)
        .select("user_id", "first_at", known_at="measured_at", target="score")
    )


def _feedback(therapy: Therapy, tables: Tables, sessions: pl.DataFrame) -> pl.DataFrame:
    value, known_at = feedback_known(therapy, tables.sessions)
    rows = sessions.with_columns(target=pl.lit(value), known_at=pl.lit(known_at).dt.replace_time_zone("UTC"))
    return rows.filter(pl.col("target").is_not_nan())


def _status(therapy: Therapy, tables: Tables, sessions: pl.DataFrame) -> pl.DataFrame:
    if therapy.status is None:
        raise ValueError("the therapy has no status")
    final = final_status(therapy.status, tables.measurements)
    rows = sessions.join(final, on="user_id", how="inner", maintain_order="left")
    return rows.filter(pl.col("decided_at").is_between("first_at", "known_at", closed="left"))


def _unfinished(therapy: Therapy, tables: Tables, sessions: pl.DataFrame, as_of: datetime | None) -> pl.DataFrame:
    """The sessions of users who have no Mf and can have none any more."""
    status = therapy.status
    if status is None:
        raise ValueError("the therapy has no status")
    readings = tables.measurements.filter(pl.col("instrument") == status.instrument)
    over = pl.duration(microseconds=round((status.final_after_days + status.final_window_days) * 86.4e9))
    lost = (
        readings.group_by("user_id", maintain_order=True)
        .agg(first_at=pl.col("measured_at").min())
        .join(final_status(status, tables.measurements), on="user_id", how="anti")
        .with_columns(known_at=pl.col("first_at") + over, target=pl.lit(None, dtype=pl.Float64))
        .filter(pl.col("known_at") <= as_of)
    )
    rows = sessions.join(lost, on="user_id", how="inner", maintain_order="left")
    return rows.filter(pl.col("decided_at").is_between("first_at", "known_at", closed="left"))

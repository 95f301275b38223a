"""What came of decisions, arm by arm: one row a decision, read once for guards and report alike."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from models.choice import NO_FIRST_STATUS
from models.course import feedback_known
from posology.tables import Tables
from posology.therapy import Therapy
from serving.alarms import Alarm
from serving.database import reading, rows_of
from serving.fallback import REASONS
from serving.schema import considered, decisions, feedback

Row = Mapping[str, Any]
ERRORS = REASONS - {Alarm.STORE_UNAVAILABLE}  # a database that is gone says nothing of a release
COLUMNS = ("decision_id", "user_id", "decided_at", "content_id", "release", "arm", "arm_probability")


def outcomes(engine: sa.Engine, therapy: Therapy, *, since: datetime | None = None) -> pl.DataFrame:
    """The decisions made here in an arm.

    Args:
        since: those kept from then on.

    Returns:
        ``user_id``, ``decided_at``, ``release``, ``arm``, ``is_default`` (for another reason than
        that the patient was never measured), ``is_error`` and ``value`` (F;
        null until it is known).
    """
    rows = _rows(engine, therapy, since)
    sessions = Tables.from_rows(therapy, users=[], sessions=rows).sessions
    known = feedback_known(therapy, sessions)
    value = np.where(known.known_at <= _end(sessions), known.value, np.nan) if rows else np.empty(0)
    place = {row["decision_id"]: row for row in rows}
    ordered = [place[decision_id] for decision_id in sessions["decision_id"]]
    return pl.DataFrame(
        {
            "user_id": sessions["user_id"],
            "decided_at": sessions["decided_at"],
            "release": sessions["release"],
            "arm": pl.Series([row["arm"] for row in ordered], dtype=pl.String),
            "is_default": pl.Series([_is_default(row) for row in ordered], dtype=pl.Boolean),
            "is_error": pl.Series([not ERRORS.isdisjoint(row["reasons"]) for row in ordered], dtype=pl.Boolean),
            "value": pl.Series(value, dtype=pl.Float64).fill_nan(None),
        }
    )


def agreement(engine: sa.Engine, therapy: Therapy) -> Sequence[Row]:
    """What each release that only watched would have done: decisions considered, share that gave the same content."""
    join = (considered.c.therapy == decisions.c.therapy) & (considered.c.decision_id == decisions.c.decision_id)
    same = sa.case((considered.c.content_id == decisions.c.content_id, 1.0), else_=0.0)
    query = (
        sa.select(
            considered.c.release,
            decisions.c.release.label("decided_by"),
            sa.func.count().label("decisions"),
            sa.func.count(sa.distinct(decisions.c.user_id)).label("patients"),
            sa.func.avg(same).label("agreement"),
        )
        .select_from(considered.join(decisions, join))
        .where(considered.c.therapy == therapy.name)
        .group_by(considered.c.release, decisions.c.release)
        .order_by(considered.c.release, decisions.c.release)
    )
    with reading(engine) as connection:
        return rows_of(connection, query)


def _rows(engine: sa.Engine, therapy: Therapy, since: datetime | None) -> Sequence[Row]:
    join = (feedback.c.therapy == decisions.c.therapy) & (feedback.c.decision_id == decisions.c.decision_id)
    mine = (decisions.c.therapy == therapy.name) & decisions.c.arm.is_not(None)
    if since is not None:
        mine &= decisions.c.recorded_at >= since
    query = (
        sa.select(
            *(decisions.c[name] for name in (*COLUMNS, "source", "reasons")),
            feedback.c.received_at.label("feedback_at"),
            feedback.c.declared,
        )
        .select_from(decisions.outerjoin(feedback, join))
        .where(mine)
    )
    with reading(engine) as connection:
        return [{**row, **(row["declared"] or {})} for row in rows_of(connection, query)]


def _is_default(row: Row) -> bool:
    return row["source"] == "safe_default" and NO_FIRST_STATUS not in row["reasons"]


def _end(sessions: pl.DataFrame) -> np.datetime64:
    """When the data end."""
    times = [sessions[name].max() for name in ("decided_at", "feedback_at")]
    return max(np.datetime64(time.replace(tzinfo=None), "us") for time in times if isinstance(time, datetime))

"""Courses of a given length, made of the sessions of simulated patients."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from posology.tables import Tables
from posology.therapy import Therapy

BETWEEN_SESSIONS = timedelta(hours=12)
BETWEEN_READINGS = timedelta(days=28)


def courses(therapy: Therapy, made: Tables, *, patients: int, sessions: int, until: datetime) -> Tables:
    """So many patients of so many sessions each, two a day, the last shortly before ``until``.

    What was given and what came back are simulated patients' own, the next one's where a course ends.
    """
    ids = pl.Series("user_id", [f"{sessions}-{patient:04d}" for patient in range(patients)], dtype=pl.String)
    nth = np.tile(np.arange(sessions), patients)
    rows = made.sessions[np.arange(patients * sessions) % made.sessions.height]
    decided_at = pl.Series("decided_at", [until - BETWEEN_SESSIONS * int(sessions - each) for each in range(sessions)])
    told = rows.with_columns(
        user_id=ids.gather(np.repeat(np.arange(patients), sessions)),
        decision_id=pl.Series([f"{sessions}-{place:07d}" for place in range(rows.height)], dtype=pl.String),
        feedback_at=decided_at.gather(nth) + (rows["feedback_at"] - rows["decided_at"]),
        decided_at=decided_at.gather(nth),
        release=pl.lit(None, pl.String),
    )
    begun = until - BETWEEN_SESSIONS * (sessions + 1)
    users = made.users[np.arange(patients) % made.users.height].with_columns(
        user_id=ids, enrolled_at=pl.lit(begun), consent=pl.lit(value=True)
    )
    return Tables.conform(
        therapy,
        {
            "users": users,
            "measurements": _readings(therapy, ids, begun, until),
            "contents": made.contents,
            "sessions": told,
        },
    )


def _readings(therapy: Therapy, ids: pl.Series, begun: datetime, until: datetime) -> pl.DataFrame:
    if therapy.status is None:
        return pl.DataFrame(
            schema={
                "user_id": pl.String,
                "measured_at": pl.Datetime("us", "UTC"),
                "instrument": pl.String,
                "score": pl.Float64,
            }
        )
    middle = (therapy.status.minimum + therapy.status.maximum) / 2
    times = [begun + BETWEEN_READINGS * each for each in range((until - begun) // BETWEEN_READINGS + 1)]
    taken = pl.DataFrame({"measured_at": times}).with_columns(
        instrument=pl.lit(therapy.status.instrument), score=pl.lit(middle) + pl.int_range(pl.len()) % 3
    )
    return pl.DataFrame({"user_id": ids}).join(taken, how="cross")

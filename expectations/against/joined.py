"""Those who joined since, held against those known before at the same stage of their course."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from expectations.against.compositions import Composition, compositions
from expectations.against.drift import Drift, distances, drifts
from expectations.thresholds import Thresholds
from posology.therapy import Therapy

TIMES = {"users": "enrolled_at", "measurements": "measured_at", "sessions": "decided_at"}
Frames = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Compared:
    """A column in which those who joined may differ from those before."""

    column: Composition
    drift: Drift


def compared(therapy: Therapy, before: Frames, joined: Frames, limits: Thresholds) -> Iterator[Compared]:
    """Columns that are farther apart than is noted; none when too few joined or were there before.

    Args:
        before: users, measurements and sessions of those known before.
        joined: of those who joined. Both are cut to as long after enrolment as half of these have been watched,
            for a course changes while it lasts.
    """
    ids = [frames["users"]["user_id"].unique().sort() for frames in (before, joined)]
    if min(map(len, ids)) < limits.fewest_joined:
        return
    stage = _watched(joined)
    columns = [
        column for table in TIMES for column in compositions(therapy, table, _placed(table, before, joined, ids, stage))
    ]
    has_joined = np.arange(len(ids[0]) + len(ids[1])) >= len(ids[0])
    if (distances(columns, has_joined) < limits.drift_noted).all():
        return
    found = drifts(columns, has_joined)
    for column, drift in zip(columns, found, strict=True):
        if drift.p <= limits.drift_error_rate and drift.distance >= limits.drift_noted:
            yield Compared(column, drift)


def _watched(frames: Frames) -> timedelta:
    """How long after enrolment something is known of half of the users."""
    times = [frames[table].select("user_id", time=pl.col(time)) for table, time in TIMES.items()]
    last = pl.concat(times).group_by("user_id").agg(pl.max("time"))
    since = frames["users"].join(last, on="user_id").select(pl.col("time") - pl.col("enrolled_at")).to_series()
    half = since.median()
    return half if isinstance(half, timedelta) else timedelta(0)


def _placed(table: str, before: Frames, joined: Frames, ids: list[pl.Series], stage: timedelta) -> pl.DataFrame:
    """The rows of both up to that stage, each with the place of its user."""
    parts = []
    for frames, users, first in zip((before, joined), ids, (0, len(ids[0])), strict=True):
        places = pl.DataFrame({"user_id": users, "user": np.arange(len(users)) + first})
        starts = frames["users"].unique("user_id").select("user_id", start="enrolled_at").join(places, on="user_id")
        rows = frames[table].join(starts, on="user_id")
        parts.append(rows.filter(pl.col(TIMES[table]) - pl.col("start") <= stage))
    return pl.concat(parts)

"""A course whose planned contents nobody has answered yet.

By the therapy a content without feedback counts as missing once it is due. In
a plan for days that would make every patient look as if they had dropped out.
So what was due before the plan is written down as what it counts as, and
nothing falls due while the plan runs.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from models.release import Release
from posology.tables import Tables
from posology.therapy import UTC_TIME, Feedback

DAY_HOURS = 24


def unanswered_while(release: Release, tables: Tables, *, now: datetime, days: int) -> tuple[Release, Tables]:
    """A release and a course that say the same as those given, now; what is given from now on stays unanswered.

    Args:
        release: what decides.
        tables: everything known of exactly one user.
        now: when the plan is made.
        days: that it runs.
    """
    feedback = release.therapy.feedback
    if feedback is None or feedback.missing is None:  # what is missing is left out anyway
        return release, tables
    lasting = {
        "value": f"COALESCE({feedback.value}, {feedback.missing!r})",
        "due_hours": feedback.due_hours + DAY_HOURS * (days + 1),
    }
    therapy = release.therapy.model_copy(update={"feedback": feedback.model_copy(update=lasting)})
    return replace(release, therapy=therapy), replace(tables, sessions=_settled(feedback, tables.sessions, now))


def _settled(feedback: Feedback, sessions: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """What was due and did not come in time becomes feedback that says nothing, at the moment it was due."""
    due = pl.col("decided_at") + timedelta(hours=feedback.due_hours)
    value = feedback.expression
    in_time = pl.max_horizontal("feedback_at", "decided_at") <= due
    came = (pl.col("feedback_at").is_not_null() & in_time & value.is_not_null() & value.is_not_nan()).fill_null(
        value=False
    )
    is_missing = ~came & (due <= pl.lit(now, dtype=UTC_TIME))
    nothing = [pl.when(~is_missing).then(name).alias(name) for name in feedback.columns]
    return sessions.with_columns(*nothing, feedback_at=pl.when(is_missing).then(due).otherwise("feedback_at"))

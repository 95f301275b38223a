"""The rules of a user's course: sessions in time, held against each other and against the readings.

They are asked of rows that nothing else is wrong with, so a row that is in
quarantine anyway never speaks against another.
"""

from collections.abc import Iterator
from datetime import timedelta

import polars as pl

from expectations.rule import Rule, holds
from expectations.thresholds import Thresholds
from posology.therapy import Therapy

_SAME_USER = pl.col("user_id").shift(1) == pl.col("user_id")
_since = pl.when(_SAME_USER).then(pl.col("decided_at") - pl.col("decided_at").shift(1))


def with_course(sessions: pl.DataFrame, readings: pl.DataFrame) -> pl.DataFrame:
    """The rows, each with its user's first reading and usual time between sessions.

    Args:
        sessions: sorted by user and time.
        readings: of all these users.
    """
    first = readings.group_by("user_id").agg(pl.min("measured_at").alias("user:first_reading"))
    usual = (
        sessions.select("user_id", since=_since)
        .group_by("user_id")
        .agg(pl.col("since").median().alias("user:usually_between"))
    )
    known = sessions.join(first, on="user_id", how="left", maintain_order="left")
    return known.join(usual, on="user_id", how="left", maintain_order="left")


def course_rules(therapy: Therapy, limits: Thresholds) -> Iterator[Rule]:
    """What a session must satisfy among the sessions of its user; rows must come from ``with_course``."""
    if therapy.status is not None:
        says = "is not before the user's first reading"
        yield holds("V505", "decided_at", says, pl.col("decided_at") >= pl.col("user:first_reading"))
    yield _no_repeat(limits)
    at_once = (_since == timedelta(0)).fill_null(value=False)
    is_alone = ~(at_once | at_once.shift(-1, fill_value=False))
    yield holds("V304", "decided_at", "the user has no other content at the same moment", is_alone | ~_other_content())
    yield _comes_back(limits)


def _no_repeat(limits: Thresholds) -> Rule:
    same_content = pl.col("content_id").shift(1) == pl.col("content_id")
    seconds = limits.repeat_within.total_seconds()
    says = f"was not given to the user within {seconds:g} seconds before"
    why = "The shortest content takes minutes: this is one tap sent twice."
    return holds("V303", "content_id", says, ~(same_content & (_since <= limits.repeat_within)), why=why)


def _other_content() -> pl.Expr:
    """Whether a neighbour of the same user and moment has another content."""
    other = pl.col("content_id").shift(1) != pl.col("content_id")
    before = (other & (_since == timedelta(0))).fill_null(value=False)
    return before | before.shift(-1, fill_value=False)


def _comes_back(limits: Thresholds) -> Rule:
    habit = limits.away_against_habit * pl.col("user:usually_between")
    says = f"follows the session before within {limits.away.days} days, or as the user's habit is"
    why = f"{limits.away_against_habit:g} times longer than between most of the user's sessions is no habit."
    return holds("V510", "decided_at", says, ~((_since > limits.away) & (_since > habit)), why=why)

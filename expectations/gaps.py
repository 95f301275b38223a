"""Days on which nobody had a session, between days on which many had."""

from collections.abc import Iterator
from datetime import date

import polars as pl

from expectations.rule import Rule, holds
from expectations.thresholds import Thresholds


class Days:
    """Counts the users of each day, block by block."""

    def __init__(self) -> None:
        self._users = pl.DataFrame(schema={"day": pl.Date, "users": pl.UInt32})

    def add(self, sessions: pl.DataFrame) -> None:
        """The sessions of a block; all of a user's come at once."""
        days = sessions.select("user_id", pl.col("decided_at").dt.date().alias("day")).unique()
        new = days.group_by("day").agg(pl.len().cast(pl.UInt32).alias("users"))
        self._users = pl.concat([self._users, new]).group_by("day").agg(pl.sum("users").cast(pl.UInt32))

    def facts(self) -> pl.DataFrame:
        """One row for each empty day, with how many users the same day of the week had last before and first after.

        A day of the week that never has any is no gap, nor is what comes before the first session or after the last.
        """
        first, last = self._users["day"].min(), self._users["day"].max()
        if not (isinstance(first, date) and isinstance(last, date)):
            return self._users.with_columns(pl.lit(0).alias("busy"))
        days = pl.DataFrame({"day": pl.date_range(first, last, eager=True)}).join(self._users, on="day", how="left")
        weekday = pl.col("day").dt.weekday()
        before, after = pl.col("users").forward_fill().over(weekday), pl.col("users").backward_fill().over(weekday)
        is_known = before.is_not_null() & after.is_not_null()
        around = days.sort("day").with_columns(busy=pl.when(is_known).then(pl.min_horizontal(before, after)))
        return around.filter(pl.col("users").is_null())


def gap_rules(limits: Thresholds) -> Iterator[Rule]:
    """V511 over the empty days."""
    says = f"no day is empty where {limits.busy_day:g} users and more are usual"
    why = "Where 20 come on average, none comes on one day in 500 million."
    yield holds("V511", "decided_at", says, pl.col("busy") < limits.busy_day, why=why)

"""Who the simulated patients are: each drawn like one of the log's."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from models.simulators.fitted import Fitted
from models.simulators.log import MICROSECONDS_PER_DAY
from models.simulators.moments import is_drawn
from posology.therapy import UTC_TIME


@dataclass(frozen=True)
class DrawnPatients:
    """Traits of n patients in the order they come; days and times count from 1970.

    Attributes:
        donor: (n,) the user of the log whose U, tempers and habits each has.
        users: the users table; ids are new.
        enrolled_at: (n,) µs.
        first_day, last_day: (n,) of the programme; first is -1 for who never begins.
        visits: (n, n_visits) µs; of measurements, -1 for none.
    """

    donor: np.ndarray
    users: pl.DataFrame
    enrolled_at: np.ndarray
    first_day: np.ndarray
    last_day: np.ndarray
    visits: np.ndarray

    @classmethod
    def draw(
        cls, rng: np.random.Generator, fitted: Fitted, n: int, *, start: int, days: int | None, prefix: str
    ) -> Self:
        """n patients; users of the log are drawn with replacement.

        Args:
            start: µs; the midnight the log's first day is moved to.
            days: over which they enrol; None for as in the log.
        """
        log, presence = fitted.log, fitted.presence
        donor = rng.integers(0, log.enrolled_at.size, n)
        enrolled_at = log.enrolled_at[donor] - first_midnight(log.enrolled_at) + start
        if days is not None:
            enrolled_at = start + rng.integers(0, days, n) * MICROSECONDS_PER_DAY + enrolled_at % MICROSECONDS_PER_DAY
        order = np.argsort(enrolled_at, kind="stable")
        donor, enrolled_at = donor[order], enrolled_at[order]
        enrolled_day = enrolled_at // MICROSECONDS_PER_DAY
        after = presence.first_after[donor]
        first_day = np.where(after >= 0, enrolled_day + after, -1)
        return cls(
            donor=donor,
            users=_users(fitted, donor, enrolled_at, prefix),
            enrolled_at=enrolled_at,
            first_day=first_day,
            last_day=np.maximum(enrolled_day + rng.choice(presence.lengths, n), first_day),
            visits=_visits(rng, fitted, donor, enrolled_day * MICROSECONDS_PER_DAY),
        )


def first_midnight(times: np.ndarray) -> int:
    """When the first day of these times (µs) began."""
    return int(times.min() // MICROSECONDS_PER_DAY * MICROSECONDS_PER_DAY)


def _users(fitted: Fitted, donor: np.ndarray, enrolled_at: np.ndarray, prefix: str) -> pl.DataFrame:
    therapy = fitted.log.therapy
    words = [name for name, column in therapy.user.items() if not is_drawn(column.kind)]
    return fitted.log.tables.users[donor].with_columns(
        pl.Series("user_id", [f"{prefix}-{place:06d}" for place in range(donor.size)], dtype=pl.String),
        pl.Series("enrolled_at", enrolled_at).cast(UTC_TIME),
        *(pl.lit(None, dtype=therapy.user[name].dtype).alias(name) for name in words),
    )


def _visits(rng: np.random.Generator, fitted: Fitted, donor: np.ndarray, midnight: np.ndarray) -> np.ndarray:
    """The first as the donor's; the others as somebody's who came to all."""
    readings = fitted.readings
    if readings is None:
        return np.full((donor.size, 1), -1)
    first = readings.first_after[donor]
    visits = (midnight + first)[:, None] + readings.schedule[rng.integers(0, len(readings.schedule), donor.size)]
    return np.where(first[:, None] >= 0, visits, -1)

"""Who the simulated patients are: what stays the same over the course, and the users table."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np
import polars as pl

from posology.errors import TherapyError
from posology.simulators.conditions import NOTHING_WRONG, Conditions
from posology.simulators.mechanism import CAPACITY_RANGE, Mechanism
from posology.therapy import UTC_TIME, Status, Therapy

SITES = ("north", "south", "west")
SITE_SHARES = (0.5, 0.3, 0.2)
SITE_CAPACITY = np.array([0.0, -1.0, 1.0])  # by which its patients differ where sites do
SITE_APPEAL = np.array([0.0, -0.6, 0.6])
DAYS_PER_YEAR = 365.25
TREND_CAPACITY = -1.5  # a year, of those who enrol, where the calendar counts
CONSENT_SHARE = 0.95
STAYS_READABLE_SHARE = 0.35  # of those who leave the programme, who still come to be measured
MEASURED_EVERY_DAYS = 28
JITTER_DAYS = 3  # a visit is this much early or late at most


@dataclass(frozen=True)
class Patients:
    """Traits of n patients; days count from the start of the world.

    Attributes:
        ids: user_id of each.
        site: (n,) place in ``SITES``.
        capacities: (n, n_capacities) at enrolment.
        tastes: (n, n_kinds) of each kind of content, in appeal.
        temper: (n,) of all contents, in appeal.
        rate: (n,) multiplies learning.
        drift_rate: (n,) multiplies what happens without treatment.
        eye: (n,) how the clinic misjudges this patient, in standard deviations.
        sleep: (n,) mean hours a night.
        hour: (n,) usual hour of day.
        best_hour: (n,) of day, at which nothing is lost.
        diligence: (n,) chance of opening the app on a day.
        consented: (n,) without consent nothing is recorded.
        readable: (n,) comes to be measured even after leaving.
        enrolled_day: (n,)
        visit_days: (n, n_visits) of the measurements; the first before any content, the last is the final one.
    """

    ids: np.ndarray
    site: np.ndarray
    capacities: np.ndarray
    tastes: np.ndarray
    temper: np.ndarray
    rate: np.ndarray
    drift_rate: np.ndarray
    eye: np.ndarray
    sleep: np.ndarray
    hour: np.ndarray
    best_hour: np.ndarray
    diligence: np.ndarray
    consented: np.ndarray
    readable: np.ndarray
    enrolled_day: np.ndarray
    visit_days: np.ndarray

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        mechanism: Mechanism,
        status: Status,
        n: int,
        *,
        days: int,
        prefix: str,
        conditions: Conditions = NOTHING_WRONG,
    ) -> Self:
        """n patients who enrol over the first ``days`` days, numbered in the order they come."""
        enrolled_day = np.sort(rng.integers(0, days, n))
        site = rng.choice(len(SITES), n, p=SITE_SHARES)
        mean = mechanism.capacity_mean + conditions.sites * SITE_CAPACITY[site]
        mean += conditions.drift * TREND_CAPACITY * enrolled_day / DAYS_PER_YEAR
        shared = rng.normal(0, mechanism.capacity_sd, (n, 1))
        own = rng.normal(0, mechanism.capacity_own_sd, (n, len(mechanism.capacities)))
        return cls(
            ids=np.array([f"{prefix}-{place:06d}" for place in range(n)]),
            site=site,
            capacities=np.clip(mean[:, None] + shared + own, *CAPACITY_RANGE),
            tastes=rng.normal(0, mechanism.taste_sd, (n, len(mechanism.trains))),
            temper=rng.normal(0, mechanism.temper_sd, n) + conditions.sites * SITE_APPEAL[site],
            rate=np.exp(rng.normal(0, mechanism.learning_spread, n)),
            drift_rate=np.exp(rng.normal(0, mechanism.drift_spread, n)),
            eye=rng.normal(0, 1, n),
            sleep=rng.normal(mechanism.sleep_mean, 0.7, n),
            hour=rng.choice([10.0, 15.0, 19.0], n, p=[0.45, 0.3, 0.25]),
            best_hour=np.clip(rng.normal(12, 3, n), 7, 20),
            diligence=np.clip(rng.normal(mechanism.sessions_per_week / 7, 0.12, n), 0.2, 0.95),
            consented=rng.random(n) < CONSENT_SHARE,
            readable=rng.random(n) < STAYS_READABLE_SHARE,
            enrolled_day=enrolled_day,
            visit_days=_visits(rng, enrolled_day, round(status.final_after_days)),
        )

    def users(self, rng: np.random.Generator, therapy: Therapy, mechanism: Mechanism, start: datetime) -> pl.DataFrame:
        """The users table."""
        drawn = mechanism.draw_users(rng, self.capacities)
        if set(drawn) != set(therapy.user):
            raise TherapyError(
                f"therapy {therapy.name}: its mechanism draws users with {', '.join(drawn)}; "
                f"declared is {', '.join(therapy.user)}"
            )
        n = len(self.ids)
        return pl.DataFrame(
            {
                "user_id": self.ids,
                "enrolled_at": pl.Series(
                    at(start, self.enrolled_day, rng.integers(8, 17, n), np.arange(n)), dtype=UTC_TIME
                ),
                "site": np.array(SITES)[self.site],
                "consent": self.consented,
                **{name: drawn[name] for name in therapy.user},
            }
        )


def at(start: datetime, days: np.ndarray | int, hours: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """UTC times, in µs since 1970, on a day at an hour to the second; the microseconds tell patients apart."""
    seconds = np.asarray(days, dtype=np.int64) * 86_400 + np.round(hours * 3600).astype(np.int64)
    return int(start.timestamp()) * 1_000_000 + seconds * 1_000_000 + patients


def _visits(rng: np.random.Generator, enrolled_day: np.ndarray, final_after_days: int) -> np.ndarray:
    n = len(enrolled_day)
    first = enrolled_day + rng.integers(1, 4, n)
    planned = [*range(MEASURED_EVERY_DAYS, final_after_days - MEASURED_EVERY_DAYS // 2, MEASURED_EVERY_DAYS)]
    later = np.array([*planned, final_after_days]) + rng.integers(-JITTER_DAYS, JITTER_DAYS + 1, (n, len(planned) + 1))
    return np.column_stack([first, first[:, None] + later])

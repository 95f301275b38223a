"""How the status moves between readings, and how the instrument reads it.

Between two readings the score changes by the days that passed, by each
content given and by the F that came back, as a ridge regression of the change
tells (differences: what is a patient's own and constant falls out, and so
does the noise of the first reading as a predictor). What is left over grows
with the time between the readings; what it is at time zero is the noise of
the instrument, read twice (the nugget of a variogram; Diggle et al. 2002,
Analysis of Longitudinal Data, section 3.4).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from scipy.optimize import nnls
from sklearn.linear_model import RidgeCV

from models.contents import places_in
from models.simulators.log import MICROSECONDS_PER_DAY, Log, micros
from posology.errors import TooSmall

PENALTIES = np.logspace(-1, 4, 11)
MINIMUM_CHANGES = 10  # pairs of readings; with fewer neither a trend nor the noise can be told
SPAN = np.int64(2**52)  # µs; beyond any time since 1970
FULL_QUANTILE = 0.8  # of the number of readings: who has that many kept the schedule


@dataclass(frozen=True)
class Changes:
    """Changes between two readings of one patient, next ones and all others.

    Attributes:
        user: (n,) place in the users table.
        is_next: (n,) whether the second reading is the one after the first.
        days, change: (n,)
        doses: (n, n_contents + n_groups) times given, and F summed, between them.
    """

    user: np.ndarray
    is_next: np.ndarray
    days: np.ndarray
    change: np.ndarray
    doses: np.ndarray

    def variances(self, weights: np.ndarray) -> tuple[float, float, float]:
        """Of the instrument's noise (points²), of the random walk (a day) and of the slopes (a day²)."""
        left_over = (self.change - np.column_stack([self.days, self.doses]) @ weights) ** 2
        unit = max(float(self.days.mean()), 1.0)
        relative = self.days / unit
        found = nnls(np.column_stack([np.full(relative.size, 2.0), relative, relative**2]), left_over)[0]
        return float(found[0]), float(found[1] / unit), float(found[2] / unit**2)


@dataclass(frozen=True)
class Readings:
    """The status model; scores in points, times in days.

    Attributes:
        first_score: (n_users,) NaN for who has none.
        first_after: (n_users,) µs from midnight of the day of enrolment to the first reading, -1 for who has none.
        per_day: points a day without any content.
        per_content: (n_contents,) points each content adds.
        per_feedback: (n_groups,) points a content of the group adds besides for F = 1.
        typical_feedback: F that stands for one that is not known.
        slope_sd: points a day; between patients.
        walk_variance: points² a day; of what moves the status at random.
        noise_sd: points; of the instrument.
        shrink: of a first score towards the mean, so that noise is not counted twice.
        grid: points between possible scores; 0 where every number is possible.
        schedule: (m, n_visits) µs after the first reading, of those who came to all.
        attend, attend_left: chance of coming to a visit after the first, of those who stay and who have left.
    """

    first_score: np.ndarray
    first_after: np.ndarray
    per_day: float
    per_content: np.ndarray
    per_feedback: np.ndarray
    typical_feedback: float
    slope_sd: float
    walk_variance: float
    noise_sd: float
    shrink: float
    grid: float
    schedule: np.ndarray
    attend: float
    attend_left: float

    @classmethod
    def fit(cls, log: Log, left: np.ndarray) -> Self | None:
        """From the readings of the therapy's instrument; None without status.

        Raises:
            TooSmall: hardly anybody was read twice.
        """
        if log.therapy.status is None:
            return None
        readings = _readings(log)
        user, time, score = (readings[name].to_numpy() for name in ("user", "time", "score"))
        changes = changes_of(log)
        weights = _weights(changes)
        per_day, per_content, per_feedback = np.split(weights, [1, 1 + log.tables.contents.height])
        noise_variance, walk_variance, slope_variance = changes.variances(weights)
        is_first = np.append(True, np.diff(user) != 0)
        first_score, first_after = np.full(log.enrolled_at.size, np.nan), np.full(log.enrolled_at.size, -1)
        first_score[user[is_first]] = score[is_first]
        first_after[user[is_first]] = time[is_first] - _midnight(log)[user[is_first]]
        spread = float(np.nanvar(first_score))
        schedule, attend, attend_left = _schedule(log, user, time, left)
        return cls(
            first_score=first_score,
            first_after=first_after,
            per_day=float(per_day[0]),
            per_content=per_content,
            per_feedback=per_feedback,
            typical_feedback=_typical(log),
            slope_sd=float(np.sqrt(slope_variance)),
            walk_variance=walk_variance,
            noise_sd=float(np.sqrt(noise_variance)),
            shrink=float(np.sqrt(max(1 - noise_variance / spread, 0))) if spread > 0 else 0.0,
            grid=_grid(score, log.therapy.status.minimum),
            schedule=schedule,
            attend=attend,
            attend_left=attend_left,
        )

    def expected_change(self, changes: Changes) -> np.ndarray:
        """(n,) points between the readings, by what was given between them."""
        doses = changes.doses @ np.concatenate([self.per_content, self.per_feedback])
        return np.asarray(self.per_day * changes.days + doses)

    def start(self, donors: np.ndarray) -> np.ndarray:
        """(n,) the status at the first reading of patients drawn like these users."""
        mean = float(np.nanmean(self.first_score))
        return mean + self.shrink * np.nan_to_num(self.first_score[donors] - mean)


def changes_of(log: Log) -> Changes:
    """All pairs of readings of the same patient.

    Raises:
        TooSmall: hardly anybody was read twice.
    """
    readings = _readings(log)
    user, time, score = (readings[name].to_numpy() for name in ("user", "time", "score"))
    firsts, apart = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for steps in range(1, int(np.bincount(user, minlength=1).max())):
        first = np.flatnonzero(user[:-steps] == user[steps:])
        firsts.append(first)
        apart.append(np.full(first.size, steps))
    first, second = np.concatenate(firsts), np.concatenate(firsts) + np.concatenate(apart)
    if first.size < MINIMUM_CHANGES:
        raise TooSmall(
            f"a simulator of status needs {MINIMUM_CHANGES} pairs of readings of the same patient or more, "
            f"there are {first.size}; collect more readings"
        )
    total, days = _doses_before(log, user, time), (time[second] - time[first]) / MICROSECONDS_PER_DAY
    return Changes(user[first], second - first == 1, days, score[second] - score[first], total[second] - total[first])


def _readings(log: Log) -> pl.DataFrame:
    """``user``, ``time`` and ``score`` of the therapy's instrument, in order."""
    assert log.therapy.status
    rows = log.tables.measurements.filter(pl.col("instrument") == log.therapy.status.instrument)
    user = places_in(pl.Enum(log.tables.users["user_id"]), rows["user_id"])
    return pl.DataFrame({"user": user, "time": micros(rows["measured_at"]), "score": rows["score"]})


def _typical(log: Log) -> float:
    known = log.value[~np.isnan(log.value)]
    return float(known.mean()) if known.size else 0.0


def _doses_before(log: Log, user: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(n_readings, n_contents + n_groups) before a reading: times each content was given, F of each group summed."""
    groups = log.features.contents.groups
    value = np.where(np.isnan(log.value), _typical(log), log.value)
    given = np.zeros((log.rows.size + 1, groups.size + len(log.features.contents.group_values)))
    rows = np.arange(log.rows.size)
    given[rows + 1, log.place] = 1.0
    given[rows + 1, groups.size + groups[log.place]] = value
    total = given.cumsum(axis=0)
    before = np.searchsorted(log.user * SPAN + log.decided_at, user * SPAN + time)
    begin = np.searchsorted(log.user, user)
    return total[before] - total[begin]


def _weights(changes: Changes) -> np.ndarray:
    """(1 + n_contents + n_groups,) points for each day, content and F."""
    design = np.column_stack([changes.days, changes.doses])[changes.is_next]
    scale = np.sqrt((design**2).mean(axis=0))
    scale[0] /= 10  # the trend is hardly shrunk
    scale = np.where(scale > 0, scale, 1.0)
    ridge = RidgeCV(PENALTIES, fit_intercept=False).fit(design / scale, changes.change[changes.is_next])
    return np.asarray(ridge.coef_ / scale)


def _grid(score: np.ndarray, minimum: float) -> float:
    """The step all scores stand on, counted from the lowest possible; 0 where there is none."""
    apart = np.diff(np.unique(np.append(score, minimum)))
    if not apart.size:
        return 0.0
    step = float(apart.min())
    steps = (np.unique(score) - minimum) / step
    return step if np.allclose(steps, np.round(steps), atol=1e-6) else 0.0


def _midnight(log: Log) -> np.ndarray:
    """(n_users,) µs; when the day of enrolment began."""
    return log.enrolled_at // MICROSECONDS_PER_DAY * MICROSECONDS_PER_DAY


def _schedule(log: Log, user: np.ndarray, time: np.ndarray, left: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Visits of those who came to all, and the chance of coming to one, of those who stay and who have left."""
    counts = np.bincount(user, minlength=log.enrolled_at.size)
    n_visits = int(np.quantile(counts[counts > 0], FULL_QUANTILE, method="lower"))
    starts = np.searchsorted(user, np.flatnonzero(counts == n_visits))
    schedule = time[starts[:, None] + np.arange(n_visits)] - time[starts][:, None]
    first = np.zeros(log.enrolled_at.size, dtype=np.int64)
    first[user[::-1]] = time[::-1]
    planned = first[:, None] + np.median(schedule, axis=0)
    is_due = (planned <= log.as_of_day * MICROSECONDS_PER_DAY) & (counts > 0)[:, None]
    last_seen = np.zeros(log.enrolled_at.size, dtype=np.int64)
    last_seen[log.user] = log.decided_at
    after_leaving = left[:, None] & (planned > last_seen[:, None])
    came = _came(user * SPAN + time, planned)
    shares = [
        float((came & chosen)[:, 1:].sum() + 1) / float(chosen[:, 1:].sum() + 2)
        for chosen in (is_due & ~after_leaving, is_due & after_leaving)
    ]
    return schedule, shares[0], shares[1]


def _came(readings: np.ndarray, planned: np.ndarray) -> np.ndarray:
    """(n_users, n_visits) whether there is a reading nearer than half the way to the next visit."""
    reach = int(np.diff(planned, axis=1).min() / 2) if planned.shape[1] > 1 else MICROSECONDS_PER_DAY
    wanted = np.arange(len(planned))[:, None] * SPAN + planned.astype(np.int64)
    return np.searchsorted(readings, wanted + reach) > np.searchsorted(readings, wanted - reach)

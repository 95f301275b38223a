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
from sklearn.linear_model import RidgeCV

from models.simulators.changes import Changes, changes_of, count_before, readings_of, typical_feedback
from models.simulators.log import MICROSECONDS_PER_DAY, Log

PENALTIES = np.logspace(-1, 4, 11)
FULL_QUANTILE = 0.8  # of the number of readings: who has that many kept the schedule


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
        readings = readings_of(log)
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
            typical_feedback=typical_feedback(log),
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
    came = _came(user, time, planned)
    shares = [
        float((came & chosen)[:, 1:].sum() + 1) / float(chosen[:, 1:].sum() + 2)
        for chosen in (is_due & ~after_leaving, is_due & after_leaving)
    ]
    return schedule, shares[0], shares[1]


def _came(user: np.ndarray, time: np.ndarray, planned: np.ndarray) -> np.ndarray:
    """(n_users, n_visits) whether there is a reading nearer than half the way to the next visit."""
    reach = np.diff(planned, axis=1).min() / 2 if planned.shape[1] > 1 else MICROSECONDS_PER_DAY
    of_user = np.repeat(np.arange(len(planned)), planned.shape[1])
    after, before = (count_before(user, time, of_user, planned.ravel() + way * reach) for way in (1, -1))
    return (after > before).reshape(planned.shape)

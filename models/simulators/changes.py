"""Changes between two readings of one patient, and what was given between them."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.optimize import nnls

from models.contents import places_in
from models.simulators.log import MICROSECONDS_PER_DAY, Log, micros
from posology.errors import TooSmall

MINIMUM_CHANGES = 10  # pairs of readings; with fewer neither a trend nor the noise can be told


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


def changes_of(log: Log) -> Changes:
    """All pairs of readings of the same patient.

    Raises:
        TooSmall: hardly anybody was read twice.
    """
    readings = readings_of(log)
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


def readings_of(log: Log) -> pl.DataFrame:
    """``user``, ``time`` and ``score`` of the therapy's instrument, in order."""
    assert log.therapy.status
    rows = log.tables.measurements.filter(pl.col("instrument") == log.therapy.status.instrument)
    user = places_in(pl.Enum(log.tables.users["user_id"]), rows["user_id"])
    return pl.DataFrame({"user": user, "time": micros(rows["measured_at"]), "score": rows["score"]})


def typical_feedback(log: Log) -> float:
    """The mean F, which stands for one that is not known."""
    known = log.value[~np.isnan(log.value)]
    return float(known.mean()) if known.size else 0.0


def _doses_before(log: Log, user: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(n_readings, n_contents + n_groups) before a reading: times each content was given, F of each group summed."""
    groups = log.features.contents.groups
    value = np.where(np.isnan(log.value), typical_feedback(log), log.value)
    given = np.zeros((log.rows.size + 1, groups.size + len(log.features.contents.group_values)))
    rows = np.arange(log.rows.size)
    given[rows + 1, log.place] = 1.0
    given[rows + 1, groups.size + groups[log.place]] = value
    total = given.cumsum(axis=0)
    before = count_before(log.user, log.decided_at, user, time)
    begin = np.searchsorted(log.user, user)
    return total[before] - total[begin]


def count_before(user: np.ndarray, time: np.ndarray, of_user: np.ndarray, of_time: np.ndarray) -> np.ndarray:
    """(m,) how many of n events, sorted by user and time, come before each (user, time) asked about."""
    is_event = np.repeat([True, False], [user.size, of_user.size])
    order = np.lexsort((is_event, np.concatenate([time, of_time]), np.concatenate([user, of_user])))
    before = np.empty(order.size, dtype=np.int64)
    before[order] = np.cumsum(is_event[order])
    return before[user.size :]

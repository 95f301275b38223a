"""The fold of one user's course: the same as ``models.fold``, in one step from the arrays that are kept of it."""

from typing import NamedTuple

import numba
import numpy as np

from models.course import MICROSECONDS_PER_DAY
from models.fold import Before, Courses, fold
from models.state import Catalogue


class Past(NamedTuple):
    """One course but for what was answered; times in microseconds, see ``OneCourse``.

    ``content`` (n_sessions,) are places in the contents table, -1 for one that is not there.
    """

    enrolled: int
    measured: np.ndarray
    score: np.ndarray
    decided: np.ndarray
    content: np.ndarray
    context: np.ndarray


class Answers(NamedTuple):
    """What was answered in one course: each (n_sessions,), see ``OneCourse`` and ``Courses``.

    Where ``usual`` is NaN, ``plain`` is usual.
    """

    known: np.ndarray
    feedback: np.ndarray
    usual: np.ndarray
    plain: float


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fold_one(
    past: Past,
    answers: Answers,
    now: int,
    given: np.ndarray,
    catalogue: Catalogue,
    n_groups: int,
    out: np.ndarray,
    before: Before,
) -> None:
    """Fold what was known then, and describe in ``out`` and ``before`` a decision made then.

    Args:
        given: (n,) sessions of that time, to describe what was given in them instead.
    """
    readings = np.searchsorted(past.measured, now, side="right")
    sessions = np.searchsorted(past.decided, now, side="right")
    courses = Courses(
        np.full(1, past.enrolled / MICROSECONDS_PER_DAY),
        np.full(1, readings),
        past.measured[:readings] / MICROSECONDS_PER_DAY,
        past.score[:readings],
        np.full(1, sessions + 1),
        np.append(past.decided[:sessions], now) / MICROSECONDS_PER_DAY,
        np.append(past.content[:sessions], -1),  # of what content, nothing looks at
        np.append(answers.known[:sessions], now) / MICROSECONDS_PER_DAY,
        np.append(answers.feedback[:sessions], np.nan),
        np.append(answers.usual[:sessions], answers.plain),
    )
    for session in range(sessions):
        if np.isnan(courses.usual[session]):
            courses.usual[session] = answers.plain
    wanted = np.full(sessions + 1, -1)
    wanted[given] = np.arange(given.size)
    if not given.size:
        wanted[sessions] = 0
    fold(courses, wanted, catalogue, n_groups, out, before)


@numba.njit(cache=True, nogil=True)
def carried_on(told: np.ndarray, before: Past, now: Past) -> np.ndarray:
    """(n_sessions,) what was told of each session of a course, where it came after the same past; else NaN."""
    found, same = np.full(now.decided.size, np.nan), _sessions_of_one_past(before, now)
    found[:same] = told[:same]
    return found


@numba.njit(cache=True, nogil=True)
def _sessions_of_one_past(one: Past, other: Past) -> int:
    """How many of the first sessions of two courses came after the same past, what was answered aside."""
    if one.enrolled != other.enrolled:
        return 0
    reading = 0
    while reading < min(one.measured.size, other.measured.size) and (
        one.measured[reading] == other.measured[reading] and _are_same(one.score[reading], other.score[reading])
    ):
        reading += 1
    until = np.iinfo(np.int64).max  # the first reading that one of them lacks
    for course in (one, other):
        if reading < course.measured.size:
            until = min(until, course.measured[reading])
    session = 0
    while session < min(one.decided.size, other.decided.size) and (
        one.decided[session] == other.decided[session]
        and one.decided[session] < until
        and one.content[session] == other.content[session]
        and _rows_are_same(one.context[session], other.context[session])
    ):
        session += 1
    return session


@numba.njit(cache=True, nogil=True)
def _rows_are_same(one: np.ndarray, other: np.ndarray) -> bool:
    for at in range(one.size):
        if not _are_same(one[at], other[at]):
            return False
    return one.size == other.size


@numba.njit(cache=True, nogil=True)
def _are_same(one: float, other: float) -> bool:
    return one == other or (np.isnan(one) and np.isnan(other))

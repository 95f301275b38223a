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


class Told(NamedTuple):
    """What was told of one course, by what was not answered in it.

    ``of_session`` (n_sessions,) stands for each of its sessions, NaN for none. ``of_content`` (n_contents,) would be
    told of another session, ``now`` and in this ``context`` (n_names,), by what is given in it; empty for nothing.
    """

    of_session: np.ndarray
    now: int
    context: np.ndarray
    of_content: np.ndarray


@numba.njit(cache=True, nogil=True)
def carried_on(told: Told, before: Past, past: Past) -> np.ndarray:
    """(n_sessions,) what was told of each session of a course, where it came after the same past; else NaN."""
    found, until = np.full(past.decided.size, np.nan), _readings_are_same_until(before, past)
    for session in range(past.decided.size):
        content, context = past.content[session], past.context[session]
        if past.decided[session] >= until:
            break
        if session == before.decided.size:
            is_told = past.decided[session] == told.now and _rows_are_same(context, told.context)
            if is_told and 0 <= content < told.of_content.size:
                found[session] = told.of_content[content]
            break
        if past.decided[session] != before.decided[session] or content != before.content[session]:
            break
        if not _rows_are_same(context, before.context[session]):
            break
        found[session] = told.of_session[session]
    return found


@numba.njit(cache=True, nogil=True)
def _readings_are_same_until(one: Past, other: Past) -> int:
    """When the first reading was taken that is only in one of them."""
    if one.enrolled != other.enrolled:
        return np.iinfo(np.int64).min
    reading, until = 0, np.iinfo(np.int64).max
    while reading < min(one.measured.size, other.measured.size) and (
        one.measured[reading] == other.measured[reading] and _are_same(one.score[reading], other.score[reading])
    ):
        reading += 1
    for course in (one, other):
        if reading < course.measured.size:
            until = min(until, course.measured[reading])
    return until


@numba.njit(cache=True, nogil=True)
def _rows_are_same(one: np.ndarray, other: np.ndarray) -> bool:
    for at in range(one.size):
        if not _are_same(one[at], other[at]):
            return False
    return one.size == other.size


@numba.njit(cache=True, nogil=True)
def _are_same(one: float, other: float) -> bool:
    return one == other or (np.isnan(one) and np.isnan(other))

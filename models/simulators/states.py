"""The course of every simulated patient, folded by the one definition of a feature."""

from typing import NamedTuple

import numba
import numpy as np

from models.features import Features
from models.fold import CANDIDATE, COURSE, PER_NUMBER, describe, update
from models.simulators.log import MICROSECONDS_PER_DAY
from models.state import Catalogue, State, empty_state


class _Events(NamedTuple):
    """n events: ``patient``, ``time`` in days since 1970, ``kind``, ``place`` and ``value``, (n,) each."""

    patient: np.ndarray
    time: np.ndarray
    kind: np.ndarray
    place: np.ndarray
    value: np.ndarray


class _Wanted(NamedTuple):
    """n rows to describe: ``patient``, ``enrolled`` and ``time`` in days since 1970, and candidate ``place``."""

    patient: np.ndarray
    enrolled: np.ndarray
    time: np.ndarray
    place: np.ndarray


class CourseStates:
    """What is known of n courses so far; events that lie ahead wait until their time has come."""

    def __init__(self, features: Features, enrolled_at: np.ndarray) -> None:
        contents = features.contents
        self._catalogue = contents.catalogue
        self._enrolled = enrolled_at / MICROSECONDS_PER_DAY
        one = empty_state(contents.table.height, len(contents.group_values), len(contents.number_names))
        self._states = State(*(np.repeat(part[None], enrolled_at.size, axis=0) for part in one))
        self._ahead = _no_events()

    def tell(self, patients: np.ndarray, at: np.ndarray, *, kind: int, place: np.ndarray, value: np.ndarray) -> None:
        """One event for each patient, at a time (µs since 1970) that is not before any decision described."""
        told = (patients, at / MICROSECONDS_PER_DAY, np.full(patients.size, kind), place, value)
        self._ahead = _Events(*(np.concatenate(pair) for pair in zip(self._ahead, told, strict=True)))

    def describe(self, patients: np.ndarray, at: np.ndarray, places: np.ndarray) -> np.ndarray:
        """(n, n_folded) one row for each patient, time (µs since 1970) and candidate.

        The rows of one patient have one time, and it never goes back.
        """
        days = at / MICROSECONDS_PER_DAY
        self._catch_up(patients, days)
        out = np.empty(
            (patients.size, len(COURSE) + len(CANDIDATE) + len(PER_NUMBER) * self._catalogue.numbers.shape[1])
        )
        _describe_all(self._states, self._catalogue, _Wanted(patients, self._enrolled[patients], days, places), out)
        return out

    def _catch_up(self, patients: np.ndarray, days: np.ndarray) -> None:
        now = np.full(self._enrolled.size, -np.inf)
        now[patients] = days
        has_come = self._ahead.time <= now[self._ahead.patient]
        come, self._ahead = (_Events(*(column[rows] for column in self._ahead)) for rows in (has_come, ~has_come))
        order = np.lexsort((come.kind, come.time, come.patient))
        _update_all(self._states, self._catalogue, _Events(*(column[order] for column in come)))


def _no_events() -> _Events:
    whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
    return _Events(whole, real, whole, whole, real)


@numba.njit(cache=True)
def _one(states: State, patient: int) -> State:
    return State(
        states.course[patient],
        states.content[patient],
        states.group[patient],
        states.number[patient],
        states.belief[patient],
        states.recent_groups[patient],
        states.dose_at[patient],
        states.dose[patient],
    )


@numba.njit(cache=True)
def _update_all(
    states: State,
    catalogue: Catalogue,
    events: _Events,
) -> None:
    for at in range(events.patient.size):
        state = _one(states, events.patient[at])
        kind, time, place, value = events.kind[at], events.time[at], events.place[at], events.value[at]
        update(state, catalogue, kind, time, place, value, catalogue.usual)


@numba.njit(cache=True)
def _describe_all(
    states: State,
    catalogue: Catalogue,
    wanted: _Wanted,
    out: np.ndarray,
) -> None:
    for row in range(wanted.patient.size):
        state = _one(states, wanted.patient[row])
        describe(state, catalogue, wanted.enrolled[row], wanted.time[row], wanted.place[row], out[row])

"""The course of every simulated patient, folded by the one definition of a feature."""

import numba
import numpy as np

from models.features import Features
from models.fold import CANDIDATE, COURSE, PER_NUMBER, Catalogue, State, describe, empty_state, update
from models.simulators.log import MICROSECONDS_PER_DAY


class CourseStates:
    """What is known of n courses so far; events that lie ahead wait until their time has come."""

    def __init__(self, features: Features, enrolled_at: np.ndarray) -> None:
        contents = features.contents
        self._catalogue = Catalogue(contents.groups, contents.numbers, contents.minutes)
        self._enrolled = enrolled_at / MICROSECONDS_PER_DAY
        one = empty_state(contents.table.height, len(contents.group_values), len(contents.number_names))
        self._states = State(*(np.repeat(part[None], enrolled_at.size, axis=0) for part in one))
        self._ahead = _no_events()

    def tell(self, patients: np.ndarray, at: np.ndarray, *, kind: int, place: np.ndarray, value: np.ndarray) -> None:
        """One event for each patient, at a time (µs since 1970) that is not before any decision described."""
        told = (patients, at / MICROSECONDS_PER_DAY, np.full(patients.size, kind), place, value)
        self._ahead = tuple(np.concatenate(pair) for pair in zip(self._ahead, told, strict=True))

    def describe(self, patients: np.ndarray, at: np.ndarray, places: np.ndarray) -> np.ndarray:
        """(n, n_folded) one row for each patient, time (µs since 1970) and candidate.

        The rows of one patient have one time, and it never goes back.
        """
        days = at / MICROSECONDS_PER_DAY
        self._catch_up(patients, days)
        out = np.empty((patients.size, len(COURSE) + len(CANDIDATE) + len(PER_NUMBER) * self._catalogue.numbers.shape[1]))
        _describe_all(self._states, self._catalogue, patients, self._enrolled[patients], days, places, out)
        return out

    def _catch_up(self, patients: np.ndarray, days: np.ndarray) -> None:
        now = np.full(self._enrolled.size, -np.inf)
        now[patients] = days
        user, time, kind, *_ = self._ahead
        has_come = time <= now[user]
        come = tuple(column[has_come] for column in self._ahead)
        self._ahead = tuple(column[~has_come] for column in self._ahead)
        order = np.lexsort((kind[has_come], time[has_come], user[has_come]))
        _update_all(self._states, self._catalogue, *(column[order] for column in come))


def _no_events() -> tuple[np.ndarray, ...]:
    whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
    return (whole, real, whole, whole, real)


@numba.njit(cache=True)
def _one(states: State, patient: int) -> State:
    return State(
        states.course[patient],
        states.content[patient],
        states.group[patient],
        states.recent_groups[patient],
        states.dose_at[patient],
        states.dose[patient],
    )


@numba.njit(cache=True)
def _update_all(
    states: State,
    catalogue: Catalogue,
    patient: np.ndarray,
    time: np.ndarray,
    kind: np.ndarray,
    place: np.ndarray,
    value: np.ndarray,
) -> None:
    for event in range(patient.size):
        update(_one(states, patient[event]), catalogue, kind[event], time[event], place[event], value[event])


@numba.njit(cache=True)
def _describe_all(
    states: State,
    catalogue: Catalogue,
    patients: np.ndarray,
    enrolled: np.ndarray,
    days: np.ndarray,
    places: np.ndarray,
    out: np.ndarray,
) -> None:
    for row in range(patients.size):
        describe(_one(states, patients[row]), catalogue, enrolled[row], days[row], places[row], out[row])

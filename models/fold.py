"""The one definition of a feature: a state, how an event changes it, what it says of a candidate.

Compiled; training folds all courses, serving folds one, by the same two
functions ``update`` and ``describe``. A state holds what happened before now
and nothing else, so a feature cannot see the future.
"""

from typing import NamedTuple, Self

import numba
import numpy as np

from models.belief import expect, learn
from models.state import (
    ANSWERED,
    ANSWERED_SUM,
    C_AT,
    C_FEEDBACKS,
    C_GIVEN,
    C_RECENT,
    DOSES_KEPT,
    FEEDBACK_FAST,
    FEEDBACK_LAST,
    FEEDBACK_SLOW,
    FEEDBACK_SUM,
    FEEDBACKS,
    G_ANSWERED,
    G_ANSWERED_SUM,
    G_AT,
    G_FADED_1D,
    G_FADED_4D,
    G_GIVEN,
    G_LAST,
    G_NUMBERS,
    G_RECENT,
    GIVEN,
    GIVEN_AT,
    IN_A_ROW,
    LAST_CONTENT,
    LOOK_BACK,
    MINUTES_FADED,
    N_GIVEN,
    N_SUM,
    N_WEIGHT,
    N_WEIGHTED,
    RATE,
    SCORE_AT,
    SCORE_FIRST,
    SCORE_LAST,
    SCORES,
    Catalogue,
    State,
    clear,
    empty_state,
)

MEASURED, FED_BACK, DECIDED, FED_BACK_AT_ONCE = range(4)  # kinds of event, in their order at equal times
COURSE = (
    "days_enrolled",
    "given",
    "given_per_week",
    "days_since_given",
    "minutes_last_24h",
    "feedbacks",
    "feedback_last",
    "feedback_mean",
    "feedback_recent",
    "feedback_trend",
    "scores",
    "score_first",
    "score_last",
    "score_change",
    "days_since_score",
    "answered_share",
    "answered_mean",
    "minutes_faded",
)
CANDIDATE = (
    "content_given",
    "content_in_a_row",
    "content_days_since",
    "content_feedback",
    "group_given",
    "group_of_last_9",
    "group_days_since",
    "group_feedback_last",
    "group_feedback_recent",
    "group_answered_mean",
    "group_faded_1d",
    "group_faded_4d",
    "expected_answer",
    "expected_answer_sd",
)
# For each numeric attribute, candidate minus: what its group had, what was given on average, what brought most F.
PER_NUMBER = ("above_recent", "above_last", "above_mean", "above_best")
FAST, SLOW = 0.3, 0.08  # weights of the newest value in the two running means of F
RATE_DAYS = 7.0  # memory of the dose rate
DAYS_1, DAYS_4 = 1 / np.log(2), 4 / np.log(2)  # memories whose half-lives are one and four days
DOSE_DAYS = DAYS_1  # memory of the dose
FORGET = 0.05  # share of the weight of older answers that each new one takes, in what brought most F
MINUTES_PER_DAY = 1440.0

# Compiled into its callers: a call would count references to every array of a state.
_woven = numba.njit(cache=True, error_model="numpy", inline="always")


@_woven
def _toward(old: float, new: float, weight: float) -> float:
    return new if np.isnan(old) else old + weight * (new - old)


@_woven
def update(state: State, catalogue: Catalogue, kind: int, time: float, place: int, value: float, usual: float) -> None:
    """Change the state in place by one event.

    ``place`` is the content's, -1 for none or an unknown one; ``usual`` the F that was usual for it there and then.
    """
    course = state.course
    if kind == MEASURED:
        if course[SCORES] == 0:
            course[SCORE_FIRST] = value
        course[SCORES] += 1
        course[SCORE_LAST] = value
        course[SCORE_AT] = time
    elif kind in (FED_BACK, FED_BACK_AT_ONCE):
        _update_feedback(state, catalogue, place, value, usual)
    elif kind == DECIDED:
        _update_given(state, catalogue, time, place)


@_woven
def _update_feedback(state: State, catalogue: Catalogue, place: int, value: float, usual: float) -> None:
    course = state.course
    course[FEEDBACKS] += 1
    course[FEEDBACK_LAST] = value
    course[FEEDBACK_SUM] += value
    course[FEEDBACK_FAST] = _toward(course[FEEDBACK_FAST], value, FAST)
    course[FEEDBACK_SLOW] = _toward(course[FEEDBACK_SLOW], value, SLOW)
    if value != catalogue.silence:
        _update_answered(state, catalogue, place, value, usual)
    if place < 0:
        return
    content, group, alike = state.content, state.group, catalogue.group[place]
    content[place, C_FEEDBACKS] += 1
    content[place, C_RECENT] = _toward(content[place, C_RECENT], value, FAST)
    group[alike, G_LAST] = value
    group[alike, G_RECENT] = _toward(group[alike, G_RECENT], value, FAST)


@_woven
def _update_answered(state: State, catalogue: Catalogue, place: int, value: float, usual: float) -> None:
    state.course[ANSWERED] += 1
    state.course[ANSWERED_SUM] += value
    if place < 0:
        return
    group, number, alike = state.group, state.number, catalogue.group[place]
    group[alike, G_ANSWERED] += 1
    group[alike, G_ANSWERED_SUM] += value
    learn(state.belief, catalogue.loadings[place], value - usual, catalogue.noise)
    for which in range(number.shape[0]):
        number[which, N_WEIGHT] += value * value - FORGET * number[which, N_WEIGHT]
        of_content = value * value * catalogue.numbers[place, which]
        number[which, N_WEIGHTED] += of_content - FORGET * number[which, N_WEIGHTED]


@_woven
def _update_given(state: State, catalogue: Catalogue, time: float, place: int) -> None:
    course = state.course
    course[IN_A_ROW] = course[IN_A_ROW] + 1 if place >= 0 and place == course[LAST_CONTENT] else 1
    course[LAST_CONTENT] = place
    course[RATE] = _faded(course[RATE], time - course[GIVEN_AT], RATE_DAYS) + 1
    dose = catalogue.minutes[place]
    faded = _faded(course[MINUTES_FADED], time - course[GIVEN_AT], DOSE_DAYS)
    course[MINUTES_FADED] = faded + (dose if np.isfinite(dose) else 0.0)
    nth = int(course[GIVEN])
    course[GIVEN] += 1
    course[GIVEN_AT] = time
    state.dose_at[nth % DOSES_KEPT], state.dose[nth % DOSES_KEPT] = time, dose
    state.recent_groups[nth % LOOK_BACK] = catalogue.group[place] if place >= 0 else -1
    if place < 0:
        return
    content, group, alike = state.content, state.group, catalogue.group[place]
    content[place, C_GIVEN] += 1
    content[place, C_AT] = time
    group[alike, G_GIVEN] += 1
    group[alike, G_FADED_1D] = _faded(group[alike, G_FADED_1D], time - group[alike, G_AT], DAYS_1) + 1
    group[alike, G_FADED_4D] = _faded(group[alike, G_FADED_4D], time - group[alike, G_AT], DAYS_4) + 1
    group[alike, G_AT] = time
    for number in range(catalogue.numbers.shape[1]):
        state.number[number, N_GIVEN] += 1
        state.number[number, N_SUM] += catalogue.numbers[place, number]
        at = G_NUMBERS + 2 * number
        group[alike, at] = _toward(group[alike, at], catalogue.numbers[place, number], FAST)
        group[alike, at + 1] = catalogue.numbers[place, number]


@_woven
def _faded(amount: float, days: float, memory_days: float) -> float:
    return amount * np.exp(-days / memory_days) if amount > 0 else 0.0


@_woven
def minutes_last_24h(state: State, time: float) -> float:
    """Dose in the 24 hours before; infinite when as many contents were given as the state keeps."""
    nth = int(state.course[GIVEN])
    if state.dose_at[nth % DOSES_KEPT] > time - 1.0:  # the oldest that is kept
        return np.inf
    minutes = 0.0
    while state.dose_at[(nth - 1) % DOSES_KEPT] > time - 1.0:
        nth -= 1
        minutes += state.dose[nth % DOSES_KEPT]
    return minutes


@_woven
def describe(state: State, catalogue: Catalogue, enrolled: float, time: float, place: int, out: np.ndarray) -> None:
    """Write the features of giving one content now into ``out``, in the order COURSE, CANDIDATE, PER_NUMBER."""
    course = state.course
    out[0] = time - enrolled
    out[1] = course[GIVEN]
    out[2] = _faded(course[RATE], time - course[GIVEN_AT], RATE_DAYS)
    out[3] = time - course[GIVEN_AT]
    out[4] = min(minutes_last_24h(state, time), MINUTES_PER_DAY)
    out[5] = course[FEEDBACKS]
    out[6] = course[FEEDBACK_LAST]
    out[7] = course[FEEDBACK_SUM] / course[FEEDBACKS] if course[FEEDBACKS] > 0 else np.nan
    out[8] = course[FEEDBACK_FAST]
    out[9] = course[FEEDBACK_FAST] - course[FEEDBACK_SLOW]
    out[10] = course[SCORES]
    out[11] = course[SCORE_FIRST]
    out[12] = course[SCORE_LAST]
    out[13] = course[SCORE_LAST] - course[SCORE_FIRST]
    out[14] = time - course[SCORE_AT]
    out[15] = course[ANSWERED] / course[FEEDBACKS] if course[FEEDBACKS] > 0 else np.nan
    out[16] = course[ANSWERED_SUM] / course[ANSWERED] if course[ANSWERED] > 0 else np.nan
    out[17] = _faded(course[MINUTES_FADED], time - course[GIVEN_AT], DOSE_DAYS)
    content, group, alike = state.content, state.group, catalogue.group[place]
    out[18] = content[place, C_GIVEN]
    out[19] = course[IN_A_ROW] if place == course[LAST_CONTENT] else 0.0
    out[20] = time - content[place, C_AT]
    out[21] = content[place, C_RECENT]
    out[22] = group[alike, G_GIVEN]
    out[23] = _times_recent(state, alike)
    out[24] = time - group[alike, G_AT]
    out[25] = group[alike, G_LAST]
    out[26] = group[alike, G_RECENT]
    out[27] = group[alike, G_ANSWERED_SUM] / group[alike, G_ANSWERED] if group[alike, G_ANSWERED] > 0 else np.nan
    out[28] = _faded(group[alike, G_FADED_1D], time - group[alike, G_AT], DAYS_1)
    out[29] = _faded(group[alike, G_FADED_4D], time - group[alike, G_AT], DAYS_4)
    above_usual, out[31] = expect(state.belief, catalogue.loadings[place])
    out[30] = catalogue.usual + above_usual
    for which in range(catalogue.numbers.shape[1]):
        at, told, own = 32 + 4 * which, state.number[which], catalogue.numbers[place, which]
        out[at] = own - group[alike, G_NUMBERS + 2 * which]
        out[at + 1] = own - group[alike, G_NUMBERS + 2 * which + 1]
        out[at + 2] = own - told[N_SUM] / told[N_GIVEN] if told[N_GIVEN] > 0 else np.nan
        out[at + 3] = own - told[N_WEIGHTED] / told[N_WEIGHT] if told[N_WEIGHT] > 0 else np.nan


@_woven
def _times_recent(state: State, group: int) -> int:
    times = 0
    for recent in state.recent_groups:
        times += recent == group
    return times


class Courses(NamedTuple):
    """What happened to n_users users: n_readings readings, n_sessions decisions and what came back, each in order.

    Sorted by user and time; what came back stands with its decision.

    Attributes:
        enrolled: (n_users,) days since 1970.
        readings_end: (n_users,) where the readings of each user end.
        measured: (n_readings,) days since 1970.
        score: (n_readings,)
        sessions_end: (n_users,) where the sessions of each user end.
        decided: (n_sessions,) days since 1970.
        content: (n_sessions,) place in the contents table, -1 for one that is not there.
        known: (n_sessions,) when F was known, days since 1970; never before the decision.
        feedback: (n_sessions,) F, NaN where there is none.
        usual: (n_sessions,) F that was usual there and then, see ``models.prior``.
    """

    enrolled: np.ndarray
    readings_end: np.ndarray
    measured: np.ndarray
    score: np.ndarray
    sessions_end: np.ndarray
    decided: np.ndarray
    content: np.ndarray
    known: np.ndarray
    feedback: np.ndarray
    usual: np.ndarray

    def user_of(self, sessions: np.ndarray) -> np.ndarray:
        """(n,) the user of each of these sessions."""
        return np.searchsorted(self.sessions_end, sessions, side="right")


class Before(NamedTuple):
    """What was given just before each of n wanted decisions; ``group_counts`` (n, n_groups) are of the last nine."""

    last_content: np.ndarray
    in_a_row: np.ndarray
    minutes: np.ndarray
    group_counts: np.ndarray

    @classmethod
    def room_for(cls, n: int, n_groups: int) -> Self:
        """Arrays for n decisions, to be filled by ``fold``."""
        whole = np.dtype(np.int64)
        return cls(np.empty(n, whole), np.empty(n, whole), np.empty(n), np.zeros((n, n_groups), whole))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fold(
    courses: Courses,
    wanted: np.ndarray,  # (n_sessions,) place among the wanted decisions, -1 for the others
    catalogue: Catalogue,
    n_groups: int,
    out: np.ndarray,  # (n_wanted, n_features), or with all contents (n_wanted * n_contents, n_features)
    before: Before,
) -> None:
    """Fold all courses event by event and describe the wanted decisions in ``out`` and ``before``.

    All contents are described where ``before`` has room for the decisions, what was given where it has none.

    Events of one time come in the order reading, feedback to an earlier decision, decision, feedback to a decision
    of that time.
    """
    n_contents, n_numbers = catalogue.numbers.shape
    all_candidates = before.last_content.size > 0
    state = empty_state(n_contents, n_groups, n_numbers)
    reading, decision = 0, 0
    for user in range(courses.enrolled.size):
        last_reading, last_decision = courses.readings_end[user], courses.sessions_end[user]
        order, fed_back = _order_known(courses, decision, last_decision), 0
        while reading < last_reading or decision < last_decision or fed_back < order.size:
            measured = courses.measured[reading] if reading < last_reading else np.inf
            now = courses.decided[decision] if decision < last_decision else np.inf
            known = courses.known[order[fed_back]] if fed_back < order.size else np.inf
            if reading < last_reading and measured <= now and measured <= known:
                update(state, catalogue, MEASURED, measured, -1, courses.score[reading], np.nan)
                reading += 1
            elif fed_back < order.size and (known < now or (known == now and courses.decided[order[fed_back]] < now)):
                session = order[fed_back]
                content, value, usual = courses.content[session], courses.feedback[session], courses.usual[session]
                update(state, catalogue, FED_BACK, known, content, value, usual)
                fed_back += 1
            else:
                content, row = courses.content[decision], wanted[decision]
                if row >= 0:
                    if all_candidates:
                        _note(state, now, row, before)
                    first, candidates = (0, n_contents) if all_candidates else (content, 1)
                    for nth in range(candidates):
                        place, at = first + nth, row * candidates + nth
                        describe(state, catalogue, courses.enrolled[user], now, place, out[at])
                update(state, catalogue, DECIDED, now, content, np.nan, np.nan)
                decision += 1
        clear(state)


@numba.njit(cache=True, error_model="numpy")
def _order_known(courses: Courses, begin: int, end: int) -> np.ndarray:
    """The sessions of one user that have F, in the order in which it was known."""
    sessions = np.flatnonzero(~np.isnan(courses.feedback[begin:end])) + begin
    known = courses.known[sessions]
    for nth in range(1, known.size):
        if known[nth] < known[nth - 1]:
            return sessions[np.argsort(known, kind="mergesort")]
    return sessions


@numba.njit(cache=True, error_model="numpy")
def _note(state: State, now: float, row: int, before: Before) -> None:
    before.last_content[row] = int(state.course[LAST_CONTENT])
    before.in_a_row[row] = int(state.course[IN_A_ROW])
    before.minutes[row] = minutes_last_24h(state, now)
    for group in state.recent_groups:
        if group >= 0:
            before.group_counts[row, group] += 1

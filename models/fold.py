"""The one definition of a feature: a state, how an event changes it, what it says of a candidate.

Compiled; training folds all courses, serving folds one, by the same two
functions ``update`` and ``describe``. A state holds what happened before now
and nothing else, so a feature cannot see the future.
"""

from typing import NamedTuple

import numba
import numpy as np

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
)
PER_NUMBER = ("above_recent", "above_last")  # for each numeric attribute: candidate minus what the group had

(
    GIVEN,
    GIVEN_AT,
    RATE,
    LAST_CONTENT,
    IN_A_ROW,
    FEEDBACKS,
    FEEDBACK_LAST,
    FEEDBACK_SUM,
    FEEDBACK_FAST,
    FEEDBACK_SLOW,
    SCORES,
    SCORE_FIRST,
    SCORE_LAST,
    SCORE_AT,
) = range(14)
C_GIVEN, C_AT, C_FEEDBACKS, C_RECENT = range(4)
G_GIVEN, G_AT, G_LAST, G_RECENT, G_NUMBERS = range(5)
FAST, SLOW = 0.3, 0.08  # weights of the newest value in the two running means of F
RATE_DAYS = 7.0  # memory of the dose rate
LOOK_BACK = 9
MINUTES_PER_DAY = 1440.0
DOSES_KEPT = 64  # this many contents within 24 hours count as an unbounded dose


class State(NamedTuple):
    """What is known of one course so far.

    ``course`` (14,), ``content`` (n_contents, 4), ``group`` (n_groups, 4 + 2 n_numbers),
    ``recent_groups`` (9,) newest first, ``dose_at`` and ``dose`` (64,) newest first.
    """

    course: np.ndarray
    content: np.ndarray
    group: np.ndarray
    recent_groups: np.ndarray
    dose_at: np.ndarray
    dose: np.ndarray


class Catalogue(NamedTuple):
    """Contents by place: ``group`` (n_contents,), ``numbers`` (n_contents, n_numbers), ``minutes`` (n_contents + 1,).

    The last of ``minutes``, at place -1, is the dose of a content that is not in the table.
    """

    group: np.ndarray
    numbers: np.ndarray
    minutes: np.ndarray


@numba.njit(cache=True)
def empty_state(n_contents: int, n_groups: int, n_numbers: int) -> State:
    """The state of a course in which nothing happened yet."""
    course = np.full(14, np.nan)
    for place in (GIVEN, RATE, IN_A_ROW, FEEDBACKS, FEEDBACK_SUM, SCORES):
        course[place] = 0.0
    course[LAST_CONTENT] = -1.0
    content = np.full((n_contents, 4), np.nan)
    content[:, C_GIVEN] = 0.0
    content[:, C_FEEDBACKS] = 0.0
    group = np.full((n_groups, G_NUMBERS + 2 * n_numbers), np.nan)
    group[:, G_GIVEN] = 0.0
    return State(course, content, group, np.full(LOOK_BACK, -1), np.full(DOSES_KEPT, -np.inf), np.zeros(DOSES_KEPT))


@numba.njit(cache=True)
def _toward(old: float, new: float, weight: float) -> float:
    return new if np.isnan(old) else old + weight * (new - old)


@numba.njit(cache=True)
def update(state: State, catalogue: Catalogue, kind: int, time: float, place: int, value: float) -> None:
    """Change the state in place by one event; ``place`` is the content's, -1 for none or an unknown one."""
    course = state.course
    if kind == MEASURED:
        if course[SCORES] == 0:
            course[SCORE_FIRST] = value
        course[SCORES] += 1
        course[SCORE_LAST] = value
        course[SCORE_AT] = time
    elif kind in (FED_BACK, FED_BACK_AT_ONCE):
        _update_feedback(state, catalogue, place, value)
    elif kind == DECIDED:
        _update_given(state, catalogue, time, place)


@numba.njit(cache=True)
def _update_feedback(state: State, catalogue: Catalogue, place: int, value: float) -> None:
    course = state.course
    course[FEEDBACKS] += 1
    course[FEEDBACK_LAST] = value
    course[FEEDBACK_SUM] += value
    course[FEEDBACK_FAST] = _toward(course[FEEDBACK_FAST], value, FAST)
    course[FEEDBACK_SLOW] = _toward(course[FEEDBACK_SLOW], value, SLOW)
    if place < 0:
        return
    content, group = state.content[place], state.group[catalogue.group[place]]
    content[C_FEEDBACKS] += 1
    content[C_RECENT] = _toward(content[C_RECENT], value, FAST)
    group[G_LAST] = value
    group[G_RECENT] = _toward(group[G_RECENT], value, FAST)


@numba.njit(cache=True)
def _update_given(state: State, catalogue: Catalogue, time: float, place: int) -> None:
    course = state.course
    course[IN_A_ROW] = course[IN_A_ROW] + 1 if place >= 0 and place == course[LAST_CONTENT] else 1
    course[LAST_CONTENT] = place
    course[RATE] = _rate(course, time) + 1
    course[GIVEN] += 1
    course[GIVEN_AT] = time
    state.recent_groups[1:] = state.recent_groups[:-1].copy()
    state.recent_groups[0] = -1
    state.dose_at[1:] = state.dose_at[:-1].copy()
    state.dose[1:] = state.dose[:-1].copy()
    state.dose_at[0], state.dose[0] = time, catalogue.minutes[place]
    if place < 0:
        return
    state.recent_groups[0] = catalogue.group[place]
    content, group = state.content[place], state.group[catalogue.group[place]]
    content[C_GIVEN] += 1
    content[C_AT] = time
    group[G_GIVEN] += 1
    group[G_AT] = time
    for number in range(catalogue.numbers.shape[1]):
        at = G_NUMBERS + 2 * number
        group[at] = _toward(group[at], catalogue.numbers[place, number], FAST)
        group[at + 1] = catalogue.numbers[place, number]


@numba.njit(cache=True)
def _rate(course: np.ndarray, time: float) -> float:
    if course[GIVEN] == 0:
        return 0.0
    return course[RATE] * np.exp(-(time - course[GIVEN_AT]) / RATE_DAYS)


@numba.njit(cache=True)
def minutes_last_24h(state: State, time: float) -> float:
    """Dose in the 24 hours before; infinite when as many contents were given as the state keeps."""
    if state.dose_at[-1] > time - 1.0:
        return np.inf
    return state.dose[state.dose_at > time - 1.0].sum()


@numba.njit(cache=True)
def describe(state: State, catalogue: Catalogue, enrolled: float, time: float, place: int, out: np.ndarray) -> None:
    """Write the features of giving one content now into ``out``, in the order COURSE, CANDIDATE, PER_NUMBER."""
    course = state.course
    out[0] = time - enrolled
    out[1] = course[GIVEN]
    out[2] = _rate(course, time)
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
    content, group = state.content[place], state.group[catalogue.group[place]]
    out[15] = content[C_GIVEN]
    out[16] = course[IN_A_ROW] if place == course[LAST_CONTENT] else 0.0
    out[17] = time - content[C_AT]
    out[18] = content[C_RECENT]
    out[19] = group[G_GIVEN]
    out[20] = (state.recent_groups == catalogue.group[place]).sum()
    out[21] = time - group[G_AT]
    out[22] = group[G_LAST]
    out[23] = group[G_RECENT]
    for number in range(catalogue.numbers.shape[1]):
        at = G_NUMBERS + 2 * number
        out[24 + 2 * number] = catalogue.numbers[place, number] - group[at]
        out[25 + 2 * number] = catalogue.numbers[place, number] - group[at + 1]


class Folded(NamedTuple):
    """Features (n_rows, n_features) and, per wanted decision, what was given just before it."""

    features: np.ndarray
    last_content: np.ndarray
    in_a_row: np.ndarray
    minutes: np.ndarray
    group_counts: np.ndarray  # (n_wanted, n_groups) of the last nine


@numba.njit(cache=True)
def fold(
    user: np.ndarray,
    time: np.ndarray,
    kind: np.ndarray,
    content: np.ndarray,
    value: np.ndarray,
    wanted: np.ndarray,  # (n_events,) place among the wanted decisions, -1 for the others
    enrolled: np.ndarray,
    catalogue: Catalogue,
    n_groups: int,
    *,
    all_candidates: bool,  # a row for every content, else for the content given
) -> Folded:
    """Fold all courses event by event and describe the wanted decisions."""
    n_contents, n_numbers = catalogue.numbers.shape
    n_wanted = wanted.max() + 1 if wanted.size else 0
    per_decision = n_contents if all_candidates else 1
    out = Folded(
        np.empty((n_wanted * per_decision, len(COURSE) + len(CANDIDATE) + len(PER_NUMBER) * n_numbers)),
        np.empty(n_wanted, dtype=np.int64),
        np.empty(n_wanted, dtype=np.int64),
        np.empty(n_wanted),
        np.zeros((n_wanted, n_groups), dtype=np.int64),
    )
    state = empty_state(n_contents, n_groups, n_numbers)
    for event in range(user.size):
        if event > 0 and user[event] != user[event - 1]:
            state = empty_state(n_contents, n_groups, n_numbers)
        row = wanted[event]
        if row >= 0:
            now, start = time[event], enrolled[user[event]]
            if all_candidates:
                for place in range(n_contents):
                    describe(state, catalogue, start, now, place, out.features[row * n_contents + place])
            else:
                describe(state, catalogue, start, now, content[event], out.features[row])
            out.last_content[row] = int(state.course[LAST_CONTENT])
            out.in_a_row[row] = int(state.course[IN_A_ROW])
            out.minutes[row] = minutes_last_24h(state, now)
            for group in state.recent_groups:
                if group >= 0:
                    out.group_counts[row, group] += 1
        update(state, catalogue, kind[event], time[event], content[event], value[event])
    return out

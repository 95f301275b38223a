"""What is kept of one course, and what a content is, as the fold takes them."""

from typing import NamedTuple

import numba
import numpy as np

from models.belief import RANK, forget

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
    ANSWERED,
    ANSWERED_SUM,
    MINUTES_FADED,
) = range(17)
C_GIVEN, C_AT, C_FEEDBACKS, C_RECENT = range(4)
G_GIVEN, G_AT, G_LAST, G_RECENT, G_ANSWERED, G_ANSWERED_SUM, G_FADED_1D, G_FADED_4D, G_NUMBERS = range(9)
N_GIVEN, N_SUM, N_WEIGHT, N_WEIGHTED = range(4)
LOOK_BACK = 9
DOSES_KEPT = 64  # this many contents within 24 hours count as an unbounded dose


class State(NamedTuple):
    """What is known of one course so far.

    ``course`` (17,), ``content`` (n_contents, 4), ``group`` (n_groups, 8 + 2 n_numbers), ``number`` (n_numbers, 4),
    ``belief`` as ``models.belief`` has it, ``recent_groups`` (9,), ``dose_at`` and ``dose`` (64,): the contents
    given last, the one given nth at place n modulo the length.
    """

    course: np.ndarray
    content: np.ndarray
    group: np.ndarray
    number: np.ndarray
    belief: np.ndarray
    recent_groups: np.ndarray
    dose_at: np.ndarray
    dose: np.ndarray


class Catalogue(NamedTuple):
    """Contents by place: ``group`` (n_contents,), ``numbers`` (n_contents, n_numbers), ``minutes`` (n_contents + 1,).

    The last of ``minutes``, at place -1, is the dose of a content that is not in the table. ``loadings``
    (n_contents, RANK) and ``noise``, a variance, are those of ``models.belief``; ``usual`` is the F that is usual of
    any content. F equal to ``silence`` (NaN for none) counts as no answer.
    """

    group: np.ndarray
    numbers: np.ndarray
    minutes: np.ndarray
    loadings: np.ndarray
    usual: float
    noise: float
    silence: float


@numba.njit(cache=True, error_model="numpy")
def empty_state(n_contents: int, n_groups: int, n_numbers: int) -> State:
    """The state of a course in which nothing happened yet."""
    state = State(
        np.empty(17),
        np.empty((n_contents, 4)),
        np.empty((n_groups, G_NUMBERS + 2 * n_numbers)),
        np.empty((n_numbers, 4)),
        np.empty((1 + RANK, RANK)),
        np.empty(LOOK_BACK, dtype=np.int64),
        np.empty(DOSES_KEPT),
        np.empty(DOSES_KEPT),
    )
    clear(state)
    return state


@numba.njit(cache=True, error_model="numpy")
def clear(state: State) -> None:
    """Forget the course, for the next one."""
    state.course[:] = np.nan
    for place in (GIVEN, RATE, IN_A_ROW, FEEDBACKS, FEEDBACK_SUM, SCORES, ANSWERED, ANSWERED_SUM, MINUTES_FADED):
        state.course[place] = 0.0
    state.course[LAST_CONTENT] = -1.0
    state.content[:] = np.nan
    state.content[:, C_GIVEN] = 0.0
    state.content[:, C_FEEDBACKS] = 0.0
    state.group[:] = np.nan
    state.group[:, G_GIVEN] = 0.0
    state.group[:, G_ANSWERED:G_NUMBERS] = 0.0
    state.number[:] = 0.0
    forget(state.belief)
    state.recent_groups[:] = -1
    state.dose_at[:] = -np.inf
    state.dose[:] = 0.0

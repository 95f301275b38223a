"""What words and pictures in the feedback say of a course: folded in the order in which they arrived.

As in ``models.fold``, a decision sees what was there before it, and of what
arrived at that very moment only answers to earlier decisions.
"""

import numba
import numpy as np
import polars as pl

NEWEST = 0.3  # weight of the newest answer in the running mean; as FAST in models.fold
MICROSECONDS_PER_DAY = 86_400_000_000
NEVER = np.iinfo(np.int64).max
FOLDED = ("given", "days_since")  # beside the numbers


def folded_answers(sessions: pl.DataFrame, numbers: np.ndarray) -> np.ndarray:
    """(n_sessions, n_numbers + 2) running means of what was answered before each decision, ``FOLDED`` last.

    Args:
        sessions: of whole users, sorted by user and time.
        numbers: (n_sessions, n_numbers) of the answer to each decision; a row all NaN where there is none.
    """
    decided = sessions["decided_at"].dt.epoch("us").to_numpy()
    came = sessions["feedback_at"].dt.epoch("us").fill_null(NEVER).to_numpy()
    is_there = np.isfinite(numbers).any(axis=1) & (came < NEVER)
    first = sessions["user_id"].ne_missing(sessions["user_id"].shift(1)).fill_null(value=True).to_numpy()
    bounds = np.append(np.flatnonzero(first), sessions.height)
    out = np.full((sessions.height, numbers.shape[1] + len(FOLDED)), np.nan)
    _fold(bounds, np.stack([decided, np.maximum(came, decided)]), is_there, numbers, out)
    return out


@numba.njit(cache=True, nogil=True)
def _fold(bounds: np.ndarray, times: np.ndarray, is_there: np.ndarray, numbers: np.ndarray, out: np.ndarray) -> None:
    decided, came = times
    n_numbers = numbers.shape[1]
    mean = np.empty(n_numbers)
    for user in range(bounds.size - 1):
        begin, end = bounds[user], bounds[user + 1]
        answers = np.flatnonzero(is_there[begin:end]) + begin
        answers = answers[np.argsort(came[answers], kind="mergesort")]
        mean[:] = np.nan
        given, last = 0, 0
        for session in range(begin, end):
            now = decided[session]
            while given < answers.size and _is_before(came[answers[given]], decided[answers[given]], now):
                for place in range(n_numbers):
                    mean[place] = _toward(mean[place], numbers[answers[given], place])
                last = came[answers[given]]
                given += 1
            out[session, :n_numbers] = mean
            out[session, n_numbers] = given
            if given > 0:
                out[session, n_numbers + 1] = (now - last) / MICROSECONDS_PER_DAY


@numba.njit(cache=True)
def _is_before(came: int, decided: int, now: int) -> bool:
    return came < now or (came == now and decided < now)


@numba.njit(cache=True)
def _toward(old: float, new: float) -> float:
    if np.isnan(new):
        return old
    return new if np.isnan(old) else old + NEWEST * (new - old)

"""The moment a patient opens the app: context and clock, copied from a moment of the log that came about alike.

Nearest neighbour resampling (Lall & Sharma 1996, Water Resources Research
32:679): among the moments of the log whose past resembles the patient's, one
is drawn, the j-th nearest with weight 1/j, and taken whole. The columns keep
their dependence on each other and on what was before, whatever kind they are.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from models.encode import encode
from models.simulators.log import MICROSECONDS_PER_DAY, Log
from posology.therapy import Columns

MINUTE = 60_000_000  # µs
MOST_MOMENTS = 2048  # searched for each moment drawn
NEIGHBOURS = 10  # drawn from; fewer keep more of the past, more mix more patients
AT_ONCE = 1024  # patients whose distances are in memory together
COURSE_SO_FAR = ("feedback_recent", "score_last")


@dataclass(frozen=True)
class Moments:
    """Moments of the log with what was known before each.

    Attributes:
        usual: (n_users, n_traces) mean of each patient's own traces, NaN for who has none.
        centre, scale: (n_past,) of the columns that are compared; the more a column tells of what
            comes, the smaller its scale.
        past: (n, n_past) centred and scaled; see ``past_of``.
        trace: (n, n_traces) what a moment leaves for the next: context as numbers, and the hour.
        context: n rows of the context columns.
        clock: (n,) µs since midnight.
        within_minute: whether the log's clocks tell more than whole minutes.
        pause: (n,) µs since the session before on the same day; 0 for the first of a day.
        goes_on: (n,) whether another session followed on the same day.
    """

    usual: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    past: np.ndarray
    trace: np.ndarray
    context: pl.DataFrame
    clock: np.ndarray
    within_minute: bool
    pause: np.ndarray
    goes_on: np.ndarray

    @classmethod
    def fit(cls, log: Log, rng: np.random.Generator) -> Self:
        """From the log's sessions, at most ``MOST_MOMENTS`` of them."""
        columns = {name: column for name, column in log.therapy.context.items() if is_drawn(column.kind)}
        context = log.tables.sessions.select(*columns)[log.rows] if columns else pl.DataFrame(height=log.rows.size)
        clock, day = log.decided_at % MICROSECONDS_PER_DAY, log.decided_at // MICROSECONDS_PER_DAY
        trace = traces(context, columns, clock)
        same_day = np.append(False, (np.diff(day) == 0) & (np.diff(log.user) == 0))
        nth = _nth_of_day(same_day)
        usual = _usual(trace, log.user, log.enrolled_at.size)
        before = np.where(np.append(True, np.diff(log.user) != 0)[:, None], np.nan, np.roll(trace, 1, axis=0))
        course = log.matrix[:, [log.features.names.index(name) for name in COURSE_SO_FAR]]
        enrolled = day - log.enrolled_at[log.user] // MICROSECONDS_PER_DAY
        past = past_of(before, usual[log.user], np.column_stack([nth, enrolled]), course)
        centre, scale = _standard(past)
        scale = scale / _weights(_standardised(past, centre, scale), trace)
        kept = np.sort(rng.permutation(log.rows.size)[:MOST_MOMENTS])
        return cls(
            usual=usual,
            centre=centre,
            scale=scale,
            past=_standardised(past, centre, scale)[kept],
            trace=trace[kept],
            context=context[kept],
            clock=clock[kept],
            within_minute=bool((clock % MINUTE > 0).any()),
            pause=np.where(same_day, np.diff(log.decided_at, prepend=0), 0)[kept],
            goes_on=np.append(same_day[1:], False)[kept],
        )

    def draw(self, rng: np.random.Generator, past: np.ndarray) -> np.ndarray:
        """(n,) which moment each patient gets, for (n, n_past) of ``past_of``."""
        chunks = range(0, len(past), AT_ONCE)
        return np.concatenate([self._draw(rng, past[begin : begin + AT_ONCE]) for begin in chunks])

    def _draw(self, rng: np.random.Generator, past: np.ndarray) -> np.ndarray:
        wanted = _standardised(past, self.centre, self.scale)
        distance = (self.past**2).sum(axis=1) - 2 * wanted @ self.past.T
        neighbours = min(NEIGHBOURS, len(self.past))
        nearest = np.argpartition(distance, neighbours - 1, axis=1)[:, :neighbours]
        rank = np.argsort(np.take_along_axis(distance, nearest, axis=1), axis=1)
        weights = np.cumsum(1 / np.arange(1, neighbours + 1))
        at = np.searchsorted(weights, rng.random(len(past)) * weights[-1], side="right")
        rows = np.arange(len(past))
        return nearest[rows, rank[rows, at]]


def is_drawn(kind: str) -> bool:
    """Whether columns of this kind are simulated: words, embeddings and pictures are a patient's own."""
    return kind in {"number", "category", "boolean"}


def traces(context: pl.DataFrame, columns: Columns, clock: np.ndarray) -> np.ndarray:
    """(n, n_traces) what a moment leaves for the next."""
    return np.column_stack([encode(context, columns), clock / MICROSECONDS_PER_DAY])


def past_of(before: np.ndarray, usual: np.ndarray, counts: np.ndarray, course: np.ndarray) -> np.ndarray:
    """(n, n_past) what moments are compared by.

    Args:
        before: (n, n_traces) of the moment before, NaN for none.
        usual: (n, n_traces) of the patient's moments.
        counts: (n, 2) the moment's place in its day, and days since enrolment.
        course: (n, n_course) ``COURSE_SO_FAR``.
    """
    return np.column_stack([before, usual, counts, course])


def _nth_of_day(same_day: np.ndarray) -> np.ndarray:
    places = np.arange(same_day.size)
    return places - np.maximum.accumulate(np.where(same_day, 0, places))


def _usual(trace: np.ndarray, user: np.ndarray, n_users: int) -> np.ndarray:
    known = ~np.isnan(trace)
    sums = np.stack([np.bincount(user, weights=column, minlength=n_users) for column in np.where(known, trace, 0).T], 1)
    counts = np.stack([np.bincount(user, weights=column, minlength=n_users) for column in known.T], 1)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def _standard(past: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = ~np.isnan(past)
    counts = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, past, 0).sum(axis=0) / counts
    spread = np.sqrt(np.where(known, (past - centre) ** 2, 0).sum(axis=0) / counts)
    return centre, np.where(spread > 1e-9, spread, 1.0)


def _weights(past: np.ndarray, trace: np.ndarray) -> np.ndarray:
    """(n_past,) r / √(1 − r²), where r is a column's largest correlation with anything that comes next."""
    to_come = _standardised(trace, *_standard(trace))
    strongest = np.minimum(np.abs(past.T @ to_come).max(axis=1) / len(past), 0.999)
    return np.maximum(strongest / np.sqrt(1 - strongest**2), 0.01)


def _standardised(past: np.ndarray, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(past), 0.0, (past - centre) / scale).astype(np.float32)

"""When patients are there: the first session, opening the app on a day, leaving, the end of the programme."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from models.contents import places_in
from models.simulators.log import MICROSECONDS_PER_DAY, Log, micros
from models.simulators.odds import Odds

LENGTH_QUANTILE = 0.95  # of the days from enrolment to the last session: how long the programme is
SILENCE_QUANTILE = 0.99  # of the days between sessions: who is silent for longer, before the end, has left
SILENCE_LEAST_DAYS = 3
END_VARIES = 0.15  # of the length: a programme ends at a last visit, which is a little sooner for some
ROUNDS_MOST = 24  # sessions on one day
DAYS = 1_000_000  # beyond any day since 1970
MOST_USERS = 3000  # whose days are looked at; more add nothing to a dozen weights
LEAVING = ("feedback_recent", "feedback_trend", "days_enrolled", "given_per_week", "score_change")


@dataclass(frozen=True)
class Presence:
    """How the log's patients came and went; days count from the day of enrolment.

    Attributes:
        first_after: (n_users,) days until the first session, -1 for who never had one.
        share: (n_users,) of days with a session, shrunk to that of all.
        left: (n_users,) whether the patient stopped before the programme, or the log, ended.
        lengths: days the programme took of those who stayed.
        opening: chance of a session on a day, from ``opening_columns``.
        leaving: chance that a day with a session was the last, from ``leaving_columns``.
        rounds: most sessions of one patient on one day.
    """

    first_after: np.ndarray
    share: np.ndarray
    left: np.ndarray
    lengths: np.ndarray
    opening: Odds
    leaving: Odds
    rounds: int

    @classmethod
    def fit(cls, log: Log) -> Self:
        """Discrete-time hazards (Singer & Willett 1993, Journal of Educational Statistics 18:155)."""
        active = _active_days(log)
        user, day, n_users = active["user"].to_numpy(), active["day"].to_numpy(), log.enrolled_at.size
        enrolled = log.enrolled_at // MICROSECONDS_PER_DAY
        first, last = np.full(n_users, -1), np.full(n_users, -1)
        first[user[::-1]], last[user] = day[::-1], day
        came = first >= 0
        lengths = (last - enrolled)[came]
        length = int(np.quantile(lengths, LENGTH_QUANTILE, method="higher"))
        gaps = np.diff(day)[np.diff(user) == 0]
        usual = int(np.quantile(gaps, SILENCE_QUANTILE)) if gaps.size else 0
        silence = max(SILENCE_LEAST_DAYS, usual, int(END_VARIES * length))
        left = came & (last + silence < np.minimum(enrolled + length, log.as_of_day))
        stayed = came & ~left & (enrolled + length <= log.as_of_day + silence)
        unseen = round(float(gaps.mean()) - 1) if gaps.size else 0  # days there after the last session, on average
        share = _shares(first, last, np.bincount(user, minlength=n_users))
        return cls(
            first_after=np.where(came, first - enrolled, -1),
            share=share,
            left=left,
            lengths=unseen + ((last - enrolled)[stayed] if stayed.any() else np.array([length])),
            opening=_opening(user, day, first, last, share),
            leaving=_leaving(log, last, left),
            rounds=min(int(active["sessions"].to_numpy().max(initial=1)), ROUNDS_MOST),
        )


def opening_columns(share: np.ndarray, opened_yesterday: np.ndarray, day: np.ndarray, since: np.ndarray) -> np.ndarray:
    """(n, n_columns) what the chance of a session depends on; ``day`` counts from 1970."""
    weekdays = (day[:, None] % 7) == np.arange(7)
    return np.column_stack([np.log(share / (1 - share)), opened_yesterday, np.log1p(since), weekdays]).astype(float)


def leaving_columns(names: tuple[str, ...], matrix: np.ndarray, value: np.ndarray) -> np.ndarray:
    """(n, n_columns) what the chance of leaving depends on: the course so far and the F that just came."""
    return np.column_stack([matrix[:, [names.index(name) for name in LEAVING]], value])


def _active_days(log: Log) -> pl.DataFrame:
    """``user``, ``day`` (since 1970) and ``sessions``: one row for each day with a session, in order."""
    sessions = log.tables.sessions
    return (
        pl.DataFrame(
            {
                "user": places_in(pl.Enum(log.tables.users["user_id"]), sessions["user_id"]),
                "day": micros(sessions["decided_at"]) // MICROSECONDS_PER_DAY,
            }
        )
        .group_by("user", "day")
        .len("sessions")
        .sort("user", "day")
    )


def _shares(first: np.ndarray, last: np.ndarray, days: np.ndarray) -> np.ndarray:
    """(n_users,) share of the days between the first and the last that had a session, shrunk by a Beta prior."""
    chances = np.maximum(last - first - 1, 0).astype(float)
    taken = np.minimum(np.maximum(days - 2, 0), chances)
    mean = (taken.sum() + 0.5) / (chances.sum() + 1)
    seen = chances > 0
    if not seen.any():
        return np.full(first.size, mean)
    raw = taken[seen] / chances[seen]
    between = max(float(np.var(raw) - np.mean(mean * (1 - mean) / chances[seen])), 1e-4)
    strength = float(np.clip(mean * (1 - mean) / between - 1, 1, 200))
    return np.clip((taken + strength * mean) / (chances + strength), 0.002, 0.998)


def _opening(user: np.ndarray, day: np.ndarray, first: np.ndarray, last: np.ndarray, share: np.ndarray) -> Odds:
    """From every day strictly between a patient's first and last session: those two had one by definition."""
    people = np.flatnonzero(last - first > 1)[:MOST_USERS]
    inner = last[people] - first[people] - 1
    who = np.repeat(people, inner)
    since = np.arange(inner.sum()) - np.repeat(inner.cumsum() - inner, inner) + 1
    days = first[who] + since
    happened = np.isin(who * DAYS + days, user * DAYS + day)
    yesterday = np.roll(happened, 1) | (since == 1)
    return Odds.fit(opening_columns(share[who], yesterday, days, since), happened)


def _leaving(log: Log, last: np.ndarray, left: np.ndarray) -> Odds:
    day = log.decided_at // MICROSECONDS_PER_DAY
    ends_day = np.append((np.diff(day) != 0) | (np.diff(log.user) != 0), True)
    user, day = log.user[ends_day], day[ends_day]
    columns = leaving_columns(log.features.names, log.matrix[ends_day], log.value[ends_day])
    return Odds.fit(columns, left[user] & (day == last[user]))

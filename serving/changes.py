"""One user's course read from the store: whole, or what changed since a revision."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from sys import intern
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import sqlalchemy as sa

from models.course import known_by
from models.one_course import OneCourse, microseconds
from posology.therapy import Therapy

NEVER = np.iinfo(np.int64).min  # NaT
_NONE = {"content": "NULL", "declared": "NULL", "score": "CAST(NULL AS DOUBLE PRECISION)"}


def _rows_of(kind: str, tables: str, revision: str, name: str, time: str, **told: str) -> str:
    rest = ", ".join(f"{told.get(column, none)} AS {column}" for column, none in _NONE.items())
    columns = f"'{kind}' AS kind, {revision} AS revision, {name} AS id, {time} AS time, {rest}"
    return f"SELECT {columns} FROM {tables}"  # noqa: S608 - names of columns, no values


_OF_USER = "WHERE {0}.therapy = :therapy AND {0}.user_id = :user_id"
_SINCE = "AND {0}.revision > :since AND {0}.revision <= :until"
_TOLD = "CAST(feedback.declared AS TEXT)"
_DECISIONS = _rows_of("decision", "decisions", "revision", "decision_id", "decided_at", content="content_id")
_READINGS = _rows_of("reading", "measurements", "revision", "instrument", "measured_at", score="score")
_FEEDBACK = _rows_of("feedback", "feedback", "revision", "decision_id", "received_at", declared=_TOLD)
_SHOWN = _rows_of("shown", "activations", "revision", "decision_id", "activated_at")
_OF_DECISIONS = _rows_of(
    "feedback",
    "decisions JOIN feedback ON feedback.therapy = decisions.therapy AND feedback.decision_id = decisions.decision_id",
    "feedback.revision",
    "feedback.decision_id",
    "received_at",
    declared=_TOLD,
)


def _union(*parts: tuple[str, str, str]) -> sa.TextClause:
    """Each part: rows, the table that says whose they are, and the one that says since when."""
    return sa.text(
        " UNION ALL ".join(f"{rows} {_OF_USER.format(whose)} {_SINCE.format(since)}" for rows, whose, since in parts)
    )


_CHANGES = _union(
    (_DECISIONS, "decisions", "decisions"),
    (_READINGS, "measurements", "measurements"),
    (_FEEDBACK, "feedback", "feedback"),
    (_SHOWN, "activations", "activations"),
)
_ALL = _union(  # feedback by its decision: an earlier version of the service did not write whose it is
    (_DECISIONS, "decisions", "decisions"),
    (_READINGS, "measurements", "measurements"),
    (_OF_DECISIONS, "decisions", "feedback"),
)


class _Change(NamedTuple):
    kind: str
    revision: int
    id: str
    time: int | None
    content: str | None
    declared: str | None
    score: float | None


@dataclass(frozen=True)
class KnownCourse:
    """A course at a revision, with the ids that put its rows in order."""

    revision: int
    course: OneCourse
    instruments: Sequence[str]
    decision_ids: Sequence[str]

    @property
    def size(self) -> int:
        """How many readings and sessions it holds, and one for itself."""
        return 1 + len(self.instruments) + len(self.decision_ids)


def changes_of(
    connection: sa.Connection, therapy: Therapy, user: Mapping[str, Any], before: KnownCourse | None
) -> KnownCourse:
    """The course at the revision of a user's row.

    Args:
        before: the same course earlier. Where not every change since is found, or without it, the whole is read.
    """
    asked = {"therapy": therapy.name, "user_id": user["user_id"], "until": user["revision"]}
    if before is not None:
        found = _read(connection, _CHANGES, {**asked, "since": before.revision})
        if len({change.revision for change in found}) == user["revision"] - before.revision:
            return _extended(therapy, before, user["revision"], found)
    return _extended(
        therapy, _nothing(therapy, user), user["revision"], _read(connection, _ALL, {**asked, "since": -1})
    )


def _read(connection: sa.Connection, query: sa.TextClause, asked: Mapping[str, Any]) -> list[_Change]:
    return [_Change(*row) for row in connection.execute(query, asked)]


def _nothing(therapy: Therapy, user: Mapping[str, Any]) -> KnownCourse:
    times, numbers = np.zeros(0, dtype=np.int64), np.zeros(0)
    declared = {name: user["declared"].get(name) for name in therapy.user}
    course = OneCourse(microseconds(user["enrolled_at"]), declared, times, numbers, times, [], times, numbers)
    return KnownCourse(0, course, [], [])


def _extended(therapy: Therapy, before: KnownCourse, revision: int, changes: Sequence[_Change]) -> KnownCourse:
    """The course with what changed."""
    by_kind: dict[str, list[_Change]] = {}
    for change in changes:
        by_kind.setdefault(change.kind, []).append(change)
    known = replace(before, revision=revision)
    if "reading" in by_kind:
        known = _with_readings(known, by_kind["reading"])
    if "decision" in by_kind:
        known = _with_decisions(therapy, known, by_kind["decision"])
    if "feedback" in by_kind:
        known = _with_feedback(therapy, known, by_kind["feedback"])
    return known


def _with_readings(known: KnownCourse, taken: Sequence[_Change]) -> KnownCourse:
    instruments = [*known.instruments, *(change.id for change in taken)]
    measured = np.append(known.course.measured, _times(taken))
    score = np.append(known.course.score, [change.score for change in taken])
    order = _order(measured, instruments)
    course = replace(known.course, measured=measured[order], score=score[order])
    return replace(known, course=course, instruments=[instruments[place] for place in order])


def _with_decisions(therapy: Therapy, known: KnownCourse, made: Sequence[_Change]) -> KnownCourse:
    course = known.course
    ids = [*known.decision_ids, *(change.id for change in made)]
    contents = [*course.content_ids, *(intern(str(change.content)) for change in made)]
    times = _times(made)
    known_at, feedback = _feedback(therapy, times, np.full(times.size, NEVER), np.full(times.size, np.nan))
    decided = np.append(course.decided, times)
    known_at, feedback = np.append(course.known, known_at), np.append(course.feedback, feedback)
    if (decided[1:] > decided[:-1]).all():  # in the order of their coming
        found = replace(course, decided=decided, content_ids=contents, known=known_at, feedback=feedback)
        return replace(known, course=found, decision_ids=ids)
    order = _order(decided, ids)
    found = replace(
        course,
        decided=decided[order],
        content_ids=[contents[place] for place in order],
        known=known_at[order],
        feedback=feedback[order],
    )
    return replace(known, course=found, decision_ids=[ids[place] for place in order])


def _with_feedback(therapy: Therapy, known: KnownCourse, came: Sequence[_Change]) -> KnownCourse:
    if therapy.feedback is None:
        return known
    course, places = known.course, _places(known.decision_ids, [change.id for change in came])
    told = [json.loads(change.declared or "{}") for change in came]
    schema = {name: column.dtype for name, column in therapy.feedback.columns.items()}
    rows = pl.DataFrame([{name: row.get(name) for name in schema} for row in told], schema=schema)
    value = rows.select(value=therapy.feedback.expression)["value"].to_numpy()
    known_at, feedback = course.known.copy(), course.feedback.copy()
    known_at[places], feedback[places] = _feedback(therapy, course.decided[places], _times(came), value)
    return replace(known, course=replace(course, known=known_at, feedback=feedback))


def _feedback(
    therapy: Therapy, decided: np.ndarray, came: np.ndarray, value: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """When F of n decisions was known, and F."""
    if therapy.feedback is None:
        return decided, np.full(decided.size, np.nan)
    found = known_by(therapy.feedback, value, decided.view("datetime64[us]"), came.view("datetime64[us]"))
    return found.known_at.view(np.int64), found.value


def _times(changes: Sequence[_Change]) -> np.ndarray:
    return np.array([NEVER if change.time is None else change.time for change in changes], dtype=np.int64)


def _order(times: np.ndarray, ids: Sequence[str]) -> list[int]:
    return sorted(range(len(ids)), key=lambda place: (times[place], ids[place]))


def _places(ids: Sequence[str], asked: Sequence[str]) -> list[int]:
    """Where each is; what is asked for is mostly among the last."""
    if len(asked) > 1:
        place_of = {decision_id: place for place, decision_id in enumerate(ids)}
        return [place_of[decision_id] for decision_id in asked]
    return [next(place for place in reversed(range(len(ids))) if ids[place] == asked[0])]

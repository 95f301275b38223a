"""What changed in one user's course since a revision, and the course with it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from sys import intern
from typing import NamedTuple

import numpy as np
import polars as pl
import sqlalchemy as sa

from models.course import known_by
from models.encode import encode_values
from models.one_course import OneCourse
from posology.tables import Tables
from posology.therapy import Therapy

NEVER = np.iinfo(np.int64).min  # NaT
_SINCE = "WHERE therapy = :therapy AND user_id = :user_id AND revision > :since AND revision <= :until"
_CHANGES = sa.text(f"""
    SELECT 'decision', revision, decision_id, decided_at, content_id, CAST(context AS TEXT),
        CAST(NULL AS DOUBLE PRECISION)
        FROM decisions {_SINCE}
    UNION ALL SELECT 'reading', revision, instrument, measured_at, NULL, NULL, score FROM measurements {_SINCE}
    UNION ALL SELECT 'feedback', revision, decision_id, received_at, NULL, CAST(declared AS TEXT), NULL
        FROM feedback {_SINCE}
    UNION ALL SELECT 'shown', revision, decision_id, NULL, NULL, NULL, NULL FROM activations {_SINCE}
""")  # noqa: S608 - nothing of a caller's


class _Change(NamedTuple):
    kind: str
    revision: int
    id: str
    time: int | None
    content: str | None
    declared: str | None  # context of a decision, F columns of feedback
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


def whole(therapy: Therapy, tables: Tables, revision: int) -> KnownCourse:
    """The course in the tables of one user."""
    instruments, decision_ids = tables.measurements["instrument"].to_list(), tables.sessions["decision_id"].to_list()
    return KnownCourse(revision, OneCourse.of(therapy, tables), instruments, decision_ids)


def brought_to(
    connection: sa.Connection, therapy: Therapy, user_id: str, before: KnownCourse, revision: int
) -> KnownCourse | None:
    """The course at a later revision; None where something changed that is none of the rows known here."""
    asked = {"therapy": therapy.name, "user_id": user_id, "since": before.revision, "until": revision}
    changes = [_Change(*row) for row in connection.execute(_CHANGES, asked)]
    if {change.revision for change in changes} != set(range(before.revision + 1, revision + 1)):
        return None
    return _extended(therapy, before, revision, changes)


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
    decided, context = np.append(course.decided, times), np.vstack([course.context, _contexts(therapy, made)])
    known_at, feedback = np.append(course.known, known_at), np.append(course.feedback, feedback)
    if (decided[1:] > decided[:-1]).all():  # in the order of their coming
        found = replace(
            course, decided=decided, content_ids=contents, context=context, known=known_at, feedback=feedback
        )
        return replace(known, course=found, decision_ids=ids)
    order = _order(decided, ids)
    found = replace(
        course,
        decided=decided[order],
        content_ids=[contents[place] for place in order],
        context=context[order],
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


def _contexts(therapy: Therapy, made: Sequence[_Change]) -> np.ndarray:
    told = [encode_values(json.loads(change.declared or "{}"), therapy.context) for change in made]
    return np.array(told, dtype=float).reshape(len(made), -1)


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

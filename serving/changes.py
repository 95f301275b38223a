"""What changed in one user's course since a revision, and the course with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from sys import intern
from typing import NamedTuple

import numpy as np
import orjson
import sqlalchemy as sa

from models.course import known_by
from models.encode import encode_values
from models.one_course import OneCourse, microseconds
from posology.feedback_value import value_of
from posology.tables import Tables
from posology.therapy import Therapy
from serving.database import json_text
from serving.keeping.writes import Write
from serving.prepared import Prepared, asked
from serving.schema import activations, decisions, feedback, measurements

NEVER = np.iinfo(np.int64).min  # NaT
TIME = "datetime64[us]"
MICROSECONDS_PER_HOUR = 3.6e9
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


class Change(NamedTuple):
    """One row that changed a course, as the store holds it."""

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


def read_on(
    engine: sa.Engine, therapy: Therapy, user_id: str, before: KnownCourse, revision: int
) -> KnownCourse | None:
    """As ``brought_to``, with what changed according to the store."""
    return brought_to(therapy, before, revision, changes_between(engine, therapy, user_id, before.revision, revision))


def changes_between(engine: sa.Engine, therapy: Therapy, user_id: str, since: int, until: int) -> list[Change]:
    """What changed one user's course after one revision, up to another."""
    told = {"therapy": therapy.name, "user_id": user_id, "since": since, "until": until}
    found = asked(engine, lambda cursor: cursor.raw(_changes(cursor.kind), told))
    return [Change(*row) for row in found]


@cache
def _changes(kind: str) -> Prepared:
    return Prepared(_CHANGES, kind)


def change_of(write: Write, revision: int) -> Change | None:
    """A row just written as ``read_on`` would find it; None where it is of no kind known here."""
    table, row = write.table, write.row
    if table is decisions:
        at, context = microseconds(row["decided_at"]), json_text(row["context"])
        return Change("decision", revision, row["decision_id"], at, row["content_id"], context, None)
    if table is feedback:
        came = None if row["received_at"] is None else microseconds(row["received_at"])
        return Change("feedback", revision, row["decision_id"], came, None, json_text(row["declared"]), None)
    if table is measurements:
        at, score = microseconds(row["measured_at"]), float(row["score"])
        return Change("reading", revision, row["instrument"], at, None, None, score)
    if table is activations:
        return Change("shown", revision, row["decision_id"], None, None, None, None)
    return None


def brought_to(therapy: Therapy, before: KnownCourse, revision: int, changes: Sequence[Change]) -> KnownCourse | None:
    """The course at a later revision; None where something changed that is none of these rows."""
    if {change.revision for change in changes} != set(range(before.revision + 1, revision + 1)):
        return None
    by_kind: dict[str, list[Change]] = {}
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


def _with_readings(known: KnownCourse, taken: Sequence[Change]) -> KnownCourse:
    instruments = [*known.instruments, *(change.id for change in taken)]
    measured = np.concatenate((known.course.measured, _times(taken)))
    score = np.concatenate((known.course.score, np.array([change.score for change in taken], dtype=float)))
    order = _order(measured, instruments)
    course = replace(known.course, measured=measured[order], score=score[order])
    return replace(known, course=course, instruments=[instruments[place] for place in order])


def _with_decisions(therapy: Therapy, known: KnownCourse, made: Sequence[Change]) -> KnownCourse:
    before, times = known.course, _times(made)
    known_at, feedback = _awaited(therapy, times)
    ids = [*known.decision_ids, *(change.id for change in made)]
    course = replace(
        before,
        decided=np.concatenate((before.decided, times)),
        content_ids=[*before.content_ids, *(intern(str(change.content)) for change in made)],
        context=np.concatenate((before.context, _contexts(therapy, made))),
        known=np.concatenate((before.known, known_at)),
        feedback=np.concatenate((before.feedback, feedback)),
    )
    latest = course.decided[-len(made) - 1 :].tolist()
    if all(one < other for one, other in pairwise(latest)):  # in the order of their coming
        return KnownCourse(known.revision, course, known.instruments, ids)
    order = _order(course.decided, ids)
    course = replace(
        course,
        decided=course.decided[order],
        content_ids=[course.content_ids[place] for place in order],
        context=course.context[order],
        known=course.known[order],
        feedback=course.feedback[order],
    )
    return KnownCourse(known.revision, course, known.instruments, [ids[place] for place in order])


def _with_feedback(therapy: Therapy, known: KnownCourse, came: Sequence[Change]) -> KnownCourse:
    if therapy.feedback is None:
        return known
    course, places = known.course, _places(known.decision_ids, [change.id for change in came])
    value = np.array([value_of(therapy.feedback, orjson.loads(change.declared or "{}")) for change in came])
    known_at, feedback = course.known.copy(), course.feedback.copy()
    decided, times = course.decided[places].view(TIME), _times(came).view(TIME)
    found = known_by(therapy.feedback, value, decided, times)
    known_at[places], feedback[places] = found.known_at.view(np.int64), found.value
    course = replace(course, known=known_at, feedback=feedback)
    return KnownCourse(known.revision, course, known.instruments, known.decision_ids)


def _contexts(therapy: Therapy, made: Sequence[Change]) -> np.ndarray:
    told = [encode_values(orjson.loads(change.declared or "{}"), therapy.context) for change in made]
    return np.array(told, dtype=float).reshape(len(made), -1)


def _awaited(therapy: Therapy, decided: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """When F of n decisions is known, and F, as long as nothing came: see ``models.course.known_by``."""
    feedback = therapy.feedback
    if feedback is None:
        return decided, np.full(decided.size, np.nan)
    missing = np.nan if feedback.missing is None else feedback.missing
    return decided + round(feedback.due_hours * MICROSECONDS_PER_HOUR), np.full(decided.size, missing)


def _times(changes: Sequence[Change]) -> np.ndarray:
    return np.array([NEVER if change.time is None else change.time for change in changes], dtype=np.int64)


def _order(times: np.ndarray, ids: Sequence[str]) -> list[int]:
    return sorted(range(len(ids)), key=lambda place: (times[place], ids[place]))


def _places(ids: Sequence[str], asked: Sequence[str]) -> list[int]:
    """Where each is; what is asked for is mostly among the last."""
    if len(asked) > 1:
        place_of = {decision_id: place for place, decision_id in enumerate(ids)}
        return [place_of[decision_id] for decision_id in asked]
    return [next(place for place in reversed(range(len(ids))) if ids[place] == asked[0])]

"""Rows written together: one transaction for all that wait, and an outcome for each of its own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from posology.errors import Conflict, NotFound, ServiceDown
from serving.erasure import patient_digest
from serving.keeping.statements import count, erased_of, insert, key_of, locked, rows_by_key, users_of
from serving.prepared import Cursor, kept
from serving.schema import activations, decisions, feedback, measurements, overrides, plans, users

Row = Mapping[str, Any]
NO_USER = "no such user; send POST /v1/users first"
NO_DECISION = "no such decision; expected a decision_id that POST /v1/recommend answered"
NO_PLAN = "no such plan; expected one that POST /v1/plan answered"
ABSENT = {"users": NO_USER, "decisions": NO_DECISION, "plans": NO_PLAN}
ERASED = "this user was erased; who consents anew gets a new pseudonymous id"
CONFLICTS = {
    "users": "this user is already there with other values",
    "measurements": "this user already has another score at this time",
    "decisions": "this decision is already there with other values",
    "feedback": "this decision already has other feedback",
    "activations": "this decision was already shown",
    "overrides": "this decision was already overridden with other words",
    "plans": "this plan is already there with other values",
}


@dataclass
class Write:
    """A row to be kept.

    Attributes:
        ignoring: columns in which the row already there may differ.
        error: why it was not kept; None when it was, or was there already.
        brought: the user and the revision of the course that the row brought; None when it was there already.
    """

    table: sa.Table
    row: Row
    ignoring: tuple[str, ...] = ()
    error: Exception | None = None
    brought: tuple[str, int] | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells it from the table's other rows of the therapy."""
        return tuple([self.row[name] for name in key_of(self.table)])


def write_together(engine: sa.Engine, therapy: str, writes: Sequence[Write], clock: Callable[[], datetime]) -> None:
    """Keep the rows in one transaction, which is on disk afterwards.

    A row that is there already changes nothing. A row that cannot be kept gets
    its error, and the others are kept all the same.
    """
    try:
        kept(engine, lambda cursor: _Transaction(cursor, therapy, clock).write(writes))
    except ServiceDown as error:
        for write in writes:
            write.error = ServiceDown(str(error))
    except Exception as error:  # one of them spoilt it: each on its own
        if len(writes) == 1:
            _again(engine, therapy, writes[0], clock, error)
        for write in writes if len(writes) > 1 else ():
            write_together(engine, therapy, [write], clock)


def try_together(engine: sa.Engine, therapy: str, writes: Sequence[Write], clock: Callable[[], datetime]) -> bool:
    """The same, if the database can be written at once and takes them all; false when nothing was written."""
    try:
        kept(engine, lambda cursor: _Transaction(cursor, therapy, clock).write(writes), at_once=True)
    except Exception:  # whatever it was, it is met again by who has time to wait
        return False
    return True


def _again(engine: sa.Engine, therapy: str, write: Write, clock: Callable[[], datetime], error: Exception) -> None:
    """An id that another process took just now is there to be compared; any other error stays."""
    write.error = error
    if isinstance(error, IntegrityError):
        try:
            kept(engine, lambda cursor: _Transaction(cursor, therapy, clock).write([write]))
        except IntegrityError:
            write.error = Conflict(CONFLICTS[write.table.name])


class _Transaction:
    """One transaction on the rows of a therapy.

    The users whose courses change are locked in order of their ids, so that
    their revisions are counted by one transaction at a time and no two wait
    for each other.
    """

    def __init__(self, cursor: Cursor, therapy: str, clock: Callable[[], datetime]) -> None:
        self._cursor, self._therapy, self._clock = cursor, therapy, clock
        self._revisions: dict[str, int] = {}

    def write(self, writes: Sequence[Write]) -> None:
        """Insert what is new."""
        by_table = {table: [write for write in writes if write.table is table] for table in _ORDER}
        for write in writes:
            write.error = write.brought = None
        self._insert_new(users, self._not_erased(by_table.pop(users)), {})
        user_of = self._users_of(write for group in by_table.values() for write in group)
        self._lock(set(user_of.values()))
        before = dict(self._revisions)
        for table, group in by_table.items():
            self._insert_new(table, [write for write in group if self._has_user(write, user_of)], user_of)
        self._count(before)

    def _not_erased(self, writes: Sequence[Write]) -> list[Write]:
        """The users who may be added."""
        stands_for = {write.row["user_id"]: patient_digest(write.row["user_id"]) for write in writes}
        gone = erased_of(self._cursor, set(stands_for.values())) if stands_for else set()
        for write in writes:
            if stands_for[write.row["user_id"]] in gone:
                write.error = Conflict(ERASED)
        return [write for write in writes if write.error is None]

    def _users_of(self, writes: Iterable[Write]) -> dict[int, str]:
        """Write (by identity) → its user; those of a decision that is not there are left out."""
        waiting = list(writes)
        named = {id(write): write.row["user_id"] for write in waiting if "user_id" in write.row}
        rest = {id(write): write.row["decision_id"] for write in waiting if id(write) not in named}
        if not rest:
            return named
        found = users_of(self._cursor, self._therapy, set(rest.values()))
        return named | {write: found[decision_id] for write, decision_id in rest.items() if decision_id in found}

    def _lock(self, user_ids: set[str]) -> None:
        if user_ids:
            self._revisions = locked(self._cursor, self._therapy, user_ids)

    def _has_user(self, write: Write, user_of: Mapping[int, str]) -> bool:
        user_id = user_of.get(id(write))
        if user_id is None:
            write.error = NotFound(NO_DECISION)
        elif user_id not in self._revisions:
            write.error = NotFound(NO_USER)
        return write.error is None

    def _insert_new(self, table: sa.Table, writes: Sequence[Write], user_of: Mapping[int, str]) -> None:
        if not writes:
            return
        there: dict[Any, Row] = {**rows_by_key(self._cursor, table, self._therapy, {write.key for write in writes})}
        new = []
        for write in writes:
            found = there.get(write.key)
            if found is None:
                there[write.key] = write.row
                new.append(self._new(write, user_of.get(id(write))))
            elif any(found[name] != value for name, value in write.row.items() if name not in write.ignoring):
                write.error = Conflict(CONFLICTS[table.name])
        if new:
            insert(self._cursor, table, new)

    def _new(self, write: Write, user_id: str | None) -> Row:
        """The row with its user, if it is not a new user's own, and the revision that it brings."""
        revision = self._next(user_id)
        told = {**write.row, "revision": revision, "recorded_at": self._clock()}
        if user_id is None:
            return told
        write.brought = user_id, revision
        return {**told, "user_id": user_id}

    def _next(self, user_id: str | None) -> int:
        if user_id is None:
            return 0  # a new user
        self._revisions[user_id] += 1
        return self._revisions[user_id]

    def _count(self, before: Mapping[str, int]) -> None:
        changed = {user: revision for user, revision in self._revisions.items() if revision != before[user]}
        if changed:
            count(self._cursor, self._therapy, changed)


_ORDER = (users, measurements, decisions, feedback, activations, overrides, plans)  # what others refer to comes first

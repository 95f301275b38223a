"""Rows written together: one transaction for all that wait, and an outcome for each of its own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from posology.errors import Conflict, NotFound, ServiceDown
from serving.database import rows_of, writing
from serving.erasure import erased_among
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
    """

    table: sa.Table
    row: Row
    ignoring: tuple[str, ...] = ()
    error: Exception | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells it from the table's other rows of the therapy."""
        return tuple(self.row[column.name] for column in _key(self.table))


def write_together(engine: sa.Engine, therapy: str, writes: Sequence[Write], clock: Callable[[], datetime]) -> None:
    """Keep the rows in one transaction, which is on disk afterwards.

    A row that is there already changes nothing. A row that cannot be kept gets
    its error, and the others are kept all the same.
    """
    try:
        with writing(engine) as connection:
            _Transaction(connection, therapy, clock).write(writes)
    except ServiceDown as error:
        for write in writes:
            write.error = ServiceDown(str(error))
    except Exception as error:  # one of them spoilt it: each on its own
        if len(writes) == 1:
            _again(engine, therapy, writes[0], clock, error)
        for write in writes if len(writes) > 1 else ():
            write_together(engine, therapy, [write], clock)


def _again(engine: sa.Engine, therapy: str, write: Write, clock: Callable[[], datetime], error: Exception) -> None:
    """An id that another process took just now is there to be compared; any other error stays."""
    write.error = error
    if isinstance(error, IntegrityError):
        try:
            with writing(engine) as connection:
                _Transaction(connection, therapy, clock).write([write])
        except IntegrityError:
            write.error = Conflict(CONFLICTS[write.table.name])


class _Transaction:
    """One transaction on the rows of a therapy.

    The users whose courses change are locked in order of their ids, so that
    their revisions are counted by one transaction at a time and no two wait
    for each other.
    """

    def __init__(self, connection: sa.Connection, therapy: str, clock: Callable[[], datetime]) -> None:
        self._connection, self._therapy, self._clock = connection, therapy, clock
        self._revisions: dict[str, int] = {}

    def write(self, writes: Sequence[Write]) -> None:
        """Insert what is new."""
        by_table = {table: [write for write in writes if write.table is table] for table in _ORDER}
        for write in writes:
            write.error = None
        self._insert_new(users, self._not_erased(by_table.pop(users)), {})
        users_of = self._users_of(write for group in by_table.values() for write in group)
        self._lock(set(users_of.values()))
        before = dict(self._revisions)
        for table, group in by_table.items():
            self._insert_new(table, [write for write in group if self._has_user(write, users_of)], users_of)
        self._count(before)

    def _not_erased(self, writes: Sequence[Write]) -> list[Write]:
        """The users who may come; the others were erased."""
        gone = set(erased_among(self._connection, (write.row["user_id"] for write in writes))) if writes else set()
        for write in writes:
            if write.row["user_id"] in gone:
                write.error = Conflict(ERASED)
        return [write for write in writes if write.error is None]

    def _users_of(self, writes: Iterable[Write]) -> dict[int, str]:
        """Write (by identity) → its user; those of a decision that is not there are left out."""
        waiting = list(writes)
        named = {id(write): write.row["user_id"] for write in waiting if "user_id" in write.row}
        rest = [write for write in waiting if id(write) not in named]
        if not rest:
            return named
        asked = decisions.c.decision_id.in_({write.row["decision_id"] for write in rest})
        mine = sa.select(decisions.c.decision_id, decisions.c.user_id).where(self._mine(decisions) & asked)
        found = dict(self._connection.execute(mine).tuples().all())
        known = [write for write in rest if write.row["decision_id"] in found]
        return named | {id(write): found[write.row["decision_id"]] for write in known}

    def _lock(self, user_ids: set[str]) -> None:
        if user_ids:
            asked = self._mine(users) & users.c.user_id.in_(sorted(user_ids))
            query = sa.select(users.c.user_id, users.c.revision).where(asked).order_by(users.c.user_id)
            self._revisions = dict(self._connection.execute(query.with_for_update(key_share=True)).tuples().all())

    def _has_user(self, write: Write, users_of: Mapping[int, str]) -> bool:
        user_id = users_of.get(id(write))
        if user_id is None:
            write.error = NotFound(NO_DECISION)
        elif user_id not in self._revisions:
            write.error = NotFound(NO_USER)
        return write.error is None

    def _insert_new(self, table: sa.Table, writes: Sequence[Write], users_of: Mapping[int, str]) -> None:
        if not writes:
            return
        there, new = self._found(table, writes), []
        for write in writes:
            found = there.get(write.key)
            if found is None:
                there[write.key] = write.row
                new.append({**write.row, "revision": self._next(users_of.get(id(write))), "recorded_at": self._clock()})
            elif any(found[name] != value for name, value in write.row.items() if name not in write.ignoring):
                write.error = Conflict(CONFLICTS[table.name])
        if new:
            self._connection.execute(table.insert(), new)

    def _found(self, table: sa.Table, writes: Sequence[Write]) -> dict[tuple[Any, ...], Row]:
        key = _key(table)
        keys = sorted({write.key for write in writes})
        asked = key[0].in_([each[0] for each in keys]) if len(key) == 1 else sa.tuple_(*key).in_(keys)
        rows = rows_of(self._connection, sa.select(table).where(self._mine(table) & asked))
        return {tuple(row[column.name] for column in key): row for row in rows}

    def _next(self, user_id: str | None) -> int:
        if user_id is None:
            return 0  # a new user
        self._revisions[user_id] += 1
        return self._revisions[user_id]

    def _count(self, before: Mapping[str, int]) -> None:
        changed = [
            {"of": user_id, "to": revision}
            for user_id, revision in self._revisions.items()
            if revision != before[user_id]
        ]
        if changed:
            mine = self._mine(users) & (users.c.user_id == sa.bindparam("of"))
            self._connection.execute(sa.update(users).where(mine).values(revision=sa.bindparam("to")), changed)

    def _mine(self, table: sa.Table) -> sa.ColumnElement[bool]:
        return table.c.therapy == self._therapy


_ORDER = (users, measurements, decisions, feedback, activations, overrides, plans)  # what others refer to comes first


def _key(table: sa.Table) -> list[sa.Column[Any]]:
    return [column for column in table.primary_key if column.name != "therapy"]

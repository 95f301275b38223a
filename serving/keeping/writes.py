"""Rows written together: one transaction for all that wait, and an outcome for each of its own."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
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
        """The users who may be added."""
        gone = set(erased_among(self._connection, [write.row["user_id"] for write in writes])) if writes else ()
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
        asked = self._of({write.row["decision_id"] for write in rest})
        found = dict(self._connection.execute(_USER_OF_DECISION, asked).tuples().all())
        known = [write for write in rest if write.row["decision_id"] in found]
        return named | {id(write): found[write.row["decision_id"]] for write in known}

    def _lock(self, user_ids: set[str]) -> None:
        if user_ids:
            self._revisions = dict(self._connection.execute(_LOCKED, self._of(user_ids)).tuples().all())

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
                user_id = users_of.get(id(write))
                own = {"user_id": user_id} if user_id is not None else {}  # a new user's row has it
                told = {"revision": self._next(user_id), "recorded_at": self._clock()}
                new.append({**write.row, **own, **told})
            elif any(found[name] != value for name, value in write.row.items() if name not in write.ignoring):
                write.error = Conflict(CONFLICTS[table.name])
        if new:
            self._connection.execute(table.insert(), new)

    def _found(self, table: sa.Table, writes: Sequence[Write]) -> dict[tuple[Any, ...], Row]:
        query, key = _found(table), _key(table)
        keys = {write.key for write in writes}
        rows = rows_of(self._connection, query, self._of(keys if len(key) > 1 else {each for (each,) in keys}))
        return {tuple(row[column.name] for column in key): row for row in rows}

    def _next(self, user_id: str | None) -> int:
        if user_id is None:
            return 0  # a new user
        self._revisions[user_id] += 1
        return self._revisions[user_id]

    def _count(self, before: Mapping[str, int]) -> None:
        changed = [
            {"of_therapy": self._therapy, "of_user": user_id, "to": revision}
            for user_id, revision in self._revisions.items()
            if revision != before[user_id]
        ]
        if changed:
            self._connection.execute(_COUNTED, changed)

    def _of(self, ids: Collection[Any]) -> dict[str, Any]:
        return {"of_therapy": self._therapy, "ids": sorted(ids)}


_ORDER = (users, measurements, decisions, feedback, activations, overrides, plans)  # what others refer to comes first


def _key(table: sa.Table) -> list[sa.Column[Any]]:
    return [column for column in table.primary_key if column.name != "therapy"]


def _mine(table: sa.Table) -> sa.ColumnElement[bool]:
    return table.c.therapy == sa.bindparam("of_therapy")


_IDS: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
# Each is put together once: that takes as long as asking it.
_USER_OF_DECISION = sa.select(decisions.c.decision_id, decisions.c.user_id).where(
    _mine(decisions), decisions.c.decision_id.in_(_IDS)
)
_LOCKED = (
    sa.select(users.c.user_id, users.c.revision)
    .where(_mine(users), users.c.user_id.in_(_IDS))
    .order_by(users.c.user_id)
    .with_for_update(key_share=True)
)
_COUNTED = (
    sa.update(users).where(_mine(users), users.c.user_id == sa.bindparam("of_user")).values(revision=sa.bindparam("to"))
)


@cache
def _found(table: sa.Table) -> sa.Select[Any]:
    key = _key(table)
    return sa.select(table).where(_mine(table), (key[0] if len(key) == 1 else sa.tuple_(*key)).in_(_IDS))

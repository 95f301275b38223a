"""The statements that find rows by their keys, and keep them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, TypeVar

import sqlalchemy as sa

from serving.prepared import Cursor, Prepared
from serving.schema import decisions, erasures, users

Row = Mapping[str, Any]
Key = tuple[Any, ...]
T = TypeVar("T")

MOST_ROOM = 64  # rows of one statement that writes


def rows_by_key(cursor: Cursor, table: sa.Table, therapy: str, keys: Collection[Key]) -> dict[Key, dict[str, Any]]:
    """The rows of a therapy that have one of these keys, by key."""
    found = cursor.rows(_by_key(table, _room(keys), cursor.kind), _asked(keys, therapy))
    return {tuple(row[name] for name in key_of(table)): row for row in found}


def users_of(cursor: Cursor, therapy: str, decision_ids: Collection[str]) -> dict[str, str]:
    """Decision → its user; those that are not there are left out."""
    asked = _asked([(each,) for each in decision_ids], therapy)
    return dict(cursor.raw(_users_of(_room(decision_ids), cursor.kind), asked))


def locked(cursor: Cursor, therapy: str, user_ids: Collection[str]) -> dict[str, int]:
    """User → revision, which nobody else changes until the transaction ends; in order of their ids."""
    asked = _asked([(each,) for each in user_ids], therapy)
    return dict(cursor.raw(_locked(_room(user_ids), cursor.kind), asked))


def erased_of(cursor: Cursor, patients: Collection[str]) -> set[str]:
    """Which of these digests are of a patient who was erased."""
    asked = _asked([(each,) for each in patients])
    return {patient for (patient,) in cursor.raw(_erased(_room(patients), cursor.kind), asked)}


def insert(cursor: Cursor, table: sa.Table, rows: Sequence[Row]) -> None:
    """Add rows; what is not given is null."""
    names = table.c.keys()
    for some in _in_rooms(rows):
        values = {_nth(name, place): row.get(name) for place, row in enumerate(some) for name in names}
        cursor.run(_inserted(table, len(some), cursor.kind), values)


def count(cursor: Cursor, therapy: str, revisions: Mapping[str, int]) -> None:
    """Note the users' revisions."""
    for some in _in_rooms(list(revisions.items())):
        asked = _asked([(user,) for user, _ in some], therapy)
        to = {_nth("to", place): revision for place, (_, revision) in enumerate(some)}
        cursor.run(_counted(len(some), cursor.kind), asked | to)


@cache
def key_of(table: sa.Table) -> tuple[str, ...]:
    """The columns that tell the rows of one therapy apart."""
    return tuple(column.name for column in table.primary_key if column.name != "therapy")


def _room(ids: Collection[Any]) -> int:
    """For how many ids a statement is put together: few sizes, so that each is put together once."""
    return 1 << (len(ids) - 1).bit_length()


def _in_rooms(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """The rows in parts for which a statement is put together: few statements, each of which gives others a turn."""
    done = 0
    while done < len(rows):
        room = min(MOST_ROOM, 1 << (len(rows) - done).bit_length() - 1)
        yield rows[done : done + room]
        done += room


def _asked(keys: Collection[Key], therapy: str | None = None) -> dict[str, Any]:
    """The keys as the statements have them, the last one as often as there is room."""
    listed = list(keys)
    listed += [listed[-1]] * (_room(listed) - len(listed))
    return {"of_therapy": therapy} | {f"id_{place}": each for place, each in enumerate(chain.from_iterable(listed))}


def _is_one_of(columns: Sequence[sa.Column[Any]], room: int) -> sa.ColumnElement[bool]:
    wide = len(columns)
    ids = [
        [sa.bindparam(f"id_{row * wide + place}", type_=column.type) for place, column in enumerate(columns)]
        for row in range(room)
    ]
    if wide == 1:
        return columns[0].in_([each for (each,) in ids])
    return sa.or_(*(sa.and_(*(column == each for column, each in zip(columns, row, strict=True))) for row in ids))


def _mine(table: sa.Table) -> sa.ColumnElement[bool]:
    return table.c.therapy == sa.bindparam("of_therapy")


@cache
def _by_key(table: sa.Table, room: int, kind: str) -> Prepared:
    columns = [table.c[name] for name in key_of(table)]
    return Prepared(sa.select(table).where(_mine(table), _is_one_of(columns, room)), kind)


@cache
def _users_of(room: int, kind: str) -> Prepared:
    one = decisions.c.decision_id
    query = sa.select(one, decisions.c.user_id).where(_mine(decisions), _is_one_of([one], room))
    return Prepared(query, kind)


@cache
def _locked(room: int, kind: str) -> Prepared:
    one = users.c.user_id
    query = sa.select(one, users.c.revision).where(_mine(users), _is_one_of([one], room)).order_by(one)
    return Prepared(query.with_for_update(key_share=True), kind)


@cache
def _erased(room: int, kind: str) -> Prepared:
    return Prepared(sa.select(erasures.c.patient).where(_is_one_of([erasures.c.patient], room)), kind)


@cache
def _inserted(table: sa.Table, room: int, kind: str) -> Prepared:
    rows = [{each.name: sa.bindparam(_nth(each.name, n), type_=each.type) for each in table.c} for n in range(room)]
    return Prepared(sa.insert(table).inline().values(rows), kind)


@cache
def _counted(room: int, kind: str) -> Prepared:
    one, places = users.c.user_id, range(room)
    to = sa.case(*((one == sa.bindparam(f"id_{n}"), sa.bindparam(_nth("to", n), type_=sa.BigInteger)) for n in places))
    return Prepared(sa.update(users).where(_mine(users), _is_one_of([one], room)).values(revision=to), kind)


def _nth(name: str, place: int) -> str:
    return f"{name}_{place}"

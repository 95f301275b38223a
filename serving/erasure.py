"""One patient out of the store: no row of theirs is left, only that somebody was erased."""

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from posology.digests import digest_of_json
from posology.errors import NotFound
from serving.access.caller import calling_token
from serving.database import reading, rows_of, writing
from serving.schema import decisions, erasures, metadata, users


@dataclass(frozen=True)
class Erasure:
    """That a patient was erased.

    Attributes:
        patient: digest of the pseudonymous id: tells whether somebody was erased, not who.
        removed: rows by table.
        pending: ``user_id`` and ``decision_ids`` to look for in files; None once they are clean.
        token: the id of the token whose caller asked for it; None when it was a command.
    """

    erasure_id: str
    patient: str
    erased_at: datetime
    removed: Mapping[str, int]
    pending: Mapping[str, Any] | None
    token: str | None = field(default_factory=calling_token.get)

    def receipt(self) -> dict[str, Any]:
        """The answer of ``POST /v1/erase``."""
        return {
            "erasure_id": self.erasure_id,
            "patient": self.patient,
            "erased_at": self.erased_at.isoformat(),
            "removed": dict(self.removed),
            "complete": self.pending is None,
        }


def patient_digest(user_id: str) -> str:
    """What stands for an erased patient."""
    return digest_of_json({"erased": user_id})


def erase_rows(engine: sa.Engine, user_id: str, now: datetime) -> Erasure:
    """Remove every row of a patient, of whatever therapy; again gives the receipt of the first time.

    Raises:
        NotFound: nobody of that id is or was here.
    """
    with writing(engine) as connection:
        if found := _found(connection, user_id):
            return found
        held = sa.select(users.c.user_id).where(users.c.user_id == user_id).with_for_update()  # nobody adds a row now
        if not connection.execute(held).first():
            raise NotFound("no such user; expected the user_id of a patient in the store")
        ids = connection.execute(sa.select(decisions.c.decision_id).where(decisions.c.user_id == user_id))
        decision_ids = sorted(ids.scalars())
        removed = {
            str(table.name): connection.execute(sa.delete(table).where(_rows_of(table, user_id))).rowcount
            for table in _tables_of_patients()
        }
        return _enter(connection, user_id, now, removed, decision_ids)


def note_erasure(engine: sa.Engine, user_id: str, now: datetime) -> Erasure:
    """Note that a patient is erased whom only files know; with the same id again gives the first."""
    with writing(engine) as connection:
        return _found(connection, user_id) or _enter(connection, user_id, now, {}, ())


def pending_erasures(engine: sa.Engine) -> list[Erasure]:
    """Those whose files are still to be cleaned, in the order they were asked for."""
    with reading(engine) as connection:
        query = sa.select(erasures).where(erasures.c.pending.is_not(None)).order_by(erasures.c.erased_at)
        return [Erasure(**row) for row in rows_of(connection, query)]


def remember(engine: sa.Engine, erasure: Erasure, user_id: str, decision_ids: Iterable[str]) -> None:
    """Note whom to look for until the files are clean, so that nobody who is interrupted forgets it."""
    with writing(engine) as connection:
        _wait(connection, erasure, {"user_id": user_id, "decision_ids": sorted(decision_ids)})


def complete(engine: sa.Engine, erasure: Erasure) -> None:
    """Forget whom to look for: the files are clean."""
    with writing(engine) as connection:
        _wait(connection, erasure, None)


def erased_among(connection: sa.Connection, user_ids: Iterable[str]) -> list[str]:
    """Which of these were erased, and must not come back."""
    gone = set(connection.execute(sa.select(erasures.c.patient)).scalars())
    return sorted(user_id for user_id in set(user_ids) if patient_digest(user_id) in gone) if gone else []


def overwrite_removed(engine: sa.Engine) -> None:
    """Have the database give up the room of removed rows, so that no trace of them stays in its files."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in metadata.sorted_tables:
                connection.exec_driver_sql(f"VACUUM {table.name}")
        return
    with closing(engine.raw_connection()) as raw:  # no transaction begins by itself, as VACUUM wants it
        raw.cursor().execute("VACUUM")
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _wait(connection: sa.Connection, erasure: Erasure, pending: Mapping[str, Any] | None) -> None:
    mine = erasures.c.erasure_id == erasure.erasure_id
    connection.execute(sa.update(erasures).where(mine).values(pending=pending))


def _tables_of_patients() -> list[sa.Table]:
    """Those with a patient's rows; what only names a decision comes before the decisions."""
    return [table for table in reversed(metadata.sorted_tables) if {"user_id", "decision_id"} & {*table.c.keys()}]


def _rows_of(table: sa.Table, user_id: str) -> sa.ColumnElement[bool]:
    """The condition of a patient's rows."""
    if table is decisions or "decision_id" not in table.c:
        return table.c.user_id == user_id
    mine = sa.select(decisions.c.decision_id).where(decisions.c.user_id == user_id)
    return table.c.decision_id.in_(mine)


def _found(connection: sa.Connection, user_id: str) -> Erasure | None:
    rows = rows_of(connection, sa.select(erasures).where(erasures.c.patient == patient_digest(user_id)))
    return Erasure(**rows[0]) if rows else None


def _enter(
    connection: sa.Connection, user_id: str, now: datetime, removed: Mapping[str, int], decision_ids: Iterable[str]
) -> Erasure:
    pending = {"user_id": user_id, "decision_ids": list(decision_ids)}
    erasure = Erasure(uuid4().hex, patient_digest(user_id), now.astimezone(UTC), removed, pending)
    connection.execute(sa.insert(erasures).values(**vars(erasure)))
    return erasure

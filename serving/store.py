"""The operational store: users, measurements, decisions and feedback of one therapy.

Every call that writes has committed to disk when it returns. Writing the same
row again changes nothing; the same id with another content is a ``Conflict``.
"""

import dataclasses
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from posology.errors import Conflict, NotFound
from posology.tables import Tables
from posology.therapy import Therapy
from serving.bulk import load_tables, recorded_by, session_rows
from serving.database import open_database, reading, rows_of, writing
from serving.erasure import erased_among
from serving.records import Decision, Feedback, Measurement, Override, Plan, User
from serving.schema import activations, decisions, feedback, measurements, overrides, plans, users

Row = Mapping[str, Any]
Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclasses.dataclass(frozen=True)
class Store:
    """One therapy's rows in a database that other therapies may share."""

    engine: sa.Engine
    therapy: Therapy
    clock: Clock = _now
    files: Path | None = None

    @classmethod
    def open(cls, url: str, therapy: Therapy, clock: Clock = _now, files: Path | None = None) -> "Store":
        """The store at ``sqlite:////path/store.db`` or ``postgresql://…``, made when it is not there.

        Args:
            clock: tells when a row was recorded.
            files: folder of the pictures that patients' columns name.
        """
        return cls(open_database(url), therapy, clock, files)

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def check(self) -> None:
        """Raise ``ServiceDown`` unless the database answers."""
        with reading(self.engine) as connection:
            connection.execute(sa.select(sa.literal(1)))

    def add_user(self, user: User) -> None:
        """Keep a patient."""
        row = self._row(user.as_row())
        try:
            self._add_user(row)
        except IntegrityError:  # another process added this user just now: it is there to be compared
            self._add_user(row)

    def add_measurement(self, measurement: Measurement) -> None:
        """Keep a reading; another score for the same user, time and instrument is a conflict."""
        self._add(measurements, measurement.as_row(), measurement.user_id)

    def add_decision(self, decision: Decision) -> None:
        """Keep a decision with all that is needed to replay it."""
        self._add(decisions, decision.as_row(), decision.user_id)

    def add_feedback(self, received: Feedback, *, time_is_given: bool = True) -> None:
        """Keep what came back after a decision.

        Args:
            time_is_given: false when ``received_at`` was only filled in on
                arrival: the same feedback again is then the same at any time.
        """
        user_id = self.decision(received.decision_id).user_id
        self._add(feedback, received.as_row(), user_id, ignoring=() if time_is_given else ("received_at",))

    def activate(self, decision_id: str, at: datetime) -> None:
        """Keep that a decision's content was shown; the first time counts."""
        row = {"decision_id": decision_id, "activated_at": at}
        self._add(activations, row, self.decision(decision_id).user_id, ignoring=("activated_at",))

    def override(self, override: Override) -> None:
        """Keep what a clinician gave instead; again with the same words changes nothing, the first time counts.

        Raises:
            Conflict: the decision's own content was already shown or answered, or overridden by another.
        """
        key = {"decision_id": override.decision_id}
        if any(self._has(table, key) for table in (activations, feedback)) and not self._has(overrides, key):
            raise Conflict("this decision's content was already shown or answered; ask for a new decision")
        user_id = self.decision(override.decision_id).user_id
        self._add(overrides, override.as_row(), user_id, ignoring=("overridden_at", "reasons", "token"))

    def add_plan(self, plan: Plan) -> None:
        """Keep a plan as it was signed."""
        self._add(plans, plan.as_row(), plan.user_id)

    def plan(self, plan_id: str) -> Plan:
        """A plan as added."""
        return Plan.from_row(self._one(plans, plan_id=plan_id))

    def withdraw_consent(self, user_id: str, at: datetime) -> None:
        """Keep that the user withdrew consent; the first time counts."""
        self.user(user_id)
        mine = (users.c.therapy == self.therapy.name) & (users.c.user_id == user_id)
        with writing(self.engine) as connection:
            first = mine & users.c.consent_withdrawn_at.is_(None)
            connection.execute(sa.update(users).where(first).values(consent_withdrawn_at=at))

    def user(self, user_id: str) -> User:
        """A patient as added."""
        row = self._one(users, user_id=user_id)
        return User(**{field.name: row[field.name] for field in dataclasses.fields(User)})

    def decision(self, decision_id: str) -> Decision:
        """A decision as added."""
        return Decision.from_row(self._one(decisions, decision_id=decision_id))

    def revision(self, user_id: str) -> int:
        """How often the user's course has changed; see ``course``."""
        return int(self._one(users, user_id=user_id)["revision"])

    def course(self, user_id: str, contents: pl.DataFrame | None = None, *, revision: int | None = None) -> Tables:
        """Everything known of one user.

        Args:
            contents: goes into the tables as it is; empty when None.
            revision: as it was known then; now when None.
        """
        mine = (users.c.therapy == self.therapy.name) & (users.c.user_id == user_id)
        with reading(self.engine) as connection:
            patients = rows_of(connection, sa.select(users).where(mine))
            if not patients:
                raise NotFound(_NO_USER)
            known = patients[0]["revision"] if revision is None else revision
            return self._tables(connection, contents, patients, user_id=user_id, revision=known)

    def load(self, tables: Tables) -> None:
        """Import a history, whole or not at all; rows already there are left alone."""
        try:
            with writing(self.engine) as connection:
                load_tables(connection, self.therapy, tables)
        except IntegrityError as error:
            raise Conflict("the history does not fit the store: a user is missing or an id was just taken") from error

    def snapshot(self, contents: pl.DataFrame | None = None, *, as_of: datetime | None = None) -> Tables:
        """Everything of the therapy as the four tables, at one moment.

        Args:
            contents: go into the tables as they are; none when None.
            as_of: without the rows that came here later, whatever time they speak of.
        """
        mine = (users.c.therapy == self.therapy.name) & recorded_by(users, as_of)
        with reading(self.engine) as connection:
            patients = rows_of(connection, sa.select(users).where(mine))
            return self._tables(connection, contents, patients, as_of=as_of)

    def _tables(
        self,
        connection: sa.Connection,
        contents: pl.DataFrame | None,
        patients: list[dict[str, Any]],
        *,
        user_id: str | None = None,
        revision: int | None = None,
        as_of: datetime | None = None,
    ) -> Tables:
        mine = (measurements.c.therapy == self.therapy.name) & recorded_by(measurements, as_of)
        if user_id is not None:
            mine &= (measurements.c.user_id == user_id) & (measurements.c.revision <= revision)
        tables = Tables.from_rows(
            self.therapy,
            users=[{**row, **row["declared"]} for row in patients],
            measurements=rows_of(connection, sa.select(measurements).where(mine)),
            sessions=session_rows(connection, self.therapy, user_id=user_id, revision=revision, as_of=as_of),
        )
        return dataclasses.replace(tables, contents=tables.contents if contents is None else contents, files=self.files)

    def _add_user(self, row: Row) -> None:
        with writing(self.engine) as connection:
            found = rows_of(connection, _by_key(users, row))
            if found:
                _refuse_difference(users, found[0], row, ("consent_withdrawn_at",))
            elif erased_among(connection, [row["user_id"]]):
                raise Conflict("this user was erased; who consents anew gets a new pseudonymous id")
            else:
                connection.execute(users.insert().values({**row, "revision": 0, "recorded_at": self.clock()}))

    def _add(self, table: sa.Table, values: Row, user_id: str, *, ignoring: tuple[str, ...] = ()) -> None:
        row = self._row(values)
        try:
            with writing(self.engine) as connection:
                revision = self._next_revision(connection, user_id)
                found = rows_of(connection, _by_key(table, row))
                if found:
                    _refuse_difference(table, found[0], row, ignoring)
                    connection.rollback()
                else:
                    connection.execute(
                        table.insert().values({**row, "revision": revision, "recorded_at": self.clock()})
                    )
        except IntegrityError as error:  # only an id shared by two users gets here: one user's writes wait in line
            raise Conflict(_CONFLICTS[table.name]) from error

    def _next_revision(self, connection: sa.Connection, user_id: str) -> int:
        """The next number of the user's course; until the transaction ends nobody else gets one."""
        mine = (users.c.therapy == self.therapy.name) & (users.c.user_id == user_id)
        count = sa.update(users).where(mine).values(revision=users.c.revision + 1).returning(users.c.revision)
        revision = connection.execute(count).scalar_one_or_none()
        if revision is None:
            raise NotFound(_NO_USER)
        return int(revision)

    def _row(self, values: Row) -> dict[str, Any]:
        return {"therapy": self.therapy.name, **values}

    def _has(self, table: sa.Table, key: Mapping[str, str]) -> bool:
        with reading(self.engine) as connection:
            return bool(rows_of(connection, _by_key(table, self._row(key))))

    def _one(self, table: sa.Table, **key: str) -> Row:
        with reading(self.engine) as connection:
            found = rows_of(connection, _by_key(table, self._row(key)))
        if not found:
            raise NotFound(_ABSENT[table.name])
        return found[0]


_NO_USER = "no such user; send POST /v1/users first"
_NO_DECISION = "no such decision; expected a decision_id that POST /v1/recommend answered"
_NO_PLAN = "no such plan; expected one that POST /v1/plan answered"
_ABSENT = {"users": _NO_USER, "decisions": _NO_DECISION, "plans": _NO_PLAN}
_CONFLICTS = {
    "users": "this user is already there with other values",
    "measurements": "this user already has another score at this time",
    "decisions": "this decision is already there with other values",
    "feedback": "this decision already has other feedback",
    "activations": "this decision was already shown",
    "overrides": "this decision was already overridden with other words",
    "plans": "this plan is already there with other values",
}


def _by_key(table: sa.Table, row: Row) -> sa.Select[Any]:
    return sa.select(table).where(*(column == row[column.name] for column in table.primary_key))


def _refuse_difference(table: sa.Table, found: Row, row: Row, ignoring: tuple[str, ...] = ()) -> None:
    if any(found[name] != value for name, value in row.items() if name not in ignoring):
        raise Conflict(_CONFLICTS[table.name])

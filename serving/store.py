"""The operational store: users, measurements, decisions and feedback of one therapy.

Every call that writes has committed to disk when it returns; rows that come at
once share a transaction. Writing the same row again changes nothing; the same
id with another content is a ``Conflict``.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from weakref import ref

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from posology.errors import Conflict, NotFound, ServiceDown
from posology.tables import Tables, columns_from, schema_of
from posology.therapy import Therapy
from serving.alarms import ALARMS, Alarm
from serving.bulk import load_tables, measurement_columns, recorded_by, session_columns
from serving.database import WAIT_SECONDS, open_database, reading, rows_of, writing
from serving.keeping.group import Group
from serving.keeping.journal import Journal
from serving.keeping.settling import Settling
from serving.keeping.statements import Key, rows_by_key
from serving.keeping.writes import ABSENT, NO_DECISION, NO_USER, Write, try_together, write_together
from serving.prepared import asked
from serving.problems import refuse_without
from serving.records import Decision, Feedback, Measurement, Override, Plan, User
from serving.schema import activations, decisions, feedback, measurements, overrides, plans, users

Row = Mapping[str, Any]
Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


class Listener(Protocol):
    """Wants to know what this process wrote."""

    def hear(self, write: Write) -> None:
        """A row is on disk that was not there before; to be called by the thread that writes."""
        ...


@dataclasses.dataclass(frozen=True)
class Store:
    """One therapy's rows in a database that other therapies may share.

    Attributes:
        patience: seconds a row waits for the database before its writer is told that it does not answer.
        journal: where decisions wait, on disk, while the database does not take them; without one a decision is
            refused then like any other row.
    """

    engine: sa.Engine
    therapy: Therapy
    clock: Clock = _now
    files: Path | None = None
    patience: float = WAIT_SECONDS
    journal: Journal | None = None
    _group: Group = dataclasses.field(init=False, repr=False, compare=False)
    _settling: Settling | None = dataclasses.field(init=False, repr=False, compare=False)
    _listening: list[ref[Listener]] = dataclasses.field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        is_sqlite = self.engine.dialect.name == "sqlite"  # it tells at once whether it can be written
        group = Group(self._write_together, self._try_together if is_sqlite else None)
        object.__setattr__(self, "_group", group)
        settling = Settling(self.journal, self._place) if self.journal else None
        object.__setattr__(self, "_settling", settling)

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
        if self._settling:
            self._settling.close()
        self._group.close()
        self.engine.dispose()

    def tell(self, listener: Listener) -> None:
        """Have somebody hear of each row that this process adds, as long as they are there."""
        self._listening.append(ref(listener))

    def check(self) -> None:
        """Raise ``ServiceDown`` unless the database answers."""
        with reading(self.engine) as connection:
            connection.execute(sa.select(sa.literal(1)))

    def add_user(self, user: User) -> None:
        """Keep a patient."""
        self._add(users, user.as_row(), ("consent_withdrawn_at",))

    def add_measurement(self, measurement: Measurement) -> None:
        """Keep a reading; another score for the same user, time and instrument is a conflict."""
        self._add(measurements, measurement.as_row())

    def add_decision(self, decision: Decision, *, patience: float | None = None) -> None:
        """Keep a decision with all that is needed to replay it; in the journal when the database does not take it.

        Args:
            patience: seconds to wait for the database; the store's own when None.
        """
        try:
            self._add(decisions, decision.as_row(), patience=patience)
        except ServiceDown as error:
            self.put_off(decision, error)

    def put_off(self, decision: Decision, why: ServiceDown) -> None:
        """Keep a decision in the journal because the database did not take it; raises ``why`` where there is none."""
        if self._settling is None:
            raise why
        self._settling.add(decision)
        ALARMS.ring(Alarm.JOURNALLED, f"decision {decision.decision_id} waits for the database")

    def set_aside(self, decision: Decision) -> None:
        """Keep a decision for a patient whom there was no time to look at: who they are is asked when it is placed.

        Raises:
            NotFound: there is no journal, and no such user.
            NoConsent: there is no journal, and the user does not consent.
        """
        if self._settling is None:
            self._place(decision)
        else:
            self._settling.add(decision)

    def add_feedback(self, received: Feedback, *, time_is_given: bool = True) -> None:
        """Keep what came back after a decision.

        Args:
            time_is_given: false when ``received_at`` was only filled in on
                arrival: the same feedback again is then the same at any time.
        """
        self._add_to_decision(feedback, received.as_row(), () if time_is_given else ("received_at",))

    def activate(self, decision_id: str, at: datetime) -> None:
        """Keep that a decision's content was shown; the first time counts."""
        row = {"decision_id": decision_id, "activated_at": at}
        self._add_to_decision(activations, row, ("activated_at",))

    def override(self, override: Override) -> None:
        """Keep what a clinician gave instead; again with the same words changes nothing, the first time counts.

        Raises:
            Conflict: the decision's own content was already shown or answered, or overridden by another.
        """
        key = override.decision_id
        if any(self._has(table, key) for table in (activations, feedback)) and not self._has(overrides, key):
            raise Conflict("this decision's content was already shown or answered; ask for a new decision")
        self._add_to_decision(overrides, override.as_row(), ("overridden_at", "reasons", "token"))

    def add_plan(self, plan: Plan, *, patience: float | None = None) -> None:
        """Keep a plan as it was signed; ``patience`` as of a decision."""
        self._add(plans, plan.as_row(), patience=patience)

    def plan(self, plan_id: str) -> Plan:
        """A plan as added."""
        return Plan.from_row(self._one(plans, plan_id))

    def withdraw_consent(self, user_id: str, at: datetime) -> None:
        """Keep that the user withdrew consent; the first time counts."""
        self.user(user_id)
        mine = (users.c.therapy == self.therapy.name) & (users.c.user_id == user_id)
        with writing(self.engine) as connection:
            first = mine & users.c.consent_withdrawn_at.is_(None)
            connection.execute(sa.update(users).where(first).values(consent_withdrawn_at=at))

    def user(self, user_id: str) -> User:
        """A patient as added."""
        row = self._one(users, user_id)
        return User(**{field.name: row[field.name] for field in dataclasses.fields(User)})

    def decision(self, decision_id: str) -> Decision:
        """A decision as added."""
        found = self.first_of((decision_id,))
        if found is None:
            raise NotFound(NO_DECISION)
        return found

    def first_of(self, decision_ids: Sequence[str]) -> Decision | None:
        """The first of these decisions that is there; it may still wait in the journal."""
        found = self._first_of(decision_ids)
        if found is None and self._settling is not None:
            self._settle()
            found = self._first_of(decision_ids)
        return found

    def _first_of(self, decision_ids: Sequence[str]) -> Decision | None:
        found = self._found(decisions, [(each,) for each in decision_ids])
        first = next((found[each,] for each in decision_ids if (each,) in found), None)
        return None if first is None else Decision.from_row(first)

    def revision(self, user_id: str) -> int:
        """How often the user's course has changed; see ``course``."""
        return int(self._one(users, user_id)["revision"])

    def course(self, user_id: str, contents: pl.DataFrame | None = None, *, revision: int | None = None) -> Tables:
        """Everything known of one user that a decision may rest on: not what was eligible before.

        Args:
            contents: goes into the tables as it is; empty when None.
            revision: as it was known then; now when None.
        """
        mine = (users.c.therapy == self.therapy.name) & (users.c.user_id == user_id)
        with reading(self.engine) as connection:
            patients = rows_of(connection, sa.select(users).where(mine))
            if not patients:
                raise NotFound(NO_USER)
            known = patients[0]["revision"] if revision is None else revision
            return self._tables(connection, contents, patients, user_id=user_id, revision=known)

    def load(self, tables: Tables) -> None:
        """Import a history, whole or not at all; rows already there are left alone."""
        try:
            with writing(self.engine) as connection:
                load_tables(connection, self.therapy, tables)
        except IntegrityError as error:
            raise Conflict(
                "the history does not fit the store: a user is missing or an id was just taken; "
                "nothing was loaded: load it again"
            ) from error

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
        tables = Tables.from_columns(
            self.therapy,
            users=columns_from([{**row, **row["declared"]} for row in patients], schema_of("users", self.therapy)),
            measurements=measurement_columns(connection, mine),
            sessions=session_columns(connection, self.therapy, user_id=user_id, revision=revision, as_of=as_of),
        )
        return dataclasses.replace(tables, contents=tables.contents if contents is None else contents, files=self.files)

    def _add(
        self, table: sa.Table, values: Row, ignoring: tuple[str, ...] = (), *, patience: float | None = None
    ) -> None:
        """Keep a row; with a patience of the caller's own, somebody watches whether the caller comes back."""
        write, is_watched = Write(table, self._row(values), ignoring), patience is not None
        self._group.write(write, self.patience if patience is None else patience, is_watched=is_watched)

    def _add_to_decision(self, table: sa.Table, values: Row, ignoring: tuple[str, ...]) -> None:
        """Keep a row of a decision, which may still wait in the journal."""
        try:
            self._add(table, values, ignoring)
        except NotFound:
            self._settle()
            self._add(table, values, ignoring)

    def _settle(self) -> None:
        """Place what waits in the journal."""
        if self._settling is not None:
            self._settling.settle()

    def _place(self, decision: Decision) -> None:
        """Keep a decision of the journal; the patient was not asked then whether they consent."""
        refuse_without(self.user(decision.user_id).consents(decision.decided_at))
        self._add(decisions, decision.as_row())

    def _write_together(self, writes: Sequence[Write]) -> None:
        write_together(self.engine, self.therapy.name, writes, self.clock)
        self._pass_on(writes)

    def _try_together(self, writes: Sequence[Write]) -> bool:
        is_done = try_together(self.engine, self.therapy.name, writes, self.clock)
        if is_done:
            self._pass_on(writes)
        return is_done

    def _pass_on(self, writes: Sequence[Write]) -> None:
        brought = [write for write in writes if write.error is None and write.brought is not None]
        for listening in self._listening:
            if (listener := listening()) is not None:
                for write in brought:
                    listener.hear(write)

    def _row(self, values: Row) -> dict[str, Any]:
        return {"therapy": self.therapy.name, **values}

    def _has(self, table: sa.Table, *key: str) -> bool:
        return bool(self._found(table, [key]))

    def _one(self, table: sa.Table, *key: str) -> Row:
        found = self._found(table, [key])
        if not found:
            raise NotFound(ABSENT[table.name])
        return found[key]

    def _found(self, table: sa.Table, keys: Collection[Key]) -> Mapping[Key, Row]:
        return asked(self.engine, lambda cursor: rows_by_key(cursor, table, self.therapy.name, keys))

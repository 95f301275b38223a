"""Many rows at once: a history into the store, and the store's decisions as sessions."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import polars as pl
import polars.selectors as cs
import sqlalchemy as sa

from posology.errors import Conflict, NotFound, TableError, first_few
from posology.tables import Tables
from posology.therapy import UTC_TIME, Columns, Therapy
from serving.database import columns_of, rows_of
from serving.erasure import erased_among
from serving.schema import decisions, feedback, measurements, overrides, users

Row = Mapping[str, Any]
SESSION = ("decision_id", "user_id", "decided_at", "content_id", "eligible", "probability", "release")
IMPORTED = {"source": "imported", "reasons": []}  # what a decision made elsewhere has instead of seed and ranking


def measurement_columns(connection: sa.Connection, mine: sa.ColumnElement[bool]) -> dict[str, Any]:
    """Readings as columns of the measurements table."""
    names = ("user_id", "measured_at", "instrument", "score")
    columns = columns_of(connection, sa.select(*(measurements.c[name] for name in names)).where(mine))
    return {**columns, "measured_at": _times(columns["measured_at"])}


def session_columns(
    connection: sa.Connection,
    therapy: Therapy,
    *,
    user_id: str | None = None,
    revision: int | None = None,
    as_of: datetime | None = None,
) -> dict[str, Any]:
    """Decisions with their feedback as columns of the sessions table, each with the content really given.

    What a clinician gave instead has no probability: no policy drew it.

    Args:
        user_id: of this user only, as known at ``revision``, without what was eligible, which is long and no part
            of a course; of all users when None.
        as_of: without what was recorded later.
    """
    answers, instead = feedback.alias(), overrides.alias()
    joins = []
    for beside in (answers, instead):
        join = (beside.c.therapy == decisions.c.therapy) & (beside.c.decision_id == decisions.c.decision_id)
        join &= recorded_by(beside, as_of)
        joins.append(join if user_id is None else join & (beside.c.revision <= revision))
    mine = (decisions.c.therapy == therapy.name) & recorded_by(decisions, as_of)
    if user_id is not None:
        mine &= (decisions.c.user_id == user_id) & (decisions.c.revision <= revision)
    query = (  # not the ranking: it is long, and no column of the sessions table
        sa.select(
            *(decisions.c[name] for name in SESSION if name != "eligible"),
            _text(decisions.c.eligible) if user_id is None else sa.null().label("eligible"),
            _text(decisions.c.context),
            answers.c.received_at.label("feedback_at"),
            _text(answers.c.declared),
            instead.c.content_id.label("given_instead"),
        )
        .select_from(decisions.outerjoin(answers, joins[0]).outerjoin(instead, joins[1]))
        .where(mine)
    )
    found = columns_of(connection, query)
    known = {
        **found,
        "decided_at": _times(found["decided_at"]),
        "feedback_at": _times(found["feedback_at"]),
        "eligible": pl.Series(found["eligible"], dtype=pl.String).str.json_decode(pl.List(pl.String)),
        **_values(therapy.context, found["context"]),
        **_values(therapy.feedback.columns if therapy.feedback else {}, found["declared"]),
    }
    return {**known, **_instead(known)} if any(found["given_instead"]) else known


def _text(column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    """A JSON column as the database holds it."""
    return sa.cast(column, sa.Text).label(column.key)


def _times(microseconds: Sequence[int | None]) -> pl.Series:
    return pl.Series(microseconds, dtype=pl.Int64).cast(UTC_TIME)


def _values(columns: Columns, texts: Sequence[str | None]) -> dict[str, list[Any]]:
    """Declared columns of what was written as JSON; read at once, which is quicker than one by one."""
    rows = orjson.loads(f"[{','.join(text or '{}' for text in texts)}]")
    return {name: [row.get(name) for row in rows] for name in columns}


def _instead(known: Mapping[str, Any]) -> dict[str, pl.Series]:
    """The columns that overrides change."""
    columns = {name: pl.Series(known[name]) for name in ("content_id", "probability", "eligible", "given_instead")}
    given, eligible = pl.col("given_instead"), pl.col("eligible")
    is_listed = eligible.is_null() | eligible.list.contains(given)
    changed = pl.DataFrame(columns).select(
        content_id=pl.coalesce(given, "content_id"),
        probability=pl.when(given.is_null()).then("probability"),
        eligible=pl.when(given.is_null() | is_listed).then(eligible).otherwise(pl.concat_list(eligible, given)),
    )
    return changed.to_dict()


def recorded_by(table: sa.FromClause, as_of: datetime | None) -> sa.ColumnElement[bool]:
    """The condition that a row was here by then; an imported one always was."""
    if as_of is None:
        return sa.true()
    return table.c.recorded_at.is_(None) | (table.c.recorded_at <= as_of)


def load_tables(connection: sa.Connection, therapy: Therapy, tables: Tables) -> None:
    """Write the rows of the tables that are not there yet.

    Raises:
        Conflict: a row is there with other values, or a user was erased.
        NotFound: a row's user is neither in the tables nor in the store.
        TableError: a number is not a number.
    """
    _refuse_not_finite(tables)
    if gone := erased_among(connection, tables.users["user_id"]):
        raise Conflict(f"users: {len(gone)} were erased and stay so; leave them out: {first_few(gone)}")
    new = {
        table: _new_rows(connection, therapy, table, rows)
        for table, rows in (
            (users, _users(therapy, tables.users)),
            (measurements, tables.measurements.iter_rows(named=True)),
            (decisions, _decisions(therapy, tables.sessions)),
            (feedback, _feedback(therapy, tables.sessions)),
        )
    }
    if not any(new.values()):
        return
    _insert(connection, users, [{**row, "revision": 0} for row in new[users]])
    mine = users.c.therapy == therapy.name
    connection.execute(sa.update(users).where(mine).values(revision=users.c.revision + 1))
    revisions = dict(connection.execute(sa.select(users.c.user_id, users.c.revision).where(mine)).tuples().all())
    user_of = dict(tables.sessions.select("decision_id", "user_id").iter_rows())
    for table in (measurements, decisions, feedback):
        user_ids = [row["user_id"] if "user_id" in row else user_of[row["decision_id"]] for row in new[table]]
        if unknown := sorted(set(user_ids) - set(revisions)):
            raise NotFound(f"{table.name}: users are missing from the users table: {first_few(unknown)}")
        more = IMPORTED if table is decisions else {}
        rows = [
            {**row, **more, "user_id": user, "revision": revisions[user]}
            for row, user in zip(new[table], user_ids, strict=True)
        ]
        _insert(connection, table, rows)


def _new_rows(connection: sa.Connection, therapy: Therapy, table: sa.Table, rows: Iterable[Row]) -> list[Row]:
    key = [column.name for column in table.primary_key]
    stored = rows_of(connection, sa.select(table).where(table.c.therapy == therapy.name))
    found = {tuple(row[name] for name in key): row for row in stored}
    new: list[Row] = []
    different: list[str] = []
    for values in rows:
        row = {"therapy": therapy.name, **values}
        there = found.get(tuple(row[name] for name in key))
        if there is None:
            new.append(row)
        elif any(there[name] != value for name, value in row.items()):
            different.append(row[key[1]])
    if different:
        raise Conflict(
            f"{table.name}: {len(different)} rows are there with other values: {first_few(different)}; the store "
            "keeps what it has and nothing was loaded: give the rows as they were, or leave them out"
        )
    return new


def _insert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(table.insert(), rows)


def _users(therapy: Therapy, frame: pl.DataFrame) -> Iterable[Row]:
    for row in frame.iter_rows(named=True):
        own = {name: row[name] for name in ("user_id", "enrolled_at", "site", "consent", "consent_withdrawn_at")}
        yield {**own, "declared": _declared(therapy.user, row)}


def _decisions(therapy: Therapy, frame: pl.DataFrame) -> Iterable[Row]:
    for row in frame.iter_rows(named=True):
        yield {**{name: row[name] for name in SESSION}, "context": _declared(therapy.context, row)}


def _feedback(therapy: Therapy, frame: pl.DataFrame) -> Iterable[Row]:
    columns = therapy.feedback.columns if therapy.feedback else {}
    for row in frame.iter_rows(named=True):
        declared = _declared(columns, row)
        if row["feedback_at"] is not None or any(value is not None for value in declared.values()):
            yield {"decision_id": row["decision_id"], "received_at": row["feedback_at"], "declared": declared}


def _declared(columns: Columns, row: Row) -> dict[str, Any]:
    return {name: row[name] for name in columns}


def _refuse_not_finite(tables: Tables) -> None:
    for name in ("users", "measurements", "sessions"):
        frame: pl.DataFrame = getattr(tables, name)
        for column in frame.select(cs.float()):
            if not column.is_finite().all():
                raise TableError(
                    f"{name}: column {column.name} holds NaN or infinity; a missing value is null",
                    table=name,
                    column=column.name,
                )

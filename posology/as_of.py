"""What was known at a moment: the four tables without anything that came later.

Of a table with the times of its events, this is what a reader of that moment
would have found. Whatever became known afterwards, wherever it was added,
changes nothing in it.
"""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from posology.errors import TableError
from posology.tables import fits
from posology.therapy import UTC_TIME, Therapy


def as_of(tables: Mapping[str, pl.LazyFrame], moment: datetime, therapy: Therapy) -> dict[str, pl.LazyFrame]:
    """The tables as they were known at ``moment`` (inclusive).

    - users: enrolled by then; a consent withdrawn later was not yet.
    - measurements: measured by then, of those users.
    - sessions: decided by then, of those users; feedback with ``feedback_at``
      later, or without a time, is null: the decision stays.
    - contents: active from then or before; an ``active_until`` that lies later
      is null, for whoever withdrew a content need not have known it yet.

    A row without its time cannot be placed in time and is not in.

    Args:
        tables: users, measurements, contents, sessions, not yet held to the contract.
        moment: a time with its zone.

    Raises:
        TableError: a column that is needed is missing, or a time has no zone.
    """
    then = pl.lit(moment).dt.convert_time_zone("UTC").cast(UTC_TIME)
    users = tables["users"].filter(_time(tables, "users", "enrolled_at") <= then)
    withdrawn = _time(tables, "users", "consent_withdrawn_at", optional=True) <= then
    contents, sessions = tables["contents"], tables["sessions"]
    started = _time(tables, "contents", "active_from", optional=True) <= then
    ended = _time(tables, "contents", "active_until", optional=True)
    answered = _time(tables, "sessions", "feedback_at", optional=True) <= then
    answers = ["feedback_at", *(therapy.feedback.columns if therapy.feedback else ())]
    return {
        "users": users.with_columns(
            pl.when(withdrawn).then(name).alias(name) for name in _present(users, ["consent_withdrawn_at"])
        ),
        "measurements": _of(users, tables, "measurements").filter(_time(tables, "measurements", "measured_at") <= then),
        "contents": contents.filter(started.fill_null(value=True)).with_columns(
            pl.when(ended <= then).then(name) for name in _present(contents, ["active_until"])
        ),
        "sessions": _of(users, tables, "sessions")
        .filter(_time(tables, "sessions", "decided_at") <= then)
        .with_columns(pl.when(answered).then(name) for name in _present(sessions, answers)),
    }


def _of(users: pl.LazyFrame, tables: Mapping[str, pl.LazyFrame], name: str) -> pl.LazyFrame:
    """The rows of these users; a row of nobody was of nobody then."""
    for table in ("users", name):
        _require(tables, table, "user_id")
    ids = _ids(tables, "users")
    return tables[name].join(
        users.select(ids), left_on=_ids(tables, name), right_on=ids, how="semi", maintain_order="left"
    )


def _ids(tables: Mapping[str, pl.LazyFrame], table: str) -> pl.Expr:
    kind, wanted = tables[table].collect_schema()["user_id"], pl.String()
    if not fits(kind, wanted):
        raise TableError(
            f"{table}.parquet: column user_id is {kind}, expected {wanted}: without it nobody can say whose a row is",
            table=table,
            column="user_id",
        )
    return pl.col("user_id").cast(wanted)


def _present(table: pl.LazyFrame, names: list[str]) -> list[str]:
    return [name for name in names if name in table.collect_schema()]


def _time(tables: Mapping[str, pl.LazyFrame], table: str, column: str, *, optional: bool = False) -> pl.Expr:
    """A column of times in UTC; null throughout when it is optional and not there."""
    schema = tables[table].collect_schema()
    if optional and column not in schema:
        return pl.lit(None, dtype=UTC_TIME)
    _require(tables, table, column)
    kind = schema[column]
    if kind == pl.Null:
        return pl.lit(None, dtype=UTC_TIME)
    if not isinstance(kind, pl.Datetime) or kind.time_zone is None:
        raise TableError(
            f"{table}.parquet: column {column} is {kind}, expected {UTC_TIME} (set the time zone): "
            "without it nobody can say what was known when",
            table=table,
            column=column,
        )
    return pl.col(column).dt.convert_time_zone("UTC")


def _require(tables: Mapping[str, pl.LazyFrame], table: str, column: str) -> None:
    if column not in tables[table].collect_schema():
        raise TableError(f"{table}.parquet: missing column {column}", table=table, column=column)

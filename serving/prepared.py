"""The statements of every decision: put together by SQLAlchemy once, run by the database's own driver.

SQLAlchemy writes the SQL and says how values go in and come out, so a row
written here is read everywhere else, and the other way round. What it does
anew for every statement is left out: it takes ten times as long as the
database itself.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from serving.database import BUSY_TIMEOUT, does_not_answer, json_text

Found = TypeVar("Found")
Values = Mapping[str, Any]
Process = Callable[[Any], Any] | None


@cache
def _dialect(name: str) -> sa.Dialect:
    """As the engines have it; the parameters of a statement by their places."""
    kind, style = {"sqlite": (SQLiteDialect_pysqlite, "qmark"), "postgresql": (PGDialect_psycopg2, "format")}[name]
    return kind(paramstyle=style, json_serializer=json_text, json_deserializer=orjson.loads)


class Prepared:
    """A statement for one kind of database.

    Args:
        kind: ``sqlite`` or ``postgresql``.
    """

    def __init__(self, statement: Any, kind: str) -> None:
        dialect = _dialect(kind)
        compiled: Any = statement.compile(dialect=dialect)
        self.sql = str(compiled)
        self.columns = [column.name for column in getattr(statement, "selected_columns", ())]
        self._types = [column.type for column in getattr(statement, "selected_columns", ())]
        self._in: list[tuple[str, Process]] = [
            (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup
        ]
        self._out: list[tuple[int, Callable[[Any], Any]]] | None = None
        self._kind = kind

    def bound(self, values: Values) -> list[Any]:
        """The values as the driver takes them, each in its place."""
        return [values[name] if process is None else process(values[name]) for name, process in self._in]

    def read(self, cursor: Any) -> list[list[Any]]:
        """What the cursor found, as Python holds it."""
        found = [list(row) for row in cursor.fetchall()]
        if found:
            for place, process in self._processes(cursor):
                for row in found:
                    row[place] = process(row[place])
        return found

    def _processes(self, cursor: Any) -> list[tuple[int, Callable[[Any], Any]]]:
        if self._out is None:
            dialect = _dialect(self._kind)
            told = [
                kind.dialect_impl(dialect).result_processor(dialect, described[1])
                for kind, described in zip(self._types, cursor.description, strict=True)
            ]
            self._out = [(place, process) for place, process in enumerate(told) if process is not None]
        return self._out


class Cursor:
    """Runs prepared statements on one connection of the driver."""

    def __init__(self, cursor: Any, kind: str) -> None:
        self._cursor = cursor
        self.kind = kind

    def raw(self, prepared: Prepared, values: Values) -> list[tuple[Any, ...]]:
        """What a query finds, as the driver gives it."""
        self._cursor.execute(prepared.sql, prepared.bound(values))
        return list(self._cursor.fetchall())

    def rows(self, prepared: Prepared, values: Values) -> list[dict[str, Any]]:
        """What a query finds, each row by column."""
        self._cursor.execute(prepared.sql, prepared.bound(values))
        return [dict(zip(prepared.columns, row, strict=True)) for row in prepared.read(self._cursor)]

    def run(self, prepared: Prepared, values: Values) -> None:
        """Do the statement."""
        self._cursor.execute(prepared.sql, prepared.bound(values))


def asked(engine: sa.Engine, ask: Callable[[Cursor], Found]) -> Found:
    """What ``ask`` finds. Each of its statements sees the state of its own moment.

    Raises:
        ServiceDown: the database does not answer.
    """
    return _driven(engine, ask, _read_on_postgresql if engine.dialect.name == "postgresql" else _read_on_sqlite)


def kept(engine: sa.Engine, write: Callable[[Cursor], None], *, at_once: bool = False) -> None:
    """Have done what ``write`` does, in a transaction that is on disk afterwards, or leaves nothing.

    Args:
        at_once: on SQLite, do not wait while another writes.

    Raises:
        ServiceDown: the database does not answer.
        IntegrityError, DataError: a row does not fit the others, or its column.
    """
    if engine.dialect.name == "postgresql":
        _driven(engine, write, _write_on_postgresql)
    else:
        _driven(engine, write, partial(_write_on_sqlite, begin=_begin_at_once if at_once else _begin))


def _driven(
    engine: sa.Engine, work: Callable[[Cursor], Found], by: Callable[[Any, Callable[[Cursor], Found]], Found]
) -> Found:
    driver: Any = engine.dialect.loaded_dbapi
    try:
        pooled = engine.raw_connection()
        try:
            return by(pooled.dbapi_connection, work)
        except driver.Error as error:
            if engine.dialect.is_disconnect(error, pooled, None):
                pooled.invalidate(error)
            raise
        finally:
            pooled.close()
    except driver.IntegrityError as error:
        raise IntegrityError(None, None, error, hide_parameters=True) from error
    except driver.DataError as error:
        raise DataError(None, None, error, hide_parameters=True) from error
    except (driver.Error, DBAPIError, PoolTimeout) as error:
        raise does_not_answer(error) from error


def _read_on_sqlite(connection: Any, ask: Callable[[Cursor], Found]) -> Found:
    return ask(Cursor(connection.cursor(), "sqlite"))


def _read_on_postgresql(connection: Any, ask: Callable[[Cursor], Found]) -> Found:
    connection.autocommit = True  # no transaction to begin and to end
    try:
        return ask(Cursor(connection.cursor(), "postgresql"))
    finally:
        if not connection.closed:
            connection.autocommit = False


def _write_on_sqlite(connection: Any, write: Callable[[Cursor], None], begin: Callable[[Any], None]) -> None:
    cursor = connection.cursor()
    begin(cursor)
    write(Cursor(cursor, "sqlite"))
    cursor.execute("COMMIT")


def _begin(cursor: Any) -> None:
    cursor.execute("BEGIN IMMEDIATE")


def _begin_at_once(cursor: Any) -> None:
    cursor.execute("PRAGMA busy_timeout=0")
    try:
        _begin(cursor)
    finally:
        cursor.execute(BUSY_TIMEOUT)


def _write_on_postgresql(connection: Any, write: Callable[[Cursor], None]) -> None:
    write(Cursor(connection.cursor(), "postgresql"))
    connection.commit()

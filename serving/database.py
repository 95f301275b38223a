"""The database under the store: SQLite in a file, or PostgreSQL by URL."""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from posology.errors import ServiceDown, SettingsError
from serving.schema import metadata

WAIT_SECONDS = 30
BUSY_TIMEOUT = f"PRAGMA busy_timeout={WAIT_SECONDS * 1000}"
GONE_IS_NOTICED = {  # a server behind a dead network, which never says that it is gone
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds
}
CREATION_LOCK = 0x706F736F  # "poso": any number, the same in every process


def open_database(url: str) -> sa.Engine:
    """An engine on a database that has the store's tables; they are made when they are not there.

    Safe when several processes start at once.

    Raises:
        SettingsError: the URL is neither SQLite in a file nor PostgreSQL.
        ServiceDown: the database does not answer.
    """
    engine = engine_of(url)
    try:
        make_tables(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def make_tables(engine: sa.Engine) -> None:
    """Make what is not there yet; raises ``ServiceDown`` when the database does not answer."""
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CREATION_LOCK})
        metadata.create_all(connection)
        _add_missing_columns(connection)


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that is on disk when the block has ended, or leaves nothing."""
    with _answering(), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that sees one state of the database throughout."""
    with _answering(), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        else:
            connection.execution_options(reads_only=True)
        with connection.begin():
            yield connection


def rows_of(
    connection: sa.Connection, query: sa.Executable, asked: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """What a query finds, each row by column."""
    return [dict(row) for row in connection.execute(query, asked).mappings()]


def columns_of(connection: sa.Connection, query: sa.Executable) -> dict[str, Sequence[Any]]:
    """What a query finds, column by column, each value as the driver gives it: many rows cost little more than one."""
    result: Any = connection.execute(query)
    names, rows = list(result.keys()), result.cursor.fetchall()
    return dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))


def engine_of(url: str) -> sa.Engine:
    """An engine on a database that nobody has looked at yet.

    Raises:
        SettingsError: the URL is neither SQLite in a file nor PostgreSQL.
    """
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        raise SettingsError("store_url: expected sqlite:////path/store.db or postgresql://…") from error
    settings: dict[str, Any] = {
        "json_serializer": json_text,
        "json_deserializer": orjson.loads,
        "hide_parameters": True,  # a database's error message must not carry a patient's data
        "pool_size": 10,
        "max_overflow": 40,
        "pool_timeout": WAIT_SECONDS,
        "pool_use_lifo": True,  # the connection used last still has in memory what it read
    }
    if parsed.get_backend_name() == "postgresql":
        return sa.create_engine(parsed, pool_pre_ping=True, connect_args=GONE_IS_NOTICED, **settings)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise SettingsError("store_url: expected sqlite:////path/store.db or postgresql://…")
    _make_private_file(Path(parsed.database))
    engine = sa.create_engine(parsed, connect_args={"timeout": WAIT_SECONDS}, **settings)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def json_text(value: Any) -> str:
    """A value as a JSON column holds it."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _add_missing_columns(connection: sa.Connection) -> None:
    """Bring a database of an earlier version up to this one; every column added since may be null."""
    known = sa.inspect(connection)
    for table in metadata.sorted_tables:
        there = {column["name"] for column in known.get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                kind = column.type.compile(connection.dialect)
                connection.execute(sa.text(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}"))
        for index in table.indexes:
            index.create(connection, checkfirst=True)


def _make_private_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise ServiceDown(f"{path}: the store's file cannot be written: {error.strerror}") from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where _begin_sqlite says
    for pragma in (BUSY_TIMEOUT, "PRAGMA foreign_keys=ON", "PRAGMA secure_delete=ON"):
        connection.execute(pragma)
    _use_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous=FULL")


def _use_write_ahead_log(connection: Any) -> None:
    """SQLite does not wait its busy timeout for this one pragma, so the waiting is here."""
    give_up_at = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_sqlite(connection: sa.Connection) -> None:
    reads_only = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (IntegrityError, DataError):  # about a row, not about the database
        raise
    except (DBAPIError, PoolTimeout, sqlite3.Error) as error:
        raise does_not_answer(error) from error


def does_not_answer(error: Exception) -> ServiceDown:
    """What a caller is told of a database's error."""
    return ServiceDown(f"the store does not answer ({type(error).__name__}); is the database up?")

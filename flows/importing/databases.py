"""What a query finds, in chunks: of a DuckDB or SQLite file, opened to read only, or of a PostgreSQL server."""

import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from flows.importing.arrow_rows import ROWS, arrow_chunks, refuse_twice
from flows.importing.python_rows import chunk_of
from posology.checked_file import Misplaced
from posology.errors import ServiceDown, TableError
from posology.importing.mapping import Sql
from posology.importing.rows import Chunk

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_READING = (
    *(sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION),
    *(sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_PRAGMA),
)
_ABOUT_THE_QUERY = ("42", "3F")  # SQLSTATE classes that speak of the query's words, not of values


def sql_chunks(source: Sql, folder: Path, table: str) -> Iterator[Chunk]:
    """The rows of the query's answer, numbered in its order.

    Raises:
        Misplaced: the address is none.
        ServiceDown: the server does not answer.
        TableError: the file is no database, or it cannot answer the query. A message never shows values or passwords.
    """
    if source.url is not None:
        yield from _alchemy(_server(source.url), source.query, table, source="the database")
        return
    path = folder / (source.database or "")
    kind = _kind(path, table)
    if kind == "duckdb":
        yield from _duckdb(path, source.query, table)
    else:
        yield from _alchemy(_sqlite(path), source.query, table, source=str(path))


def _kind(path: Path, table: str) -> str:
    if not path.is_file():
        raise TableError(f"{path}: no such file", table=table)
    with path.open("rb") as file:
        beginning = file.read(16)
    if beginning.startswith(b"SQLite format 3"):
        return "sqlite"
    if beginning[8:12] == b"DUCK":
        return "duckdb"
    raise TableError(f"{path}: expected a DuckDB or SQLite database, got another file", table=table)


def _duckdb(path: Path, query: str, table: str) -> Iterator[Chunk]:
    """The query sees this file and nothing else: no other file, no network."""
    try:
        with duckdb.connect(str(path), read_only=True, config={"enable_external_access": "false"}) as connection:
            answer = connection.sql(query)
            if answer is None:
                raise TableError(f"{path}: expected a query that gives rows, as SELECT does", table=table)
            reader = answer.to_arrow_reader(ROWS)
            yield from arrow_chunks(reader.schema, reader, table)
    except (duckdb.CatalogException, duckdb.ParserException, duckdb.BinderException) as error:
        raise TableError(f"{path}: the query fails: {error}", table=table) from error
    except duckdb.Error as error:
        raise TableError(f"{path}: the query could not be answered ({type(error).__name__})", table=table) from error


def _sqlite(path: Path) -> sa.Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)
        connection.text_factory = _text
        connection.set_authorizer(_reads_only)
        return connection

    return sa.create_engine("sqlite://", creator=connect, hide_parameters=True, poolclass=sa.NullPool)


def _reads_only(action: int, *_: str | None) -> int:
    """A database opened for reading would still write a copy of itself elsewhere (VACUUM INTO, ATTACH)."""
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


def _text(raw: bytes) -> str | bytes:
    """Text, or the bytes where they are no UTF-8, which set the row aside."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _server(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(_VARIABLE.sub(_from_environment, url))
    except Misplaced:
        raise
    except (SQLAlchemyError, ValueError):
        parsed = None
    if parsed is None or parsed.get_backend_name() != "postgresql":
        raise Misplaced("expected postgresql://user@host/database; a file is a database: FILE", "sql", "url")
    engine = sa.create_engine(parsed, hide_parameters=True, poolclass=sa.NullPool)
    return engine.execution_options(postgresql_readonly=True, stream_results=True, max_row_buffer=ROWS)


def _from_environment(found: re.Match[str]) -> str:
    if found[1] not in os.environ:
        raise Misplaced(f"expected the variable {found[1]} in the environment; it is not set", "sql", "url")
    return os.environ[found[1]]


def _alchemy(engine: sa.Engine, query: str, table: str, *, source: str) -> Iterator[Chunk]:
    try:
        with engine.connect() as connection:
            answer = connection.execution_options(no_parameters=True).exec_driver_sql(query)
            names, first = list(answer.keys()), 1
            kinds: dict[str, str] = {}
            refuse_twice(names, table)
            for rows in answer.partitions(ROWS):
                yield chunk_of(rows, names, kinds, first)
                first += len(rows)
            yield chunk_of([], names, kinds, first)
    except SQLAlchemyError as error:
        raise _as_said(error, table, source) from error


def _as_said(error: SQLAlchemyError, table: str, source: str) -> Exception:
    """The driver's own words only where they speak of the query; they may hold values or a password elsewhere."""
    cause: Any = getattr(error, "orig", None)
    code = getattr(cause, "pgcode", None) or ""
    if isinstance(cause, sqlite3.OperationalError) or code[:2] in _ABOUT_THE_QUERY:
        return TableError(f"{source}: the query fails: {str(cause).splitlines()[0]}", table=table)
    if isinstance(cause, psycopg2.OperationalError) and not code:
        return ServiceDown(f"{source} does not answer ({type(cause).__name__}); is it up, and the password right?")
    return TableError(f"{source}: the query could not be answered ({type(cause or error).__name__})", table=table)

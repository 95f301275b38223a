"""Feedback into the store by many callers at once, against the bare database in commits of the same sizes."""

import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import sqlalchemy as sa

from benchmarks.cohorts import mci
from benchmarks.postgres import postgres
from benchmarks.result import Result, Row
from serving.database import writing
from serving.records import Decision, Feedback, User
from serving.schema import decisions, users
from serving.store import Store

ROWS = 5_000
PATIENTS = 500
WRITERS = (1, 16, 64)
START = datetime(2026, 1, 1, tzinfo=UTC)
DECLARED = {"score": 82.0, "completed": True, "rating": 4.0, "comment": None}
Commits = list[int]


def run(rows: int = ROWS, writers: Sequence[int] = WRITERS, *, on_postgres: bool = True) -> Result:
    """Rows a second, each on disk before its caller goes on."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, postgres() if on_postgres else nullcontext() as server:
        urls = {"SQLite": f"sqlite:///{Path(folder, 'store.db')}", **({"PostgreSQL": server} if server else {})}
        for database, url in urls.items():
            for count in writers:
                found.append(_compared(database, url, rows if count > 1 else rows // 10, count))
    best = min(max(float(row[2]) for row in found if str(row[0]).startswith(database)) for database in urls)
    return Result(
        asks=(
            f"`Store.add_feedback` by so many callers at once, each waiting for its row to be on disk: {rows:,} rows "
            f"({rows // 10:,} for one caller) of {PATIENTS} patients. The bare database is given the same rows and the "
            "same counts of revisions by its driver, in commits of the same sizes, with nothing looked up or compared. "
            "Processor seconds are those of callers and store in one process; other work does not lengthen them."
        ),
        columns=(
            "database, callers",
            "rows a commit",
            "rows/s",
            "bare rows/s",
            "share of bare",
            "rows per processor second",
        ),
        rows=tuple(found),
        says=(
            f"With enough callers at once, {best:,.0f} rows a second (on the slower database, where there are two).",
        ),
    )


def _compared(database: str, url: str, rows: int, writers: int) -> Row:
    ids = [f"{writers}-{number}" for number in range(rows)]
    commits: Commits = []
    with closing(Store.open(url, mci())) as store:
        _prepare(store, ids)
        with _counted(store, commits):
            processor = time.process_time()
            ours = _seconds(lambda: _by_store(store, ids, writers))
            processor = time.process_time() - processor
    with closing(Store.open(url, mci())) as store:
        _prepare(store, [f"bare-{each}" for each in ids])
    with _driver(url) as (connection, mark):
        bare = _seconds(lambda: _by_driver(connection, mark, ids, commits))
    return f"{database}, {writers}", rows / len(commits), rows / ours, rows / bare, bare / ours, rows / processor


def _prepare(store: Store, ids: Sequence[str]) -> None:
    """Patients and the decisions that feedback comes for, put there quickly."""
    with writing(store.engine) as connection:
        known = set(connection.execute(sa.select(users.c.user_id)).scalars())
        new = [
            {
                "therapy": store.therapy.name,
                **User(name, START, None, consent=True, declared={}).as_row(),
                "revision": 0,
            }
            for name in map(_patient, range(PATIENTS))
            if name not in known
        ]
        if new:
            connection.execute(users.insert(), new)
        made = [Decision(each, _patient(n), START, "rest", None, None, None, {}) for n, each in enumerate(ids)]
        rows = [{"therapy": store.therapy.name, **each.as_row(), "revision": 0} for each in made]
        connection.execute(decisions.insert(), rows)


def _patient(number: int) -> str:
    return f"p-{number % PATIENTS}"


@contextmanager
def _counted(store: Store, commits: Commits) -> Iterator[None]:
    """The rows of each commit."""
    pass_on = store._pass_on

    def counted(writes: Sequence[Any]) -> None:
        commits.append(len(writes))
        pass_on(writes)

    object.__setattr__(store, "_pass_on", counted)  # what is kept is passed on, whoever wrote it
    yield


def _by_store(store: Store, ids: Sequence[str], writers: int) -> None:
    def some(start: int) -> None:
        for each in ids[start::writers]:
            store.add_feedback(Feedback(each, START + timedelta(hours=1), DECLARED))

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(some, range(writers)))


@contextmanager
def _driver(url: str) -> Iterator[tuple[Any, str]]:
    """A connection of the database's own driver, as durable as ours, and its mark of a value."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(parsed.database), isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            yield connection, "?"
    else:
        with closing(psycopg2.connect(url)) as connection:
            yield connection, "%s"


def _by_driver(connection: Any, mark: str, ids: Sequence[str], commits: Commits) -> None:
    at = int((START - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6)
    columns = "therapy, decision_id, received_at, declared, revision, recorded_at"
    insert = f"INSERT INTO feedback ({columns}) VALUES ({', '.join([mark] * 6)})"  # noqa: S608 - marks only
    count = f"UPDATE users SET revision = revision + {mark} WHERE therapy = {mark} AND user_id = {mark}"  # noqa: S608
    cursor, done = connection.cursor(), 0
    for size in commits:
        together = range(done, done + size)
        done += size
        if mark == "?":
            cursor.execute("BEGIN IMMEDIATE")
        rows = [("mci", f"bare-{ids[n]}", at, json.dumps(DECLARED), n, at) for n in together]
        cursor.executemany(insert, rows)
        cursor.executemany(count, [(1, "mci", _patient(n)) for n in together])
        connection.commit()


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began

"""Queries of DuckDB, SQLite and PostgreSQL: the same rows give the same table; no value and no password is told."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from posology.errors import MappingError, ServiceDown, TableError

CREATE = (
    'CREATE TABLE readings (id TEXT, "at" TEXT, score DOUBLE PRECISION, n BIGINT)',
    "INSERT INTO readings VALUES ('p1', '2026-03-01 10:00', 7.5, 1), ('p2', '2026-03-01T09:00Z', NULL, 2)",
)
QUERY = "SELECT * FROM readings WHERE id LIKE 'p%' ORDER BY n"
NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)
BERLIN = {"column": "at", "time_zone": "Europe/Berlin"}


@pytest.fixture(scope="module")
def server(postgres_url: str) -> Iterator[str]:
    """The address of a database with readings."""
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        for statement in CREATE:
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(
            "CREATE TABLE typed (id UUID, at TIMESTAMPTZ, local TIMESTAMP, day DATE, score NUMERIC, done BOOLEAN, "
            "given TEXT[], extra JSONB)"
        )
        connection.exec_driver_sql(
            "INSERT INTO typed VALUES ('00000000-0000-0000-0000-000000000001', '2026-03-01 10:00+01', "
            "'2026-03-01 10:00', '2026-03-01', 12.5, true, ARRAY['rest', 'walk'], '{\"mood\": 3}')"
        )
    engine.dispose()
    return postgres_url


@pytest.fixture(params=["sqlite", "duckdb", "postgres"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Where the readings are, as a mapping file says it."""
    if request.param == "postgres":
        return {"url": request.getfixturevalue("server")}
    path = tmp_path / "clinic.db"
    with closing(sqlite3.connect(path) if request.param == "sqlite" else duckdb.connect(str(path))) as connection:
        for statement in CREATE:
            connection.execute(statement)
        if request.param == "sqlite":
            connection.commit()
    return {"database": "clinic.db"}


def test_a_query_gives_the_same_table_from_every_database(readings, source: dict[str, str]) -> None:
    done = readings({"sql": {**source, "query": QUERY}}, measured_at=BERLIN)
    assert done.rows("measurements").rows() == [("p1", NINE, "PHQ9", 7.5), ("p2", NINE, "PHQ9", None)]


def test_an_answer_without_rows_still_has_its_columns(readings, source: dict[str, str]) -> None:
    assert readings({"sql": {**source, "query": f"{QUERY} LIMIT 0"}}).rows("measurements").is_empty()
    with pytest.raises(MappingError, match="there is no column points among the 4"):
        readings({"sql": {**source, "query": f"{QUERY} LIMIT 0"}}, score="points")


def test_a_query_that_fails_is_told_in_its_own_words(readings, source: dict[str, str]) -> None:
    with pytest.raises(TableError, match=r"the query fails: .*raedings"):
        readings({"sql": {**source, "query": "SELECT * FROM raedings"}})


def test_a_query_cannot_write(readings, source: dict[str, str]) -> None:
    for query in ("DELETE FROM readings RETURNING *", f"{QUERY}; DELETE FROM readings", "DROP TABLE readings"):
        with pytest.raises(TableError, match="query"):
            readings({"sql": {**source, "query": query}})
    assert readings({"sql": {**source, "query": QUERY}}, measured_at=BERLIN).tables["measurements"].mapped == 2


def test_a_query_cannot_copy_its_database_elsewhere(readings, source: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(TableError, match="query"):
        readings({"sql": {**source, "query": f"VACUUM INTO '{tmp_path}/copy.db'"}})
    assert not (tmp_path / "copy.db").exists()


def test_a_value_that_stops_a_query_is_not_told(readings, source: dict[str, str], tmp_path: Path) -> None:
    if source.get("database") and (tmp_path / "clinic.db").read_bytes().startswith(b"SQLite"):
        pytest.skip("SQLite casts anything to a number")
    with pytest.raises(TableError, match="the query could not be answered") as stopped:
        readings({"sql": {**source, "query": 'SELECT id, "at", CAST("at" AS INTEGER) AS score FROM readings'}})
    assert "2026-03" not in str(stopped.value)


def test_duckdb_sees_its_file_and_no_other(readings, tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "clinic.db")).close()
    (tmp_path / "other.csv").write_text("id,at,score\np1,2026-03-01T09:00Z,1\n")
    with pytest.raises(TableError, match="the query could not be answered"):
        readings({"sql": {"database": "clinic.db", "query": f"SELECT * FROM read_csv('{tmp_path}/other.csv')"}})


def test_types_of_postgresql_become_those_of_the_tables(importing, server: str) -> None:
    columns = {
        "decision_id": {"row_id": ["id", "at"]},
        "user_id": "id",
        "decided_at": "at",
        "content_id": {"constant": "walk"},
        "eligible": "given",
        "feedback_at": {"column": "local", "time_zone": "Europe/Berlin"},
        "sleep": {"constant": None},
        "score": "score",
        "done": "done",
        "comment": "extra",
    }
    done = importing(sessions={"sql": {"url": server, "query": "SELECT * FROM typed"}, "columns": columns})
    row = done.rows("sessions").row(0, named=True)
    assert row["user_id"] == "00000000-0000-0000-0000-000000000001"
    assert row["decided_at"] == row["feedback_at"] == NINE
    assert (row["eligible"], row["score"], row["done"]) == (["rest", "walk"], 12.5, True)
    assert json.loads(row["comment"]) == {"mood": 3}


def test_a_value_of_another_kind_than_its_column_is_kept_aside(readings, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "clinic.db")) as connection:
        connection.execute("CREATE TABLE loose (id, at, score)")
        rows = [("p1", 1), ("p2", "seven"), ("p3", 2.5), ("p4", b"\xff"), ("p5", None), (6, 6)]
        at = "2026-03-01T09:00Z"
        connection.executemany("INSERT INTO loose VALUES (?, ?, ?)", [(name, at, score) for name, score in rows])
        connection.commit()
    done = readings({"sql": {"database": "clinic.db", "query": "SELECT * FROM loose"}})
    assert done.rows("measurements").select("user_id", "score").rows() == [("p1", 1.0), ("p3", 2.5), ("p5", None)]
    assert done.complaints("measurements") == [
        ("row", "column score holds numbers, here text", 1, (2,)),
        ("row", "column score holds numbers, here a bytes", 1, (4,)),
        ("row", "column id holds text, here whole numbers", 1, (6,)),
    ]
    assert json.loads(done.kept("measurements")["raw"][1])["score"] == "ff"


def test_an_address_can_come_from_the_environment(readings, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINIC", server.removeprefix("postgresql://"))
    asked = {"sql": {"url": "postgresql://${CLINIC}", "query": QUERY}}
    assert readings(asked, measured_at=BERLIN).tables["measurements"].mapped == 2
    monkeypatch.delenv("CLINIC")
    with pytest.raises(
        MappingError, match=r"mapping\.yaml line \d+: .*sql.url: expected the variable CLINIC in the environment"
    ):
        readings(asked)


def test_bytes_before_any_other_value_set_their_rows_aside(readings, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("CREATE TABLE t (id, at, score)")
        at = "2026-03-01T09:00:00Z"
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", [("a", at, b"\xff"), ("b", at, b""), ("c", at, None)])
        connection.commit()
    done = readings({"sql": {"database": "a.db", "query": "SELECT * FROM t"}})
    assert done.kept("measurements")["row"].to_list() == [1, 2]
    assert done.rows("measurements")["user_id"].to_list() == ["c"]


ADDRESSES = {
    "nobody answers": ({"url": "postgresql://ada:hunter2@127.0.0.1:1/x", "query": "SELECT 1"}, ServiceDown),
    "another kind": ({"url": "mysql://ada:hunter2@db/x", "query": "SELECT 1"}, MappingError),
    "no address": ({"url": "ada:hunter2@db", "query": "SELECT 1"}, MappingError),
    "an unknown key": ({"url": "postgresql://ada:hunter2@db/x", "query": "SELECT 1", "port": 1}, MappingError),
    "an address alone": ("postgresql://ada:hunter2@db/x", MappingError),
    "a quote in it": ({"url": "postgresql://ada:o'hunter2@db/x", "query": 1}, MappingError),
    "a list": ({"url": ["postgresql://ada:hunter2@db/x"], "query": "SELECT 1"}, MappingError),
}


@pytest.mark.parametrize(("sql", "kind"), ADDRESSES.values(), ids=ADDRESSES)
def test_a_password_is_never_told(readings, sql: object, kind: type[Exception]) -> None:
    with pytest.raises(kind) as refused:
        readings({"sql": sql})
    assert "hunter2" not in str(refused.value)


def test_a_wrong_password_is_a_server_that_does_not_answer(readings, server: str) -> None:
    with pytest.raises(ServiceDown, match="is it up, and the password right"):
        readings({"sql": {"url": server.replace("posology@", "nobody:hunter2@"), "query": "SELECT 1"}})


def test_another_file_is_no_database(readings, tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("hello, I am no database")
    with pytest.raises(TableError, match="expected a DuckDB or SQLite database"):
        readings({"sql": {"database": "a.db", "query": "SELECT 1"}})
    with pytest.raises(TableError, match="no such file"):
        readings({"sql": {"database": "b.db", "query": "SELECT 1"}})


def test_a_column_twice_in_an_answer_is_refused(readings, source: dict[str, str]) -> None:
    with pytest.raises(TableError, match="the source has score twice"):
        readings({"sql": {**source, "query": 'SELECT id, "at", score, n AS score FROM readings'}})

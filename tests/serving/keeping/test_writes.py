"""Rows that share a transaction do not share their errors, on SQLite and on PostgreSQL."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from posology.errors import Conflict, NotFound, ServiceDown
from posology.therapy import Therapy
from serving.database import writing
from serving.keeping.writes import Write, write_together
from serving.records import Decision, Feedback, Measurement, User
from serving.schema import activations, decisions, feedback, measurements, users
from serving.store import Store

Rows = tuple[User, Decision, Feedback]
AT = datetime(2026, 3, 2, tzinfo=UTC)


def test_each_row_has_its_own_outcome(store: Store, written: Rows) -> None:
    ada, decision, received = written
    store.add_user(ada)
    store.add_decision(decision)
    reading = Measurement("ada", AT, "PHQ9", 9.0)
    wrong = {"decision_id": "d1", "received_at": AT, "declared": {"score": object()}}
    rows = [
        (feedback, received.as_row(), None),
        (feedback, received.as_row(), None),
        (feedback, dataclasses.replace(received, declared={"score": 1.0}).as_row(), Conflict),
        (feedback, dataclasses.replace(received, decision_id="d0").as_row(), NotFound),
        (activations, {"decision_id": "d1", "activated_at": AT}, None),
        (measurements, reading.as_row(), None),
        (measurements, dataclasses.replace(reading, user_id="nobody").as_row(), NotFound),
        (users, dataclasses.replace(ada, user_id="bo").as_row(), None),
        (users, dataclasses.replace(ada, site="elsewhere").as_row(), Conflict),
        (decisions, dataclasses.replace(decision, decision_id="d2").as_row(), None),
        (decisions, dataclasses.replace(decision, decision_id="d2", user_id="bo").as_row(), Conflict),
    ]
    for more in ([], [(feedback, wrong, Exception)]):  # one that no database takes spoils the transaction for all
        writes = [Write(table, {"therapy": "calm", **row}) for table, row, _ in [*rows, *more]]
        write_together(store.engine, "calm", writes, lambda: AT)
        for write, (_, _, expected) in zip(writes, [*rows, *more], strict=True):
            assert write.error is None if expected is None else isinstance(write.error, expected)
    assert store.revision("ada") == 1 + 4
    assert store.course("ada").sessions["score"].to_list() == [80.0, None]
    assert store.user("bo").consent


def test_revisions_have_no_gap_and_no_double(store: Store, written: Rows) -> None:
    ada, decision, received = written
    store.add_user(ada)
    numbers = range(60)

    def live(number: int) -> None:
        store.add_decision(dataclasses.replace(decision, decision_id=f"d{number}"))
        store.add_feedback(dataclasses.replace(received, decision_id=f"d{number}"))

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(live, numbers))
    with store.engine.connect() as connection:
        found = [
            row.revision for table in (decisions, feedback) for row in connection.execute(sa.select(table.c.revision))
        ]
    assert sorted(found) == list(range(1, 121))
    assert store.revision("ada") == 120


def test_two_processes_stores_are_one(store: Store, store_url: str, therapy: Therapy, written: Rows) -> None:
    ada, decision, _ = written
    store.add_user(ada)
    other = Store.open(store_url, therapy)

    def write(one: Store, number: int) -> str:
        one.add_decision(dataclasses.replace(decision, decision_id=f"d{number}"))
        try:
            one.add_feedback(Feedback(f"d{number}", AT, {"score": float(one is other), "completed": True}))
        except Conflict:
            return "conflict"
        return "kept"

    def twice(number: int) -> list[str]:
        with ThreadPoolExecutor(2) as pair:
            return list(pair.map(write, (store, other), (number, number)))

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(twice, range(10)))
    assert all(sorted(each) == ["conflict", "kept"] for each in said)
    assert store.revision("ada") == 20
    other.close()


def test_a_database_that_is_gone_is_said_to_every_row(store: Store, written: Rows) -> None:
    ada, _, _ = written
    writes = [Write(users, {"therapy": "calm", **dataclasses.replace(ada, user_id=f"u{n}").as_row()}) for n in range(3)]
    gone = sa.create_engine("postgresql://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 2})
    write_together(gone, "calm", writes, lambda: AT + timedelta(0))
    assert all(isinstance(write.error, ServiceDown) for write in writes)


def test_what_comes_while_another_commits_is_written_together(sqlite_store: Store, written: Rows) -> None:
    ada, _, _ = written
    commits = 0
    group = sqlite_store._group
    write_one_transaction = group._write_together

    def counted(writes: Sequence[Write]) -> None:
        nonlocal commits
        commits += 1
        write_one_transaction(writes)

    group._write_together = counted
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(sqlite_store.add_user, [dataclasses.replace(ada, user_id=f"u{n}") for n in range(320)]))
    assert commits < 200
    assert sqlite_store.snapshot().users.height == 320


def test_a_database_that_is_locked_is_not_waited_for_longer_than_told(sqlite_store: Store, written: Rows) -> None:
    ada, decision, _ = written
    sqlite_store.add_user(ada)
    with writing(sqlite_store.engine):
        with pytest.raises(ServiceDown, match="in time"):
            sqlite_store.add_decision(decision, patience=0.05)
        with pytest.raises(ServiceDown, match="busy"):  # at once: the writer has waited that long already
            sqlite_store.add_decision(dataclasses.replace(decision, decision_id="d2"), patience=0.01)
    sqlite_store.add_decision(decision)
    assert sqlite_store.course("ada").sessions["decision_id"].to_list() == ["d1"]

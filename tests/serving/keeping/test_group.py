"""Rows are handed over to the thread that writes; whoever does not want to sleep is called back."""

import dataclasses
import threading
from collections.abc import Sequence

import pytest

from posology.errors import Conflict, ServiceDown
from serving.keeping.group import Group
from serving.keeping.writes import Write
from serving.records import Decision, Feedback, User
from serving.schema import users
from serving.store import Store

Rows = tuple[User, Decision, Feedback]
ROW = {"user_id": "ada"}


def test_who_submits_a_decision_is_called_when_it_is_on_disk(sqlite_store: Store, written: Rows) -> None:
    ada, decision, _ = written
    sqlite_store.add_user(ada)
    told: list[tuple[str, str, Exception | None]] = []
    ended = threading.Event()

    def done(error: Exception | None) -> None:
        told.append((threading.current_thread().name, sqlite_store.decision("d1").content_id, error))
        ended.set()

    sqlite_store.submit_decision(decision, done)
    assert ended.wait(10)
    assert told == [("posology-writer", "slow", None)]


def test_who_submits_a_decision_is_told_why_it_is_not_kept(sqlite_store: Store, written: Rows) -> None:
    ada, decision, _ = written
    sqlite_store.add_user(ada)
    sqlite_store.add_decision(decision)
    told: list[Exception | None] = []
    ended = threading.Event()
    sqlite_store.submit_decision(
        dataclasses.replace(decision, content_id="deep"), lambda error: (told.append(error), ended.set())
    )
    assert ended.wait(10)
    assert isinstance(told[0], Conflict)


@dataclasses.dataclass
class Slow:
    """A database that takes rows once its gate is open."""

    began: threading.Event = dataclasses.field(default_factory=threading.Event)
    gate: threading.Event = dataclasses.field(default_factory=threading.Event)
    kept: list[Write] = dataclasses.field(default_factory=list)

    def __call__(self, writes: Sequence[Write]) -> None:
        self.began.set()
        assert self.gate.wait(10)
        self.kept.extend(writes)


def nobody() -> None:
    """Does not listen."""


def breaks() -> None:
    """Its loop has ended."""
    raise RuntimeError("the loop has ended")


def test_what_was_withdrawn_before_its_turn_is_not_kept() -> None:
    slow, told = Slow(), []
    group = Group(slow)
    group.submit(Write(users, ROW), nobody, 30)
    assert slow.began.wait(10)
    group.submit(Write(users, ROW), lambda: told.append("withdrawn"), 30).withdraw()
    slow.gate.set()
    group.write(Write(users, ROW), 30)
    group.close()
    assert (len(slow.kept), told) == (2, [])


def test_a_callback_that_breaks_keeps_nothing_from_the_others() -> None:
    slow = Slow()
    group = Group(slow)
    group.submit(Write(users, ROW), breaks, 30)
    group.submit(Write(users, ROW), breaks, 30)
    slow.gate.set()
    group.write(Write(users, ROW), 30)
    group.close()
    assert len(slow.kept) == 3


def test_a_group_that_is_stuck_takes_nothing_more() -> None:
    slow = Slow()
    group = Group(slow)
    group.submit(Write(users, ROW), nobody, 30)
    assert slow.began.wait(10)
    with pytest.raises(ServiceDown, match="in time"):
        group.write(Write(users, ROW), 0.05)
    with pytest.raises(ServiceDown, match="busy"):
        group.submit(Write(users, ROW), nobody, 0.01)
    slow.gate.set()
    group.close()

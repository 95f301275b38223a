"""Rows are written by who brought them, or by the thread that may wait for the database."""

import dataclasses
import threading
from collections.abc import Sequence

import pytest

from posology.errors import ServiceDown
from serving.keeping.group import Group
from serving.keeping.writes import Write
from serving.schema import users

ROW = {"user_id": "ada"}


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


def in_thread(group: Group, errors: list[Exception], patience: float = 30) -> threading.Thread:
    def write() -> None:
        try:
            group.write(Write(users, ROW), patience, is_watched=True)
        except ServiceDown as error:
            errors.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def test_what_was_withdrawn_before_its_turn_is_not_kept() -> None:
    slow, errors = Slow(), []
    group = Group(slow)
    first = in_thread(group, errors)
    assert slow.began.wait(10)
    with pytest.raises(ServiceDown, match="in time"):
        group.write(Write(users, ROW), 0.05)
    slow.gate.set()
    first.join()
    group.write(Write(users, ROW), 30)
    group.close()
    assert (len(slow.kept), errors) == (2, [])


def test_a_group_that_is_stuck_takes_nothing_more() -> None:
    slow = Slow()
    group = Group(slow)
    first = in_thread(group, [])
    assert slow.began.wait(10)
    with pytest.raises(ServiceDown, match="in time"):
        group.write(Write(users, ROW), 0.05)
    with pytest.raises(ServiceDown, match="busy"):
        group.write(Write(users, ROW), 0.01)
    slow.gate.set()
    first.join()
    group.close()


def test_a_row_that_comes_alone_is_written_by_who_brought_it() -> None:
    wrote: list[str] = []

    def at_once(_: Sequence[Write]) -> bool:
        wrote.append(threading.current_thread().name)
        return True

    Group(Slow(), at_once).write(Write(users, ROW), 30, is_watched=True)
    assert wrote == [threading.current_thread().name]


def test_what_cannot_be_written_at_once_is_written_by_who_can_wait() -> None:
    slow = Slow()
    slow.gate.set()
    group = Group(slow, lambda _: False)
    group.write(Write(users, ROW), 30, is_watched=True)
    group.close()
    assert len(slow.kept) == 1


def test_rows_that_come_meanwhile_are_written_by_the_writer() -> None:
    slow = Slow()
    first_began, go_on = threading.Event(), threading.Event()

    def at_once(_: Sequence[Write]) -> bool:
        first_began.set()
        return go_on.wait(10)

    group, errors = Group(slow, at_once), []
    threads = [in_thread(group, errors)]
    assert first_began.wait(10)
    threads += [in_thread(group, errors) for _ in range(3)]
    slow.gate.set()
    go_on.set()
    for thread in threads:
        thread.join(10)
    group.close()
    assert (len(slow.kept), errors) == (3, [])


def test_who_is_not_watched_leaves_the_writing_to_the_writer() -> None:
    slow = Slow()
    slow.gate.set()
    group = Group(slow, nobody)
    group.write(Write(users, ROW), 30)
    group.close()
    assert len(slow.kept) == 1


def nobody(_: Sequence[Write]) -> bool:
    """Writes nothing."""
    raise AssertionError("not asked to")

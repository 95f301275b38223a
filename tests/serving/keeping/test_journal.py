"""What the journal said it has, it has: after a crash, on a full disk, beside other processes."""

import dataclasses
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from posology.errors import Refused, ServiceDown
from serving.alarms import ALARMS
from serving.keeping.journal import Journal, read_other
from serving.keeping.settling import KEPT_OF_STRANGERS, UNPLACED, Settling
from serving.records import Decision, Feedback, User
from serving.store import Store

Rows = tuple[User, Decision, Feedback]


def decisions_of(decision: Decision, *ids: str) -> list[Decision]:
    return [dataclasses.replace(decision, decision_id=each) for each in ids]


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for it."""
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def test_what_is_read_is_what_was_appended(tmp_path: Path, written: Rows) -> None:
    journal = Journal(tmp_path, reserved=4096)
    one, two, three = decisions_of(written[1], "d1", "d2", "d3")
    journal.append(one)
    journal.append(two)
    first, end = journal.own(0)
    assert first == [one, two]
    journal.append(three)
    assert not journal.forget(end)
    assert journal.own(end)[0] == [three]
    assert journal.forget(journal.own(end)[1])
    assert journal.own(0)[0] == []
    journal.close()
    assert not list(tmp_path.iterdir())


def test_a_line_that_was_cut_off_ends_the_file(tmp_path: Path, written: Rows) -> None:
    journal = Journal(tmp_path, reserved=0)
    for decision in decisions_of(written[1], "d1", "d2"):
        journal.append(decision)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for cut in (len(whole) - 1, len(whole) // 2 + 3):
        path.write_bytes(whole[:cut] + b"\0" * 50)
        found, has_ended = read_other(path)
        assert [each.decision_id for each in found] == ["d1"]
        assert not has_ended
    journal.close()


APPEND_AND_DIE = """
import os, pickle, sys
from pathlib import Path
from serving.keeping.journal import Journal
journal = Journal(Path(sys.argv[1]))
for decision in pickle.load(open(sys.argv[2], "rb")):
    journal.append(decision)
os.kill(os.getpid(), 9)
"""


def test_the_next_process_places_what_a_killed_one_left(tmp_path: Path, sqlite_store: Store, written: Rows) -> None:
    import pickle

    ada, decision, received = written
    sqlite_store.add_user(ada)
    (tmp_path / "given").write_bytes(pickle.dumps(decisions_of(decision, "d1", "d2")))
    command = [sys.executable, "-c", APPEND_AND_DIE, str(tmp_path / "journal"), str(tmp_path / "given")]
    assert subprocess.run(command, check=False).returncode == -9
    journal = Journal(tmp_path / "journal")
    assert len(journal.others()) == 1
    store = dataclasses.replace(sqlite_store, journal=journal)
    store.add_feedback(dataclasses.replace(received, decision_id="d2"))  # is not told that there is no such decision
    assert store.decision("d1") == decision
    assert journal.others() == []
    store.close()


def test_a_full_disk_takes_what_was_reserved(tmp_path: Path, written: Rows) -> None:
    _, decision, _ = written
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    journal = Journal(tmp_path, reserved=16_384)
    kept = []
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, before[1]))
        for each in decisions_of(decision, *(f"d{number}" for number in range(1000))):
            try:
                journal.append(each)
            except ServiceDown:
                break
            kept.append(each)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert 20 < len(kept) < 1000
    assert journal.own(0)[0] == kept
    journal.append(decision)
    assert journal.own(0)[0] == [*kept, decision]
    journal.close()


def test_decisions_are_placed_once_the_database_takes_them(tmp_path: Path, written: Rows) -> None:
    placed: list[str] = []
    is_up = False

    def place(decision: Decision) -> None:
        if not is_up:
            raise ServiceDown("down")
        if decision.decision_id == "d2":
            raise Refused("the user has not consented")
        if decision.decision_id == "d4":
            raise ValueError("no database takes it")
        placed.append(decision.decision_id)

    settling = Settling(Journal(tmp_path, reserved=0), place)
    before = ALARMS.counts()
    for decision in decisions_of(written[1], "d1", "d2", "d4", "d3"):
        settling.add(decision)
    with pytest.raises(ServiceDown):
        settling.settle()
    is_up = True
    until(lambda: settling.journal.is_empty)
    assert sorted(set(placed)) == ["d1", "d3"]
    told = {line["decision_id"]: line for line in map(json.loads, (tmp_path / UNPLACED).read_text().splitlines())}
    assert told["d2"].keys() == {*KEPT_OF_STRANGERS, "why"}
    assert told["d4"]["context"] == written[1].context
    after = ALARMS.counts()
    assert after["NOT_PLACED"] > before["NOT_PLACED"]
    settling.close()


def test_a_store_without_journal_refuses_a_decision_it_cannot_keep(
    sqlite_store: Store, written: Rows, monkeypatch: Any
) -> None:
    def down(*_: Any, **_more: Any) -> None:
        raise ServiceDown("down")

    monkeypatch.setattr(sqlite_store._group, "write", down)
    with pytest.raises(ServiceDown):
        sqlite_store.add_decision(written[1])

"""The audit log shows every change but the cutting of its end."""

import json
import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posology.audit import START, AuditLog
from posology.errors import Refused

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(4):
        log.append("signature", {"name": f"Reviewer {number}", "sizes": [1, 2.5, None]}, NOW + timedelta(days=number))
    return log


def lines_of(tmp_path: Path) -> list[str]:
    return (tmp_path / "audit.jsonl").read_text().splitlines()


def write_lines(tmp_path: Path, lines: list[str]) -> None:
    (tmp_path / "audit.jsonl").write_text("".join(line + "\n" for line in lines))


def test_what_is_appended_is_read_back_in_order(log: AuditLog) -> None:
    records = log.records()
    assert [record.number for record in records] == [1, 2, 3, 4]
    assert [record.time for record in records] == [NOW + timedelta(days=number) for number in range(4)]
    assert records[0].previous == START
    assert records[2].facts == {"name": "Reviewer 2", "sizes": [1, 2.5, None]}
    assert log.verify()
    assert log.head == records[-1].digest


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "none" / "audit.jsonl")
    assert log.records() == []
    assert log.verify()
    assert log.head == START


def test_a_time_needs_a_zone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zone"):
        AuditLog(tmp_path / "audit.jsonl").append("x", {}, NOW.replace(tzinfo=None))


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_changed_record_is_named(log: AuditLog, tmp_path: Path, number: int) -> None:
    lines = lines_of(tmp_path)
    lines[number - 1] = lines[number - 1].replace("Reviewer", "Somebody")
    write_lines(tmp_path, lines)
    with pytest.raises(Refused, match=f"record {number} of 4 was changed"):
        log.verify()


def test_a_record_changed_with_its_digest_breaks_the_next(log: AuditLog, tmp_path: Path) -> None:
    other = AuditLog(tmp_path / "other.jsonl")
    other.append("signature", {"name": "Somebody"}, NOW)
    lines = [(tmp_path / "other.jsonl").read_text().strip(), *lines_of(tmp_path)[1:]]
    write_lines(tmp_path, lines)
    with pytest.raises(Refused, match="record 2 of 4 does not follow"):
        log.verify()


@pytest.mark.parametrize(("order", "broken"), [((0, 2, 3), 2), ((0, 2, 1, 3), 2), ((0, 1, 1, 2, 3), 3), ((1, 2, 3), 1)])
def test_a_dropped_moved_or_repeated_record_is_named(
    log: AuditLog, tmp_path: Path, order: tuple[int, ...], broken: int
) -> None:
    lines = lines_of(tmp_path)
    write_lines(tmp_path, [lines[index] for index in order])
    with pytest.raises(Refused, match=f"record {broken} of {len(order)} does not follow"):
        log.verify()


@pytest.mark.parametrize("line", ["", "nonsense", "[1]", '{"number": 2}', '{"number": NaN}'])
def test_a_line_that_is_no_record_is_named_and_nothing_is_added_after_it(
    log: AuditLog, tmp_path: Path, line: str
) -> None:
    write_lines(tmp_path, [*lines_of(tmp_path), line])
    with pytest.raises(Refused, match="record 5 of 5 is not a record"):
        log.records()
    with pytest.raises(Refused, match="damaged"):
        log.append("x", {}, NOW)


def test_cutting_off_the_end_shows_by_the_head_alone(log: AuditLog, tmp_path: Path) -> None:
    head = log.head
    write_lines(tmp_path, lines_of(tmp_path)[:-1])
    assert log.verify()
    assert log.head != head


@given(kept=st.integers(min_value=0))
def test_a_line_torn_anywhere_loses_no_whole_record(tmp_path_factory: pytest.TempPathFactory, kept: int) -> None:
    path = tmp_path_factory.mktemp("torn") / "audit.jsonl"
    log = AuditLog(path)
    for number in range(3):
        log.append("step", {"n": number}, NOW)
    whole = path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    torn = whole[: len(whole) - last + kept % last]
    path.write_bytes(torn)

    had_whole_record = kept % last == last - 1
    assert len(log.records()) == 2
    assert log.verify() is torn.endswith(b"\n")
    log.append("after", {}, NOW)
    assert log.verify()
    kinds = [record.kind for record in log.records()]
    assert kinds[:2] == ["step", "step"]
    assert kinds[-1] == "after"
    assert kinds[2:-1] == (["step"] if had_whole_record else [] if torn.endswith(b"\n") else ["audit.mended"])


def test_what_was_torn_off_is_kept_in_the_record_of_the_mending(log: AuditLog, tmp_path: Path) -> None:
    with (tmp_path / "audit.jsonl").open("a") as file:
        file.write('{"number": 5, "ki')
    assert not log.verify()
    log.append("after", {}, NOW)
    mended = log.records()[-2]
    assert (mended.kind, mended.facts["text"]) == ("audit.mended", '{"number": 5, "ki')


def append_some(path: Path, name: str) -> None:
    for number in range(25):
        AuditLog(path).append(name, {"n": number}, NOW)


def test_processes_that_write_at_once_share_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=append_some, args=(path, name)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert AuditLog(path).verify()
    assert sorted(json.loads(line)["kind"] for line in lines_of(tmp_path)) == ["a"] * 25 + ["b"] * 25

"""Snapshots a home keeps: never changed, the same data the same one, whole or not seen."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from flows.home import Home
from flows.settings import Settings
from flows.snapshots import (
    Snapshot,
    accept,
    check_snapshot,
    damage_of,
    find_snapshot,
    keep_snapshot,
    kept_snapshots,
    last_accepted,
)
from flows.take import take_and_keep
from posology.errors import CannotDo, NotFound
from posology.tables import NAMES
from posology.therapy import Therapy
from serving.records import Measurement, User
from serving.store import Store

Taker = Callable[..., Snapshot]
EARLY = datetime(2026, 1, 20, tzinfo=UTC)


@pytest.fixture
def take(home: Home, settings: Settings, calm_file: Path, calm_data: Path) -> Taker:
    """Takes a snapshot of the small cohort, or of what is given, as of a time or now."""

    def of(as_of: datetime | None = None, data: Path | None = calm_data) -> Snapshot:
        return take_and_keep(home, settings, str(calm_file), data, as_of)

    return of


def test_the_same_data_are_kept_once(take: Taker, home: Home) -> None:
    first, again = take(), take()
    assert again == first
    assert kept_snapshots(home, "calm") == [first]
    assert first.record["parent"] is None


def test_a_snapshot_names_the_one_taken_before(take: Taker, home: Home) -> None:
    first, second = take(), take(EARLY)
    assert second.record["parent"] == first.name
    assert [one.name for one in kept_snapshots(home, "calm")] == [first.name, second.name]
    assert find_snapshot(home, second.name).record == second.record
    with pytest.raises(NotFound, match="no snapshot 0123456789ab in this home"):
        find_snapshot(home, "0123456789ab")


def test_a_manifest_says_what_there_is(take: Taker) -> None:
    record = take(EARLY).record
    assert set(record) == {
        *("id", "therapy", "therapy_digest", "rows", "sha256", "time_range", "as_of", "parent", "taken_at", "dvc")
    }
    assert record["as_of"] == EARLY.isoformat()
    assert set(record["rows"]) == set(record["sha256"]) == set(NAMES)


def test_a_snapshot_of_a_snapshot_is_that_snapshot(take: Taker) -> None:
    early = take(EARLY)
    assert take(data=early.tables) == early
    assert take(EARLY + timedelta(days=30), data=early.tables) == early
    before = EARLY - timedelta(days=30)
    assert take(before, data=early.tables).name == take(before).name


def test_a_time_that_is_not_past_is_refused(take: Taker, home: Home) -> None:
    for ahead in (timedelta(), timedelta(days=1)):
        with pytest.raises(CannotDo, match="expected a time at least a minute ago"):
            take(datetime.now(UTC) + ahead)
    assert kept_snapshots(home, "calm") == []


def test_the_files_are_read_only_and_a_change_is_noticed(take: Taker) -> None:
    kept = take()
    for file in (path for path in kept.folder.rglob("*") if path.is_file()):
        assert file.stat().st_mode & 0o222 == 0
        before = file.read_bytes()
        file.chmod(0o644)
        file.write_bytes(before + b" ")
        if file.name != "therapy.yaml":  # a space at its end changes nothing
            assert damage_of(kept.folder, kept.name) == [str(file.relative_to(kept.folder))]
            with pytest.raises(CannotDo, match=f"posology snapshot pull calm {kept.name}"):
                check_snapshot(kept)
        file.write_bytes(before)
    check_snapshot(kept)


@pytest.mark.parametrize("name", ["tables/users.parquet", "therapy.yaml", "manifest.json"])
def test_a_file_that_is_gone_is_noticed_and_not_trained_on(take: Taker, name: str) -> None:
    kept = take()
    (kept.folder / name).unlink()
    assert damage_of(kept.folder, kept.name) == [name]
    with pytest.raises(CannotDo, match="is damaged"):
        take(data=kept.tables)


def test_the_last_accepted_is_what_validation_let_through_last(take: Taker, home: Home, now: datetime) -> None:
    first, second = take(), take(EARLY)
    assert last_accepted(home, "calm") is None
    accept(second, now)
    assert last_accepted(home, "calm") == second.folder
    accept(first, now + timedelta(hours=1))
    assert last_accepted(home, "calm") == first.folder
    accept(second, now + timedelta(hours=2))
    assert last_accepted(home, "calm") == second.folder
    assert last_accepted(home, "other") is None


def test_what_the_store_heard_late_was_not_known(
    take: Taker, settings: Settings, calm: Therapy, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    heard = iter([start, start + timedelta(days=50)])
    store = Store.open(settings.store_url, calm, clock=lambda: next(heard))
    store.add_user(User("ada", start, None, consent=True, declared={"age": 50.0}))
    store.add_measurement(Measurement("ada", start, "PHQ9", 9.0))
    store.close()
    measured = {day: take(start + timedelta(days=day), data=None).record["rows"] for day in (1, 49, 51)}
    assert [rows["measurements"] for rows in measured.values()] == [0, 0, 1]
    assert {rows["users"] for rows in measured.values()} == {1}


def keep_and_die(snapshot: Path, home: Path) -> None:
    """Be killed once DVC has the files and nothing says yet that they are kept."""
    from flows import snapshots

    snapshots.enter = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    keep_snapshot(snapshot, Home.open(home))


def keep(snapshot: Path, home: Path) -> None:
    keep_snapshot(snapshot, Home.open(home))


def run_all(work: Callable[..., None], *args: Path, times: int) -> list[int | None]:
    started = [multiprocessing.get_context("spawn").Process(target=work, args=args) for _ in range(times)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    return [process.exitcode for process in started]


def test_who_is_killed_while_keeping_leaves_nothing_that_readers_see(take: Taker, tmp_path: Path) -> None:
    kept, other = take(), Home.open(tmp_path / "other")
    assert run_all(keep_and_die, kept.folder, other.root, times=1) == [-signal.SIGKILL]
    assert kept_snapshots(other, "calm") == []
    again = keep_snapshot(kept.folder, other)
    assert (again.name, again.version) == (kept.name, kept.version)
    assert damage_of(again.folder, again.name) == []


@pytest.mark.slow
def test_two_who_keep_the_same_at_once_keep_one(take: Taker, tmp_path: Path) -> None:
    kept, other = take(), Home.open(tmp_path / "other")
    assert run_all(keep, kept.folder, other.root, times=2) == [0, 0]
    (found,) = kept_snapshots(other, "calm")
    assert damage_of(found.folder, found.name) == []


def test_a_snapshot_loads_as_the_data_did(take: Taker, calm_data: Path) -> None:
    kept = take()
    for name in NAMES:
        file = f"{name}.parquet"
        assert pl.read_parquet(kept.tables / file).equals(pl.read_parquet(calm_data / file))

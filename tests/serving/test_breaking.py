"""Real failures: the process killed, the database stopped, the disk full, two services on one database."""

import dataclasses
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.killed import CALLERS, LEAST, Killing
from benchmarks.postgres import PROGRAMS, Server
from models.release import Release
from serving.app import create_app
from serving.opening import open_store
from serving.settings import ServiceSettings

Client = Any
ASK = {"user_id": "ada", "context": {"sleep_hours": 7}}
WELL = {"score": 80, "completed": True}
TOKEN = "a token for tests"


@pytest.mark.slow
def test_what_a_killed_service_acknowledged_is_there(release_folder: Path, store_url: str, tmp_path: Path) -> None:
    reading = {"instrument": "PHQ9", "score": 12}
    killing = Killing(release_folder, store_url, tmp_path / "journal", {"sleep_hours": 7}, WELL, reading)
    said, lost = killing.run(2, np.random.default_rng(3))
    assert lost == []
    assert len(said.decisions) >= 2 * LEAST
    assert said.feedback
    assert len(said.readings) > CALLERS


@pytest.fixture
def caller_of(release: Release, client: Client, now: datetime, tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Makes a caller of a service as it would be opened on these settings."""
    opened: list[Any] = []

    def make(store_url: str, **more: Any) -> Client:
        settings = ServiceSettings(store_url=store_url, token=TOKEN, **{"deadline_seconds": 300, **more})
        store = open_store(settings, release.therapy)
        opened.append(store)
        made = type(client)(
            create_app(release, store, settings, clock=lambda: now), headers={"Authorization": f"Bearer {TOKEN}"}
        )
        made.store = store
        return made

    yield make
    for store in opened:
        store.close()


def enrol(client: Client, now: datetime) -> None:
    at = (now - timedelta(days=3)).isoformat()
    reading = {"user_id": "ada", "measured_at": at, "instrument": "PHQ9", "score": 12}
    assert client.post("/v1/users", json={"user_id": "ada", "enrolled_at": at, "consent": True}).status_code == 200
    assert client.post("/v1/measurements", json=reading).status_code == 200


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a file system of our own cannot be mounted here (it needs root)")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """A file that leaves no byte free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 65_536):
                pass
        except OSError:
            return filler
    return filler


def test_a_full_disk_costs_no_decision(small_disk: Path, caller_of: Callable[..., Client], now: datetime) -> None:
    client = caller_of(f"sqlite:///{small_disk / 'store.db'}")
    enrol(client, now)
    filler = fill(small_disk)
    answers = [client.post("/v1/recommend", json=ASK).json() for _ in range(30)]
    waiting = [each for each in answers if each["decision_id"] in client.store.journal.own(0)[0].__repr__()]
    assert waiting
    assert all(answer["decision_id"] for answer in answers)
    told = {"decision_id": answers[-1]["decision_id"], **WELL}
    assert client.post("/v1/feedback", json=told).status_code == 503
    filler.unlink()
    assert client.post("/v1/feedback", json=told).status_code == 200
    kept = client.store.snapshot().sessions
    assert set(kept["decision_id"]) == {answer["decision_id"] for answer in answers}


@pytest.fixture
def own_postgres() -> Iterator[Server]:
    """A PostgreSQL that may be stopped."""
    if not PROGRAMS.is_dir():
        pytest.skip(f"PostgreSQL is not installed: {PROGRAMS} (apt-get install postgresql)")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o700)
        server = Server(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.mark.slow
def test_a_database_that_stops_in_mid_load_costs_no_decision(
    own_postgres: Server, caller_of: Callable[..., Client], tmp_path: Path, now: datetime
) -> None:
    client = caller_of(own_postgres.url, journal=tmp_path / "journal", deadline_seconds=2)
    enrol(client, now)
    client.post("/v1/recommend", json=ASK)
    took: list[float] = []
    goes_on = True

    def ask(_: int) -> list[dict[str, Any]]:
        answers = []
        while goes_on:
            began = time.monotonic()
            response = client.post("/v1/recommend", json=ASK)
            took.append(time.monotonic() - began)
            assert response.status_code == 200
            answers.append(response.json())
        return answers

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, number) for number in range(4)]
        time.sleep(0.5)
        own_postgres.stop()
        time.sleep(1)
        newly_started = caller_of(own_postgres.url, journal=tmp_path / "journal")  # also while it is down
        assert newly_started.post("/v1/recommend", json=ASK).json()["reasons"] == ["STORE_UNAVAILABLE"]
        assert newly_started.post("/v1/feedback", json={"decision_id": "d", **WELL}).status_code == 503
        own_postgres.start()
        time.sleep(1)
        goes_on = False
        answers = [answer for each in asking for answer in each.result()]
    assert {"model", "safe_default"} == {answer["source"] for answer in answers}
    assert all(answer["decision_id"] for answer in answers)
    client.store._settling.settle()
    kept = client.store.snapshot().sessions
    assert {answer["decision_id"] for answer in answers} <= set(kept["decision_id"])
    assert max(took) < 4


def test_two_services_on_one_database_are_one(
    postgres_url: str, store_url: str, caller_of: Callable[..., Client], tmp_path: Path, now: datetime
) -> None:
    one, other = (caller_of(store_url, journal=tmp_path / "journal") for _ in range(2))
    enrol(one, now)

    def live(number: int) -> set[int]:
        first, second = (one, other) if number % 2 else (other, one)
        decision_id = first.post("/v1/recommend", json=ASK).json()["decision_id"]
        told = {"decision_id": decision_id, **WELL}
        said = {first.post("/v1/activate", json={"decision_id": decision_id}).status_code}
        said |= {each.post("/v1/feedback", json=told).status_code for each in (second, first)}
        return said | {second.post("/v1/feedback", json={**told, "score": 1}).status_code}

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(live, range(8)))
    assert all(each == {200, 409} for each in said)
    assert one.store.revision("ada") == other.store.revision("ada") == 1 + 3 * 8
    assert one.store.snapshot().sessions["score"].to_list() == [80.0] * 8


def test_what_one_service_has_in_its_journal_the_other_finds(
    store_url: str, caller_of: Callable[..., Client], tmp_path: Path, now: datetime
) -> None:
    one, other = (caller_of(store_url, journal=tmp_path / "journal") for _ in range(2))
    enrol(one, now)
    decision = dataclasses.replace(
        one.store.decision(one.post("/v1/recommend", json=ASK).json()["decision_id"]), decision_id="waiting"
    )
    one.store.journal.append(decision)
    assert other.post("/v1/feedback", json={"decision_id": "waiting", **WELL}).status_code == 200
    with closing(caller_of(store_url, journal=tmp_path / "journal").store) as third:
        assert third.decision("waiting") == decision

"""A service killed under load, again and again: is everything it acknowledged there afterwards?"""

import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks import killed_service
from benchmarks.choice import trained_release
from benchmarks.cohorts import tables
from benchmarks.postgres import postgres
from benchmarks.result import Result, Row
from models.release import Release, save_release
from models.targets import Target
from serving.database import engine_of, writing
from serving.opening import open_store
from serving.settings import ServiceSettings

KILLS = 50
CALLERS = 8
LEAST = 16  # decisions a kill
WITHIN_SECONDS = 90
CONTEXT = {"sleep_hours": 7.0, "hour_of_day": 10.0}
FEEDBACK = {"score": 80, "completed": True, "rating": 4}


@dataclass
class Acknowledged:
    """What the service said it has."""

    decisions: dict[str, str] = field(default_factory=dict)
    feedback: set[str] = field(default_factory=set)
    readings: set[tuple[str, datetime]] = field(default_factory=set)
    journalled: int = 0

    def has(self, *, decisions: int) -> bool:
        """Whether there are that many decisions."""
        return len(self.decisions) >= decisions

    def lost(self, kept: Any) -> list[str]:
        """What is not in the store's tables, or is there otherwise."""
        there = dict(zip(kept.sessions["decision_id"], kept.sessions["content_id"], strict=True))
        answered = set(kept.sessions.filter(kept.sessions["feedback_at"].is_not_null())["decision_id"])
        measured = set(zip(kept.measurements["user_id"], kept.measurements["measured_at"], strict=True))
        return [
            *(each for each, content in self.decisions.items() if there.get(each) != content),
            *(f"feedback of {each}" for each in self.feedback - answered),
            *(f"reading of {each[0]}" for each in self.readings - measured),
        ]


@dataclass(frozen=True)
class Killing:
    """A release served on a store, to be killed.

    Attributes:
        context: of every decision.
        told: feedback of every decision.
        reading: of every patient, without user and time.
    """

    release_folder: Path
    store_url: str
    journal: Path
    context: Mapping[str, Any]
    told: Mapping[str, Any]
    reading: Mapping[str, Any]

    def run(self, kills: int, rng: np.random.Generator, *, seconds: float = 1.0) -> tuple[Acknowledged, list[str]]:
        """Serve, ask, kill, so many times; what was acknowledged, and what of it was lost."""
        said = Acknowledged()
        for number in range(kills):
            before = len(said.decisions)
            with self._served() as (url, process):
                callers = [
                    threading.Thread(target=self._live, args=(url, f"{number}-{caller}", said))
                    for caller in range(CALLERS)
                ]
                for caller in callers:
                    caller.start()
                _wait_for(partial(said.has, decisions=before + LEAST))
                self._disturb(process, seconds * rng.uniform(0.3, 1.0), is_locked=number % 2 == 1)
            for caller in callers:
                caller.join()
        settings = ServiceSettings(store_url=self.store_url, token=killed_service.TOKEN, journal=self.journal)
        with closing(open_store(settings, Release.load(self.release_folder).therapy)) as store:
            said.journalled = store._settling.settle() if store._settling else 0
            return said, said.lost(store.snapshot())

    def _disturb(self, process: subprocess.Popen[bytes], seconds: float, *, is_locked: bool) -> None:
        """Let it be asked for a while; the last third of it, in every other round, with the database locked."""
        time.sleep(seconds * (2 / 3 if is_locked else 1))
        if is_locked:
            engine = engine_of(self.store_url)
            with suppress(Exception), writing(engine) as connection:
                if engine.dialect.name == "postgresql":
                    connection.exec_driver_sql("LOCK TABLE users, decisions IN EXCLUSIVE MODE")
                time.sleep(seconds / 3 + 0.5)
                process.kill()
            engine.dispose()

    @contextmanager
    def _served(self) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        arguments = [str(self.release_folder), self.store_url, str(self.journal), str(port)]
        process = subprocess.Popen([sys.executable, "-m", killed_service.__name__, *arguments])
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process)
            yield url, process
        finally:
            process.kill()
            process.wait()

    def _live(self, url: str, user_id: str, said: Acknowledged) -> None:
        """Be a patient until nobody answers."""
        at = datetime.now(UTC) - timedelta(days=1)
        with suppress(httpx.HTTPError), _caller(url) as client:
            while not self._enrolled(client, user_id, at):
                time.sleep(0.05)
            said.readings.add((user_id, at))
            while True:
                answer = client.post("/v1/recommend", json={"user_id": user_id, "context": self.context})
                if answer.status_code != 200 or (decision_id := answer.json()["decision_id"]) is None:
                    continue
                said.decisions[decision_id] = answer.json()["content_id"]
                told = {"decision_id": decision_id, **self.told}
                if client.post("/v1/feedback", json=told).status_code == 200:
                    said.feedback.add(decision_id)

    def _enrolled(self, client: httpx.Client, user_id: str, at: datetime) -> bool:
        user = {"user_id": user_id, "enrolled_at": at.isoformat(), "consent": True}
        reading = {"user_id": user_id, "measured_at": at.isoformat(), **self.reading}
        return (
            client.post("/v1/users", json=user).status_code == 200
            and client.post("/v1/measurements", json=reading).status_code == 200
        )


def run(kills: int = KILLS) -> Result:
    """Kills half of the time on SQLite and half on PostgreSQL."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, postgres() as server:
        release = Path(folder, "release")
        made = trained_release(Path(folder, "made"), tables(100))
        predictors: dict[Target, Any] = {"feedback": made.feedback, "status": made.status}
        save_release(
            release,
            therapy=made.therapy,
            contents=made.contents,
            predictors={target: each for target, each in predictors.items() if each},
            envelope={},
            learnt=made.learnt,
            policy=made.policy,
        )
        urls = {"SQLite": f"sqlite:///{Path(folder, 'store.db')}", **({"PostgreSQL": server} if server else {})}
        reading = {"instrument": "MMSE", "score": 24}
        for number, (database, url) in enumerate(urls.items()):
            killing = Killing(release, url, Path(folder, database), CONTEXT, FEEDBACK, reading)
            said, lost = killing.run(kills // len(urls), np.random.default_rng(number))
            counts = (len(said.decisions), len(said.feedback), len(said.readings))
            rows.append((database, kills // len(urls), *counts, said.journalled, len(lost)))
    lost_of_all = sum(int(row[-1]) for row in rows)
    return Result(
        asks=(
            f"A service under load of {CALLERS} callers, ended by `kill -9` at a random moment, every other time while "
            f"the database is locked: what it acknowledged, and what of that is not in the store afterwards."
        ),
        columns=("database", "kills", "decisions", "feedback", "readings", "of them settled at the end", "lost"),
        rows=tuple(rows),
        says=(f"Of everything that was acknowledged, {lost_of_all} rows were lost.",),
    )


@contextmanager
def _caller(url: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {killed_service.TOKEN}"}
    with httpx.Client(base_url=url, headers=headers, timeout=20, trust_env=False) as client:
        yield client


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    def answers() -> bool:
        with suppress(httpx.HTTPError), _caller(url) as client:
            return process.poll() is not None or client.get("/v1/release").status_code == 200
        return False

    _wait_for(answers)


def _wait_for(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + WITHIN_SECONDS
    while not condition():
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"waited for {WITHIN_SECONDS} s in vain")
        time.sleep(0.05)

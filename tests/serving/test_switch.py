"""One release takes over from another under load: nobody is refused, and the old one finishes what it began."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.release import Release, save_release
from posology.errors import ServiceDown
from serving.bundle import build_bundle
from serving.running import Served, serve_bundle
from serving.store import Store

TOKEN = "a token for tests"
CALLERS = 2
PAUSE_SECONDS = 0.01  # between two calls of one caller, to leave the machine to the release that starts
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # a busy machine builds and loads for minutes


@pytest.fixture(scope="module")
def bento_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("switch") / "bento"


@pytest.fixture(scope="module")
def tags(
    release: Release, release_folder: Path, bento_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """Two releases' bundles that differ in their envelope alone."""
    other = tmp_path_factory.mktemp("other") / "calm"
    save_release(
        other,
        therapy=release.therapy,
        contents=release.contents,
        predictors={"feedback": release.feedback, "status": release.status},
        envelope={"number": 2},
    )
    return [build_bundle(folder, bento_home=bento_home) for folder in (release_folder, other)]


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def served(tags: list[str], bento_home: Path, store_url: str) -> Iterator[Served]:
    with serve_bundle(tags[0], bento_home=bento_home, env=environment(store_url)) as running:
        yield running


def environment(store_url: str) -> dict[str, str]:
    return {"POSOLOGY_STORE_URL": store_url, "POSOLOGY_TOKEN": TOKEN}


class Load:
    """Callers who ask one after the other until told to stop; half of them connect anew for each call."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[dict[str, Any]] = []
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(number,)) for number in range(CALLERS)]

    def __enter__(self) -> "Load":
        with self._client() as client:
            for number in range(CALLERS):
                user = {"user_id": f"u{number}", "enrolled_at": "2026-01-01T00:00:00Z", "consent": True}
                client.post("/v1/users", json=user).raise_for_status()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def has_made(self, more: int) -> None:
        """Wait for more answers."""
        enough = len(self.answers) + more
        while len(self.answers) < enough and not self.failures:
            time.sleep(0.01)

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def _call(self, number: int) -> None:
        client = self._client()
        while not self._stop.is_set():
            if number % 2:
                client.close()
                client = self._client()
            try:
                response = client.post("/v1/recommend", json={"user_id": f"u{number}", "context": {}})
            except httpx.HTTPError as error:
                self.failures.append(type(error).__name__)
                continue
            if response.status_code == 200:
                self.answers.append(response.json())
            else:
                self.failures.append(str(response.status_code))
            time.sleep(PAUSE_SECONDS)
        client.close()


def test_a_switch_under_load_loses_no_call(
    served: Served, tags: list[str], bento_home: Path, store_url: str, release: Release
) -> None:
    with Load(served.url) as load:
        load.has_made(50)
        with pytest.raises(ServiceDown, match="did not become ready"):
            served.begin(tags[1], {**environment(store_url), "POSOLOGY_TOKEN": ""})
        load.has_made(20)  # the old one goes on
        served.begin(tags[1], environment(store_url))
        load.has_made(50)
        served.settle()
        last = len(load.answers)
        load.has_made(20)
    assert load.failures == []
    old, new = (f"calm-{tag.rpartition(':')[2]}" for tag in tags)
    assert {answer["release"] for answer in load.answers[:70]} == {old}
    assert {answer["release"] for answer in load.answers[last:]} == {new}
    with closing(Store.open(store_url, release.therapy)) as store:
        kept = set(store.snapshot().sessions["decision_id"])
    assert {answer["decision_id"] for answer in load.answers} <= kept

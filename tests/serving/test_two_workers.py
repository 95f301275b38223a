"""Two processes that serve one release on one PostgreSQL behave as one service."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from models.release import Release
from posology.therapy import Therapy
from serving.modes.plan import Plan, Step
from serving.modes.standing import Beside, Standing
from serving.replay import replay
from serving.store import Store
from tests.conftest import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
AT = datetime.now(UTC) - timedelta(days=3)
WELL = {"score": 81.3, "completed": True}
WORKER = """
import sys
from pathlib import Path
import uvicorn
from models.release import Release
from serving.app import create_app
from serving.opening import open_store
from serving.settings import ServiceSettings

release_folder, store_url, journal, approval, token, port = sys.argv[1:]
settings = ServiceSettings(store_url=store_url, token=token, journal=Path(journal), approval=Path(approval),
                           deadline_seconds=60)
release = Release.load(Path(release_folder))
app = create_app(release, open_store(settings, release.therapy), settings)
uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="error")
"""
TOKEN = "a token for tests"


@pytest.fixture(scope="module")
def approval(release: Release, other: Release, other_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A canary beside the champion, for half of the patients."""
    beside = Beside(release=other.name, digest=other.digest, folder=other_folder, mode="canary", share=0.5)
    plan = Plan(mode="canary", steps=(Step(share=0.5),))
    file = tmp_path_factory.mktemp("standing") / "standing.json"
    file.write_text(Standing(digest=release.digest, plan=plan, beside=beside).model_dump_json())
    return file


@pytest.fixture(scope="module")
def workers(
    release_folder: Path, approval: Path, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Callers of two processes."""
    journal, ports = tmp_path_factory.mktemp("journal"), (free_port(), free_port())
    told = [str(each) for each in (release_folder, postgres_url, journal, approval, TOKEN)]
    processes = [subprocess.Popen([sys.executable, "-c", WORKER, *told, str(port)]) for port in ports]
    headers = {"Authorization": f"Bearer {TOKEN}"}
    try:
        one, other = (httpx.Client(base_url=f"http://127.0.0.1:{p}", headers=headers, timeout=60) for p in ports)
        with one, other:
            for client, process in zip((one, other), processes, strict=True):
                wait_for(client, process)
            yield one, other
    finally:
        for process in processes:
            process.kill()
            process.wait()


def wait_for(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    """Until the worker answers."""
    while True:
        assert process.poll() is None
        try:
            client.get("/v1/release").raise_for_status()
        except httpx.HTTPError:
            psutil.wait_procs([psutil.Process(process.pid)], timeout=0.1)
        else:
            return


@pytest.fixture
def store(workers: object, postgres_url: str, therapy: Therapy) -> Iterator[Store]:
    with closing(Store.open(postgres_url, therapy)) as opened:
        yield opened


def enrol(client: httpx.Client, user_id: str) -> None:
    user = {"user_id": user_id, "enrolled_at": AT.isoformat(), "consent": True, "age": 50, "sex": "female"}
    reading = {"user_id": user_id, "measured_at": AT.isoformat(), "instrument": "PHQ9", "score": 12}
    client.post("/v1/users", json=user).raise_for_status()
    client.post("/v1/measurements", json=reading).raise_for_status()


def ask(client: httpx.Client, user_id: str, *, key: str | None = None, **more: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/v1/recommend", json={"user_id": user_id, "context": {}, **more}, headers=headers)


def test_a_key_is_one_decision_wherever_it_comes_from(workers: tuple[httpx.Client, ...], store: Store) -> None:
    enrol(workers[0], "key")
    with ThreadPoolExecutor(4) as pool:
        for number in range(6):
            at_once = [pool.submit(ask, worker, "key", key=f"k{number}") for worker in (*workers, *workers)]
            answers = [each.result().json() for each in at_once]
            assert answers[1:] == answers[:-1]
            assert ask(workers[number % 2], "key", key=f"k{number}", seed=answers[0]["seed"] + 1).status_code == 422
    assert store.revision("key") == 1 + 6


def test_a_course_goes_on_at_the_other_and_every_decision_is_made_again(
    workers: tuple[httpx.Client, ...], store: Store, release: Release, other: Release
) -> None:
    one, two = workers
    enrol(two, "course")
    revision, releases = 1, {each.name: each for each in (release, other)}
    for first, second in [(one, two), (two, one), (one, one), (two, two), (two, one)]:
        answer = ask(first, "course").json()
        decision = store.decision(answer["decision_id"])
        assert decision.course_revision == revision == store.revision("course") - 1
        told = {"decision_id": answer["decision_id"], **WELL}
        assert second.post("/v1/activate", json={"decision_id": answer["decision_id"]}).status_code == 200
        assert [each.post("/v1/feedback", json=told).status_code for each in (second, first)] == [200, 200]
        assert first.post("/v1/feedback", json={**told, "score": 1}).status_code == 409
        revision += 3
        assert replay(releases[decision.release or ""], store, decision).equal
    assert store.snapshot().sessions.filter(user_id="course")["score"].to_list() == [81.3] * 5


def test_a_patient_is_in_the_same_arm_at_both(
    workers: tuple[httpx.Client, ...], release: Release, other: Release
) -> None:
    given: dict[str, set[str]] = {}
    for number, worker in zip(range(12), cycle(workers), strict=False):
        enrol(worker, f"arm{number}")
        given[f"arm{number}"] = {ask(each, f"arm{number}").json()["release"] for each in workers}
    assert all(len(releases) == 1 for releases in given.values())
    assert set.union(*given.values()) == {release.name, other.name}


def test_consent_withdrawn_at_one_counts_at_the_other(workers: tuple[httpx.Client, ...]) -> None:
    one, two = workers
    enrol(one, "leaves")
    assert [ask(each, "leaves").status_code for each in workers] == [200, 200]
    two.post("/v1/withdraw", json={"user_id": "leaves"})
    assert [ask(each, "leaves").status_code for each in workers] == [403, 403]

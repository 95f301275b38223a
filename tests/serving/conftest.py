"""A small therapy, a release made by hand, and stores on SQLite and on a real PostgreSQL."""

import threading
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import sqlalchemy as sa
import uvicorn

from models.contents import ContentArrays
from models.features import Features
from models.predictors.predictor import Predictor
from models.predictors.ridge import Ridge
from models.release import Release, save_release
from posology.tables import catalogue_of
from posology.therapy import Therapy
from serving.access.paths import KnownPaths
from serving.app import create_app
from serving.records import Decision, Feedback, User
from serving.settings import ServiceSettings
from serving.store import Store

with warnings.catch_warnings():
    # Starlette asks for httpx2, which nothing else here uses; httpx works as before.
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient` is deprecated")
    from starlette.testclient import TestClient

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
TOKEN = "a token for tests"


def pytest_configure(config: pytest.Config) -> None:
    """BentoML's server uses pathspec's old pattern name; the warning is its own."""
    config.addinivalue_line("filterwarnings", "ignore:GitWildMatchPattern:DeprecationWarning")


@pytest.fixture(scope="session")
def therapy() -> Therapy:
    return Therapy.model_validate(
        {
            "name": "calm",
            "title": "Breathing exercises",
            "version": 1,
            "status": {
                "instrument": "PHQ9",
                "minimum": 0,
                "maximum": 27,
                "better": "lower",
                "smallest_important_change": 5,
                "final_after_days": 56,
                "final_window_days": 14,
            },
            "user": {
                "age": {"kind": "number", "minimum": 18, "maximum": 110},
                "sex": {"kind": "category", "values": ["female", "male"]},
                "history": {"kind": "text"},
                "voice": {"kind": "embedding"},
            },
            "context": {"sleep_hours": {"kind": "number", "minimum": 0, "maximum": 24}},
            "content": {
                "level": {"kind": "number", "minimum": 0, "maximum": 10},
                "minutes": {"kind": "number", "minimum": 0, "maximum": 60},
            },
            "feedback": {
                "columns": {
                    "score": {"kind": "number", "minimum": 0, "maximum": 100},
                    "completed": {"kind": "boolean"},
                    "comment": {"kind": "text"},
                },
                "value": "0.7 * score / 100 + 0.3 * CAST(completed AS DOUBLE)",
                "due_hours": 24,
                "missing": 0.0,
            },
            "safety": {
                "safe_default": "rest",
                "rules": [{"code": "S001", "forbid": "level > 7 AND age > 85", "because": "too hard"}],
                "caps": {"same_content_in_a_row": 2},
            },
            "objective": "constrained",
            "noninferiority_margin": 1,
            "exploration": {"floor": 0.02, "temperature": 0.1},
            "catalogue": [
                {"content_id": "rest", "level": 0, "minutes": 0},
                {"content_id": "slow", "level": 2, "minutes": 10},
                {"content_id": "deep", "level": 5, "minutes": 15},
                {"content_id": "hard", "level": 9, "minutes": 20},
            ],
        }
    )


@pytest.fixture(scope="session")
def release_folder(therapy: Therapy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release whose predictors are written down, not fitted."""
    contents = catalogue_of(therapy)
    names = Features(therapy, ContentArrays(therapy, contents)).names

    def predictor(target: Any, per_content: list[float], bounds: tuple[float, float]) -> Predictor:
        weights = np.concatenate([np.zeros(len(names)), per_content])
        model = Ridge(
            names=names,
            centre=np.zeros(len(names)),
            scale=np.ones(len(names)),
            flagged=np.zeros(0, dtype=int),
            n_contents=len(per_content),
            weights=weights,
            intercept=0.0,
            tails=(-0.1 * bounds[1], 0.1 * bounds[1]),
        )
        return Predictor(target, model, names, anchor=None, margin=0.0, bounds=bounds, coverage=0.9)

    folder = tmp_path_factory.mktemp("release") / "calm"
    save_release(
        folder,
        therapy=therapy,
        contents=contents,
        predictors={
            "feedback": predictor("feedback", [0.6, 0.3, 0.5, 0.2], (0.0, 1.0)),
            "status": predictor("status", [9.0, 8.0, 7.0, 7.5], (0.0, 27.0)),
        },
        envelope={},
    )
    return folder


@pytest.fixture(scope="session")
def release(release_folder: Path) -> Release:
    return Release.load(release_folder)


@pytest.fixture(scope="session")
def other_folder(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release like the champion but for its envelope."""
    folder = tmp_path_factory.mktemp("other") / "calm"
    predictors = {"feedback": release.feedback, "status": release.status}
    save_release(
        folder, therapy=release.therapy, contents=release.contents, predictors=predictors, envelope={"number": 2}
    )
    return folder


@pytest.fixture(scope="session")
def other(other_folder: Path) -> Release:
    return Release.load(other_folder)


def _new_database(server_url: str) -> str:
    name = f"store_{uuid4().hex[:8]}"
    engine = sa.create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server_url.rsplit("/", 1)[0] + f"/{name}"


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database nobody used yet, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return _new_database(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(store_url: str, therapy: Therapy) -> Iterator[Store]:
    opened = Store.open(store_url, therapy)
    yield opened
    opened.close()


@pytest.fixture
def written() -> tuple[User, Decision, Feedback]:
    """A patient's first rows, for the small therapy."""
    user = User("ada", NOW - timedelta(days=3), None, consent=True, declared={"age": 50.0})
    decision = Decision(
        decision_id="d1",
        user_id="ada",
        decided_at=NOW,
        content_id="slow",
        eligible=("rest", "slow"),
        probability=1 / 3,
        release="calm-0123456789ab",
        context={"sleep_hours": 7.1},
        source="model",
        seed=1,
        ranking=({"content_id": "slow", "probability": 1 / 3},),
        course_revision=0,
    )
    return user, decision, Feedback("d1", NOW + timedelta(hours=1), {"score": 80.0, "completed": True})


@pytest.fixture
def sqlite_store(tmp_path: Path, therapy: Therapy) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'store.db'}", therapy)
    yield opened
    opened.close()


@pytest.fixture
def now() -> datetime:
    """The time at which the app's clock stands still."""
    return NOW


@pytest.fixture
def client_of(release: Release, sqlite_store: Store) -> Callable[..., TestClient]:
    """Makes a caller with the token, of an app with settings of the test's own."""

    def make(**settings: Any) -> TestClient:
        settings = {"deadline_seconds": 300, **settings}  # the first decision of a process compiles
        told = ServiceSettings(store_url="sqlite:///unused", token=TOKEN, **settings)
        app = create_app(release, sqlite_store, told, clock=lambda: NOW)
        return TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"})

    return make


@pytest.fixture
def client(client_of: Callable[..., TestClient]) -> TestClient:
    """A caller with the token."""
    return client_of()


@pytest.fixture
def enrol(client: TestClient) -> Callable[..., None]:
    """Sends a patient and a first reading."""

    def send(user_id: str, **more: Any) -> None:
        at = (NOW - timedelta(days=3)).isoformat()
        user = {"user_id": user_id, "enrolled_at": at, "consent": True, "age": 50, "sex": "female", **more}
        reading = {"user_id": user_id, "measured_at": at, "instrument": "PHQ9", "score": 12}
        assert client.post("/v1/users", json=user).status_code == 200
        if user["consent"]:
            assert client.post("/v1/measurements", json=reading).status_code == 200

    return send


@pytest.fixture
def port_of(release: Release, sqlite_store: Store) -> Iterator[Callable[..., int]]:
    """Serves the app with settings of the test's own; gives the port."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def serve(**settings: Any) -> int:
        told = ServiceSettings(store_url="sqlite:///unused", token=TOKEN, **settings)
        app = KnownPaths(create_app(release, sqlite_store, told))
        config = uvicorn.Config(app, host="127.0.0.1", port=0, http="h11", ws="none", log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        running.append((server, thread))
        while not server.started:
            time.sleep(0.01)
        return int(server.servers[0].sockets[0].getsockname()[1])

    yield serve
    for server, thread in running:
        server.should_exit = True
        thread.join(10)

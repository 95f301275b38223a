"""A watched service in process, and its counts as Prometheus would read them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from models.release import Release
from serving.app import create_app
from serving.settings import ServiceSettings
from serving.store import Store
from serving.watching.metrics import Metrics
from serving.watching.traces import Traces
from serving.watching.watch import Watch

Client = Any
Samples = dict[str, list[tuple[dict[str, str], float]]]
TOKEN = "a token for tests"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


@pytest.fixture
def watched(
    client: Client, release: Release, sqlite_store: Store, metrics: Metrics, now: datetime
) -> Callable[..., Client]:
    """Makes a caller of a service whose counts are in the registry."""

    def make(traces: Traces | None = None, **settings: Any) -> Client:
        told = ServiceSettings(store_url="sqlite:///unused", token=TOKEN, **{"deadline_seconds": 300, **settings})
        watch = Watch(metrics, traces)
        app = create_app(release, sqlite_store, told, clock=lambda: now, watch=watch)
        return type(client)(app, headers={"Authorization": f"Bearer {TOKEN}"})

    return make


@pytest.fixture
def scrape(registry: CollectorRegistry) -> Callable[[], Samples]:
    """Name → its series as labels and value, as they are at this moment."""

    def read() -> Samples:
        found: Samples = {}
        for family in text_string_to_metric_families(generate_latest(registry).decode()):
            for sample in family.samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
        return found

    return read


@pytest.fixture
def counted(scrape: Callable[[], Samples]) -> Callable[..., float]:
    """The sum of the series of a name that have these labels."""

    def total(name: str, **labels: str) -> float:
        return sum(value for had, value in scrape().get(name, []) if labels.items() <= had.items())

    return total


@pytest.fixture
def live(now: datetime) -> Callable[[Client], str]:
    """Makes one call of each kind for zoe-1, whose name is in no hexadecimal id; gives the decision's id."""

    def through(client: Client) -> str:
        at = (now - timedelta(days=3)).isoformat()
        client.post(
            "/v1/users", json={"user_id": "zoe-1", "enrolled_at": at, "consent": True, "age": 50, "sex": "female"}
        )
        reading = {"user_id": "zoe-1", "measured_at": at, "instrument": "PHQ9", "score": 12}
        client.post("/v1/measurements", json=reading)
        decided = client.post("/v1/recommend", json={"user_id": "zoe-1", "context": {"sleep_hours": 7}}).json()
        decision_id: str = decided["decision_id"]
        client.post("/v1/activate", json={"decision_id": decision_id})
        client.post("/v1/feedback", json={"decision_id": decision_id, "score": 80, "completed": True})
        client.post("/v1/rank", json={"user": {"age": 50}, "context": {"sleep_hours": 7}})
        client.get("/v1/release")
        return decision_id

    return through

"""What the service counts."""

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from models.release import Release
from posology.errors import ServiceDown
from serving import ranking
from serving.store import Store
from serving.watching import process
from serving.watching.logs import AlarmCount
from serving.watching.metrics import Metrics
from serving.watching.watch import Watch

Client = Any
Counted = Callable[..., float]
WELL = {"score": 80, "completed": True}


def test_calls_and_decisions_are_counted_by_what_became_of_them(
    watched: Callable[..., Client], live: Callable[[Client], str], counted: Counted, release: Release
) -> None:
    client = watched()
    live(client)
    client.get("/openapi.json")
    assert counted("posology_calls_total", call="openapi.json", status="200") == 1
    assert client.post("/v1/recommend", json={"user_id": "nobody", "context": {}}).status_code == 404
    assert counted("posology_calls_total", call="recommend", status="200") == 1
    assert counted("posology_calls_total", call="recommend", status="404") == 1
    assert counted("posology_call_seconds_count", call="recommend") == 2
    assert counted("posology_decisions_total", call="recommend", source="model") == 1
    assert counted("posology_decisions_total") == 2  # and the rank
    assert counted("posology_calls_in_flight") == 0
    assert counted("posology_release_info", therapy="calm", release=release.name) == 1


def test_a_safe_default_is_counted_with_its_reason(
    watched: Callable[..., Client], counted: Counted, now: datetime
) -> None:
    client = watched()
    client.post("/v1/users", json={"user_id": "new", "enrolled_at": now.isoformat(), "consent": True})
    answer = client.post("/v1/recommend", json={"user_id": "new", "context": {"sleep_hours": 7}}).json()
    assert counted("posology_decisions_total", source="safe_default") == 1
    assert answer["reasons"]
    for reason in answer["reasons"]:
        assert counted("posology_decision_reasons_total", call="recommend", reason=reason) == 1


def test_what_is_answered_too_late_counts_as_what_was_answered_instead(
    watched: Callable[..., Client],
    counted: Counted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on, choose = Event(), ranking.choose

    def slow(*arguments: Any, **more: Any) -> Any:
        go_on.wait(10)
        return choose(*arguments, **more)

    monkeypatch.setattr(ranking, "choose", slow)
    client = watched(deadline_seconds=0.1)
    body = {"user": {"age": 50}, "context": {"sleep_hours": 7}}
    assert client.post("/v1/rank", json=body).json()["reasons"] == ["DEADLINE"]
    go_on.set()
    time.sleep(0.1)  # the late answer is there now, and nobody gets it
    assert counted("posology_decisions_total", call="rank", source="safe_default") == 1
    assert counted("posology_decision_reasons_total", reason="DEADLINE") == 1
    assert counted("posology_decisions_total") == 1


def test_feedback_is_counted_by_what_became_of_it(
    watched: Callable[..., Client],
    live: Callable[[Client], str],
    counted: Counted,
    sqlite_store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = watched()
    decision_id = live(client)
    for more, status in (({}, 200), ({"score": 81}, 409), ({"score": 800}, 422)):
        assert client.post("/v1/feedback", json={"decision_id": decision_id, **WELL, **more}).status_code == status

    def down(*_: Any, **__: Any) -> None:
        raise ServiceDown("the database is down")

    monkeypatch.setattr(type(sqlite_store), "add_feedback", down)
    assert client.post("/v1/feedback", json={"decision_id": decision_id, **WELL}).status_code == 503
    outcomes = {"received": 2, "conflict": 1, "refused": 1, "failed": 1}
    assert {outcome: counted("posology_feedback_total", outcome=outcome) for outcome in outcomes} == outcomes


@pytest.mark.usefixtures("metrics")
def test_what_alerts_wait_for_is_there_at_zero(scrape: Callable[[], Any]) -> None:
    found = scrape()
    assert {labels["event"] for labels, value in found["posology_alarms_total"] if value == 0} > {"NOT_KEPT", "ALARM"}
    assert {labels["outcome"] for labels, _ in found["posology_feedback_total"]} >= {"received", "refused"}


def test_alarms_are_counted_by_code(
    watched: Callable[..., Client],
    counted: Counted,
    metrics: Metrics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("Zq7X")

    monkeypatch.setattr(ranking, "choose", broken)
    client = watched()
    counting = AlarmCount(metrics)
    logging.getLogger("posology").addHandler(counting)
    try:
        client.post("/v1/rank", json={"user": {"age": 50}, "context": {"sleep_hours": 7}})
        logging.getLogger("posology.serving").error("no code of its own")
        logging.getLogger("somebody.else").error("not ours")
    finally:
        logging.getLogger("posology").removeHandler(counting)
    assert counted("posology_alarms_total", event="PREDICTION_FAILED") == 1
    assert counted("posology_alarms_total", event="ALARM") == 1
    assert counted("posology_alarms_total") == 2


def test_no_caller_makes_a_series_and_no_series_names_a_patient(
    watched: Callable[..., Client], live: Callable[[Client], str], registry: CollectorRegistry, counted: Counted
) -> None:
    client = watched()
    decision_id = live(client)
    before = generate_latest(registry).count(b"\n")
    for number in range(20):
        client.get(f"/Zq7X{number}?user=zoe-1")
        client.post("/v1/recommend", json={"user_id": f"Zq7X{number}", "context": {"sleep_hours": 7}})
    exposed = generate_latest(registry).decode()
    assert counted("posology_calls_total", call="other") == 20
    assert exposed.count("\n") - before < 60  # one path and one status more
    assert not [word for word in ("zoe-1", "Zq7X", decision_id, "a token") if word in exposed]


@pytest.mark.parametrize("answers", [True, False, None], ids=["up", "down", "hangs"])
def test_every_scrape_asks_the_database(
    client: Client,
    metrics: Metrics,
    counted: Counted,
    monkeypatch: pytest.MonkeyPatch,
    answers: bool | None,
) -> None:
    watch, come_back = Watch(metrics), Event()
    watch.store_answers = lambda: answers if answers is not None else come_back.wait(5)
    monkeypatch.setattr(process, "process_watch", lambda: watch)
    monkeypatch.setattr(process, "STORE_ANSWERS_WITHIN_SECONDS", 0.05)
    scraped = type(client)(process.Scraped(client.app))
    for _ in range(3):
        scraped.get("/metrics")
    come_back.set()
    assert counted("posology_store_up") == bool(answers)


ONE_WORKER = """
from serving.watching.metrics import Metrics
metrics = Metrics(None)
metrics.in_flight.inc()
metrics.decided("recommend", {"source": "model", "reasons": []})
metrics.release_info.labels("calm", "calm-1").set(1)
"""


def test_two_workers_count_as_one_service_and_a_killed_one_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    workers = [subprocess.Popen([sys.executable, "-c", ONE_WORKER]) for _ in range(2)]
    assert [worker.wait() for worker in workers] == [0, 0]
    told = _collected(tmp_path)
    assert 'posology_decisions_total{call="recommend",source="model"} 2.0' in told
    assert 'posology_release_info{release="calm-1",therapy="calm"} 1.0' in told
    assert "posology_calls_in_flight 2.0" in told
    process.process_watch.cache_clear()
    process.process_watch()  # a worker starts and finds what is left of the two
    process.process_watch.cache_clear()
    told = _collected(tmp_path)
    assert 'posology_decisions_total{call="recommend",source="model"} 2.0' in told
    assert "posology_calls_in_flight 2.0" not in told


def _collected(folder: Path) -> str:
    """As BentoML's ``/metrics`` does it."""
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))
    return generate_latest(registry).decode()

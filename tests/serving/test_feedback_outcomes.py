"""Late, early, again and otherwise: every feedback and reading has one outcome, and what was accepted is there."""

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from models.course import feedback_known
from models.release import Release
from posology.therapy import Therapy
from serving.app import create_app
from serving.settings import ServiceSettings
from serving.store import Store

Client = Any
ASK = {"user_id": "ada", "context": {"sleep_hours": 7}}
WELL = {"score": 100, "completed": True}
TOKEN = "a token for tests"


@pytest.fixture
def living(client_of: Callable[..., Client], enrol: Callable[..., None], now: datetime) -> Callable[..., Any]:
    """Calls as they come at a time, in hours from now."""
    demo = client_of(demo=True)
    enrol("ada")

    def call(name: str, body: dict[str, Any], *, hours: float = 0) -> Any:
        return demo.post(f"/v1/{name}", json=body, headers={"Posology-Now": (now + timedelta(hours=hours)).isoformat()})

    return call


def test_late_feedback_is_kept_and_counts_as_missing(
    living: Callable[..., Any], sqlite_store: Store, therapy: Therapy
) -> None:
    in_time, late = (living("recommend", ASK, hours=hour).json()["decision_id"] for hour in (0, 1))
    assert living("feedback", {"decision_id": in_time, **WELL}, hours=24).status_code == 200
    assert living("feedback", {"decision_id": late, **WELL}, hours=25.1).status_code == 200
    sessions = sqlite_store.snapshot().sessions
    assert sessions["score"].to_list() == [100.0, 100.0]
    np.testing.assert_array_equal(feedback_known(therapy, sessions).value, [1.0, 0.0])


def test_feedback_attaches_to_its_decision_in_whatever_order_it_comes(
    living: Callable[..., Any], sqlite_store: Store
) -> None:
    made = [living("recommend", ASK, hours=hour).json()["decision_id"] for hour in range(3)]
    for score, decision_id in reversed(list(enumerate(made))):  # the last first, all after the newest decision
        assert (
            living("feedback", {"decision_id": decision_id, "score": score, "completed": True}, hours=4).status_code
            == 200
        )
    sessions = sqlite_store.snapshot().sessions
    assert dict(zip(sessions["decision_id"], sessions["score"], strict=True)) == dict(zip(made, (0, 1, 2), strict=True))


def test_feedback_may_come_before_its_activation(living: Callable[..., Any], sqlite_store: Store) -> None:
    decision_id = living("recommend", ASK).json()["decision_id"]
    assert living("feedback", {"decision_id": decision_id, **WELL}, hours=1).status_code == 200
    assert living("activate", {"decision_id": decision_id}, hours=2).status_code == 200
    assert living("activate", {"decision_id": decision_id}, hours=3).status_code == 200
    assert sqlite_store.snapshot().sessions["score"].to_list() == [100.0]


def test_the_first_feedback_stays(living: Callable[..., Any], sqlite_store: Store) -> None:
    decision_id = living("recommend", ASK).json()["decision_id"]
    told = {"decision_id": decision_id, **WELL}
    assert living("feedback", told, hours=1).status_code == 200
    assert living("feedback", told, hours=2).status_code == 200  # the time of arrival is no content
    assert living("feedback", {**told, "score": 1}, hours=3).status_code == 409
    assert living("feedback", {**told, "comment": "more"}, hours=3).status_code == 409
    session = sqlite_store.snapshot().sessions.row(0, named=True)
    assert (session["score"], session["comment"]) == (100.0, None)


def test_a_reading_weeks_later_finds_the_release_that_decided(
    living: Callable[..., Any], client: Client, release: Release, sqlite_store: Store, now: datetime
) -> None:
    decision_id = living("recommend", ASK).json()["decision_id"]
    newer = dataclasses.replace(release, digests={**release.digests, "policy": "another"})
    settings = ServiceSettings(store_url="sqlite:///unused", token=TOKEN, demo=True, deadline_seconds=300)
    weeks_later = now + timedelta(days=53)
    app = create_app(newer, sqlite_store, settings, clock=lambda: weeks_later)
    later = type(client)(app, headers={"Authorization": f"Bearer {TOKEN}"})
    assert later.post("/v1/recommend", json=ASK).json()["release"] == newer.name
    final = {"user_id": "ada", "measured_at": weeks_later.isoformat(), "instrument": "PHQ9", "score": 4}
    assert later.post("/v1/measurements", json=final).status_code == 200
    assert later.post("/v1/measurements", json=final).status_code == 200
    assert later.post("/v1/measurements", json={**final, "score": 5}).status_code == 409
    assert later.post("/v1/feedback", json={"decision_id": decision_id, **WELL}).status_code == 200
    kept = sqlite_store.snapshot()
    assert kept.measurements["score"].to_list() == [12.0, 4.0]
    assert kept.sessions["release"].to_list() == [release.name, newer.name]
    assert kept.sessions["score"].to_list() == [100.0, None]


def test_a_reading_may_be_told_late_but_not_ahead(living: Callable[..., Any], client: Client, now: datetime) -> None:
    reading = {"user_id": "ada", "instrument": "PHQ9", "score": 9}
    for days, status in ((-40, 200), (-1, 200), (1, 422)):
        told = {**reading, "measured_at": (now + timedelta(days=days)).isoformat()}
        assert client.post("/v1/measurements", json=told).status_code == status

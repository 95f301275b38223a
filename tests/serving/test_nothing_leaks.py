"""Nothing of a patient in logs, errors or output: recognisable values in every field of every call, and a search."""

import copy
import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from httpx import Response

from models.release import Release
from serving import ranking
from serving.ranking import PREDICTION_FAILED
from serving.store import Store

Client = Any
SIGN = "Zq7X"  # in every text
NUMBERS = ("47.190311", "13.190311", "6.190311", "81.190311", "0.7190311")
MOMENT = "04:05:06.789012"
SEARCHED = (SIGN, *NUMBERS, MOMENT)


def secret_bodies(decision_id: str, now: datetime) -> dict[str, dict[str, Any]]:
    """A good body of each call, every value of it recognisable where the therapy lets it be."""
    past = f"{(now - timedelta(days=2)).date()}T{MOMENT}Z"
    soon = (now + timedelta(seconds=1)).isoformat()
    patient = {"age": 47.190311, "sex": "female", "history": f"{SIGN} fell twice", "voice": [0.7190311]}
    reading = {"measured_at": past, "instrument": "PHQ9", "score": 13.190311}
    given = {"score": 81.190311, "completed": True, "comment": f"{SIGN} it hurt"}
    context = {"sleep_hours": 6.190311}
    session = {"decided_at": past, "content_id": "slow", **context, **given, "feedback_at": past}
    return {
        "users": {"user_id": f"{SIGN}-bo", "enrolled_at": past, "site": f"{SIGN} north", "consent": True, **patient},
        "measurements": {"user_id": f"{SIGN}-bo", **reading},
        "recommend": {"user_id": f"{SIGN}-bo", "context": context, "candidates": ["slow"], "seed": 5},
        "activate": {"decision_id": decision_id},
        "erase": {"user_id": f"{SIGN}-dee"},
        "feedback": {"decision_id": decision_id, "received_at": soon, **given},
        "rank": {
            "user": {"user_id": f"{SIGN}-cy", "enrolled_at": past, "consent": True, **patient},
            "measurements": [reading],
            "sessions": [session],
            "context": context,
            "decided_at": past,
            "seed": 5,
        },
    }


def places(body: Any) -> Iterator[tuple[Any, Any]]:
    """Every object or list inside a body with each of its keys."""
    for key in sorted(body) if isinstance(body, dict) else range(len(body)):
        yield body, key
        if isinstance(body[key], dict | list):
            yield from places(body[key])


def spoiled(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The body with each value, at any depth, replaced by wrong ones that are recognisable too; and with one more."""
    wrongs: tuple[Any, ...] = (f"{SIGN} wrong", {f"{SIGN} a key": f"{SIGN} inside"}, [f"{SIGN} in a list"], -47.190311)
    for number in range(sum(1 for _ in places(body))):
        for wrong in wrongs:
            copied = copy.deepcopy(body)
            holder, key = list(places(copied))[number]
            holder[key] = wrong
            yield copied
    yield {**body, f"{SIGN} a key": 1}


class Search:
    """Makes calls and keeps what came back and was not an answer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.statuses: set[int] = set()
        self.errors: list[str] = []

    def send(self, path: str, **more: Any) -> Response:
        response: Response = self._client.post(path, **more)
        self.statuses.add(response.status_code)
        if response.status_code != 200:
            self.errors.append(response.text + repr(response.headers))
        return response

    def life(self, now: datetime) -> None:
        """One patient's good calls, in order."""
        decision_id = ""
        for call in ("users", "measurements", "recommend", "activate", "feedback", "rank"):
            answer = self.send(f"/v1/{call}", json=secret_bodies(decision_id, now)[call]).json()
            decision_id = answer.get("decision_id", decision_id)

    def found(self, *texts: str) -> list[str]:
        """Lines of the errors and the texts given that hold what was searched for."""
        lines = [line for text in (*self.errors, *texts) for line in text.splitlines()]
        return [line for line in lines if any(secret in line for secret in SEARCHED)]


@pytest.fixture
def search(client: Client, caplog: pytest.LogCaptureFixture) -> Search:
    caplog.set_level(logging.DEBUG)
    return Search(client)


@pytest.fixture
def written(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[[], tuple[str, ...]]:
    """All that was logged and written so far."""
    return lambda: (caplog.text, repr([record.__dict__ for record in caplog.records]), *capfd.readouterr())


def test_good_calls_leave_nothing(search: Search, written: Callable[[], tuple[str, ...]], now: datetime) -> None:
    search.life(now)
    assert search.statuses == {200}
    assert search.found(*written()) == []


def test_calls_spoiled_anywhere_leave_nothing(
    search: Search, written: Callable[[], tuple[str, ...]], now: datetime
) -> None:
    search.life(now)
    for call, body in secret_bodies("d", now).items():
        for wrong in spoiled(body):
            search.send(f"/v1/{call}", json=wrong)
    assert {400, 404, 422} & search.statuses
    assert not [status for status in search.statuses if status >= 500]
    assert search.found(*written()) == []


def test_what_cannot_be_read_leaves_nothing(
    search: Search, written: Callable[[], tuple[str, ...]], now: datetime
) -> None:
    body = json.dumps(secret_bodies("d", now)["users"])
    json_type = {"Content-Type": "application/json"}
    for content in (
        body[:-1],
        body + body,
        body.replace("true", "NaN"),
        f'"{SIGN}"',
        f'{{"{SIGN}": 1, "{SIGN}": 2}}',
        body.encode("utf-16"),
        body.replace(SIGN, SIGN + "\\ud800"),
        body + SIGN * 300_000,
    ):
        search.send("/v1/users", content=content, headers=json_type)
    search.send("/v1/users", content=body, headers={"Content-Type": f"text/{SIGN}"})
    search.send(f"/v1/{SIGN}?name={SIGN}", content=body, headers=json_type)
    search.send("/v1/users", content=body, headers={**json_type, "Authorization": f"Bearer {SIGN}"})
    search.send("/v1/users", content=body, headers={**json_type, "Posology-Now": SIGN})
    search.send(
        "/v1/users", content=body, headers={**json_type, f"X-{SIGN}": SIGN, "Cookie": SIGN, "X-Request-ID": "7"}
    )
    logged, _records, *output = written()
    of_the_caller = [line for line in logged.splitlines() if "HTTP Request:" in line]  # the test's own client speaks
    logged = "\n".join(line for line in logged.splitlines() if line not in of_the_caller)
    assert search.statuses <= {200, 400, 401, 404}
    assert search.found(logged, *output) == []


def test_conflicts_leave_nothing(search: Search, written: Callable[[], tuple[str, ...]], now: datetime) -> None:
    search.life(now)
    bodies = secret_bodies("d", now)
    search.send("/v1/users", json={**bodies["users"], "history": f"{SIGN} other"})
    search.send("/v1/measurements", json={**bodies["measurements"], "score": 13})
    search.send("/v1/users", json={**bodies["users"], "user_id": f"{SIGN}-dee", "consent": False})
    search.send("/v1/recommend", json={**bodies["recommend"], "user_id": f"{SIGN}-dee"})
    assert search.statuses == {200, 403, 409}
    assert search.found(*written()) == []


def test_a_predictor_that_breaks_with_its_data_in_hand_leaves_nothing(
    search: Search, written: Callable[[], tuple[str, ...]], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_release: Release, tables: Any, **more: Any) -> None:
        told = f"{tables.users.to_dicts()} {tables.measurements.to_dicts()} {more}"
        raise ValueError(told) from KeyError(told)

    monkeypatch.setattr(ranking, "choose", broken)
    search.life(now)
    answer = search.send("/v1/rank", json=secret_bodies("d", now)["rank"]).json()
    assert answer["reasons"] == [PREDICTION_FAILED]
    assert search.statuses == {200}
    assert search.found(*written()) == []


@pytest.mark.parametrize("table", ["users", "measurements", "decisions", "feedback", "activations"])
def test_a_store_that_breaks_in_the_middle_leaves_nothing(
    search: Search, written: Callable[[], tuple[str, ...]], now: datetime, sqlite_store: Store, table: str
) -> None:
    search.life(now)
    with sqlite_store.engine.connect() as connection:
        connection.execute(sa.text("PRAGMA foreign_keys=OFF"))
        connection.execute(sa.text(f"ALTER TABLE {table} RENAME TO gone"))
        connection.commit()
    search.life(now)
    assert (503 in search.statuses) == (table != "decisions")  # a patient who asks gets the safe default all the same
    assert search.found(*written()) == []

"""The ``/v1`` calls over HTTP, in process."""

import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from models.choice import choose
from models.release import Release
from posology.errors import ServiceDown
from serving import ranking
from serving.ranking import answer_rank
from serving.store import Store

Client = Any
ASK = {"user_id": "ada", "context": {"sleep_hours": 7}}
JSON = {"Content-Type": "application/json"}


def refusal(response: Response) -> tuple[int, str, str | None]:
    """Status, code and field of an error in the one form there is."""
    body = response.json()
    assert set(body) == {"error"}
    assert {"code", "message"} <= set(body["error"]) <= {"code", "message", "field"}
    return response.status_code, body["error"]["code"], body["error"].get("field")


def test_a_recommendation_is_answered_as_documented(
    client: Client, enrol: Callable[..., None], release: Release
) -> None:
    enrol("ada")
    answer = client.post("/v1/recommend", json=ASK).json()
    assert answer["source"] == "model"
    assert answer["release"] == release.name
    assert {row["content_id"] for row in answer["ranking"]} == set(release.contents["content_id"])
    assert sum(row["probability"] for row in answer["ranking"]) == pytest.approx(1)
    chosen = next(row for row in answer["ranking"] if row["content_id"] == answer["content_id"])
    assert chosen["probability"] == answer["probability"]
    assert set(chosen["feedback"]) == set(chosen["status"]) == {"mean", "low", "high"}


def test_a_decision_is_stored_so_that_it_can_be_made_again(
    client: Client, enrol: Callable[..., None], release: Release, sqlite_store: Store, now: datetime
) -> None:
    enrol("ada")
    asked = {**ASK, "candidates": ["slow", "deep", "hard"]}
    answer = client.post("/v1/recommend", json=asked).json()
    late = {"user_id": "ada", "measured_at": (now - timedelta(days=1)).isoformat(), "instrument": "PHQ9", "score": 3}
    assert client.post("/v1/measurements", json=late).status_code == 200
    stored = sqlite_store.decision(answer["decision_id"])
    assert stored.decided_at == now
    assert stored.eligible is not None
    assert set(stored.eligible) == {row["content_id"] for row in answer["ranking"] if row["eligible"]}
    course = sqlite_store.course("ada", release.contents, revision=stored.course_revision)
    assert stored.seed is not None
    again = choose(
        release,
        course,
        now=stored.decided_at,
        context=stored.context,
        candidates=stored.candidates,
        seed=stored.seed,
    )
    assert ranking.answer(release, again) == {name: answer[name] for name in answer if name != "decision_id"}
    assert list(stored.ranking or ()) == answer["ranking"]


def test_the_course_goes_on_with_what_comes_back(
    client: Client, enrol: Callable[..., None], sqlite_store: Store, now: datetime
) -> None:
    enrol("ada")
    decision_id = client.post("/v1/recommend", json={**ASK, "seed": 3}).json()["decision_id"]
    assert client.post("/v1/activate", json={"decision_id": decision_id}).json() == {"decision_id": decision_id}
    came = {"decision_id": decision_id, "score": 80, "completed": True}
    assert client.post("/v1/feedback", json=came).json() == {"decision_id": decision_id}
    session = sqlite_store.course("ada").sessions.row(0, named=True)
    assert (session["feedback_at"], session["score"], session["completed"]) == (now, 80.0, True)


def test_the_same_again_is_fine_and_another_content_is_a_conflict(client: Client, enrol: Callable[..., None]) -> None:
    enrol("ada")
    enrol("ada")
    decision_id = client.post("/v1/recommend", json=ASK).json()["decision_id"]
    came = {"decision_id": decision_id, "score": 80, "completed": True}
    assert [client.post("/v1/feedback", json=came).status_code for _ in range(2)] == [200, 200]
    for path, body in (
        ("feedback", {**came, "score": 81}),
        ("users", {"user_id": "ada", "enrolled_at": "2026-01-01T00:00:00Z", "consent": True}),
        (
            "measurements",
            {"user_id": "ada", "measured_at": "2026-02-26T09:00:00Z", "instrument": "PHQ9", "score": 13},
        ),
    ):
        assert refusal(client.post(f"/v1/{path}", json=body)) == (409, "conflict", None)


def test_without_consent_nothing_is_decided_or_kept(client: Client, enrol: Callable[..., None]) -> None:
    enrol("bo", consent=False)
    reading = {"user_id": "bo", "measured_at": "2026-02-26T09:00:00Z", "instrument": "PHQ9", "score": 13}
    rank = {"user": {"consent": False}, "context": {}}
    for path, body in (("recommend", {**ASK, "user_id": "bo"}), ("measurements", reading), ("rank", rank)):
        assert refusal(client.post(f"/v1/{path}", json=body)) == (403, "no_consent", None)


def test_a_patient_never_measured_gets_the_safe_default(client: Client) -> None:
    user = {"user_id": "new", "enrolled_at": "2026-02-26T09:00:00Z", "consent": True}
    client.post("/v1/users", json=user)
    answer = client.post("/v1/recommend", json={**ASK, "user_id": "new"}).json()
    assert (answer["content_id"], answer["source"], answer["probability"]) == ("rest", "safe_default", 1.0)


@pytest.mark.parametrize("path", ["recommend", "rank", "activate", "feedback", "measurements", "users"])
@pytest.mark.parametrize("token", [None, b"Bearer wrong", b"Bearer", b"Basic YTpi", b"Bearer \xff"])
def test_a_call_without_the_token_is_refused(client: Client, path: str, token: bytes | None) -> None:
    headers = {} if token is None else {"Authorization": token}
    client.headers.pop("Authorization")
    response = client.post(f"/v1/{path}", json={}, headers=headers)
    assert refusal(response) == (401, "unauthorized", None)
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_the_release_says_what_it_is(
    client_of: Callable[..., Client], release: Release, tmp_path: Path, now: datetime
) -> None:
    about = client_of().get("/v1/release").json()
    assert about["release"] == release.name
    assert about["digests"] == dict(release.digests)
    assert about["therapy"]["name"] == "calm"
    assert (about["signatures"], about["since"]) == ([], now.isoformat())
    approval = tmp_path / "approval.json"
    approval.write_text(json.dumps({"since": "2026-01-01T00:00:00Z", "signatures": [{"name": "Dr Who"}]}))
    signed = client_of(approval=approval).get("/v1/release").json()
    assert (signed["signatures"], signed["since"]) == ([{"name": "Dr Who"}], "2026-01-01T00:00:00Z")


UNREADABLE = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff",
    b'{"a": NaN}',
    b'{"a": 1e999}',
    b'{"a": 123456789012345678901234567890}',
    b'{"a": 1, "a": 2}',
    b'{"a": "\\u0000"}',
    b'{"a": "\\ud800"}',
    b'{"\\udfff": 1}',
    b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b" " * 1_000_001,
]


@pytest.mark.parametrize("body", UNREADABLE, ids=lambda body: repr(body[:30]))
def test_a_body_that_cannot_be_read_is_a_bad_request(client: Client, body: bytes) -> None:
    assert refusal(client.post("/v1/recommend", content=body, headers=JSON)) == (400, "bad_request", None)


def test_a_body_that_is_not_json_by_its_header_is_a_bad_request(client: Client) -> None:
    for headers in ({}, {"Content-Type": "text/plain"}):
        response = client.post("/v1/recommend", content=json.dumps(ASK).encode(), headers=headers)
        assert refusal(response) == (400, "bad_request", None)


USER = {"user_id": "x", "enrolled_at": "2026-01-01T00:00:00Z", "consent": True}
READING = {"user_id": "ada", "measured_at": "2026-01-01T00:00:00Z", "instrument": "PHQ9", "score": 5}
WRONG = [
    ("recommend", {"context": {}}, "user_id"),
    ("recommend", {"user_id": "ada"}, "context"),
    ("recommend", {**ASK, "user_id": 7}, "user_id"),
    ("recommend", {**ASK, "user_id": "a" * 201}, "user_id"),
    ("recommend", {**ASK, "context": []}, "context"),
    ("recommend", {**ASK, "context": {"sleep_hours": 25}}, "context.sleep_hours"),
    ("recommend", {**ASK, "context": {"sleep": 5}}, "context.sleep"),
    ("recommend", {**ASK, "candidates": []}, "candidates"),
    ("recommend", {**ASK, "candidates": ["no such content"]}, "candidates"),
    ("recommend", {**ASK, "candidates": ["slow", "slow"]}, "candidates"),
    ("recommend", {**ASK, "seed": -1}, "seed"),
    ("recommend", {**ASK, "seed": True}, "seed"),
    ("recommend", {**ASK, "extra": 1}, "extra"),
    ("rank", {"context": {}}, "user"),
    ("rank", {"user": {"age": 5}, "context": {}}, "user.age"),
    ("rank", {"user": {}, "context": {}, "measurements": {}}, "measurements"),
    ("rank", {"user": {}, "context": {}, "measurements": [{**READING, "score": 28}]}, "measurements[0].score"),
    ("rank", {"user": {}, "context": {}, "sessions": [1]}, "sessions[0]"),
    ("rank", {"user": {}, "context": {}, "sessions": [{"content_id": "slow"}]}, "sessions[0].decided_at"),
    ("rank", {"user": {}, "context": {}, "decided_at": "yesterday"}, "decided_at"),
    ("activate", {}, "decision_id"),
    ("feedback", {"decision_id": "d", "score": 101}, "score"),
    ("feedback", {"decision_id": "d", "completed": 1}, "completed"),
    ("feedback", {"decision_id": "d"}, None),
    (
        "feedback",
        {"decision_id": "d", "score": 1, "completed": True, "received_at": "2026-03-01T10:00:00Z"},
        "received_at",
    ),
    ("measurements", {**READING, "score": "5"}, "score"),
    ("measurements", {**READING, "score": 28}, "score"),
    ("measurements", {**READING, "instrument": "MMSE"}, "instrument"),
    ("measurements", {**READING, "measured_at": "2026-01-01T00:00:00"}, "measured_at"),
    ("measurements", {**READING, "measured_at": "0001-01-01T00:00:00+23:59"}, "measured_at"),
    ("measurements", {**READING, "measured_at": "2026-03-01T09:06:00Z"}, "measured_at"),
    ("measurements", {**READING, "user_id": None}, "user_id"),
    ("users", {**USER, "consent": "yes"}, "consent"),
    ("users", {**USER, "consent": None}, "consent"),
    ("users", {**USER, "sex": "SECRET"}, "sex"),
    ("users", {**USER, "voice": ["SECRET"]}, "voice"),
    ("users", {**USER, "SECRET": 1}, "SECRET"),
]


@pytest.mark.parametrize(("path", "body", "field"), WRONG)
def test_a_wrong_value_is_named_by_field_and_not_repeated(
    client: Client, path: str, body: dict[str, Any], field: str | None
) -> None:
    response = client.post(f"/v1/{path}", json=body)
    assert refusal(response) == (422, "invalid", field)
    assert field == "SECRET" or "SECRET" not in response.text


def test_a_field_nobody_asked_for_is_named_only_when_it_is_a_name(client: Client) -> None:
    for key in ("Anna Miller, born 1950", "n" * 200, "\n"):
        response = client.post("/v1/recommend", json={**ASK, key: 1})
        assert refusal(response) == (422, "invalid", None)
        assert key not in response.text


def test_feedback_that_f_cannot_be_computed_from_is_refused_and_not_kept(
    client: Client, enrol: Callable[..., None]
) -> None:
    enrol("ada")
    decision_id = client.post("/v1/recommend", json=ASK).json()["decision_id"]
    refused = client.post("/v1/feedback", json={"decision_id": decision_id, "score": 80})
    assert refusal(refused) == (422, "invalid", "completed")
    assert "expected also completed" in refused.json()["error"]["message"]
    whole = {"decision_id": decision_id, "score": 80, "completed": True}
    assert client.post("/v1/feedback", json=whole).status_code == 200


def test_feedback_before_its_decision_is_refused(client: Client, enrol: Callable[..., None]) -> None:
    enrol("ada")
    decision_id = client.post("/v1/recommend", json=ASK).json()["decision_id"]
    early = {"decision_id": decision_id, "score": 1, "completed": True, "received_at": "2026-03-01T08:59:59Z"}
    assert refusal(client.post("/v1/feedback", json=early)) == (422, "invalid", "received_at")


def test_what_is_not_there_is_not_found(client: Client) -> None:
    for path, body in (
        ("recommend", ASK),
        ("measurements", READING),
        ("activate", {"decision_id": "d"}),
        ("feedback", {"decision_id": "d", "score": 1, "completed": True}),
        ("nothing", {}),
        ("recommend/", ASK),
    ):
        assert refusal(client.post(f"/v1/{path}", json=body)) == (404, "not_found", None)
    assert refusal(client.get("/v1/recommend")) == (404, "not_found", None)
    assert refusal(client.get("/docs")) == (404, "not_found", None)


def test_only_a_demo_lets_the_caller_set_the_time(
    client: Client, client_of: Callable[..., Client], enrol: Callable[..., None], sqlite_store: Store
) -> None:
    enrol("ada")
    header = {"Posology-Now": "2027-01-01T00:00:00.000001+00:00"}
    assert refusal(client.post("/v1/recommend", json=ASK, headers=header)) == (400, "bad_request", "Posology-Now")
    demo = client_of(demo=True)
    answer = demo.post("/v1/recommend", json=ASK, headers=header).json()
    assert sqlite_store.decision(answer["decision_id"]).decided_at.isoformat() == header["Posology-Now"]
    for wrong in ("soon", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"):
        refused = demo.post("/v1/recommend", json=ASK, headers={"Posology-Now": wrong})
        assert refusal(refused) == (400, "bad_request", "Posology-Now")


def test_nobody_enrols_tomorrow_but_in_a_demo(client: Client, client_of: Callable[..., Client]) -> None:
    user = {"user_id": "late", "enrolled_at": "2026-03-02T09:00:00Z", "consent": True}
    assert refusal(client.post("/v1/users", json=user)) == (422, "invalid", "enrolled_at")
    assert client_of(demo=True).post("/v1/users", json=user).status_code == 200


def test_more_calls_at_once_than_allowed_are_told_to_wait(client_of: Callable[..., Client], monkeypatch: Any) -> None:
    waiting = client_of(max_in_flight=1)
    inner: list[Response] = []

    def answer_while_another_calls(*_: Any, **__: Any) -> dict[str, Any]:
        if not inner:
            inner.append(waiting.get("/v1/release"))
        return {}

    monkeypatch.setattr(ranking, "choose", answer_while_another_calls)
    waiting.post("/v1/rank", json={"user": {}, "context": {}})
    assert refusal(inner[0]) == (429, "too_many_requests", None)
    assert inner[0].headers["Retry-After"] == "1"
    assert waiting.get("/v1/release").status_code == 200


def test_a_store_that_is_down_is_unavailable(client: Client, monkeypatch: Any) -> None:
    def down(*_: Any, **__: Any) -> None:
        raise ServiceDown("the store does not answer")

    monkeypatch.setattr(Store, "user", down)
    assert refusal(client.post("/v1/measurements", json=READING)) == (503, "unavailable", None)


def test_a_broken_call_tells_neither_caller_nor_log_what_it_held(
    client: Client, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("SECRET")

    monkeypatch.setattr(Store, "user", broken)
    response = client.post("/v1/measurements", json=READING)
    assert refusal(response) == (503, "unavailable", None)
    assert "SECRET" not in response.text + caplog.text
    assert "RuntimeError at test_serving_http.py" in caplog.text


def test_a_prediction_that_breaks_is_answered_by_the_safe_default(
    client: Client,
    enrol: Callable[..., None],
    sqlite_store: Store,
    monkeypatch: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("SECRET")

    enrol("ada")
    monkeypatch.setattr(ranking, "choose", broken)
    answer = client.post("/v1/recommend", json={**ASK, "seed": 5}).json()
    assert (answer["content_id"], answer["source"], answer["probability"]) == ("rest", "safe_default", 1.0)
    assert answer["reasons"] == ["PREDICTION_FAILED"]
    stored = sqlite_store.decision(answer["decision_id"])
    assert (stored.source, stored.eligible, stored.seed) == ("safe_default", ("rest",), 5)
    assert "SECRET" not in caplog.text


def test_ranking_over_http_and_in_process_is_the_same(client: Client, release: Release, sqlite_store: Store) -> None:
    body = {
        "user": {"age": 88, "sex": "male", "enrolled_at": "2026-01-01T00:00:00Z"},
        "measurements": [{"measured_at": "2026-01-01T00:00:00Z", "instrument": "PHQ9", "score": 14}],
        "sessions": [
            {
                "decided_at": "2026-01-02T00:00:00Z",
                "content_id": "slow",
                "sleep_hours": 6,
                "feedback_at": "2026-01-02T01:00:00Z",
                "score": 50,
                "completed": True,
            }
        ],
        "context": {"sleep_hours": 7},
        "candidates": ["slow", "hard"],
        "decided_at": "2026-01-03T00:00:00Z",
        "seed": 11,
    }
    answer = client.post("/v1/rank", json=body).json()
    assert answer == answer_rank(release, body)
    assert next(row for row in answer["ranking"] if row["content_id"] == "hard")["reasons"] == ["S001"]
    assert sqlite_store.snapshot().sessions.is_empty()


def test_a_rank_without_time_and_seed_is_decided_now(client: Client) -> None:
    answer = client.post("/v1/rank", json={"user": {}, "context": {}, "seed": None})
    assert answer.status_code == 200
    assert 0 <= answer.json()["seed"] < 2**53


def test_nothing_of_a_patient_is_logged(
    client: Client, enrol: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    enrol("ada", history="SECRET")
    client.post("/v1/recommend", json=ASK)
    client.post("/v1/users", json={**USER, "user_id": "ada", "history": "SECRET"})
    assert "SECRET" not in caplog.text

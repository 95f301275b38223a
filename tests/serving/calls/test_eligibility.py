"""Consent, contraindications, caps and exploration, as a caller over HTTP meets them."""

from collections import Counter

import pytest

ASK = {"user_id": "ada", "context": {"sleep_hours": 7}}


def refusal(response):
    error = response.json()["error"]
    return response.status_code, error["code"], error.get("field")


def test_what_is_contraindicated_has_no_chance_and_says_why(client, enrol):
    enrol("ada", age=90)
    answers = [client.post("/v1/recommend", json={**ASK, "seed": seed}).json() for seed in range(20)]
    assert "hard" not in {answer["content_id"] for answer in answers}
    hard = next(row for row in answers[0]["ranking"] if row["content_id"] == "hard")
    assert (hard["probability"], hard["eligible"], hard["reasons"]) == (0.0, False, ["S001"])
    assert answers[0]["because"]["S001"] == "too hard"


def test_a_rule_that_cannot_be_known_forbids(client):
    user = {"user_id": "ada", "enrolled_at": "2026-02-01T00:00:00Z", "consent": True}
    client.post("/v1/users", json=user)
    ranking = client.post("/v1/recommend", json=ASK).json()["ranking"]
    assert next(row for row in ranking if row["content_id"] == "hard")["reasons"] == ["S001"]


def test_every_eligible_content_keeps_its_floor_and_choices_follow_the_probabilities(client, enrol, therapy):
    enrol("ada")
    measured = [{"measured_at": "2026-02-26T09:00:00Z", "instrument": "PHQ9", "score": 12}]
    body = {"user": {"age": 50}, "measurements": measured, **{"context": ASK["context"]}}
    answers = [client.post("/v1/rank", json={**body, "seed": seed}).json() for seed in range(100)]
    probability = {row["content_id"]: row["probability"] for row in answers[0]["ranking"]}
    assert min(probability.values()) >= therapy.exploration.floor
    given = Counter(answer["content_id"] for answer in answers)
    for content_id, p in probability.items():
        assert abs(given[content_id] - 100 * p) < 4 * (100 * p * (1 - p)) ** 0.5 + 1


def test_after_consent_is_withdrawn_nothing_is_decided_or_kept(client, enrol, sqlite_store):
    enrol("ada")
    decision_id = client.post("/v1/recommend", json=ASK).json()["decision_id"]
    assert client.post("/v1/withdraw", json={"user_id": "ada"}).json() == {"user_id": "ada"}
    late = {"user_id": "ada", "measured_at": "2026-03-01T09:01:00Z", "instrument": "PHQ9", "score": 5}
    feedback = {"decision_id": decision_id, "score": 5, "completed": True}
    for path, body in (
        ("recommend", ASK),
        ("session-plan", {**ASK, "contents": 2}),
        ("plan", {"user_id": "ada", "days": 2}),
        ("measurements", late),
        ("feedback", feedback),
    ):
        assert refusal(client.post(f"/v1/{path}", json=body)) == (403, "no_consent", None)
    assert client.post("/v1/measurements", json={**late, "measured_at": "2026-02-27T09:00:00Z"}).status_code == 200
    assert sqlite_store.snapshot().users["consent_withdrawn_at"][0] is not None


def test_the_first_withdrawal_counts_and_the_patient_stays_the_same(client, enrol, sqlite_store):
    enrol("ada")
    for at in ("2026-02-28T00:00:00Z", "2026-02-28T12:00:00Z"):
        assert client.post("/v1/withdraw", json={"user_id": "ada", "withdrawn_at": at}).status_code == 200
    enrol_again = client.post(
        "/v1/users",
        json={
            "user_id": "ada",
            "enrolled_at": "2026-02-26T09:00:00+00:00",
            "consent": True,
            "age": 50,
            "sex": "female",
        },
    )
    assert enrol_again.status_code == 200
    assert sqlite_store.user("ada").consent_withdrawn_at.isoformat() == "2026-02-28T00:00:00+00:00"
    future = client.post("/v1/withdraw", json={"user_id": "ada", "withdrawn_at": "2027-01-01T00:00:00Z"})
    assert refusal(future) == (422, "invalid", "withdrawn_at")
    assert refusal(client.post("/v1/withdraw", json={"user_id": "bo"})) == (404, "not_found", None)


@pytest.mark.parametrize("path", ["users", "measurements", "feedback"])
def test_a_unit_that_nobody_asked_for_is_refused_by_its_name(client, path):
    bodies = {
        "users": {"user_id": "x", "enrolled_at": "2026-01-01T00:00:00Z", "consent": True, "age": 50},
        "measurements": {"user_id": "x", "measured_at": "2026-01-01T00:00:00Z", "instrument": "PHQ9", "score": 5},
        "feedback": {"decision_id": "d", "score": 5, "completed": True},
    }
    response = client.post(f"/v1/{path}", json={**bodies[path], "unit": "months"})
    assert refusal(response) == (422, "invalid", "unit")
    assert "unknown field; expected " in response.json()["error"]["message"]

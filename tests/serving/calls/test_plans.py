"""Plans for days without network: signed, with an end, and reconciled with what was given."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from serving.plans.signing import PlanKey
from serving.replay import replay

DAY = timedelta(days=1)
NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


def refusal(response):
    error = response.json()["error"]
    return response.status_code, error["code"], error.get("field")


@pytest.fixture
def client(client_of, tmp_path):
    """A caller of a demo, where the caller sets the time."""
    return client_of(plan_key=tmp_path / "plan.key", demo=True)


@pytest.fixture
def at(now):
    """A header that says how many days have passed."""
    return lambda days: {"Posology-Now": (now + days * DAY).isoformat()}


@pytest.fixture
def plan(client, enrol):
    enrol("ada")
    body = {"user_id": "ada", "days": 3, "contents_per_day": 2, "context": {"sleep_hours": 7}, "seed": 5}
    answer = client.post("/v1/plan", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def deliver(client, plan, rows, headers):
    body = {"signed": plan["signed"], "delivered": [{"decision_id": one, "at": time} for one, time in rows]}
    return client.post("/v1/plan/reconcile", json=body, headers=headers)


def test_a_plan_has_a_decision_for_each_place_and_an_end(plan, now):
    times = [(each["not_before"], each["not_after"]) for each in plan["decisions"]]
    assert times == [((now + day * DAY).isoformat(), (now + (day + 1) * DAY).isoformat()) for day in (0, 0, 1, 1, 2, 2)]
    assert plan["expires_at"] == (now + 3 * DAY).isoformat()
    assert all(0 < each["probability"] <= 1 for each in plan["decisions"])


def test_a_phone_can_check_the_signature_with_the_key_of_the_release(client, plan):
    jwk = client.get("/v1/release").json()["plan_key"]
    key = Ed25519PublicKey.from_public_bytes(urlsafe_b64decode(jwk["x"] + "="))
    statement, _, signature = plan["signed"].rpartition(".")
    key.verify(urlsafe_b64decode(signature + "=="), statement.encode())
    payload = statement.partition(".")[2]
    told = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert told == {name: value for name, value in plan.items() if name != "signed"}
    with pytest.raises(InvalidSignature):
        key.verify(urlsafe_b64decode(signature + "=="), statement.encode() + b"x")


def test_nothing_of_a_plan_is_a_session_until_it_was_given(client, plan, sqlite_store, at, now):
    assert sqlite_store.snapshot().sessions.is_empty()
    first, third = plan["decisions"][0], plan["decisions"][2]
    rows = [
        (first["decision_id"], (now + 0.1 * DAY).isoformat()),
        (third["decision_id"], (now + 1.2 * DAY).isoformat()),
    ]
    answer = deliver(client, plan, rows, at(2)).json()
    assert (answer["given"], answer["not_given"]) == ([first["decision_id"], third["decision_id"]], 4)
    sessions = sqlite_store.snapshot().sessions
    assert sessions["content_id"].to_list() == [first["content_id"], third["content_id"]]
    assert sessions["probability"].to_list() == [first["probability"], third["probability"]]
    assert sessions["decided_at"].to_list() == [now + 0.1 * DAY, now + 1.2 * DAY]


def test_reconciling_again_changes_nothing_and_more_may_follow(client, plan, sqlite_store, at, now):
    one, other = ((each["decision_id"], (now + 0.5 * DAY).isoformat()) for each in plan["decisions"][:2])
    assert [deliver(client, plan, [one], at(1)).status_code for _ in range(2)] == [200, 200]
    assert deliver(client, plan, [one, other], at(9)).json()["not_given"] == 4
    assert sqlite_store.snapshot().sessions.height == 2
    moved = deliver(client, plan, [(one[0], (now + 0.6 * DAY).isoformat())], at(1))
    assert refusal(moved) == (409, "conflict", None)


def test_what_was_given_has_feedback_and_is_made_again_bit_for_bit(client, plan, sqlite_store, release, at):
    now = NOW
    rows = [
        (each["decision_id"], (now + (number // 2 + 0.2 + number / 10) * DAY).isoformat())
        for number, each in enumerate(plan["decisions"])
    ]
    assert deliver(client, plan, rows, at(3)).json()["not_given"] == 0
    told = {"decision_id": rows[0][0], "score": 60, "completed": True, "received_at": rows[0][1]}
    assert client.post("/v1/feedback", json=told, headers=at(3)).status_code == 200
    for decision_id, _ in rows:
        assert replay(release, sqlite_store, sqlite_store.decision(decision_id)).differences == ()
    assert client.post("/v1/recommend", json={"user_id": "ada", "context": {}}, headers=at(3)).status_code == 200


def test_what_was_given_after_the_end_or_before_the_beginning_is_refused(client, plan, sqlite_store, at, now):
    one = plan["decisions"][0]["decision_id"]
    for time, headers in ((now + 3 * DAY, at(9)), (now - DAY, at(9)), (now + 2 * DAY, at(1))):
        refused = deliver(client, plan, [(one, time.isoformat())], headers)
        assert refusal(refused) == (422, "invalid", "delivered[0].at")
    assert sqlite_store.snapshot().sessions.is_empty()


def test_a_content_is_not_given_before_its_day_but_a_clock_that_is_a_little_behind_is_forgiven(
    client, plan, sqlite_store, at, now
):
    first, third = plan["decisions"][0]["decision_id"], plan["decisions"][4]["decision_id"]
    for one, time in ((third, now + 0.1 * DAY), (first, now - timedelta(minutes=6))):
        refused = deliver(client, plan, [(one, time.isoformat())], at(3))
        assert refusal(refused) == (422, "invalid", "delivered[0].at")
    assert sqlite_store.snapshot().sessions.is_empty()
    early = [(first, (now - timedelta(minutes=4)).isoformat())]
    assert [deliver(client, plan, early, at(3)).status_code for _ in range(2)] == [200, 200]
    assert sqlite_store.snapshot().sessions["decided_at"].to_list() == [now]


def test_what_was_given_after_its_day_all_the_same_is_kept_with_its_time(client, plan, sqlite_store, at, now):
    late = now + DAY + timedelta(minutes=2)
    kept = deliver(client, plan, [(plan["decisions"][0]["decision_id"], late.isoformat())], at(3))
    assert kept.json()["given"] == [plan["decisions"][0]["decision_id"]]
    assert sqlite_store.snapshot().sessions["decided_at"].to_list() == [late]


def _changed(signed):
    header, payload, signature = signed.split(".")
    told = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    told["expires_at"] = "2030-01-01T00:00:00+00:00"
    payload = urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
    return f"{header}.{payload}.{signature}"


def test_a_plan_that_was_changed_or_is_another_services_is_refused(client, plan, at, now, tmp_path):
    one = (plan["decisions"][0]["decision_id"], (now + 0.1 * DAY).isoformat())
    told = {name: value for name, value in plan.items() if name != "signed"}
    others = PlanKey.open(tmp_path / "other.key").sign(told)
    for signed in (_changed(plan["signed"]), others, "nonsense", "a.b.c", plan["signed"][:-4], "é.é.é"):
        refused = deliver(client, {**plan, "signed": signed}, [one], at(1))
        assert refusal(refused) == (422, "invalid", "signed")
    stranger = deliver(client, plan, [("nobody", one[1])], at(1))
    assert refusal(stranger) == (422, "invalid", "delivered[0].decision_id")


def test_caps_hold_across_a_plan(client, enrol):
    enrol("ada")
    body = {"user_id": "ada", "days": 8, "candidates": ["deep"], "context": {"sleep_hours": 7}, "seed": 1}
    given = [each["content_id"] for each in client.post("/v1/plan", json=body).json()["decisions"]]
    assert not any(given[i : i + 3] == ["deep"] * 3 for i in range(len(given)))


def test_the_first_day_of_a_plan_is_what_would_be_recommended_now(client, enrol):
    """Also for a patient of whom much is missing: that the plan waits for answers changes nothing of the past."""
    enrol("ada")
    before = ["2026-02-27T09:00:00Z", "2026-02-28T08:00:00Z", "2026-03-01T08:00:00Z"]
    made = []
    for time in before:
        headers = {"Posology-Now": time}
        made.append(client.post("/v1/recommend", json={"user_id": "ada", "context": {}}, headers=headers).json())
    late = {
        "decision_id": made[0]["decision_id"],
        "score": 60,
        "completed": True,
        "received_at": "2026-02-28T20:00:00Z",
    }
    assert client.post("/v1/feedback", json=late).status_code == 200
    plan = client.post("/v1/plan", json={"user_id": "ada", "days": 2, "seed": 9}).json()
    now = client.post("/v1/recommend", json={"user_id": "ada", "context": {}, "seed": 9}).json()
    assert plan["decisions"][0]["content_id"] == now["content_id"]
    assert plan["decisions"][0]["probability"] == now["probability"]


def test_a_plan_is_asked_for_again_with_its_key(client, enrol):
    enrol("ada")
    key = {"Idempotency-Key": "p"}
    body = {"user_id": "ada", "days": 2}
    first, second = (client.post("/v1/plan", json=body, headers=key).json() for _ in range(2))
    assert first == second
    for more in ({"days": 3}, {"seed": 5}, {"starts_at": "2026-03-02T09:00:00Z"}):
        other = client.post("/v1/plan", json={**body, **more}, headers=key)
        assert refusal(other) == (422, "invalid", "Idempotency-Key")


def test_a_plan_that_began_meanwhile_is_answered_again_with_its_key(client, enrol):
    enrol("ada")
    body = {"user_id": "ada", "days": 2, "starts_at": "2026-03-01T09:01:00Z"}
    first = client.post("/v1/plan", json=body, headers={"Idempotency-Key": "p"})
    later = {"Idempotency-Key": "p", "Posology-Now": "2026-03-01T10:00:00Z"}
    assert first.json() == client.post("/v1/plan", json=body, headers=later).json()


@pytest.mark.parametrize(("more", "field"), [
    ({"days": 0}, "days"),
    ({"days": 31}, "days"),
    ({"contents_per_day": 21}, "contents_per_day"),
    ({"starts_at": "2026-02-01T00:00:00Z"}, "starts_at"),
    ({"starts_at": "2026-09-01T00:00:00Z"}, "starts_at"),
    ({"context": {"sleep_hours": 30}}, "context.sleep_hours"),
])  # fmt: skip
def test_a_plan_that_cannot_be_is_refused_by_field(client, enrol, more, field):
    enrol("ada")
    assert refusal(client.post("/v1/plan", json={"user_id": "ada", "days": 2, **more})) == (422, "invalid", field)


def test_a_service_without_a_key_signs_nothing(client_of, enrol):
    enrol("ada")
    answer = client_of().post("/v1/plan", json={"user_id": "ada", "days": 2})
    assert refusal(answer) == (503, "unavailable", None)


def test_two_workers_have_the_same_key(tmp_path):
    assert PlanKey.open(tmp_path / "k").public == PlanKey.open(tmp_path / "k").public
    assert (tmp_path / "k").stat().st_mode & 0o077 == 0

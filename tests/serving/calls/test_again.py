"""A decision asked for again with its key is the same decision."""

import threading

from posology.errors import ServiceDown
from serving.deciding import explaining
from serving.replay import replay
from serving.store import Store

ASK = {"user_id": "ada", "context": {"sleep_hours": 7}}


def ask(client, key, **more):
    return client.post("/v1/recommend", json={**ASK, **more}, headers={"Idempotency-Key": key})


def test_the_same_key_gets_the_same_decision_and_a_new_key_a_new_one(client, enrol, sqlite_store):
    enrol("ada")
    first, second = ask(client, "a"), ask(client, "a")
    assert first.status_code == 200
    assert first.json() == second.json()
    assert ask(client, "b").json()["decision_id"] != first.json()["decision_id"]
    assert sqlite_store.snapshot().sessions.height == 2


def test_a_key_counts_within_one_patient(client, enrol):
    enrol("ada")
    enrol("bo")
    assert ask(client, "a").json()["decision_id"] != ask(client, "a", user_id="bo").json()["decision_id"]


def test_a_key_of_another_request_is_refused(client, enrol):
    enrol("ada")
    ask(client, "a")
    for more in ({"context": {"sleep_hours": 6}}, {"candidates": ["slow"]}, {"seed": 1}):
        refused = ask(client, "a", **more)
        assert (refused.status_code, refused.json()["error"]["field"]) == (422, "Idempotency-Key")


def test_a_key_that_is_none_is_refused(client, enrol):
    enrol("ada")
    for key in ("", "a" * 201, b"\xff"):
        refused = ask(client, key)
        assert (refused.status_code, refused.json()["error"]["field"]) == (400, "Idempotency-Key")


def test_the_same_request_many_times_at_once_is_one_decision(client, enrol, sqlite_store):
    enrol("ada")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ask(client, "a").json())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answer == answers[0] for answer in answers)
    assert sqlite_store.snapshot().sessions.height == 1


def test_an_answer_that_comes_again_says_the_same_of_what_moved_it(client, enrol):
    enrol("ada")
    first = ask(client, "a", explain=True).json()
    client.post("/v1/feedback", json={"decision_id": first["decision_id"], "score": 80, "completed": True})
    assert ask(client, "a", explain=True).json() == first


def test_what_moved_a_prediction_sums_to_it(client, enrol):
    enrol("ada")
    answer = ask(client, "a", explain=True).json()
    chosen = next(row for row in answer["ranking"] if row["content_id"] == answer["content_id"])
    for target in ("feedback", "status"):
        parts = answer["explanation"][target]
        assert abs(sum(part["adds"] for part in parts) - chosen[target]["mean"]) < 1e-9
        assert parts[-1]["name"] == "what is usual"


def test_a_session_has_decisions_of_its_own_that_can_be_made_again(client, enrol, sqlite_store, release):
    enrol("ada")
    body = {**ASK, "contents": 5, "seed": 3}
    answered = client.post("/v1/session-plan", json=body, headers={"Idempotency-Key": "s"})
    decisions = answered.json()["decisions"]
    again = client.post("/v1/session-plan", json=body, headers={"Idempotency-Key": "s"})
    assert again.json() == answered.json()
    assert len({each["decision_id"] for each in decisions}) == 5
    for each in decisions:
        assert replay(release, sqlite_store, sqlite_store.decision(each["decision_id"])).equal


def test_caps_hold_across_a_session(client, enrol):
    """``same_content_in_a_row: 2`` of the small therapy."""
    enrol("ada")
    body = {**ASK, "contents": 8, "candidates": ["deep"], "seed": 1}
    given = [each["content_id"] for each in client.post("/v1/session-plan", json=body).json()["decisions"]]
    assert not any(given[i : i + 3] == ["deep"] * 3 for i in range(len(given)))
    assert "deep" in given


def test_a_session_is_never_longer_than_allowed(client, enrol):
    enrol("ada")
    for contents in (0, 21, "3", None):
        refused = client.post("/v1/session-plan", json={**ASK, "contents": contents})
        assert (refused.status_code, refused.json()["error"]["field"]) == (422, "contents")


def test_a_safe_default_of_an_outage_comes_again_for_its_key(client, enrol, monkeypatch):
    """While the course cannot be read the safe default is kept; asked again later, that is the decision."""

    def down(*_, **__):
        raise ServiceDown("the store does not answer")

    enrol("ada")
    with monkeypatch.context() as broken:
        broken.setattr(Store, "course", down)
        first = ask(client, "a").json()
    assert (first["content_id"], first["reasons"]) == ("rest", ["STORE_UNAVAILABLE"])
    assert first["because"]["STORE_UNAVAILABLE"].endswith("so the safe default is given")
    again = ask(client, "a", explain=True).json()
    assert again.pop("explanation") is None
    assert again == first


def test_a_content_that_cannot_be_explained_is_given_all_the_same(client, enrol, sqlite_store, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("SECRET")

    enrol("ada")
    monkeypatch.setattr(explaining, "explained", broken)
    answer = ask(client, "a", explain=True).json()
    assert (answer["source"], answer["explanation"]) == ("model", None)
    assert sqlite_store.snapshot().sessions.height == 1

"""A decision is made again, bit for bit, from the log and its release, whatever came after it."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from posology.errors import CannotDo, NotFound
from serving import replay_all as replay_all_of
from serving.calls import Calls
from serving.replay import release_of, replay
from serving.replay_all import made_by, replay_all
from serving.replay_jobs import replay_in_processes
from serving.schema import decisions


@pytest.fixture
def decided(client, enrol, now):
    """Three decisions of one patient, with feedback, and things that came late."""
    enrol("p-1")
    made = []
    for score in (20, 70, 90):
        answered = client.post("/v1/recommend", json={"user_id": "p-1", "context": {}})
        assert answered.status_code == 200, answered.text
        made.append(answered.json()["decision_id"])
        told = {"decision_id": made[-1], "score": score, "completed": True}
        assert client.post("/v1/feedback", json=told).status_code == 200
    late = {"user_id": "p-1", "measured_at": (now - timedelta(days=1)).isoformat(), "instrument": "PHQ9", "score": 3}
    assert client.post("/v1/measurements", json=late).status_code == 200
    return made


def test_every_decision_comes_out_the_same_though_more_is_known_now(decided, sqlite_store, release):
    found = [replay(release, sqlite_store, sqlite_store.decision(each)) for each in decided]
    assert [each.differences for each in found] == [()] * 3


def test_all_of_them_are_made_again_patient_by_patient(decided, client, enrol, sqlite_store, release):
    enrol("p-2")
    answered = client.post("/v1/recommend", json={"user_id": "p-2", "context": {}})
    assert answered.status_code == 200
    found = {each.decision_id: each.differences for each in replay_all(release, sqlite_store)}
    assert found == dict.fromkeys([*decided, answered.json()["decision_id"]], ())


def test_a_course_is_read_on_over_pages_and_over_what_is_no_part_of_it(
    decided, client, sqlite_store, release, monkeypatch
):
    monkeypatch.setattr(replay_all_of, "PAGE", 2)
    last = sqlite_store.decision(
        client.post("/v1/recommend", json={"user_id": "p-1", "context": {}}).json()["decision_id"]
    )
    other = next(row["content_id"] for row in last.ranking if row["eligible"] and row["content_id"] != last.content_id)
    told = {"decision_id": last.decision_id, "content_id": other, "by": "Dr. Who", "reason": "lighter"}
    assert client.post("/v1/override", json=told).status_code == 200
    made = [client.post("/v1/recommend", json={"user_id": "p-1", "context": {}}).json() for _ in range(3)]
    with sqlite_store.engine.begin() as connection:
        mine = decisions.c.decision_id == made[1]["decision_id"]
        connection.execute(sa.update(decisions).where(mine).values(probability=0.123))
    found = {each.decision_id: each.differences for each in replay_all(release, sqlite_store)}
    assert len(found) == 3 + 1 + 3
    assert {name: fields for name, fields in found.items() if fields} == {made[1]["decision_id"]: ("probability",)}


@pytest.mark.parametrize(("column", "value"), [("probability", 0.123), ("content_id", "nothing"), ("source", "other")])
def test_a_log_that_was_touched_is_told_by_its_field(decided, sqlite_store, release, column, value):
    with sqlite_store.engine.begin() as connection:
        mine = decisions.c.decision_id == decided[1]
        connection.execute(sa.update(decisions).where(mine).values(**{column: value}))
    assert replay(release, sqlite_store, sqlite_store.decision(decided[1])).differences == (column,)


def test_a_prediction_that_was_touched_is_told(decided, sqlite_store, release):
    decision = sqlite_store.decision(decided[0])
    ranking = [dict(item) for item in decision.ranking]
    ranking[0]["feedback"] = {**ranking[0]["feedback"], "mean": ranking[0]["feedback"]["mean"] + 1e-15}
    with sqlite_store.engine.begin() as connection:
        mine = decisions.c.decision_id == decided[0]
        connection.execute(sa.update(decisions).where(mine).values(ranking=ranking))
    again = replay(release, sqlite_store, sqlite_store.decision(decided[0]))
    assert again.differences == ("ranking[0].feedback.mean",)


def test_decisions_are_found_by_their_release(decided, sqlite_store, release):
    url = str(sqlite_store.engine.url)
    assert made_by(url) == {release.name: len(decided)}
    assert release_of(url, decided[2]) == release.name
    with pytest.raises(NotFound, match="no decision"):
        release_of(url, "nobody")


def test_a_decision_made_elsewhere_cannot_be_made_again(decided, sqlite_store, release):
    with sqlite_store.engine.begin() as connection:
        mine = decisions.c.decision_id == decided[0]
        connection.execute(sa.update(decisions).where(mine).values(seed=None, ranking=None))
    with pytest.raises(CannotDo, match="made elsewhere"):
        release_of(str(sqlite_store.engine.url), decided[0])
    assert made_by(str(sqlite_store.engine.url)) == {release.name: 2}


def test_decisions_in_either_database_are_made_again(store, release, now):
    calls, at = Calls(release, store, now), now.isoformat()
    for user_id in ("ada", "bo"):
        calls.users({"user_id": user_id, "enrolled_at": at, "consent": True, "age": 50, "sex": "female"}, now)
        calls.measurements({"user_id": user_id, "measured_at": at, "instrument": "PHQ9", "score": 12}, now)
        for _ in range(3):
            calls.recommend({"user_id": user_id, "context": {"sleep_hours": 7}}, now)
    found = [each.differences for each in replay_all(release, store)]
    assert found == [()] * 6
    assert made_by(store.engine.url.render_as_string(hide_password=False)) == {release.name: 6}


@pytest.mark.slow
def test_several_processes_tell_the_same_in_the_same_order(decided, client, enrol, sqlite_store, release_folder):
    for user_id in ("p-3", "p-2"):
        enrol(user_id)
        for _ in range(2):
            assert client.post("/v1/recommend", json={"user_id": user_id, "context": {}}).status_code == 200
    with sqlite_store.engine.begin() as connection:
        mine = decisions.c.decision_id == decided[1]
        connection.execute(sa.update(decisions).where(mine).values(probability=0.123))
    url = str(sqlite_store.engine.url)
    alone, together = (list(replay_in_processes(release_folder, url, jobs)) for jobs in (1, 2))
    assert alone == together
    assert [each.decision_id for each in alone if not each.equal] == [decided[1]]
    assert len(alone) == 7

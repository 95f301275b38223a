"""A decision is made again, bit for bit, from the log and its release, whatever came after it."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from posology.errors import CannotDo, NotFound
from serving.replay import Replaying, made_by, replay
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
    found = {each.decision_id: each.differences for each in Replaying(release, sqlite_store).all()}
    assert found == dict.fromkeys([*decided, answered.json()["decision_id"]], ())


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
    assert {name: set(ids) for name, ids in made_by(url).items()} == {release.name: set(decided)}
    assert made_by(url, decided[2]) == {release.name: [decided[2]]}
    with pytest.raises(NotFound, match="no decision"):
        made_by(url, "nobody")


def test_a_decision_made_elsewhere_cannot_be_made_again(decided, sqlite_store, release):
    with sqlite_store.engine.begin() as connection:
        mine = decisions.c.decision_id == decided[0]
        connection.execute(sa.update(decisions).where(mine).values(seed=None, ranking=None))
    with pytest.raises(CannotDo, match="made elsewhere"):
        made_by(str(sqlite_store.engine.url), decided[0])
    assert set(made_by(str(sqlite_store.engine.url))[release.name]) == set(decided[1:])

"""A clinician gives another content: recorded as such, told by the shield, and no policy's doing."""

import dataclasses

import numpy as np
import pytest

from models.offpolicy.choices import LoggedChoices
from models.offpolicy.propensities import propensities_of
from models.release import save_release
from posology.tables import catalogue_of
from serving.app import create_app
from serving.replay import replay
from serving.settings import ServiceSettings

ASK = {"user_id": "ada", "context": {"sleep_hours": 7}, "candidates": ["slow", "deep"]}
TOKEN = "a token for tests"
WHO = {"by": "Dr. Who", "reason": "asked for it"}


def override(client, decision_id, content_id, **more):
    return client.post("/v1/override", json={"decision_id": decision_id, "content_id": content_id, **WHO, **more})


def refusal(response):
    error = response.json()["error"]
    return response.status_code, error["code"], error.get("field")


@pytest.fixture
def decided(client, enrol):
    enrol("ada")
    return client.post("/v1/recommend", json={**ASK, "seed": 2}).json()


def another(decided):
    return next(each for each in ("slow", "deep") if each != decided["content_id"])


def test_what_was_really_given_is_in_the_course_without_a_probability(client, decided, sqlite_store, release):
    content = "hard"  # the app did not offer it
    answer = override(client, decided["decision_id"], content).json()
    assert (answer["content_id"], answer["instead_of"]) == (content, decided["content_id"])
    session = sqlite_store.snapshot().sessions.row(0, named=True)
    assert (session["content_id"], session["probability"]) == (content, None)
    assert session["release"] == release.name
    assert content in session["eligible"]
    assert sqlite_store.decision(decided["decision_id"]).content_id == decided["content_id"]


def test_the_decision_and_those_after_it_are_made_again_as_they_were(client, decided, sqlite_store, release):
    override(client, decided["decision_id"], another(decided))
    after = client.post("/v1/recommend", json=ASK).json()
    for each in (decided, after):
        assert replay(release, sqlite_store, sqlite_store.decision(each["decision_id"])).equal


def test_what_a_rule_forbids_is_refused(client, enrol, sqlite_store):
    enrol("ada", age=90)
    decided = client.post("/v1/recommend", json=ASK).json()
    refused = override(client, decided["decision_id"], "hard")
    assert refusal(refused) == (422, "invalid", "content_id")
    assert "S001" in refused.json()["error"]["message"]
    assert sqlite_store.course("ada").sessions["content_id"][0] == decided["content_id"]


@pytest.fixture
def lenient(therapy, release, sqlite_store, tmp_path, client):
    """A caller of a service whose therapy lets clinicians override its rule."""
    rule = therapy.safety.rules[0].model_copy(update={"clinician_may_override": True})
    changed = therapy.model_copy(update={"safety": therapy.safety.model_copy(update={"rules": (rule,)})})
    predictors = {"feedback": release.feedback, "status": release.status}
    contents = catalogue_of(changed)
    made = save_release(tmp_path / "lenient", therapy=changed, contents=contents, predictors=predictors, envelope={})
    app = create_app(made, sqlite_store, ServiceSettings(store_url="unused", token=TOKEN))
    return type(client)(app, headers=client.headers)


def test_a_rule_may_let_clinicians_override_it_and_is_told(client, enrol, lenient):
    enrol("ada", age=90)
    decided = client.post("/v1/recommend", json=ASK).json()
    answer = override(lenient, decided["decision_id"], "hard").json()
    assert (answer["reasons"], answer["because"]) == (["S001"], {"S001": "too hard"})


def test_a_cap_is_told_and_not_enforced(client, enrol):
    enrol("ada")
    for _ in range(2):
        last = client.post("/v1/recommend", json={**ASK, "candidates": ["deep"], "seed": 1}).json()
        if last["content_id"] != "deep":
            override(client, last["decision_id"], "deep")
    third = client.post("/v1/recommend", json={**ASK, "candidates": ["slow"], "seed": 1}).json()
    assert override(client, third["decision_id"], "deep").json()["reasons"] == ["CAP_ROW"]


def test_again_changes_nothing_and_otherwise_is_a_conflict(client, decided):
    decision_id, content = decided["decision_id"], another(decided)
    assert [override(client, decision_id, content).status_code for _ in range(2)] == [200, 200]
    assert refusal(override(client, decision_id, content, reason="other")) == (409, "conflict", None)
    assert refusal(override(client, decision_id, "hard")) == (409, "conflict", None)


def test_what_was_shown_is_not_overridden_but_shown_after_it(client, decided, enrol):
    client.post("/v1/activate", json={"decision_id": decided["decision_id"]})
    assert refusal(override(client, decided["decision_id"], another(decided))) == (409, "conflict", None)
    later = client.post("/v1/recommend", json={**ASK, "seed": 4}).json()
    assert override(client, later["decision_id"], another(later)).status_code == 200
    assert client.post("/v1/activate", json={"decision_id": later["decision_id"]}).status_code == 200
    assert override(client, later["decision_id"], another(later)).status_code == 200


def test_an_override_that_says_nothing_new_or_is_of_nothing_is_refused(client, decided):
    same = override(client, decided["decision_id"], decided["content_id"])
    assert refusal(same) == (422, "invalid", "content_id")
    assert refusal(override(client, "nothing", "deep")) == (404, "not_found", None)
    assert refusal(override(client, decided["decision_id"], "no such content")) == (422, "invalid", "content_id")
    assert refusal(override(client, decided["decision_id"], "hard", by="")) == (422, "invalid", "by")


def test_evaluation_weighs_no_override_with_the_policys_probability(client, enrol, sqlite_store, release, therapy):
    """Of two patients' twelve decisions three were overridden: they stay, with their F, and no logged probability."""
    overridden = []
    for user_id in ("ada", "bo"):
        enrol(user_id)
        for seed in range(6):
            made = client.post("/v1/recommend", json={"user_id": user_id, "context": {}, "seed": seed}).json()
            if seed % 4 == 1:
                content = "slow" if made["content_id"] != "slow" else "hard"
                assert override(client, made["decision_id"], content).status_code == 200
                overridden.append(made["decision_id"])
            told = {"decision_id": made["decision_id"], "score": 10 * seed, "completed": True}
            assert client.post("/v1/feedback", json=told).status_code == 200
    tables = sqlite_store.snapshot(release.contents)
    choices = LoggedChoices.of(therapy, dataclasses.replace(tables, contents=release.contents))
    ids = tables.sessions["decision_id"].to_list()
    missing = {ids[row] for row in np.flatnonzero(np.isnan(choices.logged))}
    assert len(choices) == 12
    assert missing == set(overridden)
    assert np.isfinite(choices.reward).all()
    known = propensities_of(choices)
    assert known.is_estimated or np.isnan(known.given).sum() == len(overridden)

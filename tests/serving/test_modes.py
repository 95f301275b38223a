"""Who decides for whom: each arm over HTTP, logged as what it is, and made again bit for bit."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from models.offpolicy import LoggedChoices
from models.release import Release
from posology.errors import CannotDo, Refused, TooSmall
from posology.tables import catalogue_of
from serving import ranking
from serving.alarms import ALARMS, Alarm
from serving.erasure import erase_rows
from serving.modes import shadow
from serving.modes.arms import drawn
from serving.modes.modes import Modes
from serving.modes.outcomes import agreement, outcomes
from serving.modes.plan import Plan, Step
from serving.modes.standing import Beside, Standing
from serving.replay_all import made_by, replay_all
from serving.schema import considered
from serving.store import Store

USERS = 24
SCHEDULED = ["deep", "rest", "rest", "slow"]  # by their ids; "hard" is second, but never for a patient of 90


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "standing.json"


@pytest.fixture
def stand(file: Path, release: Release, other: Release, other_folder: Path) -> Callable[..., Path]:
    """Writes a standing."""

    def write(*, plan: Plan | None = None, beside: Any = None, share: float = 0.0, **more: Any) -> Path:
        about = {"release": other.name, "digest": other.digest, "folder": other_folder, "mode": beside, "share": share}
        known = {"digest": release.digest, "plan": plan or Plan(), "beside": Beside(**about) if beside else None}
        partial = file.with_suffix(".partial")
        partial.write_text(Standing(**{**known, **more}).model_dump_json())
        partial.replace(file)
        return file

    return write


@pytest.fixture
def app_of(client_of: Callable[..., Any], file: Path) -> Iterator[Callable[[], Any]]:
    """Makes a caller of an app with the standing as it is then."""
    made: list[Any] = []

    def make() -> Any:
        made.append(client_of(approval=file))
        return made[-1]

    yield make
    for client in made:
        client.app.modes.close()


def ask_all(client: Any, enrol: Callable[..., None], *, users: int = USERS, times: int = 2) -> list[dict[str, Any]]:
    """The answers to patients who ask and give feedback."""
    for number in range(users):
        enrol(f"u{number}", age=90)
    answers = []
    for number in range(users * times):
        body = {"user_id": f"u{number % users}", "context": {}, "seed": number}
        response = client.post("/v1/recommend", json=body)
        assert response.status_code == 200, response.text
        answers.append(response.json())
        told = {"decision_id": answers[-1]["decision_id"], "score": 50, "completed": True}
        assert client.post("/v1/feedback", json=told).status_code == 200
    return answers


def all_replayed(store: Store, *releases: Release) -> int:
    """How many decisions were made again, all of them the same."""
    named = {release.name: release for release in releases}
    counts = made_by(str(store.engine.url))
    found = [each for name in counts for each in replay_all(named[name], store)]
    assert [each.differences for each in found] == [()] * sum(counts.values())
    return len(found)


def arms(store: Store) -> dict[str, set[str]]:
    """Arm → its patients."""
    found = outcomes(store.engine, store.therapy)
    return {str(arm): set(rows["user_id"]) for (arm,), rows in found.group_by(["arm"])}


def test_an_apprentice_decides_nothing_and_says_what_it_would_have_done(
    app_of, stand, enrol, sqlite_store, release
) -> None:
    stand(plan=Plan(mode="apprentice"))
    client = app_of()
    answers = ask_all(client, enrol, users=1, times=4)
    assert [answer["content_id"] for answer in answers] == SCHEDULED
    assert {answer["source"] for answer in answers} == {"schedule"}
    assert {answer["probability"] for answer in answers} == {1.0}
    assert {answer["release"] for answer in answers} == {release.name}
    client.app.modes.close()
    [told] = agreement(sqlite_store.engine, release.therapy)
    assert (told["release"], told["decided_by"], told["decisions"]) == (release.name, f"{release.name}/schedule", 4)
    assert all_replayed(sqlite_store, release) == 4 + 4  # what it would have done too
    with sqlite_store.engine.begin() as connection:
        connection.execute(sa.update(considered).values(probability=0.123))
    touched = [each.considered for each in replay_all(release, sqlite_store) if each.differences == ("probability",)]
    assert touched == [True] * 4
    stranger = {"user": {"age": 50}, "context": {}, "measurements": [reading()]}
    assert client.post("/v1/rank", json=stranger).json()["source"] == "schedule"


def reading() -> dict[str, Any]:
    return {"measured_at": "2026-02-01T00:00:00Z", "instrument": "PHQ9", "score": 12}


def test_the_comparison_arm_is_stable_and_logged_with_its_probability(
    app_of, stand, enrol, sqlite_store, release
) -> None:
    stand(plan=Plan(comparison_share=0.3))
    ask_all(app_of(), enrol)
    found = arms(sqlite_store)
    assert found["comparison"] == {f"u{n}" for n in range(USERS) if drawn("comparison", "calm", "", f"u{n}") < 0.3}
    assert found["policy"] == {f"u{n}" for n in range(USERS)} - found["comparison"]
    for each in sqlite_store.snapshot().sessions.iter_rows(named=True):
        decision = sqlite_store.decision(each["decision_id"])
        is_scheduled = decision.user_id in found["comparison"]
        assert decision.arm_probability == (0.3 if is_scheduled else 0.7)
        assert decision.release == release.name + "/schedule" * is_scheduled
        assert (decision.probability == 1.0) == is_scheduled
    assert all_replayed(sqlite_store, release) == 2 * USERS


def test_off_policy_evaluation_leaves_out_what_the_schedule_gave(app_of, stand, enrol, sqlite_store, therapy) -> None:
    stand(plan=Plan(comparison_share=0.3))
    ask_all(app_of(), enrol)
    tables = sqlite_store.snapshot(catalogue_of(therapy))
    choices = LoggedChoices.of(therapy, tables)
    explored = set(choices.decisions.tables.sessions[choices.decisions.sessions]["user_id"])
    assert explored == arms(sqlite_store)["policy"]
    only = tables.of_users(sorted(arms(sqlite_store)["comparison"]))
    with pytest.raises(TooSmall):
        LoggedChoices.of(therapy, only)


def test_a_shadow_is_heard_by_nobody(app_of, stand, enrol, sqlite_store, other) -> None:
    stand(beside="shadow")
    client = app_of()
    answers = ask_all(client, enrol, users=3)
    [champion] = {answer["release"] for answer in answers}
    client.app.modes.close()
    [told] = agreement(sqlite_store.engine, sqlite_store.therapy)
    assert champion != other.name
    assert told == {
        "release": other.name,
        "decided_by": champion,
        "decisions": 6,
        "patients": 3,
        "agreement": 1.0,  # the same predictors, the same seed
    }


def test_what_was_considered_for_a_patient_is_erased_with_them(app_of, stand, enrol, sqlite_store, now) -> None:
    stand(beside="shadow")
    client = app_of()
    ask_all(client, enrol, users=2)
    client.app.modes.close()
    assert erase_rows(sqlite_store.engine, "u0", now).removed["considered"] == 2
    [told] = agreement(sqlite_store.engine, sqlite_store.therapy)
    assert told["decisions"] == 2


def test_a_shadow_that_cannot_predict_rings_an_alarm_of_its_own(
    app_of, stand, enrol, sqlite_store, monkeypatch
) -> None:
    stand(beside="shadow")
    client, really, before = app_of(), ranking.choose, ALARMS.counts()

    def breaks_in_the_shadow(by: Release, *arguments: Any, **named: Any) -> Any:
        return really(by, *arguments, **named) if by is not client.app.modes.deciders.beside else 1 / 0

    monkeypatch.setattr(ranking, "choose", breaks_in_the_shadow)
    answers = ask_all(client, enrol, users=2)
    client.app.modes.close()
    assert {answer["source"] for answer in answers} == {"model"}
    rung = {code for code, count in ALARMS.counts().items() if count > before[code]}
    assert rung == {Alarm.SHADOW_FAILED}
    [told] = agreement(sqlite_store.engine, sqlite_store.therapy)
    assert told["decisions"] == 4


def test_a_shadow_that_breaks_or_lags_delays_nobody(app_of, stand, enrol, sqlite_store, monkeypatch) -> None:
    monkeypatch.setattr(shadow, "MOST_WAITING", 1)
    monkeypatch.setattr(shadow, "decide", lambda *_, **__: 1 / 0)
    stand(beside="shadow")
    client = app_of()
    assert len(ask_all(client, enrol, users=3)) == 6
    client.app.modes.close()
    assert agreement(sqlite_store.engine, sqlite_store.therapy) == []


def test_a_canary_has_its_share_and_widens_without_losing_anybody(app_of, stand, enrol, sqlite_store, other) -> None:
    stand(beside="canary", share=0.25)
    client = app_of()
    ask_all(client, enrol)
    first = arms(sqlite_store)["canary"]
    assert first == {f"u{n}" for n in range(USERS) if drawn("canary", other.name, f"u{n}") < 0.25}
    stand(beside="canary", share=0.6)  # while the service runs
    again = [client.post("/v1/recommend", json={"user_id": f"u{n}", "context": {}}).json() for n in range(USERS)]
    wider = {f"u{n}" for n, answer in enumerate(again) if answer["release"] == other.name}
    assert first < wider
    assert all_replayed(sqlite_store, client.app.modes.deciders.champion, other) == 3 * USERS


def test_a_canary_that_is_stopped_decides_for_nobody_from_then_on(app_of, stand, enrol, release, other) -> None:
    stand(beside="canary", share=1.0)
    client = app_of()
    ask_all(client, enrol, users=2)
    stand()
    answers = [client.post("/v1/recommend", json={"user_id": f"u{n}", "context": {}}).json() for n in range(2)]
    assert {answer["release"] for answer in answers} == {release.name}


def test_a_canary_leaves_the_comparison_arm_alone(app_of, stand, enrol, sqlite_store) -> None:
    stand(plan=Plan(comparison_share=0.4), beside="canary", share=1.0)
    ask_all(app_of(), enrol, times=1)
    found = arms(sqlite_store)
    assert set(found) == {"comparison", "canary"}
    shares = {sqlite_store.decision(one).arm_probability for one in sqlite_store.snapshot().sessions["decision_id"]}
    assert shares == {0.4, 0.6}


def test_a_standing_of_another_release_is_refused(stand, sqlite_store, release) -> None:
    with pytest.raises(Refused, match="another release"):
        Modes.open(release, sqlite_store, stand(digest="0" * 64))


def test_what_is_not_what_was_signed_decides_for_nobody(app_of, stand, enrol, release, other) -> None:
    path = stand(beside="canary", share=1.0)
    path.write_text(path.read_text().replace(other.digest, "0" * 64))
    before = ALARMS.counts()
    assert {answer["release"] for answer in ask_all(app_of(), enrol, users=2)} == {release.name}
    assert {code for code, count in ALARMS.counts().items() if count > before[code]} == {Alarm.BESIDE_DAMAGED}


def test_a_standing_lost_while_the_service_runs_changes_nothing(app_of, stand, enrol, file, other) -> None:
    stand(beside="canary", share=1.0)
    client = app_of()
    for ruin in (lambda: file.write_text("{"), file.unlink):
        ruin()
        assert {answer["release"] for answer in ask_all(client, enrol, users=1)} == {other.name}
    stand()
    assert other.name not in {answer["release"] for answer in ask_all(client, enrol, users=1)}


def test_a_damaged_standing_is_said(sqlite_store, release, file) -> None:
    file.write_text("{")
    with pytest.raises(CannotDo, match="damaged"):
        Modes.open(release, sqlite_store, file)


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "canary"},
        {"mode": "shadow", "steps": [{"share": 0.1}]},
        {"mode": "shadow", "comparison_share": 0.1},
        {"mode": "canary", "steps": [{"share": 0.5}, {"share": 0.1}]},
        {"mode": "full", "guards": {"error_share": 0.5}},
        {"comparison_share": 1},
        {"mode": "half"},
    ],
    ids=str,
)
def test_a_plan_that_makes_no_sense_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Plan.model_validate(wrong)


def test_a_plan_says_itself() -> None:
    assert str(Plan()) == "full"
    assert str(Plan(comparison_share=0.1)) == "full, 10% on the schedule"
    assert str(Plan(mode="canary", steps=(Step(share=0.05), Step(share=0.5)))) == "canary 5% → 50%"


def test_draws_are_even_and_stay_the_same() -> None:
    draws = [drawn("comparison", "calm", "", f"user {number}") for number in range(2000)]
    for share in (0.1, 0.5, 0.9):
        assert sum(draw < share for draw in draws) / 2000 == pytest.approx(share, abs=0.035)  # three standard errors
    assert drawn("comparison", "calm", "", "ada") == pytest.approx(0.49, abs=0.51)
    assert drawn("canary", "calm-1", "ada") != drawn("canary", "calm-2", "ada")

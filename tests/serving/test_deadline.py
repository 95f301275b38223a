"""Whatever hangs, breaks or is gone: the patient gets the safe default in time, and somebody is told why."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from models.release import Release
from posology.errors import ServiceDown
from serving import deadline, ranking
from serving.alarms import ALARMS, Alarm
from serving.app import create_app
from serving.database import writing
from serving.keeping.journal import Journal
from serving.replay import replay
from serving.settings import ServiceSettings
from serving.store import Store

Client = Any
ASK = {"user_id": "ada", "context": {"sleep_hours": 7}, "seed": 5}
SESSION = {**ASK, "contents": 3}
PLAN = {"user_id": "ada", "days": 2, "contents_per_day": 2, "seed": 5}
SECONDS = 0.4
TOKEN = "a token for tests"


@pytest.fixture
def journalled(sqlite_store: Store, tmp_path: Path) -> Iterator[Store]:
    """A store with a journal."""
    store = replace(sqlite_store, journal=Journal(tmp_path / "journal", reserved=0), patience=SECONDS)
    yield store
    store.close()


@pytest.fixture
def hurried_by(
    client: Client, enrol: Callable[..., None], release: Release, journalled: Store, now: Any
) -> Iterator[Callable[[float], Client]]:
    """Makes a caller of a service with a deadline, which knows a patient and has decided once."""
    enrol("ada")
    assert client.post("/v1/recommend", json=ASK).json()["source"] == "model"  # and is compiled
    with ExitStack() as opened:

        def make(seconds: float) -> Client:
            settings = ServiceSettings(
                store_url="sqlite:///unused",
                token=TOKEN,
                deadline_seconds=seconds,
                plan_key=journalled.journal.folder / "key",
            )
            app = create_app(release, journalled, settings, clock=lambda: now)
            headers = {"Authorization": f"Bearer {TOKEN}"}
            return opened.enter_context(type(client)(app, headers=headers))  # one loop for all its calls

        yield make


@pytest.fixture
def hurried(hurried_by: Callable[[float], Client]) -> Client:
    """A caller of a service with a short deadline."""
    return hurried_by(SECONDS)


@pytest.fixture
def patient_caller(hurried_by: Callable[[float], Client]) -> Client:
    """A caller of a service that has time, also on a busy machine."""
    return hurried_by(60)


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A predictor that hangs until the event is set."""
    ends = threading.Event()
    monkeypatch.setattr(ranking, "choose", lambda *_, **__: ends.wait(30))
    yield ends
    ends.set()


@contextmanager
def connecting(store: Store, instead: Callable[[], object]) -> Iterator[None]:
    """What happens to whoever asks the database, during the block."""

    def happen(*_of_the_pool: object) -> None:
        instead()

    sa.event.listen(store.engine, "checkout", happen)
    try:
        yield
    finally:
        sa.event.remove(store.engine, "checkout", happen)


def is_gone() -> None:
    """Nobody answers."""
    raise OperationalError("connect", {}, ConnectionRefusedError())


def safe(answer: dict[str, Any], *reasons: str) -> bool:
    """Whether it is the safe default for these reasons."""
    assert (answer["content_id"], answer["probability"], answer["source"]) == ("rest", 1.0, "safe_default")
    return answer["reasons"] == list(reasons)


def test_a_predictor_that_hangs_is_not_waited_for(
    hurried: Client, hang: threading.Event, journalled: Store, release: Release
) -> None:
    before = ALARMS.counts()[Alarm.DEADLINE]
    began = time.monotonic()
    answer = hurried.post("/v1/recommend", json=ASK).json()
    assert time.monotonic() - began < 10 * SECONDS  # a busy machine; without the deadline it is 30 s
    assert safe(answer, "DEADLINE")
    assert ALARMS.counts()[Alarm.DEADLINE] == before + 1
    assert safe(hurried.post("/v1/rank", json={"user": {}, "context": {}, "seed": 3}).json(), "DEADLINE")
    hang.set()
    told = {"decision_id": answer["decision_id"], "score": 1, "completed": True}
    assert hurried.post("/v1/feedback", json=told).status_code == 200
    stored = journalled.decision(answer["decision_id"])
    assert (stored.eligible, stored.seed, stored.course_revision) == (("rest",), 5, None)
    assert replay(release, journalled, stored).equal
    assert journalled.course("ada").sessions.height == 2  # the choice that came too late is not kept


def test_predictors_that_hang_do_not_take_all_threads(
    hang: threading.Event,
) -> None:
    asked, limit = 6, 2
    in_time = deadline.Deadline(1, threads=limit)
    threads = _deciding()

    async def all_at_once() -> list[Any]:
        calls = (in_time.answer(lambda: {"hung": hang.wait(30)}, otherwise) for _ in range(asked))
        answers = list(await asyncio.gather(*calls))
        began = time.monotonic()
        answers.append(await in_time.answer(dict, otherwise))
        assert time.monotonic() - began < deadline.DECIDED_BY  # nobody waits when every thread hangs
        assert _deciding() - threads == limit
        hang.set()
        while "why" in (answer := await in_time.answer(lambda: {"well": True}, otherwise)):
            await asyncio.sleep(0.02)
        return [*answers, answer]

    assert asyncio.run(all_at_once()) == [{"why": "DEADLINE", "is_kept": True}] * (asked + 1) + [{"well": True}]


def otherwise(why: str, *, is_kept: bool) -> dict[str, Any]:
    return {"why": why, "is_kept": is_kept}


def _deciding() -> int:
    return sum(thread.name.startswith("posology-deciding") for thread in threading.enumerate())


def test_a_database_that_is_locked_costs_no_decision(
    hurried_by: Callable[[float], Client], journalled: Store, release: Release
) -> None:
    hurried = hurried_by(3)
    with writing(journalled.engine):  # others may read, nobody may write
        answer = hurried.post("/v1/recommend", json=ASK).json()
        assert answer["source"] == "model"  # and it is in the journal
        told = {"decision_id": answer["decision_id"], "score": 1, "completed": True}
        assert hurried.post("/v1/feedback", json=told).status_code == 503  # it is sent again later
    give_up_at = time.monotonic() + 10
    while hurried.post("/v1/feedback", json=told).status_code == 503:
        assert time.monotonic() < give_up_at
    assert replay(release, journalled, journalled.decision(answer["decision_id"])).equal


def test_a_database_that_is_gone_gives_the_safe_default(patient_caller: Client, journalled: Store) -> None:
    with connecting(journalled, is_gone):
        answer = patient_caller.post("/v1/recommend", json=ASK).json()
        stranger = patient_caller.post("/v1/recommend", json={**ASK, "user_id": "nobody"}).json()
        told = {"decision_id": answer["decision_id"], "score": 1, "completed": True}
        assert patient_caller.post("/v1/feedback", json=told).status_code == 503
    assert safe(answer, "STORE_UNAVAILABLE")
    assert patient_caller.post("/v1/feedback", json=told).status_code == 200
    told = {"decision_id": stranger["decision_id"], "score": 1, "completed": True}
    assert patient_caller.post("/v1/feedback", json=told).status_code == 404


def test_a_safe_default_in_time_is_kept_for_those_who_consent_only(
    hurried: Client, hang: threading.Event, journalled: Store, enrol: Callable[..., None]
) -> None:
    enrol("bo", consent=False)
    with connecting(journalled, lambda: hang.wait(30)):  # nobody can look
        answer = hurried.post("/v1/recommend", json={**ASK, "user_id": "bo"}).json()
    assert safe(answer, "DEADLINE")
    hang.set()
    told = {"decision_id": answer["decision_id"], "score": 1, "completed": True}
    assert hurried.post("/v1/feedback", json=told).status_code == 404
    assert journalled.snapshot().sessions["user_id"].to_list() == ["ada"]


def test_a_decision_that_no_disk_takes_is_not_said_to_be_kept(
    patient_caller: Client, journalled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_full(_: Any) -> None:
        raise ServiceDown("the disk is full")

    before = ALARMS.counts()[Alarm.NOT_KEPT]
    monkeypatch.setattr(journalled.journal, "append", is_full)
    with connecting(journalled, is_gone):
        answer = patient_caller.post("/v1/recommend", json=ASK).json()
    assert safe(answer, "STORE_UNAVAILABLE", "NOT_KEPT")
    assert answer["decision_id"] is None
    assert ALARMS.counts()[Alarm.NOT_KEPT] == before + 1


def test_a_disk_that_hangs_is_not_waited_for(
    hurried: Client, hang: threading.Event, journalled: Store, monkeypatch: Any
) -> None:
    monkeypatch.setattr(journalled.journal, "append", lambda _: hang.wait(30))
    answer = hurried.post("/v1/recommend", json=ASK).json()
    assert safe(answer, "DEADLINE", "NOT_KEPT")
    assert answer["decision_id"] is None


def test_whatever_else_breaks_gives_the_safe_default(patient_caller: Client, journalled: Store, caplog: Any) -> None:
    def broken() -> None:
        raise RuntimeError("SECRET")

    with connecting(journalled, broken):
        assert safe(patient_caller.post("/v1/recommend", json=ASK).json(), "INTERNAL_ERROR")
    assert "alarm INTERNAL_ERROR: RuntimeError at test_deadline.py" in caplog.text
    assert "SECRET" not in caplog.text


def test_what_is_refused_is_refused_all_the_same(patient_caller: Client, hang: threading.Event) -> None:
    assert (
        patient_caller.post("/v1/recommend", json={"user_id": "ada", "context": {"sleep_hours": -1}}).status_code == 422
    )
    assert patient_caller.post("/v1/recommend", json={**ASK, "user_id": "nobody"}).status_code == 404


def test_a_session_whose_predictor_hangs_is_one_of_safe_defaults(
    hurried_by: Callable[[float], Client], hang: threading.Event, journalled: Store, release: Release
) -> None:
    key, hurried = {"Idempotency-Key": "k"}, hurried_by(1.5)
    made = hurried.post("/v1/session-plan", json=SESSION, headers=key).json()["decisions"]
    assert [safe(each, "DEADLINE") for each in made] == [True] * 3
    hang.set()
    assert hurried.post("/v1/session-plan", json=SESSION, headers=key).json()["decisions"] == made
    stored = [journalled.decision(each["decision_id"]) for each in made]
    assert [each.seed for each in stored] == [5, 6, 7]
    assert all(replay(release, journalled, each).equal for each in stored)
    assert journalled.course("ada").sessions.height == 1 + 3


def test_what_of_a_session_was_decided_before_it_hung_is_answered(
    hurried_by: Callable[[float], Client], journalled: Store, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends, really, places = threading.Event(), ranking.choose, iter(range(9))

    def hangs_at_the_second(*arguments: Any, **named: Any) -> Any:
        return ends.wait(30) if next(places) == 1 else really(*arguments, **named)

    monkeypatch.setattr(ranking, "choose", hangs_at_the_second)
    first, *rest = hurried_by(3).post("/v1/session-plan", json=SESSION).json()["decisions"]
    ends.set()
    assert first["source"] == "model"
    assert [safe(each, "DEADLINE") for each in rest] == [True] * 2
    stored = [journalled.decision(each["decision_id"]) for each in (first, *rest)]
    assert all(replay(release, journalled, each).equal for each in stored)
    assert journalled.course("ada").sessions.height == 1 + 3  # nothing is kept that was not answered


def test_a_session_without_a_database_is_one_of_safe_defaults(patient_caller: Client, journalled: Store) -> None:
    with connecting(journalled, is_gone):
        made = patient_caller.post("/v1/session-plan", json=SESSION).json()["decisions"]
    assert [safe(each, "STORE_UNAVAILABLE") for each in made] == [True] * 3
    told = {"decision_id": made[2]["decision_id"], "score": 1, "completed": True}
    assert patient_caller.post("/v1/feedback", json=told).status_code == 200


def test_a_plan_whose_predictor_hangs_is_one_of_safe_defaults_signed_and_kept(
    hurried_by: Callable[[float], Client], hang: threading.Event, journalled: Store, release: Release, now: Any
) -> None:
    before, hurried = ALARMS.counts()[Alarm.DEADLINE], hurried_by(1.5)
    plan = hurried.post("/v1/plan", json=PLAN).json()
    hang.set()
    assert [safe(each, "DEADLINE") for each in plan["decisions"]] == [True] * 4
    assert ALARMS.counts()[Alarm.DEADLINE] == before + 1
    given = {"decision_id": plan["decisions"][1]["decision_id"], "at": now.isoformat()}
    told = hurried.post("/v1/plan/reconcile", json={"signed": plan["signed"], "delivered": [given]}).json()
    assert (told["given"], told["not_given"]) == ([given["decision_id"]], 3)
    assert replay(release, journalled, journalled.decision(given["decision_id"])).equal


def test_a_plan_that_cannot_be_kept_is_not_made(patient_caller: Client, journalled: Store) -> None:
    before = ALARMS.counts()
    with connecting(journalled, is_gone):
        refused = patient_caller.post("/v1/plan", json=PLAN)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
    assert "cannot be reconciled" in refused.json()["error"]["message"]
    rung = {code for code, count in ALARMS.counts().items() if count > before[code]}
    assert rung == {Alarm.STORE_UNAVAILABLE, Alarm.NOT_KEPT}


def test_a_plan_is_not_waited_for_when_the_database_hangs(
    hurried: Client, hang: threading.Event, journalled: Store
) -> None:
    began = time.monotonic()
    with connecting(journalled, lambda: hang.wait(30) and is_gone()):
        refused = hurried.post("/v1/plan", json=PLAN)
    assert time.monotonic() - began < 10 * SECONDS
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")

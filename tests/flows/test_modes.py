"""A release is used as people signed for it: beside the champion or in its place, and stopped without asking."""

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.beside import STARTED, STOPPED, WIDENED
from flows.champion import Chosen, ServedChampion, Serving
from flows.cli.modes import modes
from flows.cli.review import plan_from
from flows.home import Home
from flows.promotion import Promotion
from flows.release_version import ReleaseVersion
from flows.review import Review
from flows.settings import Settings
from flows.watch import watch_canary
from posology.audit import AuditLog
from posology.errors import CannotDo, NotFound, NotSigned, ServiceDown
from serving import schema
from serving.modes.plan import Guards, Plan, Step
from serving.modes.standing import Standing
from serving.records import Decision, Feedback, User
from serving.running import Served
from serving.store import Store

DAY = timedelta(days=1)
CANARY = Plan(mode="canary", steps=(Step(share=0.1, days=2, decisions=20), Step(share=0.5)))
SHADOW = Plan(mode="shadow")
Used = Callable[..., ReleaseVersion]


@pytest.fixture
def used(promotion: Promotion, candidate: Callable[..., ReleaseVersion], review: Review, now: datetime) -> Used:
    """Signs release N for a plan and promotes it on day N, without a bundle."""

    def make(number: int, plan: Plan | None = None, name: str = "Reviewer") -> ReleaseVersion:
        version, at = candidate(number), now + number * DAY
        facts = {"name": name, "meaning": "approve", "reason": "I read it", "plan": plan or Plan()}
        review.sign(version.release, **facts, now=at - DAY / 2)
        return promotion.switch(promotion.check_approval("calm"), "bundle:1", by="Ops", now=at)

    return make


def standing(promotion: Promotion, version: ReleaseVersion) -> Standing:
    return Standing.model_validate_json(promotion.approval_file(version).read_text())


def kinds(home: Home) -> list[str]:
    return [record.kind for record in AuditLog(home.audit_log).records() if record.kind.startswith("beside.")]


def test_what_is_signed_for_the_shadow_runs_beside_the_champion(promotion: Promotion, used: Used) -> None:
    first, second = used(1), used(2, SHADOW)
    assert promotion.live("calm").version == first.version
    running = promotion.beside("calm")
    assert running
    assert (running.release, running.champion, running.share) == (second.release, first.version, 0.0)
    told = standing(promotion, first).beside
    assert told
    assert (told.release, told.mode, told.digest) == (second.release, "shadow", second.tags["release_digest"])


def test_the_champion_ends_what_runs_beside_it_when_another_takes_its_place(promotion: Promotion, used: Used) -> None:
    _, second, third = used(1), used(2, SHADOW), used(3)
    assert promotion.beside("calm") is None
    [ran] = promotion.ran_beside("calm")
    assert (ran.release, ran.ended) == (second.release, f"{third.release} became champion")
    assert standing(promotion, third).beside is None


def test_a_canary_may_be_signed_into_the_champions_place(promotion: Promotion, used: Used) -> None:
    used(1)
    used(2, CANARY)
    second = used(2)
    assert promotion.live("calm").version == second.version
    assert promotion.beside("calm") is None


def test_a_change_of_plan_is_signed_and_then_promoted(
    promotion: Promotion, used: Used, review: Review, now: datetime
) -> None:
    first = used(1, Plan(mode="apprentice"))
    assert standing(promotion, first).plan.mode == "apprentice"
    plan = Plan(comparison_share=0.1)
    review.sign(first.release, name="Grace", meaning="approve", reason="it may decide", now=now + 2 * DAY, plan=plan)
    promotion.write_standing("calm", now + 2 * DAY)
    assert standing(promotion, first).plan.mode == "apprentice"  # signed, not yet promoted
    promotion.switch(promotion.check_approval("calm", first.release), "bundle:1", by="Ops", now=now + 3 * DAY)
    assert standing(promotion, first).plan == plan
    assert [str(reign.plan) for reign in promotion.history("calm")] == ["apprentice", "full, 10% on the schedule"]
    with pytest.raises(NotFound, match="no previous champion"):
        promotion.rollback("calm", reason="worse", by="Ada", now=now + 4 * DAY)


def test_people_must_approve_the_same_plan(
    home: Home, settings: Settings, promotion: Promotion, candidate: Any, now: datetime
) -> None:
    strict = settings.model_copy(update={"required_approvals": 2})
    review = Review(home, strict, promotion.registry)
    version = candidate()

    def sign(name: str, plan: Plan, hours: int) -> str:
        at = now + timedelta(hours=hours)
        review.sign(version.release, name=name, meaning="approve", reason="read", now=at, plan=plan)
        found = review.show(version.release)
        return str(found.plan or found.missing)

    assert "needs 2 approval" in sign("Ada", SHADOW, 1)
    assert "for different plans" in sign("Grace", Plan(), 2)
    assert sign("Grace", SHADOW, 3) == "shadow"
    assert sign("Ada", Plan(), 4) == "shadow"  # Grace's approval of it has lapsed
    assert sign("Grace", Plan(), 5) == "full"


def test_a_plan_cannot_be_changed_after_it_was_signed(
    promotion: Promotion, used: Used, candidate: Any, review: Review
) -> None:
    used(1)
    version = candidate(2)
    signed = review.sign(
        version.release, name="Ada", meaning="approve", reason="read", now=version.created_at, plan=SHADOW
    )
    forged = signed.model_copy(update={"reviewed": {**signed.reviewed, "plan": Plan(mode="apprentice").text}})
    assert signed.is_authentic()
    assert not forged.is_authentic()
    assert json.loads(signed.plan)["mode"] == "shadow"


def test_a_champion_cannot_run_beside_itself(promotion: Promotion, used: Used) -> None:
    used(1)
    with pytest.raises(CannotDo, match="beside itself"):
        used(1, SHADOW)
    with pytest.raises(NotFound, match="Nothing runs beside"):
        promotion.stop_beside("calm", reason="no", by="Ada", now=datetime.now().astimezone())


def test_nothing_runs_beside_without_a_champion(used: Used) -> None:
    with pytest.raises(NotFound, match="no champion"):
        used(1, SHADOW)


def test_what_runs_beside_and_is_rejected_is_stopped(
    promotion: Promotion, used: Used, review: Review, now: datetime
) -> None:
    first, second = used(1), used(2, CANARY)
    review.sign(second.release, name="Grace", meaning="reject", reason="it hurts", now=now + 3 * DAY)
    promotion.write_standing("calm", now + 3 * DAY)
    assert standing(promotion, first).beside is None
    [ran] = promotion.ran_beside("calm")
    assert "rejected by Grace" in ran.ended


def test_a_stop_needs_a_reason_and_no_signature(promotion: Promotion, used: Used, home: Home, now: datetime) -> None:
    first, _ = used(1), used(2, CANARY)
    with pytest.raises(CannotDo, match="reason"):
        promotion.stop_beside("calm", reason=" ", by="Ada", now=now + 3 * DAY)
    promotion.stop_beside("calm", reason="a complaint", by="Ada", now=now + 3 * DAY)
    assert standing(promotion, first).beside is None
    assert kinds(home) == [STARTED, STOPPED]
    [ran] = promotion.ran_beside("calm")
    assert ran.ended == "a complaint (Ada)"
    assert AuditLog(home.audit_log).verify()


def test_a_stop_reaches_the_service_though_the_champion_was_rejected(
    promotion: Promotion, used: Used, review: Review, now: datetime
) -> None:
    first, _ = used(1), used(2, CANARY)
    review.sign(first.release, name="Grace", meaning="reject", reason="it hurts", now=now + 3 * DAY)
    promotion.stop_beside("calm", reason="it hurts too", by="Ada", now=now + 3 * DAY)
    assert standing(promotion, first).beside is None


@pytest.fixture
def decide(settings: Settings, calm: Any, now: datetime) -> Callable[..., None]:
    """Keeps 300 decisions of 100 patients, a third of them the canary's, with feedback."""

    def make(release: str, *, canary_score: float, errors: int = 0) -> None:
        rng = np.random.default_rng(3)
        at, here = now + 2.5 * DAY, {"therapy": "calm", "revision": 1, "recorded_at": now + 2.5 * DAY}
        patients = [User(f"u{number}", now, None, consent=True, declared={"age": 50.0}) for number in range(100)]
        made, came = [], []
        for number in range(300):
            is_canary = number % 100 < 33
            made.append(
                Decision(
                    decision_id=f"d{number}",
                    user_id=f"u{number % 100}",
                    decided_at=at,
                    content_id="slow",
                    eligible=("rest", "slow"),
                    probability=0.5,
                    release=release if is_canary else "calm-1",
                    context={},
                    source="model",
                    reasons=("PREDICTION_FAILED",) if is_canary and number < errors else (),
                    seed=number,
                    arm="canary" if is_canary else "policy",
                )
            )
            score = float(np.clip((canary_score if is_canary else 60) + rng.normal(0, 10), 0, 100))
            came.append(Feedback(f"d{number}", at + 0.1 * DAY, {"score": score}))
        with closing(Store.open(settings.store_url, calm)) as store, store.engine.begin() as connection:
            for table, rows in ((schema.users, patients), (schema.decisions, made), (schema.feedback, came)):
                connection.execute(table.insert(), [{**row.as_row(), **here} for row in rows])

    return make


def test_a_canary_that_does_worse_is_stopped_by_its_guard(
    promotion: Promotion, used: Used, decide: Callable[..., None], home: Home, now: datetime
) -> None:
    first, second = used(1), used(2, CANARY)
    assert watch_canary(promotion, "calm", now + 2.2 * DAY) == ""
    decide(second.release, canary_score=40)
    assert "stopped: mean F differs" in watch_canary(promotion, "calm", now + 2.7 * DAY)
    assert standing(promotion, first).beside is None
    stopped = [record.facts for record in AuditLog(home.audit_log).records() if record.kind == STOPPED]
    assert [(one["by"], one["release"]) for one in stopped] == [("guard", second.release)]
    assert watch_canary(promotion, "calm", now + 2.8 * DAY) == ""


def test_a_canary_widens_when_its_step_is_done(
    promotion: Promotion, used: Used, decide: Callable[..., None], home: Home, now: datetime
) -> None:
    first, second = used(1), used(2, CANARY)
    assert watch_canary(promotion, "calm", now + 9 * DAY) == ""  # the days are over, but it decided nothing
    decide(second.release, canary_score=60)
    assert watch_canary(promotion, "calm", now + 3 * DAY) == ""
    assert "widens to 50%" in watch_canary(promotion, "calm", now + 5 * DAY)
    told = standing(promotion, first).beside
    assert told
    assert told.share == 0.5
    assert watch_canary(promotion, "calm", now + 99 * DAY) == ""  # the last step lasts until people decide
    assert kinds(home) == [STARTED, WIDENED]


def test_errors_stop_a_canary(promotion: Promotion, used: Used, decide: Callable[..., None], now: datetime) -> None:
    used(1)
    second = used(2, CANARY.model_copy(update={"guards": Guards(error_share=0.05)}))
    decide(second.release, canary_score=60, errors=10)
    assert "errors, at most 5.0% allowed" in watch_canary(promotion, "calm", now + 2.7 * DAY)


def test_a_release_that_lost_its_signatures_is_not_promoted_by_its_plan(
    promotion: Promotion, candidate: Any, review: Review, now: datetime
) -> None:
    version = candidate(1)
    review.sign(version.release, name="Author", meaning="approve", reason="mine", now=now, plan=Plan())
    with pytest.raises(NotSigned, match="cannot be the only one to sign"):
        promotion.switch(version, "bundle:1", by="Ops", now=now + DAY)


def test_the_report_says_who_decides_for_whom(
    promotion: Promotion, used: Used, decide: Callable[..., None], calm_file: Path, capsys: Any
) -> None:
    first, second = used(1), used(2, CANARY)
    decide(second.release, canary_score=60)
    modes(str(calm_file), watch=False, stop=None, home=promotion.home.root, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["champion"], told["beside"]["release"]) == (first.release, second.release)
    assert {arm["arm"]: (arm["patients"], arm["decisions"]) for arm in told["arms"]} == {
        "canary": (33, 99),
        "policy": (67, 201),
    }
    assert told["guards"]["stop"] == ""
    modes(str(calm_file), watch=False, stop="seen enough", home=promotion.home.root)
    said = capsys.readouterr().out
    assert f"{second.release} no longer runs beside the champion." in said
    assert "seen enough" in said


@pytest.mark.parametrize("text", ["mode: shadow", "{mode: shadow}", "file"])
def test_a_plan_is_yaml_or_a_file_of_it(text: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("mode: shadow")
    assert plan_from(str(file) if text == "file" else text) == SHADOW


@pytest.mark.parametrize("text", ["shadow", "mode: [", "mode: half", "", "no such file.yaml"])
def test_a_plan_that_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(CannotDo, match="plan"):
        plan_from(text)


class Unbuilt(Promotion):
    """Promotions whose bundles are names alone."""

    def build(self, version: ReleaseVersion) -> str:
        return f"calm:{version.version}"


class Begun(Served):
    """Writes down what was begun."""

    def __init__(self) -> None:
        self.bundles: list[str] = []

    def begin(self, tag: str, env: Mapping[str, str]) -> None:
        if tag == "calm:3":
            raise ServiceDown("calm:3 did not become ready")
        assert Standing.model_validate_json(Path(env["POSOLOGY_APPROVAL"]).read_text())
        self.bundles.append(tag)


def test_a_service_follows_what_is_promoted_and_goes_on_where_it_cannot(
    promotion: Promotion, used: Used, now: datetime
) -> None:
    first, told = used(1), []
    chosen, begun = Chosen(Unbuilt(promotion.home, promotion.settings, promotion.registry), "calm", {}), Begun()
    served = ServedChampion("http://here", "token", "there", begun, chosen.now(), chosen, tell=told.append)
    served.follow()
    assert begun.bundles == []
    second = used(2, SHADOW)
    served.follow()  # the same champion again, to load what watches it
    promotion.stop_beside("calm", reason="seen enough", by="Ada", now=now + 2.5 * DAY)
    served.follow()  # nothing to load
    assert begun.bundles == ["calm:1"]
    used(2)
    served.follow()
    assert (served.release, begun.bundles) == (second.release, ["calm:1", "calm:2"])
    used(3)
    with pytest.raises(ServiceDown):
        served.follow()
    assert served.release == second.release
    promotion.rollback("calm", reason="it does not start", by="Ada", now=now + 4 * DAY)
    served.follow()
    assert (served.release, begun.bundles) == (second.release, ["calm:1", "calm:2"])
    assert [line.split()[0] for line in told] == [first.release, second.release]


def test_a_process_goes_on_when_only_something_beside_it_ended() -> None:
    now = Serving("calm-1", "calm:1", "full", "calm-2 as canary", {})
    assert now.serves(Serving("calm-1", "calm:1", "full", None, {}))
    assert now.serves(Serving("calm-1", "calm:1", "full", "calm-2 as canary", {}))
    assert not now.serves(Serving("calm-1", "calm:1", "full", "calm-3 as canary", {}))
    assert not now.serves(Serving("calm-1", "calm:1", "apprentice", None, {}))
    assert not now.serves(Serving("calm-3", "calm:3", "full", None, {}))

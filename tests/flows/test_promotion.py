"""Only what passed, is whole and is signed becomes champion, in one step that a kill cannot tear."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from flows.history import MOVED, MOVING, STAYED
from flows.home import Home
from flows.promotion import Promotion
from flows.registry import Registry
from flows.release_version import ReleaseVersion
from posology.audit import AuditLog
from posology.errors import CannotDo, NotFound, NotSigned, Refused
from posology.guardrails.finding import Verdict

Candidate = Callable[..., ReleaseVersion]
Sign = Callable[..., None]
Crown = Callable[[int], ReleaseVersion]
DAY = timedelta(days=1)


@pytest.fixture
def crown(promotion: Promotion, candidate: Candidate, sign: Sign, now: datetime) -> Crown:
    """Makes release N champion on day N, without a bundle."""

    def make(number: int) -> ReleaseVersion:
        sign(candidate(number))
        return promotion.switch(promotion.check_approval("calm"), "bundle:1", by="Ops", now=now + number * DAY)

    return make


def kinds(home: Home) -> list[str]:
    return [record.kind for record in AuditLog(home.audit_log).records() if record.kind.startswith("champion.")]


def champion(registry: Registry) -> str:
    found = registry.champion("calm")
    assert found
    return found.version


def test_a_signed_release_is_built_probed_and_made_champion(
    promotion: Promotion, candidate: Candidate, sign: Sign, home: Home, now: datetime
) -> None:
    version = candidate()
    sign(version)
    promoted = promotion.promote("calm", by="Ops", now=now)
    assert "champion" in promoted.aliases
    assert promoted.tags["bundle"].startswith("posology-calm:")
    assert list((home.bento / "bentos").rglob("bento.yaml"))
    assert list((home.root / "work").iterdir()) == []
    assert promotion.live("calm") == promoted
    shown = json.loads(promotion.approval_file(promoted).read_text())
    assert shown["since"] == now.isoformat()
    assert [one["name"] for one in shown["signatures"]] == ["Reviewer"]

    golden = Path(version.source) / "golden.json"
    golden.write_text(golden.read_text().replace('"content_id": "slow"', '"content_id": "other"'))
    with pytest.raises(Refused, match="does not answer as the release did"):
        promotion.probe(version, promoted.tags["bundle"])


def test_nothing_is_promoted_without_a_candidate(promotion: Promotion, now: datetime) -> None:
    with pytest.raises(NotFound, match="posology retrain calm"):
        promotion.promote("calm", by="Ops", now=now)


def test_nothing_is_promoted_without_signatures(
    promotion: Promotion, candidate: Candidate, registry: Registry, now: datetime
) -> None:
    version = candidate()
    with pytest.raises(NotSigned, match="needs 1 approval"):
        promotion.promote("calm", by="Ops", now=now)
    with pytest.raises(NotSigned, match="needs 1 approval"):
        promotion.switch(version, "bundle:1", by="Ops", now=now)
    assert registry.champion("calm") is None


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INSUFFICIENT])
def test_nothing_is_promoted_that_did_not_pass(promotion: Promotion, candidate: Candidate, verdict: Verdict) -> None:
    candidate(verdict=verdict)
    with pytest.raises(Refused, match=f"the guardrails say {verdict}"):
        promotion.check_approval("calm")


def test_a_verdict_changed_by_hand_is_seen(promotion: Promotion, candidate: Candidate, registry: Registry) -> None:
    version = candidate(verdict=Verdict.FAIL)
    registry.tag(version, "verdict", "pass")
    with pytest.raises(Refused, match=r"verdict in .* differ from the registry"):
        promotion.check_approval("calm")


def test_a_reject_between_check_and_switch_is_heard(
    promotion: Promotion, candidate: Candidate, sign: Sign, registry: Registry, now: datetime
) -> None:
    sign(candidate())
    version = promotion.check_approval("calm")
    sign(version, "Grace", "reject")
    with pytest.raises(NotSigned, match="rejected by Grace"):
        promotion.switch(version, "bundle:1", by="Ops", now=now)
    assert registry.champion("calm") is None


def test_promoting_the_champion_again_changes_nothing(promotion: Promotion, crown: Crown, home: Home) -> None:
    version = crown(1)
    promotion.switch(version, "bundle:1", by="Ops", now=version.created_at)
    assert kinds(home) == [MOVING, MOVED]


def test_rollbacks_go_back_one_champion_at_a_time(
    promotion: Promotion, crown: Crown, registry: Registry, now: datetime
) -> None:
    for number in (1, 2, 3):
        crown(number)
    assert promotion.rollback("calm", reason="worse", by="Ada", now=now + 4 * DAY).version == "2"
    assert promotion.rollback("calm", reason="still", by="Ada", now=now + 5 * DAY).version == "1"
    with pytest.raises(NotFound, match="no previous champion"):
        promotion.rollback("calm", reason="still", by="Ada", now=now + 6 * DAY)
    assert champion(registry) == "1"


def test_a_rollback_needs_a_reason_and_something_to_go_back_to(promotion: Promotion, now: datetime) -> None:
    with pytest.raises(CannotDo, match="reason"):
        promotion.rollback("calm", reason="", by="Ada", now=now)
    with pytest.raises(NotFound, match="no previous champion"):
        promotion.rollback("calm", reason="worse", by="Ada", now=now)


def test_a_rollback_asks_for_the_signatures_again(
    promotion: Promotion, crown: Crown, sign: Sign, registry: Registry, now: datetime
) -> None:
    first, _ = crown(1), crown(2)
    sign(first, "Grace", "reject")
    with pytest.raises(NotSigned, match="rejected by Grace"):
        promotion.rollback("calm", reason="worse", by="Ada", now=now + 4 * DAY)
    assert champion(registry) == "2"


def test_history_tells_what_was_live_when_and_by_whose_hand(promotion: Promotion, crown: Crown, now: datetime) -> None:
    first, second = crown(1), crown(2)
    promotion.rollback("calm", reason="worse", by="Ada", now=now + 3 * DAY)
    told = [(one.release, one.how, one.by, one.reason, one.approved_by) for one in promotion.history("calm")]
    assert told == [
        (first.release, "promote", "Ops", "signed", ("Reviewer",)),
        (second.release, "promote", "Ops", "signed", ("Reviewer",)),
        (first.release, "rollback", "Ada", "worse", ("Reviewer",)),
    ]
    assert promotion.history("calm", at=now) == []
    live_at = {day: promotion.history("calm", at=now + day * DAY)[0].version for day in (1, 1.5, 2, 2.5, 3, 9)}
    assert live_at == {1: "1", 1.5: "1", 2: "2", 2.5: "2", 3: "1", 9: "1"}
    assert promotion.history("other") == []


def killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_killed_before_the_switch_the_old_champion_stays_and_the_log_says_so(
    promotion: Promotion, crown: Crown, registry: Registry, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    crown(1)
    with monkeypatch.context() as patch:
        patch.setattr(registry, "make_champion", killed)
        with pytest.raises(KeyboardInterrupt):
            crown(2)
    assert champion(registry) == "1"
    assert promotion.live("calm").version == "1"
    crown(3)
    assert kinds(home) == [MOVING, MOVED, MOVING, STAYED, MOVING, MOVED]
    assert [reign.version for reign in promotion.history("calm")] == ["1", "3"]


def test_killed_right_after_the_switch_the_log_is_completed(
    promotion: Promotion, crown: Crown, home: Home, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    crown(1)
    append = AuditLog.append
    with monkeypatch.context() as patch:
        patch.setattr(
            AuditLog, "append", lambda log, kind, *about: killed() if kind == MOVED else append(log, kind, *about)
        )
        with pytest.raises(KeyboardInterrupt):
            crown(2)
    assert promotion.live("calm").version == "2"
    promotion.rollback("calm", reason="worse", by="Ada", now=now + 4 * DAY)
    assert kinds(home) == [MOVING, MOVED, MOVING, MOVED, MOVING, MOVED]
    assert [reign.version for reign in promotion.history("calm")] == ["1", "2", "1"]


def test_killed_in_the_middle_of_a_rollback_a_further_one_is_still_possible(
    promotion: Promotion, crown: Crown, registry: Registry, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    for number in (1, 2, 3):
        crown(number)
    point = registry._point
    with monkeypatch.context() as patch:
        patch.setattr(
            registry, "_point", lambda alias, version: killed() if alias == "previous" else point(alias, version)
        )
        with pytest.raises(KeyboardInterrupt):
            promotion.rollback("calm", reason="worse", by="Ada", now=now + 4 * DAY)
    assert promotion.live("calm").version == "2"
    assert promotion.rollback("calm", reason="still", by="Ada", now=now + 5 * DAY).version == "1"


def test_a_champion_set_by_hand_is_not_live_until_it_is_promoted(
    promotion: Promotion, crown: Crown, candidate: Candidate, registry: Registry
) -> None:
    crown(1)
    registry.make_champion(candidate(2))
    with pytest.raises(Refused, match="outside posology"):
        promotion.live("calm")
    crown(2)
    assert promotion.live("calm").version == "2"


def test_without_a_champion_nothing_is_live(promotion: Promotion) -> None:
    with pytest.raises(NotFound, match="posology promote calm"):
        promotion.live("calm")

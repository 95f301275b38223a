"""A plan made, kept and signed; and what of it was really given, once the phone has network again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from models.release import Release
from posology.errors import Conflict, NotFound, ServiceDown
from serving.alarms import ALARMS, Alarm
from serving.deadline import claim
from serving.deciding.again import KEY_HEADER, id_of
from serving.modes.arms import Arm
from serving.modes.modes import Modes
from serving.plans.planning import Planned, Terms, planned, planned_safely
from serving.plans.signing import PlanKey
from serving.problems import RequestError, refuse_without
from serving.ranking import answer, draw_seed
from serving.records import Decision, Plan
from serving.requests import PlanRequest, ReconcileRequest
from serving.store import Store

CLOCKS_MAY_DIFFER = timedelta(minutes=5)
AHEAD = timedelta(days=30)  # that a plan may begin
UNKEPT = "no plan can be kept now, and what is not kept cannot be reconciled; ask again later"
Planning = Callable[[Arm, int, Terms], Sequence[Planned]]  # takes the course's revision


@dataclass(frozen=True)
class Plans:
    """The plans of a release's patients. ``key`` is None in a service that signs none."""

    release: Release
    store: Store
    modes: Modes
    key: PlanKey | None

    def make(self, asked: PlanRequest, now: datetime, key: str | None) -> dict[str, Any]:
        """A signed plan; the same again for the same key of the same patient.

        Raises:
            NoConsent: the patient has not consented.
            RequestError: this service has no key to sign with, a time cannot be, or the key was used for another
                request.
        """

        def by_release(arm: Arm, revision: int, terms: Terms) -> Sequence[Planned]:
            course = self.store.course(asked.user_id, self.release.contents, revision=revision)
            return planned(arm.decider, course, terms, now=now)

        return self._made(asked, now, key, by_release, claim)

    def make_otherwise(
        self, asked: PlanRequest, now: datetime, key: str | None, why: Alarm, *, is_kept: bool
    ) -> dict[str, Any]:
        """A signed plan of safe defaults, because something broke.

        Raises:
            ServiceDown: it cannot be kept.
        """

        def safely(arm: Arm, _revision: int, terms: Terms) -> Sequence[Planned]:
            return planned_safely(arm.decider, terms, why.value)

        if not is_kept:
            raise ServiceDown(UNKEPT)
        try:
            return self._made(asked, now, key, safely, _in_any_time)
        except ServiceDown as error:
            ALARMS.ring(Alarm.NOT_KEPT, f"a plan: {error}")
            raise ServiceDown(UNKEPT) from error

    def reconcile(self, asked: ReconcileRequest, now: datetime) -> dict[str, Any]:
        """Keep what was given as decisions that were made and shown then; again it changes nothing.

        Raises:
            RequestError: not a plan of this service, changed since, or given before its day or after the plan.
            NotFound: the plan is not in the store.
            Conflict: something was given at another time by an earlier call.
        """
        plan = self._authentic(asked.signed)
        places = {item["decision_id"]: place for place, item in enumerate(plan.document["decisions"])}
        end = datetime.fromisoformat(plan.document["expires_at"])
        given_at: dict[str, datetime] = {}
        for number, (decision_id, at) in enumerate(asked.delivered.items()):
            if decision_id not in places:
                raise RequestError("is not in the plan", field=f"delivered[{number}].decision_id")
            begin = datetime.fromisoformat(plan.document["decisions"][places[decision_id]]["not_before"])
            given_at[decision_id] = _possible(at, begin, end, now, f"delivered[{number}].at")
        for decision_id, at in sorted(given_at.items(), key=lambda item: (item[1], places[item[0]])):
            self.store.add_decision(_decision(plan, places[decision_id], at))
            self.store.activate(decision_id, at)
        given = [decision_id for decision_id in places if self._is_kept(decision_id)]
        return {"plan_id": plan.plan_id, "given": given, "not_given": len(places) - len(given)}

    def user_of(self, asked: ReconcileRequest) -> str:
        """Whose plan it is."""
        return self._authentic(asked.signed).user_id

    def _beginning(self, starts_at: datetime | None, now: datetime) -> datetime:
        if starts_at is None:
            return now
        if starts_at < now - CLOCKS_MAY_DIFFER:
            raise RequestError("lies in the past", field="starts_at")
        if starts_at > now + AHEAD:
            raise RequestError(f"lies more than {AHEAD.days} days ahead", field="starts_at")
        return max(starts_at, now)

    def _made(
        self,
        asked: PlanRequest,
        now: datetime,
        key: str | None,
        planning: Planning,
        seconds: Callable[[], float | None],
    ) -> dict[str, Any]:
        refuse_without(self.store.user(asked.user_id).consents(now))
        plan_id = id_of(asked.user_id, key, "plan")
        found = self._made_before(plan_id, asked) if key else None
        if found:
            return dict(found.document)
        starts_at = self._beginning(asked.starts_at, now)
        plan = self._planned(asked, plan_id, starts_at, now, planning)
        try:
            self.store.add_plan(plan, patience=seconds())
        except Conflict:  # the same request came twice at once, and the other one was quicker
            plan = self._made_before(plan_id, asked) or plan
        return dict(plan.document)

    def _planned(
        self, asked: PlanRequest, plan_id: str, starts_at: datetime, now: datetime, planning: Planning
    ) -> Plan:
        seed = draw_seed() if asked.seed is None else asked.seed
        terms = Terms(asked.days, asked.contents_per_day, starts_at, asked.context, asked.candidates, seed)
        arm, revision = self.modes.arm(asked.user_id), self.store.revision(asked.user_id)
        made = planning(arm, revision, terms)
        answers = [answer(arm.decider, each.choice) for each in made]
        document = {
            "plan_id": plan_id,
            "user_id": asked.user_id,
            "release": arm.decider.name,
            "issued_at": now.isoformat(),
            "expires_at": terms.ends_at.isoformat(),
            "decisions": [
                _told(plan_id, place, each, told) for place, (each, told) in enumerate(zip(made, answers, strict=True))
            ],
        }
        return Plan(
            plan_id=plan_id,
            user_id=asked.user_id,
            issued_at=now,
            release=arm.logged_as,
            arm=arm.name,
            arm_probability=arm.probability,
            request=terms.as_json(),
            document={**document, "signed": self._signing_key.sign(document)},
            rankings=tuple(told["ranking"] for told in answers),
            course_revision=revision,
        )

    def _made_before(self, plan_id: str, asked: PlanRequest) -> Plan | None:
        try:
            plan = self.store.plan(plan_id)
        except NotFound:
            return None
        terms = Terms.from_json(plan.request)
        is_same = (
            (asked.days, asked.contents_per_day, asked.context, asked.candidates)
            == (terms.days, terms.contents_per_day, terms.context, terms.candidates)
            and asked.seed in {None, terms.seed}
            and (asked.starts_at is None or max(asked.starts_at, plan.issued_at) == terms.starts_at)
        )
        if not is_same:
            raise RequestError("was used for another request; a new request needs a new key", field=KEY_HEADER)
        return plan

    def _authentic(self, signed: str) -> Plan:
        told = self._signing_key.read(signed)
        if told is None:
            raise RequestError("is not a plan that this service signed, or was changed since", field="signed")
        return self.store.plan(told["plan_id"])

    @property
    def _signing_key(self) -> PlanKey:
        if self.key is None:
            message = "this service signs no plans; set POSOLOGY_PLAN_KEY to the file of its key"
            raise RequestError(message, status=503)  # no alarm: nothing broke
        return self.key

    def _is_kept(self, decision_id: str) -> bool:
        try:
            self.store.decision(decision_id)
        except NotFound:
            return False
        return True


def _in_any_time() -> None:
    """Nobody answers otherwise any more."""


def _told(plan_id: str, place: int, each: Planned, told: dict[str, Any]) -> dict[str, Any]:
    """One decision as the phone has it."""
    own = ("content_id", "probability", "source", "reasons", "message")
    return {
        "decision_id": f"{plan_id}-{place:03d}",
        "not_before": each.not_before.isoformat(),
        "not_after": each.not_after.isoformat(),
        **{name: told[name] for name in own},
    }


def _possible(at: datetime, begin: datetime, end: datetime, now: datetime, field: str) -> datetime:
    """When a planned content was given; its day's beginning, where the phone's clock was a little behind ours.

    One that was given after its day all the same, such as a little after midnight, is kept: it was given.
    """
    if at < begin - CLOCKS_MAY_DIFFER:
        raise RequestError("lies before the content's not_before", field=field)
    if at >= end:
        raise RequestError("lies after the plan's end: it had expired", field=field)
    if at > now + CLOCKS_MAY_DIFFER:
        raise RequestError("lies in the future", field=field)
    return max(at, begin)


def _decision(plan: Plan, place: int, at: datetime) -> Decision:
    """A planned decision as one that was made when its content was given."""
    item, ranking = plan.document["decisions"][place], plan.rankings[place]
    terms = Terms.from_json(plan.request)
    return Decision(
        decision_id=item["decision_id"],
        user_id=plan.user_id,
        decided_at=at,
        content_id=item["content_id"],
        eligible=_eligible(ranking),
        probability=item["probability"],
        release=plan.release,
        context=terms.context,
        source=item["source"],
        reasons=tuple(item["reasons"]),
        seed=terms.seed_of(place),
        candidates=terms.candidates,
        ranking=tuple(ranking),
        course_revision=plan.course_revision,
        plan_id=plan.plan_id,
        arm=plan.arm,
        arm_probability=plan.arm_probability,
        token=plan.token,
    )


def _eligible(ranking: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(row["content_id"] for row in ranking if row["eligible"])

"""What each ``/v1`` call does, free of HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from models.release import Release
from serving.alarms import Alarm
from serving.courses import Courses
from serving.deciding.deciding import Deciding
from serving.deciding.overriding import override
from serving.erasure import erase_rows
from serving.fallback import safe_choice
from serving.modes.modes import Modes
from serving.openapi import document_of
from serving.plans.keeping import Plans
from serving.plans.signing import PlanKey
from serving.problems import RequestError, refuse_without
from serving.ranking import answer, answer_rank, draw_seed
from serving.requests import (
    read_activation,
    read_erasure,
    read_feedback,
    read_measurement,
    read_override,
    read_plan,
    read_recommend,
    read_reconcile,
    read_session_plan,
    read_user,
    read_withdrawal,
)
from serving.shapes import bodies_of, read_time
from serving.store import Store

Body = Mapping[str, Any]
CLOCKS_MAY_DIFFER = timedelta(minutes=5)
DEMO_YEARS = range(1970, 2200)  # far from where times end


@dataclass(frozen=True)
class Calls:
    """The calls on one release and one store. Each takes the body and the time, and gives the answer's body.

    Attributes:
        started_at: when the service began to serve the release.
        plan_key: signs plans for days without network; none are made without it.
        future_is_allowed: a demo's callers set the time, so nothing is too late.
    """

    release: Release
    store: Store
    started_at: datetime
    approval: Path | None = None
    future_is_allowed: bool = False
    plan_key: PlanKey | None = None

    @cached_property
    def courses(self) -> Courses:
        """The courses of the users who were decided for last."""
        return Courses(self.store)

    @cached_property
    def modes(self) -> Modes:
        """Who decides for which patient."""
        return Modes.open(self.release, self.store, self.approval)

    def recommend(self, body: Body, now: datetime, key: str | None = None) -> dict[str, Any]:
        """Decide for a stored user; the decision is on disk before it is answered."""
        asked = read_recommend(self.release, body)
        known = self.courses.of(asked.user_id)
        refuse_without(known.consents(now))
        return self._deciding.once(asked, now, key, known=known)

    def recommend_otherwise(
        self, body: Body, now: datetime, key: str | None, why: Alarm, *, is_kept: bool
    ) -> dict[str, Any]:
        """The safe default for whoever asked to be recommended; without ``decision_id`` when no disk takes it."""
        return self._deciding.otherwise(read_recommend(self.release, body), now, key, why, is_kept=is_kept)

    def rank_otherwise(self, body: Body, _now: datetime, why: Alarm, *, is_kept: bool) -> dict[str, Any]:  # noqa: ARG002
        """The safe default for whoever asked for a rank."""
        return answer(self.release, safe_choice(self.release, _seed_of(body), why.value))

    def session_plan(self, body: Body, now: datetime, key: str | None = None) -> dict[str, Any]:
        """Decide several times for one session; each decision sees those before it as given."""
        asked = read_session_plan(self.release, body)
        self._refuse_without_consent(asked.each.user_id, now)
        return {"decisions": self._deciding.several(asked.each, asked.contents, now, key)}

    def session_plan_otherwise(
        self, body: Body, now: datetime, key: str | None, why: Alarm, *, is_kept: bool
    ) -> dict[str, Any]:
        """What of the session was decided in time, and the safe default for the rest."""
        asked = read_session_plan(self.release, body)
        several = self._deciding.several_otherwise(asked.each, asked.contents, now, key, why, is_kept=is_kept)
        return {"decisions": several}

    def plan(self, body: Body, now: datetime, key: str | None = None) -> dict[str, Any]:
        """Decide for days without network, signed; nothing counts as given until it is reconciled."""
        return self._plans.make(read_plan(self.release, body), now, key)

    def plan_otherwise(
        self, body: Body, now: datetime, key: str | None, why: Alarm, *, is_kept: bool
    ) -> dict[str, Any]:
        """A signed plan of safe defaults, if it can be kept: what is not kept cannot be reconciled."""
        return self._plans.make_otherwise(read_plan(self.release, body), now, key, why, is_kept=is_kept)

    def plan_reconcile(self, body: Body, now: datetime) -> dict[str, Any]:
        """Keep what of a plan was given, and when."""
        asked = read_reconcile(self.release, body)
        last = max(asked.delivered.values(), default=now)
        self._refuse_without_consent(self._plans.user_of(asked), last)
        return self._plans.reconcile(asked, now)

    def override(self, body: Body, now: datetime) -> dict[str, Any]:
        """Keep that a clinician gives another content than the one decided."""
        return override(self.release, self.store, read_override(self.release, body), now)

    def rank(self, body: Body, now: datetime) -> dict[str, Any]:
        """Decide for a user who is not stored; nothing is written."""
        given = {name: value for name, value in body.items() if value is not None}
        return answer_rank(self.modes.of_strangers, {"decided_at": now.isoformat(), "seed": draw_seed(), **given})

    def activate(self, body: Body, now: datetime) -> dict[str, Any]:
        """Keep that a decision's content was shown."""
        decision_id = read_activation(self.release, body)
        self.store.activate(decision_id, now)
        return {"decision_id": decision_id}

    def feedback(self, body: Body, now: datetime) -> dict[str, Any]:
        """Keep what came back after a decision."""
        asked = read_feedback(self.release, body)
        received = asked.received(now)
        if asked.received_at is not None:
            self._refuse_future("received_at", asked.received_at, now)
        decision = self.store.decision(asked.decision_id)
        if asked.received_at is not None and asked.received_at < decision.decided_at:
            raise RequestError("lies before the decision", field="received_at")
        self._refuse_without_consent(decision.user_id, asked.received_at or now)
        self.store.add_feedback(received, time_is_given=asked.received_at is not None)
        return {"decision_id": asked.decision_id}

    def measurements(self, body: Body, now: datetime) -> dict[str, Any]:
        """Keep a reading."""
        measurement = read_measurement(self.release, body)
        self._refuse_future("measured_at", measurement.measured_at, now)
        self._refuse_without_consent(measurement.user_id, measurement.measured_at)
        self.store.add_measurement(measurement)
        return {"user_id": measurement.user_id}

    def users(self, body: Body, now: datetime) -> dict[str, Any]:
        """Keep a patient."""
        user = read_user(self.release, body)
        self._refuse_future("enrolled_at", user.enrolled_at, now)
        self.store.add_user(user)
        return {"user_id": user.user_id}

    def withdraw(self, body: Body, now: datetime) -> dict[str, Any]:
        """Keep that a patient withdrew consent: from then on nothing is decided or kept."""
        user_id, withdrawn_at = read_withdrawal(self.release, body)
        if withdrawn_at is not None:
            self._refuse_future("withdrawn_at", withdrawn_at, now)
        self.store.withdraw_consent(user_id, withdrawn_at or now)
        return {"user_id": user_id}

    def erase(self, body: Body, now: datetime) -> dict[str, Any]:
        """Remove a patient; what files of the home still hold, ``posology erase --pending`` removes."""
        user_id = read_erasure(self.release, body)
        receipt = erase_rows(self.store.engine, user_id, now).receipt()
        self.courses.forget(user_id)
        return receipt

    def about(self) -> dict[str, Any]:
        """What is served: the answer of ``GET /v1/release``."""
        therapy = self.release.therapy
        standing = self.modes.standing
        return {
            "release": self.release.name,
            "digest": self.release.digest,
            "digests": dict(self.release.digests),
            "therapy": {"name": therapy.name, "title": therapy.title, "version": therapy.version},
            "signatures": list(standing.signatures),
            "since": standing.since or self.started_at.isoformat(),
            "plan": standing.plan.model_dump(mode="json"),
            "beside": standing.beside.model_dump(include={"release", "mode", "share"}) if standing.beside else None,
            "plan_key": self.plan_key.public if self.plan_key else None,
        }

    def therapy(self) -> dict[str, Any]:
        """The therapy as its file declares it, with the release's contents: the answer of ``GET /v1/therapy``."""
        declared = self.release.therapy.model_dump(mode="json", exclude_none=True)
        return {**declared, "catalogue": self.release.contents.to_dicts()}

    def openapi(self) -> dict[str, Any]:
        """The calls as an OpenAPI document, with what this release's therapy declares."""
        return document_of(bodies_of(self.release))

    @property
    def _deciding(self) -> Deciding:
        return Deciding(self.release, self.store, self.courses, self.modes)

    @property
    def _plans(self) -> Plans:
        return Plans(self.release, self.store, self.modes, self.plan_key)

    def _refuse_without_consent(self, user_id: str, at: datetime) -> None:
        refuse_without(self.store.user(user_id).consents(at))

    def _refuse_future(self, field: str, time: datetime, now: datetime) -> None:
        if time > now + CLOCKS_MAY_DIFFER and not self.future_is_allowed:
            raise RequestError("lies in the future", field=field)


def moment(header: str | None, now: datetime, *, is_demo: bool) -> datetime:
    """The time a call is answered at: the clock's, or in a demo the one its ``Posology-Now`` header says."""
    if header is None:
        return now
    if not is_demo:
        raise RequestError("is for demonstrations only", field="Posology-Now", status=400)
    told = read_time(header, "Posology-Now", status=400)
    if told.year not in DEMO_YEARS:
        message = f"expected a year from {DEMO_YEARS[0]} to {DEMO_YEARS[-1]}"
        raise RequestError(message, field="Posology-Now", status=400)
    return told


def _seed_of(body: Body) -> int:
    seed = body.get("seed")
    return seed if isinstance(seed, int) else draw_seed()

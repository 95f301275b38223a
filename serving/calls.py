"""What each ``/v1`` call does, free of HTTP."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from models.release import Release
from serving.alarms import Alarm
from serving.courses import Courses
from serving.deadline import keep
from serving.erasure import erase_rows
from serving.fallback import kept, safe_choice, safe_decision
from serving.fields import Fields, read_time
from serving.problems import NoConsent, RequestError
from serving.ranking import answer, answer_rank, decide, draw_seed
from serving.records import Decision
from serving.requests import read_activation, read_feedback, read_measurement, read_recommend, read_user
from serving.store import Store

Body = Mapping[str, Any]
CLOCKS_MAY_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True)
class Calls:
    """The calls on one release and one store. Each takes the body and the time, and gives the answer's body.

    Attributes:
        started_at: when the service began to serve the release.
        future_is_allowed: a demo's callers set the time, so nothing is too late.
    """

    release: Release
    store: Store
    started_at: datetime
    approval: Path | None = None
    future_is_allowed: bool = False

    @cached_property
    def courses(self) -> Courses:
        """The courses of the users who were decided for last."""
        return Courses(self.store)

    def recommend(self, body: Body, now: datetime) -> dict[str, Any]:
        """Decide for a stored user; the decision is on disk before it is answered."""
        asked = read_recommend(self.release, body)
        known = self.courses.of(asked.user_id)
        _refuse_without(known.consents)
        choice = decide(
            self.release,
            known.course_for(self.release),
            now=now,
            context=asked.context,
            candidates=asked.candidates,
            seed=draw_seed() if asked.seed is None else asked.seed,
        )
        answered = answer(self.release, choice)
        decision = Decision(
            decision_id=uuid4().hex,
            user_id=asked.user_id,
            decided_at=now,
            content_id=choice.content_id,
            eligible=tuple(item.content_id for item in choice.ranking if item.eligible),
            probability=choice.probability,
            release=self.release.name,
            context=asked.context,
            source=choice.source,
            reasons=choice.reasons,
            seed=choice.seed,
            candidates=asked.candidates,
            ranking=tuple(answered["ranking"]),
            course_revision=known.revision,
        )
        keep(self.store, decision)
        return {"decision_id": decision.decision_id, **answered}

    def recommend_otherwise(self, body: Body, now: datetime, why: Alarm, *, is_kept: bool) -> dict[str, Any]:
        """The safe default for whoever asked to be recommended; without ``decision_id`` when no disk takes it."""
        asked = read_recommend(self.release, body)
        choice = safe_choice(self.release, draw_seed() if asked.seed is None else asked.seed, why.value)
        answered = answer(self.release, choice)
        decision = safe_decision(self.release, asked, choice, answered["ranking"], now)
        if is_kept and kept(self.store, decision):
            return {"decision_id": decision.decision_id, **answered}
        return {"decision_id": None, **answered, "reasons": [*choice.reasons, Alarm.NOT_KEPT.value]}

    def rank_otherwise(self, body: Body, _now: datetime, why: Alarm, *, is_kept: bool) -> dict[str, Any]:  # noqa: ARG002
        """The safe default for whoever asked for a rank."""
        return answer(self.release, safe_choice(self.release, _seed_of(body), why.value))

    def rank(self, body: Body, now: datetime) -> dict[str, Any]:
        """Decide for a user who is not stored; nothing is written."""
        given = {name: value for name, value in body.items() if value is not None}
        return answer_rank(self.release, {"decided_at": now.isoformat(), "seed": draw_seed(), **given})

    def activate(self, body: Body, now: datetime) -> dict[str, Any]:
        """Keep that a decision's content was shown."""
        decision_id = read_activation(body)
        self.store.activate(decision_id, now)
        return {"decision_id": decision_id}

    def feedback(self, body: Body, now: datetime) -> dict[str, Any]:
        """Keep what came back after a decision."""
        asked = read_feedback(self.release.therapy, body)
        received = asked.received(now)
        if asked.received_at is not None:
            self._refuse_future("received_at", asked.received_at, now)
            if asked.received_at < self.store.decision(asked.decision_id).decided_at:
                raise RequestError("lies before the decision", field="received_at")
        self.store.add_feedback(received, time_is_given=asked.received_at is not None)
        return {"decision_id": asked.decision_id}

    def measurements(self, body: Body, now: datetime) -> dict[str, Any]:
        """Keep a reading."""
        measurement = read_measurement(self.release.therapy, body)
        self._refuse_future("measured_at", measurement.measured_at, now)
        self._refuse_without_consent(measurement.user_id)
        self.store.add_measurement(measurement)
        return {"user_id": measurement.user_id}

    def users(self, body: Body, _now: datetime) -> dict[str, Any]:
        """Keep a patient."""
        user = read_user(self.release.therapy, body)
        self.store.add_user(user)
        return {"user_id": user.user_id}

    def erase(self, body: Body, now: datetime) -> dict[str, Any]:
        """Remove a patient; what files of the home still hold, ``posology erase --pending`` removes."""
        fields = Fields(body)
        user_id = fields.needed(fields.identifier, "user_id")
        fields.finish()
        receipt = erase_rows(self.store.engine, user_id, now).receipt()
        self.courses.forget(user_id)
        return receipt

    def about(self) -> dict[str, Any]:
        """What is served: the answer of ``GET /v1/release``."""
        therapy = self.release.therapy
        approval = json.loads(self.approval.read_text(encoding="utf-8")) if self.approval else {}
        return {
            "release": self.release.name,
            "digest": self.release.digest,
            "digests": dict(self.release.digests),
            "therapy": {"name": therapy.name, "title": therapy.title, "version": therapy.version},
            "signatures": approval.get("signatures", []),
            "since": approval.get("since", self.started_at.isoformat()),
        }

    def therapy(self) -> dict[str, Any]:
        """The therapy as its file declares it, with the release's contents: the answer of ``GET /v1/therapy``."""
        declared = self.release.therapy.model_dump(mode="json", exclude_none=True)
        return {**declared, "catalogue": self.release.contents.to_dicts()}

    def _refuse_without_consent(self, user_id: str) -> None:
        _refuse_without(self.store.user(user_id).consent)

    def _refuse_future(self, field: str, time: datetime, now: datetime) -> None:
        if time > now + CLOCKS_MAY_DIFFER and not self.future_is_allowed:
            raise RequestError("lies in the future", field=field)


def _refuse_without(consent: bool) -> None:
    if not consent:
        raise NoConsent("the user has not consented")


def moment(header: str | None, now: datetime, *, is_demo: bool) -> datetime:
    """The time a call is answered at: the clock's, or in a demo the one its ``Posology-Now`` header says."""
    if header is None:
        return now
    if not is_demo:
        raise RequestError("is for demonstrations only", field="Posology-Now", status=400)
    return read_time(header, "Posology-Now", status=400)


def _seed_of(body: Body) -> int:
    seed = body.get("seed")
    return seed if isinstance(seed, int) else draw_seed()

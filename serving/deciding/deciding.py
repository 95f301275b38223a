"""Deciding for a patient of the store: on disk before it is answered, and the same again for the same key."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from models.choice import Choice
from models.release import Release
from posology.errors import Conflict
from posology.tables import ON_SCHEDULE
from serving.alarms import Alarm
from serving.courses import Courses, Known
from serving.deadline import claim, part, parts
from serving.deciding.again import id_of, made_before
from serving.deciding.explaining import explained_or_not
from serving.fallback import kept, reason_of, safe_choice
from serving.modes.arms import Arm
from serving.modes.modes import Modes
from serving.ranking import answer, decide, draw_seed
from serving.records import Decision
from serving.requests import RecommendRequest
from serving.store import Store
from serving.telling import telling_of

SEEDS = 2**63
APART = timedelta(microseconds=1)  # decisions of one session: each sees those before it
SESSION = "session-plan"  # tells its decisions from one of the same key


@dataclass(frozen=True)
class Deciding:
    """A release, and what runs beside it, that decide for the patients of a store, each patient by their arm."""

    release: Release
    store: Store
    courses: Courses
    modes: Modes

    def once(
        self, asked: RecommendRequest, now: datetime, key: str | None, *place: str, known: Known | None = None
    ) -> dict[str, Any]:
        """The answer to one request; the same key of the same patient (and place) is the same decision.

        Args:
            known: of the patient, if it was read already.

        Raises:
            RequestError: the key was used for another request.
        """
        ids = _ids(asked, key, *place)
        found = made_before(self.store, ids, asked) if key else None
        return (
            self._again(found, asked) if found else self._made(asked, now, ids, known or self.courses.of(asked.user_id))
        )

    def otherwise(
        self, asked: RecommendRequest, now: datetime, key: str | None, why: Alarm, *place: str, is_kept: bool
    ) -> dict[str, Any]:
        """The safe default, because something broke; without ``decision_id`` when no disk takes it."""
        arm = self.modes.arm(asked.user_id)
        choice = safe_choice(arm.decider, draw_seed() if asked.seed is None else asked.seed, why.value)
        answered = answer(arm.decider, choice)
        decision = _decision(
            arm, asked, choice, answered["ranking"], now=now, decision_id=_ids(asked, key, *place)[1], revision=None
        )
        if is_kept and kept(self.store, decision):
            return {"decision_id": decision.decision_id, **answered}
        reasons = [*choice.reasons, Alarm.NOT_KEPT.value]
        because = telling_of(self.release).of(choice.content_id, reasons, answered["ranking"])["because"]
        return {"decision_id": None, **answered, "reasons": reasons, "because": because}

    def several(self, asked: RecommendRequest, n: int, now: datetime, key: str | None) -> list[dict[str, Any]]:
        """The answers of n decisions for one session; each counts as given to those after it."""
        return [
            part(partial(self.once, _with_seed(asked, place), now + place * APART, key, SESSION, str(place)))
            for place in range(n)
        ]

    def several_otherwise(
        self, asked: RecommendRequest, n: int, now: datetime, key: str | None, why: Alarm, *, is_kept: bool
    ) -> list[dict[str, Any]]:
        """The decisions of a session that were kept before something broke, then safe defaults."""
        made = parts()
        return made + [
            self.otherwise(
                _with_seed(asked, place), now + place * APART, key, why, SESSION, str(place), is_kept=is_kept
            )
            for place in range(len(made), n)
        ]

    def _made(self, asked: RecommendRequest, now: datetime, ids: tuple[str, str], known: Known) -> dict[str, Any]:
        arm = self.modes.arm(asked.user_id)
        choice = decide(
            arm.decider,
            known.course_for(arm.decider),
            now=now,
            context=asked.context,
            candidates=asked.candidates,
            seed=draw_seed() if asked.seed is None else asked.seed,
        )
        answered = answer(arm.decider, choice)
        decision = _decision(
            arm, asked, choice, answered["ranking"], now=now, decision_id=ids[0], revision=known.revision
        )
        told = self._told(decision, asked)  # before the decision is kept: from then on nothing may break or be late
        try:
            self.store.add_decision(decision, patience=claim())
        except Conflict:  # the same request came twice at once, and the other one was quicker
            found = made_before(self.store, ids, asked)
            if found is None:
                raise
            return self._again(found, asked)
        self.modes.consider(decision, known)
        return {"decision_id": decision.decision_id, **answered, **told}

    def _again(self, decision: Decision, asked: RecommendRequest) -> dict[str, Any]:
        """The answer that the decision got."""
        ranking = list(decision.ranking or ())
        return {
            "decision_id": decision.decision_id,
            "content_id": decision.content_id,
            "probability": decision.probability,
            "release": (decision.release or "").removesuffix(ON_SCHEDULE),
            "source": decision.source,
            "reasons": list(decision.reasons),
            "seed": decision.seed,
            **telling_of(self.release).of(decision.content_id, decision.reasons, ranking),
            "ranking": ranking,
            **self._told(decision, asked),
        }

    def _told(self, decision: Decision, asked: RecommendRequest) -> dict[str, Any]:
        """What moved it, if that was asked; null where another release decided, or none could."""
        if not asked.explain:
            return {}
        release = self.modes.deciders.named((decision.release or "").removesuffix(ON_SCHEDULE))
        if release is None or reason_of(decision):
            return {"explanation": None}
        course = self.store.course(decision.user_id, self.release.contents, revision=decision.course_revision)
        return {"explanation": explained_or_not(release, course, decision)}


def _decision(
    arm: Arm,
    asked: RecommendRequest,
    choice: Choice,
    ranking: list[dict[str, Any]],
    *,
    now: datetime,
    decision_id: str,
    revision: int | None,
) -> Decision:
    """The choice with all that is needed to replay it; of no revision where nobody looked at the course."""
    return Decision(
        decision_id=decision_id,
        user_id=asked.user_id,
        decided_at=now,
        content_id=choice.content_id,
        eligible=tuple(item.content_id for item in choice.ranking if item.eligible),
        probability=choice.probability,
        release=arm.logged_as,
        context=asked.context,
        source=choice.source,
        reasons=choice.reasons,
        seed=choice.seed,
        candidates=asked.candidates,
        ranking=tuple(ranking),
        course_revision=revision,
        arm=arm.name,
        arm_probability=arm.probability,
    )


def _with_seed(asked: RecommendRequest, place: int) -> RecommendRequest:
    """The request for one decision of a session."""
    return replace(asked, seed=None if asked.seed is None else (asked.seed + place) % SEEDS)


def _ids(asked: RecommendRequest, key: str | None, *place: str) -> tuple[str, str]:
    """Of the decision, and of the safe default that is answered when it cannot be made."""
    return id_of(asked.user_id, key, *place), id_of(asked.user_id, key, *place, "otherwise")

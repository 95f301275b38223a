"""Deciding for a patient of the store: on disk before it is answered, and the same again for the same key."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from models.release import Release
from posology.errors import Conflict
from serving.deciding.again import id_of, made_before
from serving.deciding.explaining import explained
from serving.ranking import answer, decide, draw_seed
from serving.records import Decision
from serving.requests import RecommendRequest
from serving.store import Store
from serving.telling import telling_of

SEEDS = 2**63
APART = timedelta(microseconds=1)  # decisions of one session: each sees those before it


@dataclass(frozen=True)
class Deciding:
    """A release that decides for the patients of a store."""

    release: Release
    store: Store

    def once(self, asked: RecommendRequest, now: datetime, key: str | None, *place: str) -> dict[str, Any]:
        """The answer to one request; the same key of the same patient (and place) is the same decision.

        Raises:
            RequestError: the key was used for another request.
        """
        decision_id = id_of(asked.user_id, key, *place)
        found = made_before(self.store, decision_id, asked) if key else None
        decision, answered = (found, self._again(found)) if found else self._made(asked, now, decision_id)
        told = {"explanation": self._explanation(decision)} if asked.explain else {}
        return {"decision_id": decision.decision_id, **answered, **told}

    def several(self, asked: RecommendRequest, n: int, now: datetime, key: str | None) -> list[dict[str, Any]]:
        """The answers of n decisions for one session; each counts as given to those after it."""
        return [
            self.once(
                replace(asked, seed=None if asked.seed is None else (asked.seed + place) % SEEDS),
                now + place * APART,
                key,
                "session-plan",
                str(place),
            )
            for place in range(n)
        ]

    def _made(self, asked: RecommendRequest, now: datetime, decision_id: str) -> tuple[Decision, dict[str, Any]]:
        decision, answered = self._decided(asked, now, decision_id)
        try:
            self.store.add_decision(decision)
        except Conflict:  # the same request came twice at once, and the other one was quicker
            found = made_before(self.store, decision_id, asked)
            if found is None:
                raise
            return found, self._again(found)
        return decision, answered

    def _decided(self, asked: RecommendRequest, now: datetime, decision_id: str) -> tuple[Decision, dict[str, Any]]:
        revision = self.store.revision(asked.user_id)
        choice = decide(
            self.release,
            self.store.course(asked.user_id, self.release.contents, revision=revision),
            now=now,
            context=asked.context,
            candidates=asked.candidates,
            seed=draw_seed() if asked.seed is None else asked.seed,
        )
        answered = answer(self.release, choice)
        decision = Decision(
            decision_id=decision_id,
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
            course_revision=revision,
        )
        return decision, answered

    def _again(self, decision: Decision) -> dict[str, Any]:
        """The answer that the decision got."""
        ranking = list(decision.ranking or ())
        return {
            "content_id": decision.content_id,
            "probability": decision.probability,
            "release": decision.release,
            "source": decision.source,
            "reasons": list(decision.reasons),
            "seed": decision.seed,
            **telling_of(self.release).of(decision.content_id, decision.reasons, ranking),
            "ranking": ranking,
        }

    def _explanation(self, decision: Decision) -> dict[str, Any] | None:
        """None where another release decided: what moved it cannot be told by this one."""
        if decision.release != self.release.name:
            return None
        return explained(
            self.release,
            self.store.course(decision.user_id, self.release.contents, revision=decision.course_revision),
            now=decision.decided_at,
            context=decision.context,
            content_id=decision.content_id,
        )

"""The safe default, and why it is answered: made from the therapy alone, without model or database."""

from models.choice import Choice, Ranked
from models.release import Release
from posology.errors import ServiceDown
from serving.alarms import ALARMS, Alarm
from serving.records import Decision
from serving.store import Store

REASONS = frozenset({Alarm.DEADLINE, Alarm.PREDICTION_FAILED, Alarm.STORE_UNAVAILABLE, Alarm.INTERNAL_ERROR})


def safe_choice(release: Release, seed: int, reason: str) -> Choice:
    """The safe default for certain; no other content is eligible, for this reason."""
    default = release.therapy.safety.safe_default
    others = [content_id for content_id in release.contents["content_id"] if content_id != default]
    ranking = (
        Ranked(default, 1.0, eligible=True, feedback=None, status=None, reasons=()),
        *(
            Ranked(content_id, 0.0, eligible=False, feedback=None, status=None, reasons=(reason,))
            for content_id in others
        ),
    )
    return Choice(default, 1.0, "safe_default", (reason,), seed, ranking)


def reason_of(decision: Decision) -> str | None:
    """Why the safe default was answered without asking the release; None when it was asked."""
    return next((reason for reason in decision.reasons if reason in REASONS), None)


def kept(store: Store, decision: Decision) -> bool:
    """Whether the decision is on disk, in database or journal."""
    try:
        store.set_aside(decision)
    except ServiceDown as error:
        ALARMS.ring(Alarm.NOT_KEPT, str(error))
        return False
    return True

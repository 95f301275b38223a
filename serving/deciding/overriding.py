"""A clinician's content in place of the one decided.

The shield is asked again. What a rule forbids is refused, unless the therapy
lets clinicians override that rule; caps, which bound what a policy may do by
itself, are told and not enforced.
"""

from datetime import datetime
from typing import Any

from models.release import Release
from posology.safety import INACTIVE
from posology.therapy import Therapy
from serving.deciding.situation import blocked_by
from serving.problems import RequestError
from serving.records import Override
from serving.requests import OverrideRequest
from serving.store import Store
from serving.telling import telling_of


def override(release: Release, store: Store, asked: OverrideRequest, now: datetime) -> dict[str, Any]:
    """Keep it, and tell what the shield says of it.

    Raises:
        RequestError: the content is forbidden, or is the one decided.
        NotFound: no such decision.
        Conflict: the decision's content was already shown or answered, or overridden otherwise.
    """
    decision = store.decision(asked.decision_id)
    if decision.source == "imported":
        raise RequestError("was made elsewhere; only a decision of this service is overridden", field="decision_id")
    if asked.content_id == decision.content_id:
        raise RequestError("is the content that was decided", field="content_id")
    course = store.course(decision.user_id, release.contents, revision=decision.course_revision)
    reasons = blocked_by(release, course, asked.content_id, now=now, context=decision.context)
    forbidding = sorted(set(reasons) & _binding(release.therapy))
    if forbidding:
        raise RequestError(f"is contraindicated by {', '.join(forbidding)}", field="content_id")
    store.override(Override(asked.decision_id, asked.content_id, asked.by, asked.reason, now, reasons))
    return {
        "decision_id": decision.decision_id,
        "content_id": asked.content_id,
        "instead_of": decision.content_id,
        "reasons": list(reasons),
        **telling_of(release).of(asked.content_id, reasons, ()),
    }


def _binding(therapy: Therapy) -> set[str]:
    """The codes that no clinician sets aside."""
    return {INACTIVE, *(rule.code for rule in therapy.safety.rules if not rule.clinician_may_override)}

"""Bodies of calls as rows of the store, checked against the therapy."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from polars.exceptions import PolarsError

from models.release import Release
from posology.feedback_value import value_of
from posology.tables import Tables
from posology.therapy import Feedback as DeclaredFeedback
from serving.problems import NoConsent, RequestError
from serving.records import Feedback, Measurement, User
from serving.shapes import bodies_of

Body = Mapping[str, Any]
ANYONE = "anyone"  # the user of a course that is not stored


@dataclass(frozen=True)
class RecommendRequest:
    """The body of ``/v1/recommend``. ``seed`` is None when one is to be drawn."""

    user_id: str
    context: dict[str, Any]
    candidates: tuple[str, ...] | None
    seed: int | None
    explain: bool = False


@dataclass(frozen=True)
class SessionPlanRequest:
    """The body of ``/v1/session-plan``: the same decision asked for several times."""

    contents: int
    each: RecommendRequest


@dataclass(frozen=True)
class PlanRequest:
    """The body of ``/v1/plan``. ``starts_at`` is None when it is now, ``seed`` when one is to be drawn."""

    user_id: str
    days: int
    contents_per_day: int
    starts_at: datetime | None
    context: dict[str, Any]
    candidates: tuple[str, ...] | None
    seed: int | None


@dataclass(frozen=True)
class RankRequest:
    """The body of ``/v1/rank``: one user's tables and the moment to decide at."""

    tables: Tables
    context: dict[str, Any]
    candidates: tuple[str, ...] | None
    decided_at: datetime
    seed: int
    explain: bool = False


@dataclass(frozen=True)
class FeedbackRequest:
    """The body of ``/v1/feedback``; ``received_at`` is None when it is the time of arrival."""

    decision_id: str
    received_at: datetime | None
    declared: dict[str, Any]

    def received(self, now: datetime) -> Feedback:
        """The row of the store."""
        return Feedback(self.decision_id, self.received_at or now, self.declared)


@dataclass(frozen=True)
class OverrideRequest:
    """The body of ``/v1/override``."""

    decision_id: str
    content_id: str
    by: str
    reason: str


@dataclass(frozen=True)
class ReconcileRequest:
    """The body of ``/v1/plan/reconcile``: a signed plan and, by decision, when its content was given."""

    signed: str
    delivered: dict[str, datetime]


def read_recommend(release: Release, body: Body) -> RecommendRequest:
    """What ``/v1/recommend`` is asked."""
    return _recommend(bodies_of(release).recommend.read(body))


def read_session_plan(release: Release, body: Body) -> SessionPlanRequest:
    """What ``/v1/session-plan`` is asked."""
    read = bodies_of(release).session_plan.read(body)
    return SessionPlanRequest(read.pop("contents"), _recommend(read))


def read_plan(release: Release, body: Body) -> PlanRequest:
    """What ``/v1/plan`` is asked."""
    read = bodies_of(release).plan.read(body)
    per_day, context = read.pop("contents_per_day") or 1, read.pop("context")
    nothing = dict.fromkeys(release.therapy.context)
    return PlanRequest(**read, contents_per_day=per_day, context=context or nothing)


def read_reconcile(release: Release, body: Body) -> ReconcileRequest:
    """What ``/v1/plan/reconcile`` brings."""
    read = bodies_of(release).plan_reconcile.read(body)
    given = {row["decision_id"]: row["at"] for row in read["delivered"]}
    if len(given) < len(read["delivered"]):
        raise RequestError("a decision stands twice", field="delivered")
    return ReconcileRequest(read["signed"], given)


def read_rank(release: Release, body: Body) -> RankRequest:
    """What ``/v1/rank`` is asked; the time and the seed, which a caller over HTTP may leave out, must be there.

    Raises:
        NoConsent: the user says no.
    """
    read, therapy = bodies_of(release).rank.read(body), release.therapy
    for name in ("decided_at", "seed"):
        if read[name] is None:
            raise RequestError("is missing", field=name)
    user = {**read["user"], "user_id": ANYONE, "enrolled_at": read["user"]["enrolled_at"] or read["decided_at"]}
    if user["consent"] is False:
        raise NoConsent("the user has not consented")
    rows = [{**row, "user_id": ANYONE} for row in read["measurements"] or ()]
    sessions = [_session(row, number) for number, row in enumerate(read["sessions"] or ())]
    return RankRequest(
        tables=Tables.from_rows(therapy, users=[{**user, "consent": True}], measurements=rows, sessions=sessions),
        context=read["context"] or {},
        candidates=read["candidates"],
        decided_at=read["decided_at"],
        seed=read["seed"],
        explain=read["explain"] is True,
    )


def read_user(release: Release, body: Body) -> User:
    """The patient that ``/v1/users`` brings."""
    read = bodies_of(release).users.read(body)
    own = {name: read.pop(name) for name in ("user_id", "enrolled_at", "site", "consent")}
    return User(**own, declared=read)


def read_withdrawal(release: Release, body: Body) -> tuple[str, datetime | None]:
    """Who withdraws consent, and when if it is said."""
    read = bodies_of(release).withdraw.read(body)
    return read["user_id"], read["withdrawn_at"]


def read_measurement(release: Release, body: Body) -> Measurement:
    """The reading that ``/v1/measurements`` brings."""
    shape = bodies_of(release).measurements
    if shape is None:
        name = release.therapy.name
        raise RequestError(f"therapy {name} declares no status, so it has no instrument to measure with")
    return Measurement(**shape.read(body))


def read_feedback(release: Release, body: Body) -> FeedbackRequest:
    """What ``/v1/feedback`` brings."""
    shape, feedback = bodies_of(release).feedback, release.therapy.feedback
    if shape is None or feedback is None:
        raise RequestError(f"therapy {release.therapy.name} declares no feedback")
    declared = shape.read(body)
    request = FeedbackRequest(declared.pop("decision_id"), declared.pop("received_at"), declared)
    if all(value is None for value in declared.values()):
        raise RequestError(f"expected one or more of {', '.join(feedback.columns)}")
    _refuse_without_value(feedback, declared)
    return request


def read_override(release: Release, body: Body) -> OverrideRequest:
    """What a clinician gives instead."""
    return OverrideRequest(**bodies_of(release).override.read(body))


def read_activation(release: Release, body: Body) -> str:
    """The decision that ``/v1/activate`` names."""
    decision_id: str = bodies_of(release).activate.read(body)["decision_id"]
    return decision_id


def read_erasure(release: Release, body: Body) -> str:
    """The patient that ``/v1/erase`` names."""
    user_id: str = bodies_of(release).erase.read(body)["user_id"]
    return user_id


def _recommend(read: dict[str, Any]) -> RecommendRequest:
    told = {"context": read["context"] or {}, "explain": read["explain"] is True}
    return RecommendRequest(**{**read, **told})


def _session(row: dict[str, Any], number: int) -> dict[str, Any]:
    return {**row, "user_id": ANYONE, "decision_id": row["decision_id"] or f"session-{number:06d}"}


def _refuse_without_value(feedback: DeclaredFeedback, given: Mapping[str, Any]) -> None:
    """Feedback that F cannot be computed from would be kept and then lie in quarantine (V703) for ever."""
    try:
        value = value_of(feedback, given)
    except PolarsError:
        value = math.nan
    if math.isnan(value):
        missing = [name for name in feedback.expression.meta.root_names() if given.get(name) is None]
        raise RequestError(
            f"expected also {', '.join(sorted(set(missing)))}: without it F cannot be computed"
            if missing
            else "expected feedback that F can be computed from",
            field=min(missing, default=None),
        )

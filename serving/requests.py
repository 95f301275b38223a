"""Bodies of calls as rows of the store, checked against the therapy."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from models.release import Release
from posology.tables import Tables
from posology.therapy import Feedback as DeclaredFeedback
from posology.therapy import Therapy
from serving.fields import Fields
from serving.problems import NoConsent, RequestError
from serving.records import Feedback, Measurement, User

Body = Mapping[str, Any]
LARGEST_SEED = 2**63 - 1
ANYONE = "anyone"  # the user of a course that is not stored


@dataclass(frozen=True)
class RecommendRequest:
    """The body of ``/v1/recommend``. ``seed`` is None when one is to be drawn."""

    user_id: str
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


@dataclass(frozen=True)
class FeedbackRequest:
    """The body of ``/v1/feedback``; ``received_at`` is None when it is the time of arrival."""

    decision_id: str
    received_at: datetime | None
    declared: dict[str, Any]

    def received(self, now: datetime) -> Feedback:
        """The row of the store."""
        return Feedback(self.decision_id, self.received_at or now, self.declared)


def read_recommend(release: Release, body: Body) -> RecommendRequest:
    """What ``/v1/recommend`` is asked."""
    fields = Fields(body)
    request = RecommendRequest(
        user_id=fields.needed(fields.identifier, "user_id"),
        context=_context(release.therapy, fields),
        candidates=_candidates(release, fields),
        seed=fields.integer("seed", 0, LARGEST_SEED),
    )
    fields.finish()
    return request


def read_rank(release: Release, body: Body) -> RankRequest:
    """What ``/v1/rank`` is asked.

    Raises:
        NoConsent: the user says no.
    """
    fields, therapy = Fields(body), release.therapy
    decided_at = fields.needed(fields.time, "decided_at")
    user = _course_user(therapy, fields.needed(fields.inner, "user"), decided_at)
    rows = [_measurement(therapy, row, of=ANYONE).as_row() for row in fields.rows("measurements")]
    sessions = [_session(therapy, row, number) for number, row in enumerate(fields.rows("sessions"))]
    request = RankRequest(
        tables=Tables.from_rows(therapy, users=[user], measurements=rows, sessions=sessions),
        context=_context(therapy, fields),
        candidates=_candidates(release, fields),
        decided_at=decided_at,
        seed=fields.needed(lambda name: fields.integer(name, 0, LARGEST_SEED), "seed"),
    )
    fields.finish()
    return request


def read_user(therapy: Therapy, body: Body) -> User:
    """The patient that ``/v1/users`` brings."""
    fields = Fields(body)
    user = User(
        user_id=fields.needed(fields.identifier, "user_id"),
        enrolled_at=fields.needed(fields.time, "enrolled_at"),
        site=fields.identifier("site"),
        consent=fields.needed(fields.boolean, "consent"),
        declared=fields.declared(therapy.user),
    )
    fields.finish()
    return user


def read_measurement(therapy: Therapy, body: Body) -> Measurement:
    """The reading that ``/v1/measurements`` brings."""
    return _measurement(therapy, Fields(body))


def read_feedback(therapy: Therapy, body: Body) -> FeedbackRequest:
    """What ``/v1/feedback`` brings."""
    if therapy.feedback is None:
        raise RequestError(f"therapy {therapy.name} declares no feedback")
    fields = Fields(body)
    request = FeedbackRequest(
        decision_id=fields.needed(fields.identifier, "decision_id"),
        received_at=fields.time("received_at"),
        declared=fields.declared(therapy.feedback.columns),
    )
    fields.finish()
    if all(value is None for value in request.declared.values()):
        raise RequestError(f"expected one or more of {', '.join(therapy.feedback.columns)}")
    _refuse_without_value(therapy.feedback, request.declared)
    return request


def _refuse_without_value(feedback: DeclaredFeedback, given: Mapping[str, Any]) -> None:
    """Feedback that F cannot be computed from would be kept and then lie in quarantine (V703) for ever."""
    schema = {name: column.dtype for name, column in feedback.columns.items()}
    try:
        value = pl.DataFrame([given], schema=schema).select(value=feedback.expression)["value"][0]
    except PolarsError:
        value = None
    if value is None:
        missing = [name for name in feedback.expression.meta.root_names() if given.get(name) is None]
        raise RequestError(
            f"expected also {', '.join(sorted(set(missing)))}: without it F cannot be computed"
            if missing
            else "expected feedback that F can be computed from"
        )


def read_activation(body: Body) -> str:
    """The decision that ``/v1/activate`` names."""
    fields = Fields(body)
    decision_id = fields.needed(fields.identifier, "decision_id")
    fields.finish()
    return decision_id


def _context(therapy: Therapy, fields: Fields) -> dict[str, Any]:
    found = fields.inner("context")
    if found is None:
        if therapy.context:
            raise fields.wrong("context", f"is missing; it holds {', '.join(therapy.context)}")
        return {}
    context = found.declared(therapy.context)
    found.finish()
    return context


def _candidates(release: Release, fields: Fields) -> tuple[str, ...] | None:
    candidates = fields.identifiers("candidates")
    if candidates is not None and set(candidates) - release.place_of.keys():
        raise fields.wrong("candidates", f"expected contents of release {release.name} only")
    return candidates


def _course_user(therapy: Therapy, fields: Fields, decided_at: datetime) -> dict[str, Any]:
    fields.identifier("user_id")
    own = {
        "user_id": ANYONE,
        "enrolled_at": fields.time("enrolled_at") or decided_at,
        "site": fields.identifier("site"),
        "consent": fields.boolean("consent") is not False,
    }
    user = {**own, **fields.declared(therapy.user)}
    fields.finish()
    if not user["consent"]:
        raise NoConsent("the user has not consented")
    return user


def _measurement(therapy: Therapy, fields: Fields, *, of: str | None = None) -> Measurement:
    status = therapy.status
    if status is None:
        raise RequestError(f"therapy {therapy.name} declares no status, so it has no instrument to measure with")
    user_id = fields.identifier("user_id")
    measured_at = fields.needed(fields.time, "measured_at")
    instrument = fields.needed(fields.identifier, "instrument")
    score = fields.needed(fields.number, "score")
    fields.finish()
    if instrument != status.instrument:
        raise fields.wrong("instrument", f"expected {status.instrument}")
    if not status.minimum <= score <= status.maximum:
        raise fields.wrong("score", f"expected a number from {status.minimum:g} to {status.maximum:g}")
    if of is None and user_id is None:
        raise fields.wrong("user_id", "is missing")
    return Measurement(of or str(user_id), measured_at, instrument, score)


def _session(therapy: Therapy, fields: Fields, number: int) -> dict[str, Any]:
    fields.identifier("user_id")
    session = {
        "user_id": ANYONE,
        "decision_id": fields.identifier("decision_id") or f"session-{number:06d}",
        "decided_at": fields.needed(fields.time, "decided_at"),
        "content_id": fields.needed(fields.identifier, "content_id"),
        "eligible": fields.identifiers("eligible"),
        "probability": fields.number("probability"),
        "release": fields.identifier("release"),
        "feedback_at": fields.time("feedback_at"),
        **fields.declared(therapy.context),
        **fields.declared(therapy.feedback.columns if therapy.feedback else {}),
    }
    fields.finish()
    return session

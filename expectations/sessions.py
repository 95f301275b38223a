"""The rules of sessions: decisions and the feedback that came back."""

from collections.abc import Iterator

import great_expectations.expectations as gxe
import polars as pl

from expectations.columns import declared
from expectations.feedback import feedback_rules
from expectations.keys import once
from expectations.references import of_its_content, of_its_user
from expectations.rule import Rule, finite, fit_ids, holds, native, present
from expectations.thresholds import Thresholds
from expectations.times import possible
from expectations.whole import Whole
from posology.therapy import Therapy


def session_rules(therapy: Therapy, whole: Whole, limits: Thresholds) -> Iterator[Rule]:
    """What a row of sessions must satisfy. Context and feedback may be missing, but not wrong."""
    yield from present(["decision_id", "user_id", "decided_at", "content_id"])
    yield from fit_ids(["decision_id"])
    yield from once("sessions")
    yield from of_its_user("decided_at", "feedback_at")
    yield from of_its_content(therapy.safety.safe_default)
    yield from possible(("decided_at", "feedback_at"), whole.taken_at, limits)
    yield from declared(therapy.context, whole.usual_lengths)
    yield holds("V501", "decided_at", "is not before the user's enrolment", _decided_at >= pl.col("user:enrolled_at"))
    yield from _probability(limits)
    yield holds("V701", "feedback_at", "is not before the decision", pl.col("feedback_at") >= _decided_at)
    yield _soon(limits)
    if therapy.feedback is not None:
        yield from feedback_rules(therapy.feedback, whole.usual_lengths, limits)


_decided_at, _eligible = pl.col("decided_at"), pl.col("eligible")


def _probability(limits: Thresholds) -> Iterator[Rule]:
    given, probability = pl.col("content_id"), pl.col("probability")
    is_eligible = pl.when(given.is_not_null()).then(_eligible.list.contains(given))
    yield holds("V602", "content_id", "is among those eligible", is_eligible)
    yield finite("probability")
    says, between = "is above 0 and at most 1", gxe.ExpectColumnValuesToBeBetween
    yield native(between, "V601", "probability", says, min_value=0, max_value=1, strict_min=True)
    is_certain = pl.when(_eligible.list.len() == 1).then(probability >= 1 - limits.probability_tolerance)
    yield holds("V603", "probability", "is 1 where one content alone is eligible", is_certain)
    yield holds("V604", "eligible", "lists no content twice", _eligible.list.n_unique() == _eligible.list.len())


def _soon(limits: Thresholds) -> Rule:
    days = limits.feedback_within.days
    why = "What a patient is asked weeks after a content is another question."
    in_time = pl.col("feedback_at") - _decided_at <= limits.feedback_within
    return holds("V704", "feedback_at", f"comes within {days} days of the decision", in_time, why=why)

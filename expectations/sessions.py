"""The rules of sessions: decisions and the feedback that came back."""

from collections.abc import Iterator

import great_expectations.expectations as gxe
import polars as pl

from expectations.codes import Thresholds
from expectations.columns import declared
from expectations.feedback import feedback_rules
from expectations.keys import once
from expectations.references import of_its_content, of_its_user
from expectations.rule import Rule, finite, has_rows, holds, native, not_empty, present
from posology.therapy import Therapy


def session_rules(therapy: Therapy, thresholds: Thresholds) -> Iterator[Rule]:
    """What a row of sessions must satisfy. Context and feedback may be missing, but not wrong."""
    yield has_rows()
    yield from present(["decision_id", "user_id", "decided_at", "content_id"])
    yield from not_empty(["decision_id"])
    yield from once("sessions", therapy)
    yield from of_its_user()
    yield from of_its_content()
    yield from declared(therapy.context)
    yield from _decision(therapy)
    if therapy.feedback is not None:
        yield from feedback_rules(therapy.feedback, thresholds)


def _decision(therapy: Therapy) -> Iterator[Rule]:
    decided_at, given = pl.col("decided_at"), pl.col("content_id")
    is_enrolled = decided_at >= pl.col("user:enrolled_at")
    yield holds("V501", "decided_at", "is not before the user's enrolment", is_enrolled)
    too_early = (decided_at < pl.col("content:active_from")).fill_null(value=False)
    too_late = (decided_at >= pl.col("content:active_until")).fill_null(value=False)
    is_active = ~(too_early | too_late) | (given == therapy.safety.safe_default)
    yield holds("V504", "content_id", "was active when it was given", is_active)
    is_eligible = pl.when(given.is_not_null()).then(pl.col("eligible").list.contains(given))
    yield holds("V602", "content_id", "is among those eligible", is_eligible)
    yield finite("probability")
    says, between = "is above 0 and at most 1", gxe.ExpectColumnValuesToBeBetween
    yield native(between, "V601", "probability", says, min_value=0, max_value=1, strict_min=True)
    yield holds("V701", "feedback_at", "is not before the decision", pl.col("feedback_at") >= decided_at)

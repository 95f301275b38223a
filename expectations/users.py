"""The rules of users."""

from collections.abc import Iterator

from expectations.columns import declared
from expectations.keys import once
from expectations.rule import Rule, fit_ids, present
from expectations.thresholds import Thresholds
from expectations.times import possible
from expectations.whole import Whole
from posology.therapy import Therapy


def user_rules(therapy: Therapy, whole: Whole, limits: Thresholds) -> Iterator[Rule]:
    """What a row of users must satisfy. What the therapy declares of U may be missing, but not wrong."""
    yield from present(["user_id", "enrolled_at", "consent"])
    yield from fit_ids(["user_id"])
    yield from once("users")
    yield from possible(("enrolled_at",), whole.taken_at, limits)
    yield from declared(therapy.user, whole.usual_lengths)

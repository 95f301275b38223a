"""The rules of measurements."""

from collections.abc import Iterator

import great_expectations.expectations as gxe

from expectations.keys import once
from expectations.references import of_its_user
from expectations.rule import Rule, finite, native, present
from expectations.thresholds import Thresholds
from expectations.times import possible
from expectations.whole import Whole
from posology.therapy import Status, Therapy


def measurement_rules(therapy: Therapy, whole: Whole, limits: Thresholds) -> Iterator[Rule]:
    """What a reading must satisfy; it may precede enrolment, as a baseline does."""
    yield from present(["user_id", "measured_at", "instrument"], shown=["score"])
    yield from once("measurements")
    yield from of_its_user("measured_at")
    yield from possible(("measured_at",), whole.taken_at, limits)
    yield finite("score")
    if therapy.status is not None:
        yield from _instrument(therapy.status)


def _instrument(status: Status) -> Iterator[Rule]:
    name, low, high = status.instrument, status.minimum, status.maximum
    yield native(gxe.ExpectColumnValuesToBeInSet, "V207", "instrument", f"is {name}", value_set=[name])
    says = f"is from {low:g} to {high:g}, the range of {name}"
    yield native(gxe.ExpectColumnValuesToBeBetween, "V208", "score", says, min_value=low, max_value=high)

"""The rules of measurements."""

from collections.abc import Iterator

import great_expectations.expectations as gxe

from expectations.keys import once
from expectations.references import of_its_user
from expectations.rule import Rule, finite, has_rows, native, present
from posology.therapy import Status, Therapy


def measurement_rules(therapy: Therapy) -> Iterator[Rule]:
    """What a reading must satisfy; it may precede enrolment, as a baseline does."""
    yield from present(["user_id", "measured_at", "instrument", "score"])
    yield from once("measurements", therapy)
    yield from of_its_user()
    yield finite("score")
    if therapy.status is None:
        says = "there are no readings, for the therapy declares no status"
        yield native(gxe.ExpectTableRowCountToEqual, "V105", None, says, value=0)
    else:
        yield has_rows()
        yield from _instrument(therapy.status)


def _instrument(status: Status) -> Iterator[Rule]:
    name, low, high = status.instrument, status.minimum, status.maximum
    yield native(gxe.ExpectColumnValuesToBeInSet, "V207", "instrument", f"is {name}", value_set=[name])
    says = f"is from {low:g} to {high:g}, the range of {name}"
    yield native(gxe.ExpectColumnValuesToBeBetween, "V208", "score", says, min_value=low, max_value=high)

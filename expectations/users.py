"""The rules of users."""

from collections.abc import Iterator

from expectations.columns import declared
from expectations.keys import once
from expectations.rule import Rule, has_rows, not_empty, present
from posology.therapy import Therapy


def user_rules(therapy: Therapy) -> Iterator[Rule]:
    """What a row of users must satisfy. What the therapy declares of U may be missing, but not wrong."""
    yield has_rows()
    yield from present(["user_id", "enrolled_at", "consent"])
    yield from not_empty(["user_id"])
    yield from once("users", therapy)
    yield from declared(therapy.user)

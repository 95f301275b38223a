"""Reading a JSON object field by field: each value checked, nothing left over."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from posology.therapy import Column, Columns
from serving.problems import RequestError

LONGEST_ID = 200
Value = TypeVar("Value")


class Fields:
    """A JSON object to be read once.

    Every reader takes its field out and checks it, and gives None for one that
    is absent or null. ``finish`` refuses what was not asked for. No message
    repeats a value.
    """

    def __init__(self, values: Any, place: str = "") -> None:
        if not isinstance(values, dict):
            raise RequestError("expected an object", field=place or None)
        self._left: dict[str, Any] = dict(values)
        self._place = place

    def needed(self, read: Callable[[str], Value | None], name: str) -> Value:
        """What a reader gives, which must be there: ``body.needed(body.time, "measured_at")``."""
        value = read(name)
        if value is None:
            raise self.wrong(name, "is missing")
        return value

    def identifier(self, name: str) -> str | None:
        """A text of 1 to 200 letters."""
        value = self._take(name)
        if value is not None and not (isinstance(value, str) and 1 <= len(value) <= LONGEST_ID):
            raise self.wrong(name, f"expected a text of 1 to {LONGEST_ID} letters")
        return value

    def identifiers(self, name: str) -> tuple[str, ...] | None:
        """A list of one or more different texts."""
        value = self._take(name)
        if value is None:
            return None
        if not (isinstance(value, list) and value and all(isinstance(item, str) for item in value)):
            raise self.wrong(name, "expected a list of one or more texts")
        if len(set(value)) < len(value):
            raise self.wrong(name, "an item stands twice")
        return tuple(value)

    def time(self, name: str) -> datetime | None:
        """A time with its zone, as UTC."""
        value = self._take(name)
        return None if value is None else read_time(value, self._at(name))

    def boolean(self, name: str) -> bool | None:
        """true or false."""
        value = self._take(name)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(name, "expected true or false")
        return value

    def number(self, name: str) -> float | None:
        """A number."""
        value = self._take(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise self.wrong(name, "expected a number")
        return None if value is None else float(value)

    def integer(self, name: str, low: int, high: int) -> int | None:
        """A whole number within a range; None when it is absent."""
        value = self._take(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high):
            raise self.wrong(name, f"expected a whole number from {low} to {high}")
        return value

    def declared(self, columns: Columns) -> dict[str, Any]:
        """Every column the therapy declares, checked; what is absent is None."""
        return {name: self._column(name, column) for name, column in columns.items()}

    def inner(self, name: str) -> "Fields | None":
        """An object inside this one."""
        value = self._take(name)
        return None if value is None else Fields(value, self._at(name))

    def rows(self, name: str) -> list["Fields"]:
        """A list of objects; empty when it is absent."""
        value = self._take(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, "expected a list of objects")
        return [Fields(item, f"{self._at(name)}[{number}]") for number, item in enumerate(value)]

    def finish(self) -> None:
        """Refuse fields that nobody asked for."""
        if self._left:
            raise self.wrong(sorted(self._left)[0], "unknown field")

    def _column(self, name: str, column: Column) -> Any:
        value = self._take(name)
        if not column.holds(value):
            raise self.wrong(name, f"expected {_description(column)}")
        if column.kind == "number" and value is not None:
            return float(value)
        if column.kind in {"embedding", "series"} and value is not None:
            return [None if item is None else float(item) for item in value]
        return value

    def _take(self, name: str) -> Any:
        return self._left.pop(name, None)

    def _at(self, name: str) -> str:
        return f"{self._place}.{name}" if self._place else name

    def wrong(self, name: str, message: str) -> RequestError:
        """The error to raise about one of the fields."""
        return RequestError(message, field=self._at(name))


def read_time(value: Any, field: str, *, status: int = 422) -> datetime:
    """A time of ISO 8601 text with a zone, as UTC."""
    try:
        time = datetime.fromisoformat(value)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        pass
    raise RequestError("expected a time with its zone, like 2026-01-31T09:00:00Z", field=field, status=status)


def _description(column: Column) -> str:
    if column.kind == "category":
        return f"one of {', '.join(column.values or ())}"
    if column.kind == "number":
        low, high = column.minimum, column.maximum
        return "a number" + ("" if low is None else f" from {low:g}") + ("" if high is None else f" up to {high:g}")
    lists = {"embedding": "a list of numbers", "series": "a list of numbers and nulls"}
    return {"boolean": "true or false", **lists}.get(column.kind, "a text")

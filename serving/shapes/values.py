"""Shapes of single values. No message repeats a value: it may be a patient's."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from posology.therapy import Column
from serving.problems import RequestError

LONGEST_ID = 200
LONGEST_NOTE = 1_000


class Shape(Protocol):
    """What a value must be."""

    def read(self, value: Any, at: str) -> Any:
        """The value, which is not null, checked; ``RequestError`` names the field ``at``."""

    @property
    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema (2020-12, as OpenAPI 3.1 has it)."""

    @property
    def example(self) -> Any:
        """One that is read without complaint."""


@dataclass(frozen=True)
class Text:
    """A text of 1 letter or more; an identifier where nothing else is said."""

    example: str
    longest: int = LONGEST_ID

    def read(self, value: Any, at: str) -> str:
        """The text."""
        if not (isinstance(value, str) and 1 <= len(value) <= self.longest):
            raise RequestError(f"expected a text of 1 to {self.longest} letters", field=at)
        return value

    @property
    def schema(self) -> dict[str, Any]:
        """A string with its lengths."""
        return {"type": "string", "minLength": 1, "maxLength": self.longest}


@dataclass(frozen=True)
class OneOf:
    """One of some texts."""

    values: tuple[str, ...]

    def read(self, value: Any, at: str) -> str:
        """The text."""
        if not (isinstance(value, str) and value in self.values):
            raise RequestError(f"expected {_or(self.values)}", field=at)
        return value

    @property
    def schema(self) -> dict[str, Any]:
        """An enumeration."""
        return {"type": "string", "enum": list(self.values)}

    @property
    def example(self) -> str:
        """The first."""
        return self.values[0]


@dataclass(frozen=True)
class Texts:
    """A list of one or more different texts, which may have to be known ones.

    Attributes:
        known: what may stand in it; any text when None.
        what: names the known ones in a message.
    """

    example: list[str]
    known: frozenset[str] | None = None
    what: str = "texts"

    def read(self, value: Any, at: str) -> tuple[str, ...]:
        """The texts."""
        if not (isinstance(value, list) and value and all(isinstance(item, str) for item in value)):
            raise RequestError("expected a list of one or more texts", field=at)
        if len(set(value)) < len(value):
            raise RequestError("an item stands twice", field=at)
        if self.known is not None and not self.known.issuperset(value):
            raise RequestError(f"expected {self.what} only", field=at)
        return tuple(value)

    @property
    def schema(self) -> dict[str, Any]:
        """An array of different strings."""
        item: dict[str, Any] = {"type": "string"}
        if self.known is not None:
            item["enum"] = sorted(self.known)
        return {"type": "array", "items": item, "minItems": 1, "uniqueItems": True}


@dataclass(frozen=True)
class Time:
    """A time with its zone; read as UTC."""

    example: str

    def read(self, value: Any, at: str) -> datetime:
        """The time."""
        return read_time(value, at)

    @property
    def schema(self) -> dict[str, Any]:
        """A date-time of RFC 3339."""
        return {"type": "string", "format": "date-time"}


@dataclass(frozen=True)
class YesNo:
    """true or false."""

    example: bool = True

    def read(self, value: Any, at: str) -> bool:
        """The answer."""
        if not isinstance(value, bool):
            raise RequestError("expected true or false", field=at)
        return value

    @property
    def schema(self) -> dict[str, Any]:
        """A boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class Number:
    """A number within a range."""

    low: float | None = None
    high: float | None = None

    def read(self, value: Any, at: str) -> float:
        """The number."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RequestError("expected a number", field=at)
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            raise RequestError(f"expected {_range(self.low, self.high)}", field=at)
        return float(value)

    @property
    def schema(self) -> dict[str, Any]:
        """A number with its bounds."""
        return {"type": "number", **_bounds(self.low, self.high)}

    @property
    def example(self) -> float:
        """In the middle."""
        return _middle(self.low, self.high)


@dataclass(frozen=True)
class Whole:
    """A whole number within a range; 3.0 is one, as JSON Schema has it."""

    low: int
    high: int
    example: int

    def read(self, value: Any, at: str) -> int:
        """The number."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise RequestError(f"expected a whole number from {self.low} to {self.high}", field=at)
        return value

    @property
    def schema(self) -> dict[str, Any]:
        """An integer with its bounds."""
        return {"type": "integer", **_bounds(self.low, self.high)}


@dataclass(frozen=True)
class Declared:
    """A value of a column that the therapy declares."""

    column: Column

    def read(self, value: Any, at: str) -> Any:
        """The value as it is stored."""
        if not self.column.holds(value):
            raise RequestError(f"expected {_described(self.column)}", field=at)
        if self.column.kind == "number":
            return float(value)
        if self.column.kind in {"embedding", "series"}:
            return [None if item is None else float(item) for item in value]
        return value

    @property
    def schema(self) -> dict[str, Any]:
        """What the column's kind, range and values say."""
        column = self.column
        if column.kind == "number":
            unit = {} if column.unit is None else {"description": f"in {column.unit}", "x-unit": column.unit}
            return {"type": "number", **_bounds(column.minimum, column.maximum), **unit}
        if column.kind == "category":
            return {"type": "string", "enum": list(column.values or ())}
        items = {"embedding": {"type": "number"}, "series": {"type": ["number", "null"]}}
        if column.kind in items:
            return {"type": "array", "items": items[column.kind]}
        return {"type": "boolean"} if column.kind == "boolean" else {"type": "string"}

    @property
    def example(self) -> Any:
        """Something in the middle."""
        column = self.column
        if column.kind == "number":
            return _middle(column.minimum, column.maximum)
        if column.kind == "category":
            return (column.values or ("",))[0]
        texts = {"text": "in the patient's own words", "image": "picture.png"}
        return {"boolean": True, "embedding": [0.1, 0.2], "series": [0.1, None, 0.2], **texts}[column.kind]


def read_time(value: Any, field: str, *, status: int = 422) -> datetime:
    """A time of ISO 8601 text with a zone, as UTC."""
    try:
        time = datetime.fromisoformat(value)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        pass
    raise RequestError("expected a time with its zone, like 2026-01-31T09:00:00Z", field=field, status=status)


def _described(column: Column) -> str:
    if column.kind == "category":
        return _or(column.values or ())
    if column.kind == "number":
        return _range(column.minimum, column.maximum) + (f", in {column.unit}" if column.unit else "")
    lists = {"embedding": "a list of numbers", "series": "a list of numbers and nulls"}
    return {"boolean": "true or false", **lists}.get(column.kind, "a text")


def _or(values: tuple[str, ...]) -> str:
    return values[0] if len(values) == 1 else f"one of {', '.join(values)}"


def _range(low: float | None, high: float | None) -> str:
    return "a number" + ("" if low is None else f" from {low:g}") + ("" if high is None else f" up to {high:g}")


def _bounds(low: float | None, high: float | None) -> dict[str, float]:
    return {name: bound for name, bound in (("minimum", low), ("maximum", high)) if bound is not None}


def _middle(low: float | None, high: float | None) -> float:
    if low is not None and high is not None:
        return float(round((low + high) / 2, 1))
    return next((bound for bound in (low, high) if bound is not None), 1.0)

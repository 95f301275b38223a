"""Shapes of JSON objects and of lists of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from posology.errors import first_few
from serving.problems import RequestError
from serving.shapes.values import Shape


@dataclass(frozen=True)
class Field:
    """One field of an object. One that is not needed may be null or left out."""

    shape: Shape
    about: str = ""
    is_needed: bool = True
    is_shown: bool = True  # in the example


@dataclass(frozen=True)
class Object:
    """An object with these fields and no others."""

    fields: Mapping[str, Field]

    def read(self, value: Any, at: str = "") -> dict[str, Any]:
        """Field → what its shape reads, None where it is absent."""
        if not isinstance(value, dict):
            raise RequestError("expected an object", field=at or None)
        found = {name: _read(one, value.get(name), _inside(at, name)) for name, one in self.fields.items()}
        unknown = sorted(value.keys() - self.fields.keys())
        if unknown:
            names = first_few(list(self.fields), limit=12) or "no fields"
            raise RequestError(f"unknown field; expected {names}", field=_inside(at, unknown[0]))
        return found

    @property
    def schema(self) -> dict[str, Any]:
        """An object that refuses other fields."""
        needed = [name for name, one in self.fields.items() if one.is_needed]
        return {
            "type": "object",
            "properties": {name: _schema(one) for name, one in self.fields.items()},
            **({"required": needed} if needed else {}),
            "additionalProperties": False,
        }

    @property
    def example(self) -> dict[str, Any]:
        """The needed fields and those worth showing."""
        return {name: one.shape.example for name, one in self.fields.items() if one.is_shown}


@dataclass(frozen=True)
class Rows:
    """A list of objects."""

    row: Object
    least: int = 0
    most: int | None = None

    def read(self, value: Any, at: str) -> list[dict[str, Any]]:
        """Every row, read."""
        if not isinstance(value, list):
            raise RequestError("expected a list of objects", field=at)
        if len(value) < self.least or (self.most is not None and len(value) > self.most):
            raise RequestError(f"expected from {self.least} to {self.most} objects", field=at)
        return [self.row.read(item, f"{at}[{number}]") for number, item in enumerate(value)]

    @property
    def schema(self) -> dict[str, Any]:
        """An array of the objects."""
        most = {} if self.most is None else {"maxItems": self.most}
        return {"type": "array", "items": self.row.schema, **({"minItems": self.least} if self.least else {}), **most}

    @property
    def example(self) -> list[dict[str, Any]]:
        """One row."""
        return [self.row.example]


def _read(one: Field, value: Any, at: str) -> Any:
    if value is not None:
        return one.shape.read(value, at)
    if one.is_needed:
        holds = f"; it holds {first_few(list(one.shape.fields), 12)}" if isinstance(one.shape, Object) else ""
        raise RequestError(f"is missing{holds}", field=at)
    return None


def _schema(one: Field) -> dict[str, Any]:
    schema = one.shape.schema if one.is_needed else _or_null(one.shape.schema)
    about = " ".join(text for text in (one.about, schema.get("description", "")) if text)
    return {**schema, "description": about} if about else schema


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    nullable = {**schema, "type": [schema["type"], "null"]}
    return {**nullable, "enum": [*schema["enum"], None]} if "enum" in schema else nullable


def _inside(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name

"""Schemas of what is answered, from the client's dataclasses."""

from typing import Any, Literal

from pydantic import TypeAdapter

from serving.routes import POSTED, TOLD

ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string", "description": "a word for programs"},
                "message": {"type": "string", "description": "for people; never a patient's data"},
                "field": {"type": "string", "description": "at fault, for example context.sleep_hours"},
            },
            "required": ["code", "message"],
            "additionalProperties": False,
        }
    },
    "required": ["error"],
    "additionalProperties": False,
}


def answer_schemas(place: str) -> dict[str, Any]:
    """Name → schema of every answer and of what stands in it; ``place`` begins a reference."""
    kinds = dict.fromkeys(route.answer for route in (*POSTED, *TOLD))
    inputs: list[tuple[Any, Literal["serialization"], TypeAdapter[Any]]] = [
        (kind.__name__, "serialization", TypeAdapter(kind)) for kind in kinds
    ]
    _, found = TypeAdapter.json_schemas(inputs, ref_template=place + "{model}")
    schemas: dict[str, Any] = found["$defs"]
    return schemas

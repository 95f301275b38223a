"""Shapes of JSON: one value that reads a body, field by field, and says what it expects as JSON Schema."""

from serving.shapes.bodies import Bodies, bodies_of
from serving.shapes.objects import Field, Object, Rows
from serving.shapes.values import Number, OneOf, Shape, Text, Texts, Time, Whole, YesNo, read_time

__all__ = [
    "Bodies",
    "Field",
    "Number",
    "Object",
    "OneOf",
    "Rows",
    "Shape",
    "Text",
    "Texts",
    "Time",
    "Whole",
    "YesNo",
    "bodies_of",
    "read_time",
]

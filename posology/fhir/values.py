"""Values of a table as FHIR holds them, and back, none changed.

A value goes into the FHIR type made for it. What that type may not hold (an
empty or troubled text, NaN, a category that is no code) goes as an Attachment
of its JSON, so that reading gives the same value bit for bit.
"""

import json
import math
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from posology.fhir.codes import ABSENT, NOT_FINITE, VALUE
from posology.therapy import Column

TROUBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
VISIBLE = re.compile(r"[ \t\r\n\S]")
CODE = re.compile(r"[^\s\x00-\x1f\x7f]+( [^\s\x00-\x1f\x7f]+)*")
Json = dict[str, Any]


class Unmapped(Exception):
    """Why something could not be mapped; it names no value of a patient."""


def encode(value: Any, column: Column, system: str) -> Json:
    """``{"valueDecimal": 3.0}`` and the like, for an answer or an extension.

    Args:
        value: not None.
        system: the code system of the column's categories.
    """
    if column.kind == "number" and math.isfinite(value):
        return {"valueDecimal": value}
    if column.kind == "boolean":
        return {"valueBoolean": value}
    if column.kind == "category" and is_code(value):
        return {"valueCoding": {"system": system, "code": value}}
    if column.kind in {"embedding", "series"}:
        return {"valueString": list_text(value)}
    if column.kind in {"text", "image"} and is_plain(value):
        return {"valueString": value}
    return _attached(value)


def decode(element: Json, column: Column) -> Any:
    """The value of an answer or an extension; Unmapped when it does not fit the column's kind."""
    if "valueAttachment" in element:
        return _checked(_detached(element["valueAttachment"]), column)
    if column.kind in {"embedding", "series"}:
        return text_list(element.get("valueString", ""), of_numbers=True)
    candidates = {
        "number": (element.get("valueDecimal"), element.get("valueInteger"), _part(element, "valueQuantity", "value")),
        "boolean": (element.get("valueBoolean"),),
        "category": (_part(element, "valueCoding", "code"), element.get("valueCode"), element.get("valueString")),
    }.get(column.kind, (element.get("valueString"), element.get("valueUri")))
    return _checked(next((value for value in candidates if value is not None), None), column)


def is_plain(text: str) -> bool:
    """Whether FHIR's string may hold the text: not empty, no control characters."""
    return VISIBLE.search(text) is not None and TROUBLE.search(text) is None


def is_code(text: str) -> bool:
    """Whether FHIR's code may hold the text: words with single spaces between."""
    return CODE.fullmatch(text) is not None


def primitive(name: str, value: str | None, *, fits: Callable[[str], bool] = is_plain) -> Json:
    """A text under ``name``, else under ``_name`` as FHIR extends primitives; None says that it is not known."""
    if value is None:
        return {f"_{name}": {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}}
    return {name: value} if fits(value) else {f"_{name}": {"extension": [{"url": VALUE, **_attached(value)}]}}


def primitive_text(element: Json, name: str) -> str | None:
    """What ``primitive`` wrote; Unmapped when there is neither a value nor a word about its absence."""
    if name in element:
        return str(element[name])
    for extension in element.get(f"_{name}", {}).get("extension", ()):
        if extension["url"] == VALUE and "valueAttachment" in extension:
            return str(_detached(extension["valueAttachment"]))
        if extension["url"] == ABSENT:
            return None
    raise Unmapped(f"{name} is missing")


def primitive_time(element: Json, name: str) -> datetime | None:
    """A FHIR dateTime or instant in UTC; Unmapped when it is missing or only a date."""
    text = primitive_text(element, name)
    if text is None:
        return None
    if "T" not in text:
        raise Unmapped(f"{name} is a date without a time of day")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unmapped(f"{name} is not a time in the years 1 to 9999") from error


def list_text(items: list[Any]) -> str:
    """A list as JSON text, NaN and infinities as texts."""
    return json.dumps([_json_item(item) for item in items], ensure_ascii=False)


def text_list(text: str, *, of_numbers: bool) -> list[Any]:
    """What ``list_text`` wrote; Unmapped when it is not such a list."""
    try:
        items = json.loads(text)
        kinds = (int, float, str) if of_numbers else (str,)
        if not isinstance(items, list) or not all(item is None or isinstance(item, kinds) for item in items):
            raise ValueError
        return [float(item) if of_numbers and item is not None else item for item in items]
    except (ValueError, OverflowError, RecursionError) as error:
        raise Unmapped("its answer is not a list in JSON") from error


def _json_item(item: Any) -> Any:
    return str(item) if isinstance(item, float) and not math.isfinite(item) else item


def _attached(value: Any) -> Json:
    data = b64encode(json.dumps(_json_item(value)).encode()).decode()
    return {"valueAttachment": {"contentType": "application/json", "data": data}}


def _detached(attachment: Json) -> Any:
    if attachment.get("contentType") != "application/json" or "data" not in attachment:
        raise Unmapped("an attachment is not JSON")
    try:
        return json.loads(b64decode(attachment["data"], validate=True))
    except (ValueError, RecursionError) as error:
        raise Unmapped("an attachment is not JSON") from error


def as_float(number: float) -> float:
    """A JSON number, which may have any number of digits."""
    try:
        return float(number)
    except OverflowError:
        raise Unmapped("a number beyond any that can be kept") from None


def _part(element: Json, name: str, part: str) -> Any:
    return element.get(name, {}).get(part)


def _checked(value: Any, column: Column) -> Any:
    is_text = isinstance(value, str)
    if column.kind == "boolean" and isinstance(value, bool):
        return value
    if column.kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        return as_float(value)
    if column.kind == "number" and is_text and value in NOT_FINITE:
        return float(value)
    if column.kind in {"text", "image", "category"} and is_text:
        return value
    raise Unmapped(f"its answer is not of kind {column.kind}")

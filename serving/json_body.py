"""One JSON object from the bytes of a body, or an error that repeats none of it."""

import json
import math
from collections.abc import Iterator
from typing import Any

from serving.problems import RequestError

LARGEST_INTEGER = 2**63 - 1


def read_json(body: bytes) -> dict[str, Any]:
    """The object in the body.

    Raises:
        RequestError: (400) not JSON, not one object, a key twice, a number
            that is not finite or too large, text a database cannot hold.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_small,
            object_pairs_hook=_unique_keys,
        )
        if b"\\u" in body and not all(_is_storable(text) for text in _texts(value)):  # else UTF-8 has none
            raise _unreadable("text must be Unicode without NUL or lone surrogates")
    except UnicodeDecodeError as error:
        raise _unreadable("expected UTF-8") from error
    except json.JSONDecodeError as error:
        raise _unreadable(f"expected JSON; it breaks at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _unreadable("nested too deeply") from None
    if not isinstance(value, dict):
        raise _unreadable("expected one JSON object")
    return value


def _unreadable(message: str) -> RequestError:
    return RequestError(message, status=400)


def _refuse_constant(_: str) -> float:
    raise _unreadable("NaN and Infinity are not JSON; leave a missing value out or send null")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _unreadable("a number is too large")
    return number


def _small(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > LARGEST_INTEGER:
        raise _unreadable("a number is too large")
    return int(text)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _unreadable("a key stands twice")
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
